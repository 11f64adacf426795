"""Measure a generator on held-out pairs."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from pix2pix_jax import images
from pix2pix_jax.data.pipeline import Pairs, eval_batches, mean_target
from pix2pix_jax.inference import Generator, translate_batch
from pix2pix_jax.metrics import PIXEL_METRICS, l1

Scores = dict[str, float]


def _mean_scores(
    pairs: Pairs, count: int, batch_size: int, workers: int, score: Callable[..., dict[str, Any]]
) -> Scores:
    """Average per-image scores over the first `count` pairs."""
    totals: dict[str, list[np.ndarray]] = {}
    for (source, target), names in eval_batches(pairs, count, batch_size, workers):
        for name, values in score(source, target, names).items():
            totals.setdefault(name, []).append(np.asarray(values))
    return {name: float(np.mean(np.concatenate(parts))) for name, parts in totals.items()}


def evaluate(
    generator: Generator,
    pairs: Pairs,
    *,
    mode: str,
    batch_size: int,
    workers: int,
    max_images: int = 0,
) -> Scores:
    """Score a generator.

    Args:
        generator: The generator.
        pairs: Pairs of the generator's size.
        mode: `paper` or `deterministic`, see `inference.translate_batch`.
        batch_size: Images at once; scores do not depend on it.
        workers: Threads that decode streamed pairs.
        max_images: Only so many pairs, the first ones; 0: all.

    Returns:
        The mean over the images of each of `PIXEL_METRICS`.
    """

    def score(source: Any, target: Any, names: Any) -> dict[str, Any]:
        fake = translate_batch(generator, source, names, mode=mode, batch_size=batch_size)
        return {
            name: metric(fake, images.to_float(target)) for name, metric in PIXEL_METRICS.items()
        }

    count = min(len(pairs), max_images or len(pairs))
    return _mean_scores(pairs, count, batch_size, workers, score)


def evaluate_baselines(
    train_pairs: Pairs, pairs: Pairs, *, batch_size: int, workers: int, max_images: int = 0
) -> Scores:
    """Score two answers that need no learning: what a run must beat.

    Args:
        train_pairs: Training pairs.
        pairs: Held-out pairs.
        batch_size: Images at once.
        workers: Threads that decode streamed pairs.
        max_images: Only so many pairs, as in `evaluate`.

    Returns:
        `mean_target_l1`: the per-pixel mean of the training targets as the answer to everything;
        `copy_source_l1`: the source itself, where both sides have as many channels. In [-1, 1]
        units.
    """
    mean = mean_target(train_pairs, pairs.size, workers=workers)

    def score(source: Any, target: Any, names: Any) -> dict[str, Any]:
        target = images.to_float(target)
        scores = {"mean_target_l1": l1(np.broadcast_to(mean, target.shape), target)}
        if source.shape == target.shape:
            scores["copy_source_l1"] = l1(images.to_float(source), target)
        return scores

    count = min(len(pairs), max_images or len(pairs))
    return _mean_scores(pairs, count, batch_size, workers, score)


def sample_grid(
    generator: Generator, pairs: Pairs, count: int, *, mode: str, batch_size: int
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw the first pairs as rows: source | ours | target.

    Args:
        generator: The generator.
        pairs: Pairs of the generator's size.
        count: Number of rows.
        mode: `paper` or `deterministic`.
        batch_size: Images at once.

    Returns:
        One RGB image.
    """
    rows = []
    count = min(count, len(pairs))
    for (source, target), names in eval_batches(pairs, count, batch_size, workers=1):
        fake: Float[np.ndarray, "n h w c"] = translate_batch(
            generator, source, names, mode=mode, batch_size=batch_size
        )
        rows += list(zip(source, images.to_uint8(fake), target, strict=True))
    return images.grid(rows)
