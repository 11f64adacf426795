"""What a metric is, and how values of images become the score of a set."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Array, Float, Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.pixel import Images

Values = Shaped[Array | np.ndarray, "n *shape"]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A comparison of fakes with their targets, image by image.

    Attributes:
        name: Its name in tables.
        kind: `pixel`, `structural`, `matching`, `labels` or `color`.
        best: Whether the best value is a `high` or a `low` one.
        unit: Unit of its values; '': none.
        measure: Fake and target (and a palette, of kind `labels`) to one value per image; or, where
            there is a `score`, to counts per image.
        score: Counts of one image, or summed over a set, to the value; None: the value of a set is
            the mean over its images.
    """

    name: str
    kind: str
    best: Literal["high", "low"]
    unit: str
    measure: Callable[..., Any]
    score: Callable[..., Any] | None = None

    def function(self, fake: Images, target: Images) -> Float[Array | np.ndarray, " n"]:
        """Return one value per image, whatever its batch."""
        return self.value(self.measure(fake, target))

    def value(self, measured: Any) -> Any:
        """Return the value of what was measured."""
        return measured if self.score is None else self.score(measured)


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
            values = np.asarray(measure(fake, target))
            measured[measure] = values
            # Wider than float32: a sum over many images keeps its digits.
            total = values.sum(axis=0, dtype=np.result_type(values, np.int64))
            self._totals[measure] = self._totals.get(measure, 0) + total
        self._images += len(fake)
        return {
            name: np.asarray(metric.value(measured[metric.measure]), np.float64)
            for name, metric in self._metrics.items()
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
        total = self._totals[metric.measure]
        return float(total / self._images if metric.score is None else metric.score(total))
