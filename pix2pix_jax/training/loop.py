"""The training loop and nothing else."""

import dataclasses
import itertools
import pathlib
import signal
import time
from collections.abc import Iterator
from typing import Any

import jax
from ml_collections import ConfigDict

from pix2pix_jax.core.devices import enable_compilation_cache, release_free_memory
from pix2pix_jax.core.errors import InputError, NonFiniteError
from pix2pix_jax.core.files import write_json
from pix2pix_jax.core.interruption import StopRequest
from pix2pix_jax.core.placement import hold
from pix2pix_jax.core.processes import Agreement, is_main
from pix2pix_jax.evaluation.scoring import Scores, evaluate_baselines
from pix2pix_jax.reports.run_page import write_report
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import record_start
from pix2pix_jax.runs.writers import Writer, build_writers
from pix2pix_jax.training.calls import CallStep
from pix2pix_jax.training.epoch_end import (
    checkpoint_metrics,
    end_of_call,
    eval_options,
    evaluation_is_due,
    last_line,
    log_halt,
    next_halt,
    position,
    save_is_due,
    show_and_evaluate,
    show_test_pairs,
    show_training_pairs,
    summarise,
)
from pix2pix_jax.training.feeding import Call, build_feed
from pix2pix_jax.training.progress import Progress, Trace
from pix2pix_jax.training.run import Run, prepare_run
from pix2pix_jax.training.start import with_networks_of
from pix2pix_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        step: Number of steps taken.
        summary: What `summary.json` says; empty where the run was stopped before its end.
        stopped_by: Signal that stopped it; None where it came to its end.
    """

    step: int
    summary: dict[str, Any]
    stopped_by: signal.Signals | None = None


def train_and_evaluate(
    config: ConfigDict,
    workdir: str | pathlib.Path,
    *,
    allow_change: bool = False,
    profile: bool = False,
    command: str = "",
) -> Result:
    """Train from the newest checkpoint in `workdir`, or from the start, to the end of the config.

    Args:
        config: As from `default_config` or a config file.
        workdir: The run's folder, made where missing: checkpoints, samples, metrics, summary.
        allow_change: Whether an earlier run may go on with another batch, seed or data set.
        profile: Whether a `jax.profiler` trace of ten steps is written to `workdir/profile`.
        command: Command line, for the record.

    Returns:
        How the run ended. On SIGTERM or SIGINT it finishes the step, saves and returns.

    Raises:
        InputError: Config, data or workdir are wrong, the device's memory is too small, or a loss
            is not finite.
    """
    started = time.monotonic()
    enable_compilation_cache(config.compilation_cache)
    run = prepare_run(config, pathlib.Path(workdir), allow_change=allow_change)
    summary_file = run.workdir / "summary.json"
    if run.first_step >= run.stop and summary_file.exists():
        print(f"{run.workdir}: complete at step {run.first_step}; raise train.epochs to go on")
        return Result(run.first_step, {})
    if is_main():
        record_start(run.workdir, config, first_step=run.first_step, command=command)
        summary_file.unlink(missing_ok=True)
    keep = {"keep": config.checkpoint.keep, "keep_period": config.checkpoint.keep_period_epochs}
    writer = build_writers(run.workdir, run.first_step, config)
    try:
        with StopRequest() as stop, Checkpoints(run.workdir, **keep) as checkpoints:
            result = _train(run, checkpoints, writer, stop, profile=profile)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(
            "out of device memory: lower train.batch_size, data.image_size or "
            "model.base_features, or set model.dtype=bfloat16, model.remat=True or train.accumulate"
        ) from error
    finally:
        writer.close()
    if result.stopped_by is None and is_main():
        result.summary["seconds"] = round(time.monotonic() - started, 1)
        write_json(summary_file, result.summary)
        if config.log.report:
            write_report(run.workdir)
        print(last_line(run, result.summary))
    return result


def _train(
    run: Run, checkpoints: Checkpoints, writer: Writer, stop: StopRequest, *, profile: bool
) -> Result:
    """Take the run's steps, with all that happens between them."""
    state, step = _first_state(run, checkpoints), run.first_step
    baselines = evaluate_baselines(run.splits.train, run.splits.val, **eval_options(run))
    scores: Scores = {}
    if step == 0:
        show_training_pairs(run)
    if step == 0 or step >= run.stop:
        scores = show_and_evaluate(run, state, step, writer)
    trace = Trace(run.workdir / "profile" if profile else None, step, run.stop)
    call: CallStep = None
    calls: Iterator[Call] = iter(())
    if step < run.stop:
        call, calls = _compile(run, state, trace)
    agreement, stopping = Agreement(), False
    progress = Progress(step, run.stop, run.timeline.global_batch, lambda done: _names(run, done))
    try:
        while step < run.stop and not stopping:
            begin, end = step, next_halt(run, step)
            release_free_memory()  # what an evaluation or a save has left
            progress.start()
            while step < end and not (stopping := agreement.reached(stop.signal is not None)):
                count, arguments = progress.wait_for(calls)
                trace.before(step)
                state, metrics = call(state, arguments)
                step += count
                progress.add(step, count, metrics)
                if step == begin + count:
                    release_free_memory()  # the first call's, between new small blocks
                trace.after(step, state)
                if step % run.config.log.every_steps == 0 and step < end:
                    writer.scalars(step, {**position(run, step), **progress.row()})
            progress.pause()
            release_free_memory()  # what the steps have left
            if step == end:
                scores = _halt(run, checkpoints, writer, state, step, progress)
        if step < run.stop:
            return _stopped(run, checkpoints, state, step, stop, progress)
        show_test_pairs(run, state, step)
        checkpoints.wait()
    except NonFiniteError:
        raise
    except (InputError, OSError) as error:
        _rescue(run, checkpoints, state, step, progress, error)
        raise
    finally:
        trace.close()
        progress.close()
    return Result(step, summarise(run, step, progress, scores, baselines))


def _halt(
    run: Run,
    checkpoints: Checkpoints,
    writer: Writer,
    state: TrainState,
    step: int,
    progress: Progress,
) -> Scores:
    """Evaluate, log and save what is due after a step."""
    due = evaluation_is_due(run, step)
    scores = show_and_evaluate(run, state, step, writer) if due else {}
    log_halt(run, step, writer, progress, scores)
    if save_is_due(run, step):
        checkpoints.save(state, run.meta(), checkpoint_metrics(run, step, scores))
    if due and run.config.log.report and is_main():
        write_report(run.workdir)
    return scores


def _stopped(
    run: Run,
    checkpoints: Checkpoints,
    state: TrainState,
    step: int,
    stop: StopRequest,
    progress: Progress,
) -> Result:
    """Save what has been learnt when asked to stop; perhaps it was another process that was."""
    by = stop.signal or signal.SIGTERM
    if step == 0:
        progress.say(f"{by.name}: no step was taken, nothing is saved")
        return Result(step, {}, by)
    progress.say(f"{by.name}: saving step {step} ...")
    checkpoints.save(state, run.meta(), None)
    checkpoints.wait()
    progress.say(f"saved step {step} in {run.workdir}; the same command goes on from there")
    return Result(step, {}, by)


def _rescue(
    run: Run,
    checkpoints: Checkpoints,
    state: TrainState,
    step: int,
    progress: Progress,
    error: Exception,
) -> None:
    """Save what has been learnt before a file or the disk ends the run by `error`."""
    if step == run.first_step or jax.process_count() > 1:  # the others are not here to save with
        return
    try:
        progress.flush()
        checkpoints.save(state, run.meta(), None)
        checkpoints.wait()
    except (InputError, OSError) as second:
        error.add_note(f"step {step} could not be saved either: {second}")


def _first_state(run: Run, checkpoints: Checkpoints) -> TrainState:
    """Restore the newest checkpoint, or create the state of step 0."""
    if run.first_step == 0:
        state = run.create_state()
        if run.config.train.init_from:
            state = with_networks_of(state, run.config)
        return hold(state)
    state = checkpoints.restore(run.first_step, jax.eval_shape(run.create_state))
    epoch = run.timeline.epoch(run.first_step)
    print(
        f"{run.workdir}: goes on from step {run.first_step} (epoch {epoch + 1} of {run.epochs}) "
        f"at a learning rate of {float(run.schedule(run.first_step)):.3g}"
    )
    # A seed that was changed, with --allow-change, holds from here on.
    return hold(state.replace(rng=jax.random.key(run.config.seed)))


def _compile(run: Run, state: TrainState, trace: Trace) -> tuple[CallStep, Iterator[Call]]:
    """Compile the step for the first call, and return it with all calls."""
    feed = build_feed(run)
    calls = feed.calls(
        run.first_step, run.stop, lambda step: min(end_of_call(run, step), trace.end_of_call(step))
    )
    first = next(calls)
    return feed.compile(state, first[1]), itertools.chain([first], calls)


def _names(run: Run, step: int) -> list[str]:
    """Return the names of the pairs that the step of number `step`, counted from 1, has seen."""
    return [run.splits.train.names[index] for index in run.timeline.indices(step - 1)]
