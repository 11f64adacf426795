"""Scores of a set of images, gathered batch by batch."""

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Float

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.pixel import Images, Weight
from pix2pix_jax.evaluation.metrics.table import Measure, Measured, Metric, measure_of

Scores = dict[str, float]


class Tally:
    """Scores of a set of images, gathered batch by batch.

    What several metrics share, such as a confusion matrix, is measured once.
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self._metrics = metrics
        self._images = 0
        counting = (metric for metric in metrics.values() if metric.score is not None)
        self._totals: dict[Measure, Measured] = dict.fromkeys(map(measure_of, counting), 0)
        self._means = {name: (0.0, 0) for name, metric in metrics.items() if metric.score is None}

    def add(self, fake: Images, target: Images) -> dict[str, Float[np.ndarray, " n"]]:
        """Add a batch.

        Args:
            fake: Images in [-1, 1].
            target: Their ground truth.

        Returns:
            One value per image, by metric.

        Raises:
            InputError: A metric does not return one entry per image.
        """
        return self.add_measured(measure_all(self._metrics.values(), fake, target), len(fake))

    def add_measured(
        self, measured: Mapping[Measure, Measured], count: int
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Add a batch by what was measured in it.

        Args:
            measured: What each metric's `measure` has returned.
            count: Number of images.

        Returns:
            One value per image, by metric.
        """
        for measure, total in self._totals.items():
            batch = measured[measure]
            # Wider than float32: a sum over many images keeps its digits.
            added = batch.sum(axis=0, dtype=np.result_type(batch, np.int64))
            self._totals[measure] = total + added
        self._images += count
        values = {
            name: np.asarray(metric.value(measured[measure_of(metric)]), np.float64)
            for name, metric in self._metrics.items()
        }
        for name, (total, images) in self._means.items():
            there = ~np.isnan(values[name])  # nan: an image has no value
            total += float(values[name].sum(where=there))
            self._means[name] = (total, images + int(there.sum()))
        return values

    def scores(self) -> Scores:
        """Return each metric's score of all images so far; nan if no image has a value.

        Raises:
            InputError: There were none.
        """
        if not self._images:
            raise InputError("no images were compared, so there is no score; add at least one pair")
        return {name: self._score(name, metric) for name, metric in self._metrics.items()}

    def _score(self, name: str, metric: Metric) -> float:
        if metric.score is not None:
            return float(metric.score(self._totals[measure_of(metric)]))
        total, images = self._means[name]
        return total / images if images else float("nan")


def measure_all(
    metrics: Iterable[Metric], fake: Images, target: Images, weight: Weight = None
) -> dict[Measure, np.ndarray]:
    """Measure a batch on the host; what several metrics share is measured once.

    Args:
        metrics: Metrics of images.
        fake: Images in [-1, 1].
        target: Their ground truth.
        weight: How much each pixel counts; None: all count alike.

    Returns:
        What each metric's `measure` returns.

    Raises:
        InputError: A metric does not return one entry per image.
    """
    measured: dict[Measure, np.ndarray] = {}
    for metric in metrics:
        measure = measure_of(metric)
        if measure not in measured:
            measured[measure] = np.asarray(metric.measured(fake, target, weight))
            check_measured(metric, measured[measure], len(fake))
    return measured


def check_measured(metric: Metric, measured: np.ndarray, count: int) -> None:
    """Raise InputError if a metric, which may be the user's own, has not one entry per image.

    Args:
        metric: The metric.
        measured: What it has measured.
        count: Number of images.
    """
    shape = measured.shape if metric.score is None else measured.shape[:1]
    if shape != (count,):
        raise InputError(
            f"metric {metric.name!r}: measures an array of shape {measured.shape} in {count} "
            "images; expected one value per image"
        )
