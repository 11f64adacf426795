"""The training loop and nothing else.

`train_and_evaluate` is the door, `_train` the loop. How steps are computed is in `step`, how their
pairs arrive in `feeding`, when the loop halts in `halts`, what it then does in `epoch_end`.
"""

import dataclasses
import itertools
import logging
import pathlib
import signal
import time
from collections.abc import Iterator
from typing import Any

import jax
from ml_collections import ConfigDict

from pix2pix_jax.core.config_files import from_values
from pix2pix_jax.core.devices import (
    enable_compilation_cache,
    hold,
    out_of_memory_as,
    release_free_memory,
)
from pix2pix_jax.core.errors import InputError, NonFiniteError
from pix2pix_jax.core.files import write_json
from pix2pix_jax.core.processes import Agreement, is_main
from pix2pix_jax.core.signals import StopRequest
from pix2pix_jax.evaluation.scoring import Scores, evaluate_baselines
from pix2pix_jax.reports.run_page import write_report
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.writers import Writer, build_writers
from pix2pix_jax.training.epoch_end import (
    checkpoint_metrics,
    eval_options,
    last_line,
    log_halt,
    position,
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

logger = logging.getLogger(__name__)

_LESS_MEMORY = (
    "lower train.batch_size, data.image_size or model.base_features, or set model.dtype=bfloat16, "
    "model.remat=True or train.accumulate"
)


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        step: Number of steps taken.
        summary: Content of `summary.json`; empty if the run was stopped before its end.
        stopped_by: Signal that stopped the run; None if it reached its end.
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
    trust_code: bool = False,
) -> Result:
    """Train from the newest checkpoint in `workdir`, or from the start, to the end of the config.

    Args:
        config: As from `default_config` or a config file.
        workdir: The run's folder, created if missing: checkpoints, samples, metrics, summary.
        allow_change: Whether an earlier run may go on with another batch, seed or data set.
        profile: Whether a `jax.profiler` trace of ten steps is written to `workdir/profile`.
        command: Command line, for the record.
        trust_code: Whether own code that is kept in the folder may run if its file is gone.

    Returns:
        How the run ended. On SIGTERM, SIGINT or SIGHUP it finishes its call, saves and returns;
        before its first step, these signals do what they do elsewhere in the program.

    Raises:
        InputError: The config, the data or the workdir is wrong, the device's memory is too small,
            or a loss is not finite.
    """
    # The order is important: nothing is written before the run is known to be possible.
    started = time.monotonic()
    config = from_values(config)
    enable_compilation_cache(config.compilation_cache)
    run = prepare_run(config, workdir, allow_change=allow_change, trust_code=trust_code)
    folder, log = run.folder, run.config.log
    if run.first_step >= run.halts.stop and folder.summary_file.exists():
        logger.info("%s: complete at step %d; raise train.epochs to go on", folder, run.first_step)
        return Result(run.first_step, {})
    if is_main():
        folder.record_start(config, first_step=run.first_step, command=command)
        folder.summary_file.unlink(missing_ok=True)
    writer = build_writers(folder, run.first_step, config)
    try:
        with out_of_memory_as(_LESS_MEMORY), StopRequest() as stop:
            with _open_checkpoints(run) as checkpoints:
                result = _train(run, checkpoints, writer, stop, profile=profile)
    finally:
        writer.close()
    if result.stopped_by is None and is_main():
        result.summary["seconds"] = round(time.monotonic() - started, 1)
        write_json(folder.summary_file, result.summary)
        if log.report:
            write_report(folder.path)
        logger.info(last_line(run, result.summary))
    return result


def _open_checkpoints(run: Run) -> Checkpoints:
    options = run.config.checkpoint
    return Checkpoints(run.folder.path, keep=options.keep, keep_period=options.keep_period_epochs)


def _train(
    run: Run, checkpoints: Checkpoints, writer: Writer, stop: StopRequest, *, profile: bool
) -> Result:
    """Take the run's steps, with everything that happens between them."""
    state, step, last = _first_state(run, checkpoints), run.first_step, run.halts.stop
    baselines = evaluate_baselines(run.splits.train, run.splits.val, **eval_options(run))
    scores: Scores = {}
    if step == 0:
        show_training_pairs(run)
    if step == 0 or step >= last:
        scores = show_and_evaluate(run, state, step, writer)

    # Compiled after the first evaluation, so that the two do not need memory at the same time.
    trace = Trace(run.folder.profile if profile else None, step, last)
    call, calls = _compile(run, state, trace)
    agreement, stopping = Agreement(), False
    stop.listen()  # before this there is nothing to save, and a signal ends the program
    progress = Progress(step, last, run.timeline.global_batch, lambda done: _names(run, done))
    try:
        while step < last and not stopping:
            begin, end = step, run.halts.next_halt(step)
            release_free_memory()  # left by an evaluation or a save
            progress.start()

            # ------------------------------------------------------ the steps up to the next halt
            # Nothing in here waits for the device or copies to it: the arguments of a call were
            # sent before (feeding), and its losses are read two calls later (progress).
            # A stop is agreed on before each call: all processes must make the same calls.
            while step < end and not (stopping := agreement.reached(stop.signal is not None)):
                count, arguments = progress.wait_for(calls)
                trace.before(step)
                mark = jax.profiler.StepTraceAnnotation("train", step_num=step)
                with mark, jax.transfer_guard_host_to_device("disallow"):
                    state, metrics = call(state, arguments)
                step += count
                progress.add(step, count, metrics)
                if step == begin + count:
                    release_free_memory()  # left by the first call
                trace.after(step, state)
                if run.halts.row_is_due(step) and step < end:
                    writer.scalars(step, {**position(run, step), **progress.row()})

            # ---------------------------------------------------------------------------- the halt
            # First wait for the losses: a state is used only once it is known to be finite.
            progress.pause()
            release_free_memory()  # left by the steps
            if step == end:
                scores = _halt(run, checkpoints, writer, state, step, progress)
        if step < last:
            return _stopped(run, checkpoints, state, step, stop)
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
    """Evaluate, log and save what is due after a step.

    The order is important: a checkpoint is kept or deleted by its scores.
    """
    due = run.halts.evaluation_is_due(step)
    scores = show_and_evaluate(run, state, step, writer) if due else {}
    log_halt(run, step, writer, progress, scores)
    if run.halts.save_is_due(step):
        checkpoints.save(step, state.items(), run.meta(), checkpoint_metrics(run, step, scores))
    if due and run.config.log.report and is_main():
        write_report(run.folder.path)
    return scores


def _stopped(
    run: Run,
    checkpoints: Checkpoints,
    state: TrainState,
    step: int,
    stop: StopRequest,
) -> Result:
    """Save the state when this process, or another one, was asked to stop."""
    by = stop.signal or signal.SIGTERM
    if step == 0:
        logger.info("%s: no step was taken, nothing is saved", by.name)
        return Result(step, {}, by)
    logger.info("%s: saving step %d ...", by.name, step)
    checkpoints.save(step, state.items(), run.meta(), None)
    checkpoints.wait()
    logger.info("saved step %d in %s; the same command goes on from there", step, run.folder)
    return Result(step, {}, by)


def _rescue(
    run: Run,
    checkpoints: Checkpoints,
    state: TrainState,
    step: int,
    progress: Progress,
    error: Exception,
) -> None:
    """Save the state before `error`, from a file or the disk, ends the run."""
    if step == run.first_step or jax.process_count() > 1:  # to save needs all processes
        return
    try:
        progress.flush()
        checkpoints.save(step, state.items(), run.meta(), None)
        checkpoints.wait()
    except (InputError, OSError) as second:
        error.add_note(f"step {step} could not be saved either: {second}")


def _first_state(run: Run, checkpoints: Checkpoints) -> TrainState:
    """Restore the newest checkpoint, or create the state of step 0."""
    init_from = run.config.train.init_from
    if run.first_step == 0:
        state = run.create_state()
        if init_from:
            other = RunFolder(init_from, trust_code=run.folder.code.trusts)
            state = with_networks_of(state, other, run.networks)
        return hold(state)
    abstract = jax.eval_shape(run.create_state).items()
    state = TrainState.from_items(checkpoints.restore(run.first_step, abstract))
    logger.info(
        "%s: goes on from step %d (epoch %d of %d) at a learning rate of %.3g",
        run.folder,
        run.first_step,
        run.timeline.epoch(run.first_step) + 1,
        run.halts.epochs,
        float(run.schedule(run.first_step)),
    )
    # A seed that was changed with --allow-change holds from here on.
    return hold(state.replace(rng=jax.random.key(run.config.seed)))


def _compile(run: Run, state: TrainState, trace: Trace) -> tuple[Any, Iterator[Call]]:
    """Compile the step, and return it with all its calls; there are none if the run is complete."""
    if run.first_step >= run.halts.stop:
        return None, iter(())
    feed = build_feed(run)
    calls = feed.calls(
        run.first_step,
        run.halts.stop,
        lambda step: min(run.halts.end_of_call(step), trace.end_of_call(step)),
    )
    first = next(calls)
    return feed.compile(state, first[1]), itertools.chain([first], calls)


def _names(run: Run, step: int) -> list[str]:
    """Return the names of the pairs that a step has seen; steps are counted from 1."""
    return [run.splits.train.names[index] for index in run.timeline.indices(step - 1)]
