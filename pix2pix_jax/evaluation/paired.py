"""Do two settings differ? The same images, one by one, with an interval by the bootstrap."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from pix2pix_jax.evaluation.metrics.table import Direction

NO_DIFFERENCE = "no difference seen"
LEAST_IMAGES = 2  # one image has no spread
_OUTSIDE = 0.025  # on either side of an interval of 95 %
_RESAMPLES = 10_000
_SEED = 0
_AT_ONCE = 1_000_000  # drawn numbers in memory


@dataclasses.dataclass(frozen=True)
class Difference:
    """How the scores of one setting differ from those of another, on the same images.

    Attributes:
        mean: Mean over images and seeds of the setting's value minus that of the reference.
        low: Lower end of the 95 % interval of `mean`.
        high: Upper end.
        won: Number of images on which the setting is better; None if it is unknown which way is
            better.
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
    reference: Sequence[Mapping[str, float]],
    values: Sequence[Mapping[str, float]],
    best: Direction | None,
) -> Difference | None:
    """Compare the values of a metric on the images that all runs of both settings have.

    A setting has one run, or one for each seed; the value of an image is then the mean over them.
    The order of the images does not matter, and swapping the settings mirrors the interval.

    Args:
        reference: The values of each run of the reference, by the names of the images; nan: no
            value.
        values: The values of each run of the setting, likewise.
        best: Whether a `high` or a `low` value is better; None if it is unknown.

    Returns:
        The difference; None if fewer than two images have a value in all runs.
    """
    runs = [*reference, *values]
    shared = [
        name for name in sorted(runs[0]) if all(math.isfinite(_of(run, name)) for run in runs)
    ]
    if len(shared) < LEAST_IMAGES:
        return None
    first, second = (
        np.asarray([[run[name] for name in shared] for run in side], dtype=np.float64)
        for side in (reference, values)
    )
    differences = second.mean(axis=0) - first.mean(axis=0)
    low, high = bootstrap_interval(first, second)
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


def _of(run: Mapping[str, float], name: str) -> float:
    return run.get(name, math.nan)


def bootstrap_interval(
    reference: Float[np.ndarray, "seeds images"], values: Float[np.ndarray, "other_seeds images"]
) -> tuple[float, float]:
    """Return the ends of the 95 % interval of the mean difference, by a bootstrap of two levels.

    10,000 times, the images are drawn again (with both values of each), and the seeds of each
    setting that has several; the interval holds the middle 95 % of the means so found. The seeds of
    both settings are taken to deviate alike: each draws among the deviations of all. Of few
    images or seeds, such an interval is too short: with two of them, half of these intervals miss
    the true value. So the deviations of the drawn means are enlarged by `sqrt(n / (n - 1))` and by
    the ratio of Student's t to the normal distribution, which serves the same end as the expanded
    percentile interval (Hesterberg, 2015, "What teachers should know about the bootstrap"). The
    draws are the same each time.

    Args:
        reference: Values of the reference: a row for each seed, a column for each of at least two
            images.
        values: Values of the setting, of the same images.
    """
    # The same draws for both orders of the settings, so that swapping them mirrors the interval.
    if values.mean() < reference.mean():
        low, high = bootstrap_interval(values, reference)
        return -high, -low
    draw = np.random.default_rng(_SEED)
    differences = values.mean(axis=0) - reference.mean(axis=0)
    count = len(differences)
    found = differences.mean() + _draw_means(draw, _deviations(differences), count - 1, count)
    several = [runs.mean(axis=1) for runs in (values, reference) if len(runs) > 1]
    if several:
        freedom = len(reference) + len(values) - 2
        pooled = np.concatenate([_deviations(means) for means in several])
        for runs, sign in ((values, 1), (reference, -1)):
            if len(runs) > 1:
                found += sign * _draw_means(draw, pooled, freedom, len(runs))
    low, high = np.quantile(found, [_OUTSIDE, 1 - _OUTSIDE])
    return float(low), float(high)


def _deviations(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return the deviations of at least two values, as large as their standard deviation says."""
    return (values - values.mean()) * math.sqrt(len(values) / (len(values) - 1))


def _draw_means(
    draw: np.random.Generator, deviations: Float[np.ndarray, " n"], freedom: int, count: int
) -> Float[np.ndarray, " resamples"]:
    """Return the enlarged means of resampled deviations.

    Args:
        draw: Where random numbers come from.
        deviations: From `_deviations`.
        freedom: Degrees of freedom of their standard deviation.
        count: How many are drawn for each mean.
    """
    from scipy.stats import norm, t  # takes half a second to import

    rows = max(1, _AT_ONCE // count)
    means = []
    for start in range(0, _RESAMPLES, rows):
        shape = (min(rows, _RESAMPLES - start), count)
        means.append(deviations[draw.integers(len(deviations), size=shape)].mean(axis=1))
    wider = t.ppf(_OUTSIDE, freedom) / norm.ppf(_OUTSIDE)
    return wider * np.concatenate(means)


def _judge(low: float, high: float, best: Direction | None) -> str:
    if low <= 0 <= high:
        return NO_DIFFERENCE
    if best is None:
        return "higher" if low > 0 else "lower"
    return "better" if (low > 0) == (best == "high") else "worse"
