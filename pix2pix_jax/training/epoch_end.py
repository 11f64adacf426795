"""What a run does when it halts: scores, pictures, the row of the table, the summary."""

import logging
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from pix2pix_jax.core.devices import held_here, peak_resident_gigabytes
from pix2pix_jax.core.errors import NonFiniteError, counted
from pix2pix_jax.core.processes import is_main
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.evaluation.metrics.variation import LEAST_PAIRS, VARIATION
from pix2pix_jax.evaluation.pictures import sample_grid
from pix2pix_jax.evaluation.scoring import evaluate, evaluate_baselines
from pix2pix_jax.evaluation.tally import Scores
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.sheets import grid
from pix2pix_jax.runs.batch_sizes import choose_batch_size
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.writers import Writer
from pix2pix_jax.training.progress import Progress
from pix2pix_jax.training.run import Run
from pix2pix_jax.training.state import TrainState
from pix2pix_jax.training.step_parts import example_keys
from pix2pix_jax.training.timing import Minutes, Stopwatch
from pix2pix_jax.training.watching import WatchingWriter

logger = logging.getLogger(__name__)

_TRAINING_PAIRS = 8  # pairs in the picture of the first training pairs


def position(run: Run, step: int, rate_factor: float) -> Scores:
    """Return epoch and learning rate after a step, as metrics.csv has them."""
    epoch = float(run.timeline.epochs_done(step))
    return {"epoch": epoch, "learning_rate": float(run.schedule(step - 1)) * rate_factor}


def eval_options(run: Run) -> dict[str, Any]:
    """Return the keyword arguments that all evaluations share."""
    options, workers = run.config.eval, run.config.data.workers
    batch_size = choose_batch_size(options.batch_size, run.splits.shown.size)
    return {"batch_size": batch_size, "max_images": options.max_images, "workers": workers}


def baseline_scores(run: Run) -> Scores:
    """Score the answers that need no learning; there are none without validation pairs."""
    if run.splits.val is None:
        return {}
    stopwatch = Stopwatch()
    scores = evaluate_baselines(run.splits.train, run.splits.val, **eval_options(run))
    shown = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in scores.items())
    logger.info("answers that need no learning: %s; %s", shown, stopwatch)
    return scores


def show_and_evaluate(
    run: Run,
    state: TrainState,
    step: int,
    writer: Writer,
    between: Callable[[], None] = lambda: None,
) -> Scores:
    """Draw the validation grid and score the generator.

    Args:
        run: The run.
        state: Its state.
        step: Number of steps taken.
        writer: Where the grid goes.
        between: Called before and after every batch; what it raises ends the evaluation.

    Returns:
        `val_<metric>` of validation pairs if there are any, and `output_variation` if there are
        enough; `train_<metric>` of training pairs if some are scored.
    """
    between()
    stopwatch = Stopwatch()
    generator = _generator(run, state, step)
    grid = _draw_grid(run, generator, run.splits.shown)
    epochs = run.timeline.epochs_done(step)
    name = f"epoch_{epochs:04d}" if isinstance(epochs, int) else f"step_{step:08d}"
    writer.image(step, name, grid)
    scores: Scores = {}
    for prefix in run.scored:
        found = _evaluate(run, generator, prefix, step, between)
        scores |= {f"{prefix}_{name}": found[name] for name in run.metrics}
        scores |= {name: found[name] for name in found if name not in run.metrics}
    shown = f": {describe_scores(scores)}" if scores else ""
    logger.info("step %d: evaluated in %s%s", step, stopwatch, shown)
    return scores


def describe_scores(scores: Scores) -> str:
    """Return scores as they are logged, such as `val l1 0.3512, val psnr 11.2`."""
    return ", ".join(f"{name.replace('_', ' ', 1)} {value:.4g}" for name, value in scores.items())


def _generator(run: Run, state: TrainState, step: int) -> Generator:
    params = state.g_ema or state.g_params
    variables = held_here({"params": params, "batch_stats": state.g_batch_stats})
    pairs = run.splits.shown
    return Generator(
        run.networks.generator,
        variables,
        pairs.size,
        pairs.form,
        run.config.seed,
        step,
        exactness=run.parts.exactness,
    )


def _draw_grid(run: Run, generator: Generator, pairs: Pairs) -> UInt8[np.ndarray, "h w 3"]:
    # The batch size of the evaluation: both use the same compiled translation.
    count, batch_size = run.config.log.grid_images, eval_options(run)["batch_size"]
    return sample_grid(generator, pairs, count, mode=run.config.eval.mode, batch_size=batch_size)


def show_test_pairs(run: Run, state: TrainState, step: int) -> None:
    """Draw the first test pairs with the final generator."""
    if run.splits.test is not None and is_main():
        grid = _draw_grid(run, _generator(run, state, step), run.splits.test)
        image_files.write(run.folder.samples / "test.png", grid)


def _evaluate(
    run: Run, generator: Generator, prefix: str, step: int, between: Callable[[], None]
) -> Scores:
    options = eval_options(run)
    wanted = min(len(run.scored[prefix]), options["max_images"] or len(run.scored[prefix]))
    metrics = dict(run.metrics)
    if prefix == "val" and wanted >= LEAST_PAIRS:
        metrics.setdefault(VARIATION.name, VARIATION)  # unless an own metric has its name
    done, minutes = 0, Minutes()

    def after_batch(count: int) -> None:
        nonlocal done
        done += count
        if minutes.due():
            logger.info("step %d: %d of %d %s pairs evaluated", step, done, wanted, prefix)
        between()

    try:
        return evaluate(
            generator,
            run.scored[prefix],
            metrics,
            mode=run.config.eval.mode,
            resident=run.resident.get(prefix),
            between=after_batch,
            **options,
        ).scores
    except NonFiniteError as error:
        raise NonFiniteError(
            f"step {step}: the generator's output is not finite ({error}). Nothing was saved since "
            "the last checkpoint; lower optimizer.learning_rate"
        ) from None


def show_training_pairs(run: Run) -> None:
    """Write the first training examples as the networks see them: source | target."""
    if not is_main():
        return
    order, rng = run.examples, jax.random.key(run.config.seed)
    numbers = range(min(_TRAINING_PAIRS, run.halts.stop * len(order.places)))
    chosen = [divmod(number, len(order.places)) for number in numbers]
    pairs = [order.example(step, order.places[place]) for step, place in chosen]
    keys = [example_keys(rng, jnp.int32(step), jnp.array([place]))[:, 0] for step, place in chosen]
    source, target = (np.stack(side) for side in zip(*pairs, strict=True))
    seen = jax.jit(run.parts.augment)(jnp.concatenate(keys), source, target)
    form = run.splits.train.form
    sides = form.source.from_network(seen.source), form.target.from_network(seen.target)
    counts = [None] * len(numbers) if seen.weight is None else np.asarray(seen.weight) > 0
    stored = zip(*sides, counts, strict=True)
    picture = grid([form.show(*pair) for pair in stored])
    image_files.write(run.folder.training_pairs_file, picture)


def log_row(run: Run, step: int, writer: WatchingWriter, progress: Progress) -> None:
    """Write the row of a step between halts into the tables."""
    with progress.owing("row"):
        at = position(run, step, writer.plateaus.rate_factor)
        writer.scalars(step, {**at, **progress.row()})


def log_halt(
    run: Run, step: int, writer: WatchingWriter, progress: Progress, scores: Scores
) -> Scores:
    """Write a halt's row into the tables, and log its line; return the row."""
    losses, speed = progress.epoch(), progress.images_per_second
    at = position(run, step, writer.plateaus.rate_factor)
    row = {**at, **progress.row(), **scores, **progress.timing}
    writer.scalars(step, row)
    shown = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
    speed_now = f"{speed:.1f} img/s, {progress.data_wait:.0%} waiting for data"
    line = "; ".join(part for part in (shown, speed_now, progress.shown.time_left(step)) if part)
    epoch, epochs = run.timeline.epochs_done(step), run.halts.epochs
    logger.info("epoch %s/%d, step %d: %s", epoch, epochs, step, line)
    progress.shown.told()
    return row


def checkpoint_metrics(run: Run, step: int, scores: Scores) -> Scores:
    """Return the values by which checkpoints are kept or deleted."""
    name = run.config.checkpoint.best_metric
    if run.splits.val is None:
        score = -float(step)  # nothing tells which is better: the newest counts as the best
    else:
        score = scores[f"val_{name}"] * (1 if run.metrics[name].best == "low" else -1)
    # Scores before and after a change of the data cannot be compared.
    part = float(run.scored_from)
    return {"score": score, "epoch": float(run.timeline.epochs_done(step)), "part": part}


def summarise(
    run: Run, step: int, progress: Progress, scores: Scores, baselines: Scores
) -> dict[str, Any]:
    """Return the content of `summary.json`; speed and memory are those of this start."""
    sides: dict[str, Scores] = {}
    for name, value in scores.items():
        side, _, metric = name.partition("_")
        sides.setdefault(side, {})[metric] = value
    config = run.config
    plateau = (
        f"plateau: val {config.checkpoint.best_metric} has not got better for "
        f"{config.train.patience} evaluations"
    )
    return {
        "steps": step,
        "epochs": run.timeline.epochs_done(step),
        **({"ended_by": plateau} if step < run.halts.stop else {}),
        **{name: round(value, 2) for name, value in progress.timing.items()},
        "data_wait_share": round(progress.data_wait, 4),
        "peak_resident_gigabytes": round(peak_resident_gigabytes(), 2),
        **sides,
        "baseline": baselines,
    }


def last_line(run: Run, summary: dict[str, Any]) -> str:
    """Return the last line of a run's log."""
    if "val" in summary:
        scores = (
            f"val l1 {summary['val']['l1']:.4f} (mean target "
            f"{summary['baseline']['mean_target_l1']:.4f})"
        )
    else:
        scores = "no pairs were held out to score"
    epochs, seconds = summary["epochs"], summary["seconds"]
    ended = f", ended by a {summary['ended_by']}" if "ended_by" in summary else ""
    length = counted(epochs, "epoch")
    return f"done: {length} in {seconds:.0f} s{ended}; {scores}; see {run.folder.samples}"
