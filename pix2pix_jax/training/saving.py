"""What a run saves, and what it goes on from."""

import logging

import jax

from pix2pix_jax.core.devices import hold
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.training.progress import Progress
from pix2pix_jax.training.run import Run
from pix2pix_jax.training.start import with_networks_of
from pix2pix_jax.training.state import TrainState

logger = logging.getLogger(__name__)


def open_checkpoints(run: Run) -> Checkpoints:
    """Open a run's checkpoints. Those after the one it goes on from are damaged: kept aside."""
    options, folder = run.config.checkpoint, run.folder
    found = Checkpoints(folder.path, keep=options.keep, keep_period=options.keep_period_epochs)
    found.set_aside(run.first_step, folder.damaged)
    return found


def first_state(run: Run, checkpoints: Checkpoints) -> TrainState:
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
    # A seed that was changed with --allow_change holds from here on.
    return hold(state.replace(rng=jax.random.key(run.config.seed)))


def save_unplanned(
    run: Run, checkpoints: Checkpoints, state: TrainState, step: int, progress: Progress
) -> None:
    """Save a state between the planned checkpoints, with what the run has not written yet."""
    meta = {**run.meta(), "unfinished": progress.unfinished()}
    checkpoints.save(step, state.items(), meta, None, planned=False)
    checkpoints.wait()


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
