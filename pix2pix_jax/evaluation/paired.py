"""Do two runs differ? The same images, compared one by one, with an interval by the bootstrap."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from pix2pix_jax.evaluation.metrics.table import Direction

LEAST_IMAGES = 2  # one image has no spread
NO_DIFFERENCE = "no difference seen"
_COVERED = 0.95
_RESAMPLES = 10_000
_SEED = 0
_AT_ONCE = 1_000_000  # drawn numbers in memory


@dataclasses.dataclass(frozen=True)
class Difference:
    """How the scores of one run differ from those of another, on the same images.

    Attributes:
        mean: Mean over the images of the run's value minus that of the reference.
        low: Lower end of the 95 % interval of `mean`.
        high: Upper end.
        won: Number of images on which the run is better; None if it is unknown which way is better.
        equal: Number of images on which both have the same value.
        count: Number of images.
        verdict: `no difference seen` if the interval holds 0; else `better` or `worse`, or `higher`
            or `lower` if it is unknown which way is better.
    """

    mean: float
    low: float
    high: float
    won: int | None
    equal: int
    count: int
    verdict: str


def compare_paired(
    reference: Mapping[str, float], values: Mapping[str, float], best: Direction | None
) -> Difference | None:
    """Compare the values of a metric on the images that both runs have.

    The interval is the percentile bootstrap (Efron and Tibshirani, 1993, section 13.3) of the mean
    difference: images are drawn again, each with both of its values, 10,000 times, with a fixed
    seed. The order of the images does not matter.

    Args:
        reference: The values of the reference, by the names of the images; nan: no value.
        values: The values of the run, likewise.
        best: Whether a `high` or a `low` value is better; None if it is unknown.

    Returns:
        The difference; None if fewer than two images have a value in both.
    """
    found = [values[name] - reference[name] for name in reference if name in values]
    differences = np.sort([one for one in found if math.isfinite(one)])
    if len(differences) < LEAST_IMAGES:
        return None
    low, high = bootstrap_interval(differences)
    gains = {"low": -differences, "high": differences}
    return Difference(
        mean=float(differences.mean()),
        low=low,
        high=high,
        won=None if best is None else int(np.sum(gains[best] > 0)),
        equal=int(np.sum(differences == 0)),
        count=len(differences),
        verdict=_judge(low, high, best),
    )


def bootstrap_interval(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Return the ends of the 95 % percentile interval of the mean of at least one value."""
    draw = np.random.default_rng(_SEED)
    rows = max(1, _AT_ONCE // len(values))
    means = []
    for start in range(0, _RESAMPLES, rows):
        shape = (min(rows, _RESAMPLES - start), len(values))
        means.append(values[draw.integers(len(values), size=shape)].mean(axis=1))
    outside = (1 - _COVERED) / 2
    low, high = np.quantile(np.concatenate(means), [outside, 1 - outside])
    return float(low), float(high)


def _judge(low: float, high: float, best: Direction | None) -> str:
    if low <= 0 <= high:
        return NO_DIFFERENCE
    if best is None:
        return "higher" if low > 0 else "lower"
    return "better" if (low > 0) == (best == "high") else "worse"
