"""Metrics of gray levels from classical image matching; one value per image.

Images are float, NHWC, in [-1, 1]. They are compared as 8-bit gray, see `pixel.gray_levels`. All
metrics are numpy functions and raise InputError for images of different shapes and for values that
are not finite.
"""

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8

from pix2pix_jax.core.errors import require
from pix2pix_jax.evaluation.metrics.pixel import Images, Weight, check_pair, counting, gray_levels

_LEVELS = 256
_RATIO = 0.75


def histogram_correlation(
    fake: Images, target: Images, weight: Weight = None
) -> Float[np.ndarray, " n"]:
    """Correlation of the gray histograms of each pair, in [-1, 1], without unit.

    Higher is better; images with the same levels have 1, wherever in the image these are. The
    histograms have 256 bins and are compared like `cv2.compareHist` with `HISTCMP_CORREL`. A
    histogram with the same count in every bin has no correlation: the value is 1 if both are like
    this, else 0. Two images of a single level each have 1 if it is the same level, else -1/255.
    """
    check_pair(fake, target)
    counts = counting(weight, target)
    return _correlations(_histograms(fake, counts), _histograms(target, counts))


def template_matching(
    fake: Images, target: Images, weight: Weight = None
) -> Float[np.ndarray, " n"]:
    """Correlation of the gray pixels of each pair, in [-1, 1], without unit.

    Higher is better; images that differ in brightness and contrast only have 1, a negative has -1.
    It is `cv2.matchTemplate` with `TM_CCOEFF_NORMED` for a template of the image's size, but in
    double precision: OpenCV's third digit is wrong if the contrast is low. An image of a single
    level has no correlation: the value is 1 if both images are equal, else 0.
    """
    check_pair(fake, target)
    sides = gray_levels(fake), gray_levels(target)
    chosen = zip(*sides, counting(weight, target), strict=True)
    return np.array(
        [_correlation(one[counts], other[counts]) for one, other, counts in chosen], np.float64
    )


def keypoint_ratio(fake: Images, target: Images) -> Float[np.ndarray, " n"]:
    """Share of the target's SIFT keypoints that are found in the fake, in [0, 1], without unit.

    Higher is better. A keypoint is found if its nearest neighbour in the fake is nearer than 0.75
    times the second nearest (the ratio test of Lowe, 2004, section 7.1, with the usual threshold),
    wherever in the image that is. Identical images have 1, unless a pattern repeats exactly. A pair
    has 0 if the target has no keypoint, such as an image of a single level, or the fake has fewer
    than two.

    Raises:
        InputError: OpenCV is not installed.
    """
    check_pair(fake, target)
    cv2 = require("cv2", "opencv")
    sift, matcher = cv2.SIFT_create(), cv2.BFMatcher(cv2.NORM_L2)

    def ratio(fake: UInt8[np.ndarray, "h w"], target: UInt8[np.ndarray, "h w"]) -> float:
        wanted, there = (sift.detectAndCompute(image, None)[1] for image in (target, fake))
        if wanted is None or there is None or len(there) < 2:
            return 0.0
        matches = matcher.knnMatch(wanted, there, k=2)
        good = [best.distance < _RATIO * second.distance for best, second in matches]
        return sum(good) / len(wanted)

    pairs = zip(gray_levels(fake), gray_levels(target), strict=True)
    return np.array([ratio(*pair) for pair in pairs], np.float64)


def _histograms(
    images: Images, counts: Bool[np.ndarray, "n h w"]
) -> Integer[np.ndarray, "n levels"]:
    levels = zip(gray_levels(images), counts, strict=True)
    found = [np.bincount(gray[there], minlength=_LEVELS) for gray, there in levels]
    return np.array(found, np.int64).reshape(-1, _LEVELS)


def _correlations(
    fake: Integer[np.ndarray, "n *shape"], target: Integer[np.ndarray, "n *shape"]
) -> Float[np.ndarray, " n"]:
    return np.array([_correlation(*pair) for pair in zip(fake, target, strict=True)], np.float64)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Pearson's correlation of two lists of values; without one, 1 if equal, else 0."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float(np.array_equal(x, y))
    return float(np.corrcoef(x, y)[0, 1])
