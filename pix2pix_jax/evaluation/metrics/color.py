"""Whether images have the colours of their targets, wherever in the image."""

import numpy as np
from jaxtyping import Bool, Float, Integer

from pix2pix_jax.evaluation.metrics.pixel import Images, Weight, check_pair, counting, rgb_levels
from pix2pix_jax.images.color import rgb_to_lab

AXES = ("L", "a", "b")
# Bins of one unit of Lab, centred on whole numbers: gray, whose a and b are rounding noise around
# 0, falls into one bin. L is 0 to 100, a and b are -128 to 127.
_BINS = 256
_LEAST = np.array([0, -128, -128])

# Counts of fake and target, in that order.
Histograms = Integer[np.ndarray, "*batch 3 2 bins"]


def lab_histograms(
    fake: Images, target: Images, weight: Weight = None
) -> Integer[np.ndarray, "n 3 2 bins"]:
    """Count the pixels by lightness and colour; the sum over pairs is the set's histograms.

    Args:
        fake: RGB or gray images in [-1, 1], interpreted as sRGB and rounded to 8 bits.
        target: Their ground truth.
        weight: How much each pixel counts, see `pixel.counting`. None: all count alike.

    Returns:
        The histograms of fake and target for each pair and each axis of CIE Lab (D65), with bins of
        one unit.

    Raises:
        InputError: The shapes differ, or the images are neither gray nor RGB, or not finite.
    """
    check_pair(fake, target)
    counts = counting(weight, target)
    sides = [_histograms(rgb_levels(side, "Lab histograms"), counts) for side in (fake, target)]
    return np.stack(sides, axis=2)


def intersection(histograms: Histograms, axis: str) -> Float[np.ndarray, "*batch"]:
    """Intersection of the histograms of fake and target (Isola et al., 2017, Colorfulness).

    Args:
        histograms: Counts of one pair, or summed over a set, as in the paper.
        axis: `L`, `a` or `b`.

    Returns:
        The area that both distributions share, in [0, 1], without unit. Higher is better: equal
        distributions have 1, those with no colour in common 0.
    """
    counts = histograms[..., AXES.index(axis), :, :]
    shares = counts / counts.sum(axis=-1, keepdims=True)
    return np.asarray(shares.min(axis=-2).sum(axis=-1))


def _histograms(
    levels: np.ndarray, counting: Bool[np.ndarray, "n h w"]
) -> Integer[np.ndarray, "n 3 bins"]:
    counts = np.zeros((len(levels), len(AXES), _BINS), np.int64)
    for i, image in enumerate(levels):
        lab = rgb_to_lab(image)[counting[i]]
        bins = np.clip(np.rint(lab).astype(np.int64) - _LEAST, 0, _BINS - 1)
        for axis in range(len(AXES)):
            counts[i, axis] = np.bincount(bins[..., axis].ravel(), minlength=_BINS)
    return counts
