"""How well label maps agree, when they are kept as pictures.

Each pixel takes the class whose colour is nearest to its own: generators and JPEG blur the colours.
Where the target's nearest colour is void, the pixel does not count; where only the fake's is, it is
an error. Everything starts from confusion matrices, of one image or summed over a set: the figures
of Isola et al. (2017, Semantic segmentation) are of the set, not means over its images. Their
script gives classes that are missing a 0; here they are left out, which is the same where a set has
all classes.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Integer, UInt8

from pix2pix_jax.evaluation.metrics.palettes import Palette
from pix2pix_jax.evaluation.metrics.pixel import Images, check_pair, rgb_levels

# Rows are the target's classes, columns the fake's, with a last one for void.
Confusion = Integer[np.ndarray, "*batch classes columns"]
Sums = Any  # arrays, or numpy's numbers where there is no batch


def nearest_class(
    levels: UInt8[np.ndarray, "*shape 3"], palette: Palette
) -> Integer[np.ndarray, "*shape"]:
    """Return each pixel's class: the one whose colour is nearest in RGB.

    Args:
        levels: 8-bit RGB.
        palette: The colours; of two that are as near the earlier one counts.

    Returns:
        Indices of `palette.classes`; their number for void.
    """
    colours = palette.colours.astype(np.float32)
    # Without the pixel's own square, which is the same for all; exact, as all is below 2^24.
    distances = np.sum(colours**2, axis=-1) - 2 * (levels.astype(np.float32) @ colours.T)
    return np.minimum(np.argmin(distances, axis=-1), len(palette.classes))


def count_labels(
    fake: Integer[np.ndarray, "*shape"], target: Integer[np.ndarray, "*shape"], classes: int
) -> Integer[np.ndarray, "classes columns"]:
    """Count what became of each class.

    Args:
        fake: Class indices; others than 0 to `classes` - 1 are void.
        target: The true ones; where they are void, nothing is counted.
        classes: Number of classes.

    Returns:
        A confusion matrix: pixels of each target class (row) by class of the fake, void last.
    """
    known = (target >= 0) & (target < classes)
    rows, columns = target[known].astype(np.int64), fake[known].astype(np.int64)
    columns = np.where((columns >= 0) & (columns < classes), columns, classes)
    cells = rows * (classes + 1) + columns
    counts = np.bincount(cells, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1)


def confusion(
    fake: Images, target: Images, palette: Palette
) -> Integer[np.ndarray, "n classes columns"]:
    """Count what became of each class in each pair; the sum over pairs is the set's matrix.

    Args:
        fake: Label maps as RGB or gray pictures, in [-1, 1].
        target: The true ones.
        palette: What the colours mean.

    Returns:
        A confusion matrix of each pair, see `count_labels`.

    Raises:
        InputError: The shapes differ, or pixels are not finite or of another number of channels.
    """
    check_pair(fake, target)
    classes = len(palette.classes)
    matrices = [
        count_labels(nearest_class(one, palette), nearest_class(other, palette), classes)
        for one, other in zip(rgb_levels(fake, "labels"), rgb_levels(target, "labels"), strict=True)
    ]
    return np.array(matrices, np.int64).reshape(-1, classes, classes + 1)


def pixel_accuracy(matrices: Confusion) -> Float[np.ndarray, "*batch"]:
    """Share of the pixels whose class is right, in [0, 1], without unit (Long et al., 2015).

    Higher is better; nan where the target is void altogether.
    """
    right, there, _ = _counts(matrices)
    return _ratio(right.sum(axis=-1), there.sum(axis=-1))


def class_accuracy(matrices: Confusion) -> Float[np.ndarray, "*batch"]:
    """Share of each class's pixels that are right, mean over classes (Long et al., 2015).

    In [0, 1], without unit; higher is better. Classes that the target has not are left out; nan
    where it has none.
    """
    right, there, _ = _counts(matrices)
    return _mean_ratio(right, there)


def class_iou(matrices: Confusion) -> Float[np.ndarray, "*batch"]:
    """Intersection over union of each class, mean over classes (Long et al., 2015).

    In [0, 1], without unit; higher is better. Classes that neither side has are left out; one that
    only the fake has counts as 0. nan where the target is void altogether.
    """
    right, there, found = _counts(matrices)
    return _mean_ratio(right, there + found - right)


def _counts(matrices: Confusion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each class's pixels that are right, that the target has, and that the fake has."""
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    return right, matrices.sum(axis=-1), matrices[..., :-1].sum(axis=-2)


def _mean_ratio(part: np.ndarray, whole: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Average part / whole over the classes where there is a whole."""
    return _ratio(np.sum(part / np.maximum(whole, 1), axis=-1), np.sum(whole > 0, axis=-1))


def _ratio(part: Sums, whole: Sums) -> Float[np.ndarray, "*batch"]:
    known = np.where(whole > 0, whole, 1)
    return np.asarray(np.where(whole > 0, part / known, np.nan))
