"""What a run saves, and what it goes on from."""

import logging

import jax

from pix2pix_jax.core.devices import hold, on_cpu
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.runs.checkpoint_files import set_aside, steps_in
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.lock import RunLock
from pix2pix_jax.training.perceptual import with_weights
from pix2pix_jax.training.progress import Progress
from pix2pix_jax.training.run import Run
from pix2pix_jax.training.start import with_networks_of
from pix2pix_jax.training.state import TrainState
from pix2pix_jax.training.timing import Stopwatch

logger = logging.getLogger(__name__)


def write_start(run: Run, lock: RunLock, command: str) -> None:
    """Write the first files of a start: only now is the run known to be possible.

    Args:
        run: The run.
        lock: The lock of its folder.
        command: Command line, for the record.

    Raises:
        InputError: Another process trains there, or has done so meanwhile.
    """
    folder = run.folder
    folder.path.mkdir(parents=True, exist_ok=True)
    lock.take()
    if not run.first_step and steps_in(folder.checkpoints):
        raise InputError(f"{folder}: another process has trained there meanwhile; start again")
    folder.sweep()
    folder.record_start(run.given, first_step=run.first_step, command=command)
    folder.summary_file.unlink(missing_ok=True)


def open_checkpoints(run: Run) -> Checkpoints:
    """Open a run's checkpoints. Those after the one it goes on from are damaged: kept aside."""
    options, folder = run.config.checkpoint, run.folder
    # Before any is opened, as they would count among those that are kept.
    set_aside(folder.checkpoints, run.first_step, folder.damaged)
    return Checkpoints(folder.path, keep=options.keep, keep_period=options.keep_period_epochs)


def first_state(run: Run, checkpoints: Checkpoints, rate_factor: float) -> TrainState:
    """Restore the newest checkpoint, or create the state of step 0.

    Args:
        run: The run.
        checkpoints: Its checkpoints.
        rate_factor: Factor of its learning rates, for the log.
    """
    init_from = run.config.train.init_from
    if run.first_step == 0:
        state = run.create_state()
        if init_from:
            other = RunFolder(init_from, trust_code=run.folder.code.trusts)
            state = with_networks_of(state, other, run.networks)
        return hold(with_weights(state, run.perceptual))
    abstract = jax.eval_shape(run.create_state).items()
    state = TrainState.from_items(checkpoints.restore(run.first_step, abstract))
    logger.info(
        "%s: goes on from step %d (epoch %d of %d) at a learning rate of %.3g",
        run.folder,
        run.first_step,
        run.timeline.epoch(run.first_step) + 1,
        run.halts.epochs,
        float(run.schedule(run.first_step)) * rate_factor,
    )
    # A seed that was changed with --allow_change holds from here on.
    state = state.replace(rng=jax.random.key(run.config.seed))
    return hold(with_weights(state, run.perceptual))


def save_planned(
    run: Run, checkpoints: Checkpoints, state: TrainState, step: int, metrics: dict[str, float]
) -> None:
    """Save a checkpoint that is due, and say how long the run waited for it.

    Args:
        run: The run.
        checkpoints: Its checkpoints.
        state: Its state.
        step: Number of steps taken.
        metrics: Values by which checkpoints are kept or deleted.
    """
    stopwatch = Stopwatch()
    checkpoints.save(step, state.items(), run.meta(), metrics)
    if on_cpu():  # the write would take the steps' cores; and its failure is known at once
        checkpoints.wait()
    logger.info("step %d: checkpoint, %s", step, stopwatch)


def save_unplanned(
    run: Run, checkpoints: Checkpoints, state: TrainState, step: int, progress: Progress
) -> None:
    """Save a state between the planned checkpoints, with what the run has not written yet."""
    meta = {**run.meta(), "unfinished": progress.unfinished()}
    checkpoints.save(step, state.items(), meta, None, planned=False)
    checkpoints.wait()


def save_stopped(
    run: Run,
    checkpoints: Checkpoints,
    state: TrainState,
    step: int,
    progress: Progress,
    by: str,
) -> None:
    """Save the state when this process, or another one, was asked to stop.

    Args:
        run: The run.
        checkpoints: Its checkpoints.
        state: Its state.
        step: Number of steps taken; without any, nothing is saved.
        progress: Its progress.
        by: Name of the signal.
    """
    if step == 0:
        logger.info("%s: no step was taken, nothing is saved", by)
        return
    logger.info("%s: saving step %d ...", by, step)
    save_unplanned(run, checkpoints, state, step, progress)
    logger.info("saved step %d in %s; the same command goes on from there", step, run.folder)


def rescue(
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
        save_unplanned(run, checkpoints, state, step, progress)
    except (InputError, OSError) as second:
        error.add_note(f"step {step} could not be saved either: {second}")
