"""Measure a generator on held-out pairs."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.batches import eval_batches, mean_target
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.evaluation.metrics.pixel import Images, check_finite
from pix2pix_jax.evaluation.metrics.table import Metric, choose_metrics
from pix2pix_jax.runs.generator import Generator, translate_batch

Scores = dict[str, float]
Compared = tuple[Float[np.ndarray, "n h w c"], Float[np.ndarray, "n h w c"]]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of a set of images.

    Attributes:
        names: Name of each image.
        values: Of each metric one value per image.
        scores: Of each metric its value for the set: the mean, except where counts are summed
            before (label maps, colour histograms).
    """

    names: tuple[str, ...]
    values: dict[str, Float[np.ndarray, " n"]]
    scores: Scores

    def deviation(self, metric: str) -> float:
        """Return the standard deviation over the images; those without a value are left out."""
        there = self.values[metric][~np.isnan(self.values[metric])]
        return float(there.std()) if len(there) else float("nan")


def evaluate(
    generator: Generator,
    pairs: Pairs,
    metrics: Mapping[str, Metric],
    *,
    mode: str,
    batch_size: int,
    workers: int,
    max_images: int = 0,
    observe: Callable[[Compared], None] | None = None,
) -> Evaluation:
    """Score a generator.

    Args:
        generator: The generator.
        pairs: Pairs of the generator's size.
        metrics: As from `choose_metrics`.
        mode: `paper` or `deterministic`, see `inference.translate_batch`.
        batch_size: Images at once; scores do not depend on it.
        workers: Threads that decode streamed pairs.
        max_images: Only so many pairs, the first ones; 0: all.
        observe: Called with every batch of fakes and targets, for scores of whole sets.

    Returns:
        The scores.

    Raises:
        InputError: The generator's output is not finite.
    """

    def compare() -> Iterator[tuple[Compared, tuple[str, ...]]]:
        count = min(len(pairs), max_images or len(pairs))
        for (source, target), names in eval_batches(pairs, count, batch_size, workers):
            fake = translate_batch(generator, source, names, mode=mode, batch_size=batch_size)
            check_finite(fake, names)
            both = pairs.form.compared(source, fake), pairs.form.compared_target(source, target)
            if observe is not None:
                observe(both)
            yield both, names

    return tally(compare(), metrics)


def tally(
    batches: Iterator[tuple[Compared, tuple[str, ...]]], metrics: Mapping[str, Metric]
) -> Evaluation:
    """Score batches of fakes and targets in [-1, 1], with their names."""
    total = Tally(metrics)
    names: list[str] = []
    values: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    for (fake, target), some in batches:
        for name, found in total.add(fake, target).items():
            values[name].append(found)
        names += some
    joined = {name: np.concatenate(parts) for name, parts in values.items()}
    return Evaluation(tuple(names), joined, total.scores())


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
        `copy_source_l1`: the source itself, where both sides have as many channels, and the source
        no classes. In [-1, 1] units.
    """
    mean, form = mean_target(train_pairs, workers=workers), pairs.form
    count = min(len(pairs), max_images or len(pairs))

    def answers(copy: bool) -> Iterator[tuple[Compared, tuple[str, ...]]]:
        for (source, target), names in eval_batches(pairs, count, batch_size, workers):
            answer: Any = form.source.to_network(source) if copy else mean
            answer = np.broadcast_to(answer, (len(source), *mean.shape))
            fake = form.compared(source, np.asarray(answer))
            yield (fake, form.compared_target(source, target)), names

    metrics = choose_metrics(["l1"])
    scores = {"mean_target_l1": tally(answers(copy=False), metrics).scores["l1"]}
    if form.source.channels == form.target.channels and not form.source.classes:
        scores["copy_source_l1"] = tally(answers(copy=True), metrics).scores["l1"]
    return scores


class Tally:
    """Scores of a set of images, gathered batch by batch.

    What several metrics measure alike, such as one confusion matrix, is measured once.
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self._metrics = metrics
        self._images = 0
        self._totals: dict[Callable[..., Any], Any] = {}

    def add(self, fake: Images, target: Images) -> dict[str, Float[np.ndarray, " n"]]:
        """Add a batch.

        Args:
            fake: Images in [-1, 1].
            target: Their ground truth.

        Returns:
            Of each metric one value per image.
        """
        measured = {}
        for measure in {metric.measure: None for metric in self._metrics.values()}:
            assert measure is not None  # they are metrics of images
            values = np.asarray(measure(fake, target))
            measured[measure] = values
            # Wider than float32: a sum over many images keeps its digits.
            total = values.sum(axis=0, dtype=np.result_type(values, np.int64))
            self._totals[measure] = self._totals.get(measure, 0) + total
        self._images += len(fake)
        return {
            name: np.asarray(metric.value(measured[metric.measure]), np.float64)
            for name, metric in self._metrics.items()
            if metric.measure is not None
        }

    def scores(self) -> dict[str, float]:
        """Return each metric's score of all images so far.

        Raises:
            InputError: There was none.
        """
        if not self._images:
            raise InputError("no images were compared, so there is no score; add at least one pair")
        return {name: self._score(metric) for name, metric in self._metrics.items()}

    def _score(self, metric: Metric) -> float:
        assert metric.measure is not None
        total = self._totals[metric.measure]
        return float(total / self._images if metric.score is None else metric.score(total))
