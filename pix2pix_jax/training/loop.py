"""The training loop and nothing else.

`train_and_evaluate` is the door, `_train` the loop. How steps are computed is in `step`, how their
pairs arrive in `feeding`, when the loop halts in `halts`, what it then does in `epoch_end`.
"""

import dataclasses
import functools
import itertools
import logging
import pathlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
from ml_collections import ConfigDict

from pix2pix_jax.core.config_files import from_values
from pix2pix_jax.core.devices import (
    enable_compilation_cache,
    out_of_memory_as,
    release_free_memory,
)
from pix2pix_jax.core.errors import InputError, NonFiniteError
from pix2pix_jax.core.files import read_json_object, write_json
from pix2pix_jax.core.processes import Agreement, is_main
from pix2pix_jax.core.signals import StopRequest
from pix2pix_jax.evaluation.tally import Scores
from pix2pix_jax.reports.run_page import write_report
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.lock import RunLock
from pix2pix_jax.runs.writers import build_writers
from pix2pix_jax.training.callbacks import Callback, CallbackError, Callbacks
from pix2pix_jax.training.epoch_end import (
    baseline_scores,
    checkpoint_metrics,
    last_line,
    log_halt,
    log_row,
    show_and_evaluate,
    show_test_pairs,
    show_training_pairs,
    summarise,
)
from pix2pix_jax.training.feeding import Call, build_feed
from pix2pix_jax.training.plateaus import Plateaus
from pix2pix_jax.training.progress import Progress, Trace
from pix2pix_jax.training.result import Result
from pix2pix_jax.training.run import Run, prepare_run
from pix2pix_jax.training.saving import (
    first_state,
    open_checkpoints,
    rescue,
    save_planned,
    save_stopped,
    write_start,
)
from pix2pix_jax.training.start_lines import start_lines
from pix2pix_jax.training.state import TrainState
from pix2pix_jax.training.timing import Stopwatch
from pix2pix_jax.training.watching import WatchingWriter

logger = logging.getLogger(__name__)

_LESS_MEMORY = (
    "lower train.batch_size, data.image_size or model.base_features, or set model.dtype=bfloat16, "
    "model.remat=True or train.accumulate"
)


def train_and_evaluate(
    config: ConfigDict,
    workdir: str | pathlib.Path,
    *,
    allow_change: bool = False,
    profile: bool = False,
    command: str = "",
    trust_code: bool = False,
    on_step: Callback | None = None,
    on_epoch: Callback | None = None,
) -> Result:
    """Train from the newest checkpoint in `workdir`, or from the start, to the end of the config.

    Args:
        config: As from `default_config` or a config file.
        workdir: The run's folder, created if missing: checkpoints, samples, metrics, summary.
        allow_change: Whether an earlier run may go on with another batch, seed or data set.
        profile: Whether a `jax.profiler` trace of ten steps is written to `workdir/profile`.
        command: Command line, for the record.
        trust_code: Whether own code that is kept in the folder may run if its file is gone.
        on_step: Called as `on_step(step, losses)`, see `callbacks.Callbacks`.
        on_epoch: Called as `on_epoch(step, values)`. What a callback raises ends the run, after its
            state is saved; the next call goes on from there.

    Returns:
        How the run ended, with its scores and its files. On SIGTERM, SIGINT or SIGHUP it finishes
        its call, saves and returns; before its first step, these signals do what they do elsewhere
        in the program.

    Raises:
        InputError: The config, the data, the workdir or a callback is wrong, the device's memory is
            too small, or a loss is not finite.
    """
    started = time.monotonic()
    callbacks = Callbacks(on_step, on_epoch)
    config = from_values(config)
    enable_compilation_cache(config.compilation_cache)
    folder = RunFolder(workdir)
    with RunLock(folder.lock_file) as lock:
        if is_main() and folder.path.is_dir():
            lock.take()
        # The order is important: nothing is written before the run is known to be possible.
        run = prepare_run(config, workdir, allow_change=allow_change, trust_code=trust_code)
        run = dataclasses.replace(run, callbacks=callbacks)
        folder, done, plateaus = run.folder, run.first_step, Plateaus(run)
        ended = plateaus.end_at(done)
        if (done >= run.halts.stop or ended) and folder.summary_file.exists():
            raised = "steps" if config.train.steps else "epochs"  # the epochs follow from the steps
            way = "set train.stop_when=''" if ended else f"raise train.{raised}"
            logger.info("%s: complete at step %d; %s to go on", folder, done, way)
            return Result(done, read_json_object(folder.summary_file), folder)
        if is_main():
            write_start(run, lock, command)
        for line in start_lines(run):
            logger.info("%s", line)
        try:
            result = _train_in_folder(run, plateaus, profile=profile)
        except CallbackError as error:
            raise error.__cause__ or error from None
        if result.stopped_by is None and is_main():
            result.summary["seconds"] = round(time.monotonic() - started, 1)
            write_json(folder.summary_file, result.summary)
            if run.config.log.report:
                write_report(folder.path)
            logger.info(last_line(run, result.summary))
        return result


def _train_in_folder(run: Run, plateaus: Plateaus, *, profile: bool) -> Result:
    """Open what the run writes to, and take its steps."""
    writers = build_writers(run.folder, run.last_row, run.given)
    writer = WatchingWriter(run, writers, plateaus)
    try:
        with (
            out_of_memory_as(_LESS_MEMORY),
            StopRequest() as stop,
            open_checkpoints(run) as checkpoints,
        ):
            return _train(run, checkpoints, writer, stop, profile=profile)
    finally:
        writer.close()


class _Stopped(Exception):  # noqa: N818  it is no error
    """A run was asked to stop."""


def _train(
    run: Run, checkpoints: Checkpoints, writer: WatchingWriter, stop: StopRequest, *, profile: bool
) -> Result:
    """Take the run's steps, with everything that happens between them."""
    state, step = first_state(run, checkpoints, writer.plateaus.rate_factor), run.first_step
    baselines, progress, last = baseline_scores(run), Progress(run), run.halts.stop
    scores = _before_the_steps(run, checkpoints, writer, state, progress)

    # Compiled after the first evaluation, so that the two do not need memory at the same time.
    trace = Trace(run.folder.profile if profile else None, step, last)
    state, last = writer.plateaus.steer(state), writer.plateaus.last_step(step)
    call, calls = _compile(run, state, trace, last)
    agreement, stopping = Agreement(), False
    stop.listen()  # before this there is nothing to save, and a signal ends the program
    try:
        while step < last and not stopping:
            state = writer.plateaus.steer(state)
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
                    state, metrics = call(state, count, arguments)
                step += count
                progress.add(step, count, metrics)
                if step == begin + count:
                    release_free_memory()  # left by the first call
                trace.after(step, state)
                if run.halts.row_is_due(step) and step < end:
                    log_row(run, step, writer, progress)

            # ---------------------------------------------------------------------------- the halt
            # First wait for the losses: a state is used only once it is known to be finite.
            progress.pause()
            release_free_memory()  # left by the steps
            if step == end:
                heed = functools.partial(_heed, agreement, stop)
                scores = _halt(run, checkpoints, writer, state, step, progress, heed)
                last = writer.plateaus.last_step(step)
        if step < last:
            raise _Stopped
        show_test_pairs(run, state, step)
        checkpoints.wait()
    except _Stopped:
        by = stop.signal or signal.SIGTERM
        save_stopped(run, checkpoints, state, step, progress, by.name)
        return Result(step, {}, run.folder, by)
    except NonFiniteError:
        raise
    except (InputError, OSError, CallbackError) as error:
        rescue(run, checkpoints, state, step, progress, error)
        raise
    finally:
        trace.close()
        progress.close()
    return Result(step, summarise(run, step, progress, scores, baselines), run.folder)


def _before_the_steps(
    run: Run,
    checkpoints: Checkpoints,
    writer: WatchingWriter,
    state: TrainState,
    progress: Progress,
) -> Scores:
    """Do what a stopped run still owes; or the first or last evaluation, if it is at that step."""
    step, owed = run.first_step, run.unfinished.get("owed")
    if step == 0:
        show_training_pairs(run)
    if owed == "halt":
        return _halt(run, checkpoints, writer, state, step, progress)
    if owed == "row":
        log_row(run, step, writer, progress)
    due = step == 0 or step >= writer.plateaus.last_step(step)
    return show_and_evaluate(run, state, step, writer) if due else {}


def _heed(agreement: Agreement, stop: StopRequest) -> None:
    """Raise _Stopped if this process, or another one, was asked to stop."""
    if agreement.reached(stop.signal is not None):
        raise _Stopped


def _halt(
    run: Run,
    checkpoints: Checkpoints,
    writer: WatchingWriter,
    state: TrainState,
    step: int,
    progress: Progress,
    between: Callable[[], None] = lambda: None,
) -> Scores:
    """Evaluate, log and save what is due after a step; `between` is called between batches.

    The order is important: a checkpoint is kept or deleted by its scores.
    """
    due = run.halts.evaluation_is_due(step)
    with progress.owing("halt"):
        scores = show_and_evaluate(run, state, step, writer, between) if due else {}
        row = log_halt(run, step, writer, progress, scores)
        writer.plateaus.agree()
        if run.halts.save_is_due(step) or writer.plateaus.end_at(step):
            save_planned(run, checkpoints, state, step, checkpoint_metrics(run, step, scores))
        if due and run.config.log.report and is_main():
            write_report(run.folder.path)
    run.callbacks.epoch(step, row)
    return scores


def _compile(run: Run, state: TrainState, trace: Trace, last: int) -> tuple[Any, Iterator[Call]]:
    """Compile the step, and return it with all its calls; there are none if the run is complete."""
    if run.first_step >= last:
        return None, iter(())
    feed = build_feed(run)
    calls = feed.calls(
        run.first_step,
        run.halts.stop,
        lambda step: min(run.halts.end_of_call(step), trace.end_of_call(step)),
    )
    first = next(calls)
    logger.info("compiling the training step ...")
    stopwatch = Stopwatch()
    compiled = feed.compile(state, first[1])
    logger.info("compiled in %s", stopwatch)
    return compiled, itertools.chain([first], calls)
