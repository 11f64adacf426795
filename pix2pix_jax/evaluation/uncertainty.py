"""How well the deviation over draws of dropout tells where a result is wrong."""

import dataclasses

import numpy as np
from jaxtyping import Float
from tqdm.auto import tqdm

from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.runs.batch_sizes import choose_batch_size
from pix2pix_jax.runs.draws import (
    check_draws,
    iterate_draws,
    mean_and_deviation,
    over_channels,
)
from pix2pix_jax.runs.generator import Generator

Pixels = Float[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class Uncertainty:
    """How deviation and error of an evaluation go together.

    The error of a pixel is the mean over the channels of the absolute difference of target and mean
    of the draws. All but `spread` are means over the images for which they exist; None: there are
    none, as all pixels have the same deviation.

    Attributes:
        draws: Number of draws.
        rank_correlation: Spearman's rank correlation of deviation and error over the pixels of an
            image, from -1 to 1. 1: the order of the deviations is that of the errors; 0: they have
            nothing in common.
        sparsification: Ilg et al. (2018), "Uncertainty Estimates and Multi-Hypotheses Networks for
            Optical Flow", section 5: pixels are left out by falling deviation, and the mean error
            of those left is compared with what leaving them out by falling error gives. The area
            between the two curves, each as a share of the error of all pixels, as a share of the
            area for a random order. 0: as good as knowing the errors; 1: as good as chance.
        spread: Fortin et al. (2014), "Why Should Ensemble Spread Match the RMSE of the Ensemble
            Mean?": root mean square of the deviations of all images, over that of the errors, with
            their factor for few draws. 1: the deviations are as large as the errors; below: the
            draws differ too little.
        l1: Mean absolute error of the mean of the draws, in units of [-1, 1].
    """

    draws: int
    rank_correlation: float | None
    sparsification: float | None
    spread: float | None
    l1: float

    def __str__(self) -> str:
        """Return one line for the terminal."""
        figures = (self.rank_correlation, self.sparsification, self.spread)
        correlation, area, spread = ("none" if x is None else f"{x:.3g}" for x in figures)
        return (
            f"{self.draws} draws: rank correlation of deviation and error {correlation} (1: same "
            f"order), sparsification {area} (0: as good as the errors, 1: as chance), deviations "
            f"{spread} of the errors, l1 of the mean {self.l1:.4g}"
        )


def measure_uncertainty(
    generator: Generator, pairs: Pairs, draws: int, *, batch_size: int = 0
) -> Uncertainty:
    """Translate pairs several times, and compare deviation and error.

    Args:
        generator: A generator with dropout.
        pairs: Pairs of its size.
        draws: How often, 2 or more.
        batch_size: See `choose_batch_size`.

    Raises:
        InputError: See `draws.check_draws`.
    """
    check_draws(generator, draws, "paper")
    rows = choose_batch_size(batch_size, pairs.size)
    found = []
    for number in tqdm(range(len(pairs)), desc=f"{draws} draws", unit="image", disable=None):
        source, target = pairs[number]
        at = generator if pairs.condition is None else generator.at(pairs.condition[number])
        drawn = iterate_draws(at, source, pairs.names[number], draws, rows)
        compared = (np.asarray(pairs.form.compared(source[None], one[None]))[0] for one in drawn)
        mean, deviation = mean_and_deviation(compared)
        wanted = pairs.form.compared_target(source[None], target[None])[0]
        difference = mean - np.asarray(wanted)
        weight = pairs.form.scored_weight(source, target)
        if weight is not None:
            counts = weight[..., 0] > 0
            difference, deviation = difference[counts][None], deviation[counts][None]
        found.append(_compare(difference, deviation))
    correlations, areas, squares, errors, l1s = (
        np.array(each) for each in zip(*found, strict=True)
    )
    spread = np.sqrt((draws + 1) / draws * squares.mean() / errors.mean()) if errors.any() else None
    return Uncertainty(
        draws=draws,
        rank_correlation=_mean(correlations),
        sparsification=_mean(areas),
        spread=None if spread is None else float(spread),
        l1=float(l1s.mean()),
    )


def _compare(
    difference: Float[np.ndarray, "h w c"], deviation: Float[np.ndarray, "h w c"]
) -> tuple[float, float, float, float, float]:
    """Return what `measure_uncertainty` needs of an image."""
    error = np.abs(difference).mean(axis=-1).ravel().astype(np.float64)
    spread = over_channels(deviation).ravel().astype(np.float64)
    return (
        rank_correlation(spread, error),
        sparsification(spread, error),
        float(np.square(deviation, dtype=np.float64).mean()),
        float(np.square(difference, dtype=np.float64).mean()),
        float(error.mean()),
    )


def rank_correlation(deviation: Pixels, error: Pixels) -> float:
    """Return Spearman's rank correlation; nan if one of both is constant."""
    from scipy.stats import rankdata  # takes half a second to import

    ranks = [rankdata(each) for each in (deviation, error)]
    if any(each.std() == 0 for each in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def sparsification(deviation: Pixels, error: Pixels) -> float:
    """Return `Uncertainty.sparsification` of one image; nan if one of both is constant."""
    if not np.ptp(deviation) or not np.ptp(error):
        return float("nan")
    best = _mean_of_rest(error, error)
    # A random order leaves the mean error as it is.
    return float((_mean_of_rest(deviation, error) - best) / (error.mean() - best))


def _mean_of_rest(order: Pixels, error: Pixels) -> float:
    """Return the area below the mean error of the pixels with the lowest values of `order`."""
    rising = error[np.argsort(order, kind="stable")]
    return float((np.cumsum(rising) / np.arange(1, len(error) + 1)).mean())


def _mean(values: np.ndarray) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None
