"""What a run shows at the end of an epoch, and of itself."""

import math
from typing import Any

from pix2pix_jax.checkpoints import BEST_METRIC
from pix2pix_jax.devices import peak_resident_gigabytes
from pix2pix_jax.evaluation import Scores, evaluate, sample_grid
from pix2pix_jax.inference import Generator
from pix2pix_jax.progress import NonFiniteError, Progress
from pix2pix_jax.run import Run
from pix2pix_jax.train_state import TrainState
from pix2pix_jax.writers import Writer


def eval_options(run: Run) -> dict[str, int]:
    """Return the keyword arguments that all evaluations share."""
    options, workers = run.config.eval, run.config.data.workers
    return {"batch_size": options.batch_size, "max_images": options.max_images, "workers": workers}


def show_and_evaluate(run: Run, state: TrainState, step: int, writer: Writer) -> Scores:
    """Draw the validation grid and score the generator on the validation pairs."""
    config = run.config
    variables = {"params": state.g_ema or state.g_params, "batch_stats": state.g_batch_stats}
    size, channels = run.val_pairs.size, config.data.source_channels
    generator = Generator(run.generator, variables, size, channels, config.seed, step)
    grid = sample_grid(
        generator,
        run.val_pairs,
        config.log.grid_images,
        mode=config.eval.mode,
        batch_size=config.eval.batch_size,
    )
    epochs = epochs_done(run, step)
    name = f"epoch_{epochs:04d}" if isinstance(epochs, int) else f"step_{step:08d}"
    writer.image(step, name, grid)
    scores = evaluate(generator, run.val_pairs, mode=config.eval.mode, **eval_options(run))
    if not all(map(math.isfinite, scores.values())):
        raise NonFiniteError(
            f"step {step}: the generator's output is not finite. Nothing was saved since the last "
            "checkpoint; lower optimizer.learning_rate"
        )
    return scores


def epochs_done(run: Run, step: int) -> int | float:
    """Return how many epochs `step` steps are; whole ones as a whole number."""
    timeline = run.timeline
    since = (step - timeline.first_step) / timeline.steps_per_epoch
    epochs = timeline.first_epoch + since
    return int(epochs) if epochs == int(epochs) else round(epochs, 4)


def position(run: Run, step: int) -> Scores:
    """Return epoch and learning rate, as metrics.csv has them."""
    rate = float(run.schedule(step - 1))
    return {"epoch": float(epochs_done(run, step)), "learning_rate": rate}


def log_epoch(run: Run, step: int, writer: Writer, progress: Progress, scores: Scores) -> None:
    """Write the epoch's row, and print its line."""
    losses, speed = progress.epoch(), progress.images_per_second
    named = {f"val_{name}": value for name, value in scores.items()}
    writer.scalars(
        step,
        {**position(run, step), **progress.row(), **named, "images_per_second": speed},
    )
    shown = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
    progress.say(
        f"epoch {epochs_done(run, step)}/{run.epochs}: {shown}; "
        f"val l1 {scores['l1']:.4f}, psnr {scores['psnr']:.2f} dB; {speed:.1f} img/s"
    )


def save_is_due(run: Run, step: int) -> bool:
    """Return whether a checkpoint is due at this end of an epoch or of the run."""
    return step == run.stop or epochs_done(run, step) % run.config.checkpoint.every_epochs == 0


def checkpoint_metrics(run: Run, step: int, scores: Scores) -> Scores:
    """Return what decides which checkpoints are kept."""
    # A changed run's scores are not those of the run before.
    part = float(run.timeline.first_step)
    return {BEST_METRIC: scores["l1"], "epoch": float(epochs_done(run, step)), "part": part}


def summarise(
    run: Run, step: int, progress: Progress, scores: Scores, baselines: Scores
) -> dict[str, Any]:
    """Return what `summary.json` says; speed and memory are those since this start."""
    return {
        "steps": step,
        "epochs": epochs_done(run, step),
        "images_per_second": round(progress.images_per_second, 2),
        "peak_resident_gigabytes": round(peak_resident_gigabytes(), 2),
        "val": scores,
        "baseline": baselines,
    }


def last_line(run: Run, summary: dict[str, Any]) -> str:
    """Return the line that a run ends with."""
    return (
        f"done: {summary['epochs']} epochs in {summary['seconds']:.0f} s; val l1 "
        f"{summary['val']['l1']:.4f} (mean target {summary['baseline']['mean_target_l1']:.4f}); "
        f"see {run.workdir / 'samples'}"
    )
