"""How well label maps agree that are stored as pictures.

Each pixel belongs to the class with the nearest colour, as generators and JPEG blur the colours. A
pixel does not count if the target's nearest colour is void; if only the fake's is, it is an error.

All metrics are computed from confusion matrices, of one image or summed over a set: the scores of
Isola et al. (2017, Semantic segmentation) are those of the set, not means over its images. Their
script counts missing classes as 0; here they are left out, which makes no difference if the set has
all classes.
"""

from collections.abc import Iterable
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8

from pix2pix_jax.evaluation.metrics.pixel import (
    Images,
    Weight,
    check_finite,
    check_pair,
    counting,
    rgb_levels,
)
from pix2pix_jax.images.palettes import Palette

# Rows are the target's classes, columns the fake's; the last column is void.
Confusion = Integer[np.ndarray, "*batch classes columns"]
Sums = np.ndarray | np.generic  # a number if there is no batch


def nearest_class(
    levels: UInt8[np.ndarray, "*shape 3"], palette: Palette
) -> Integer[np.ndarray, "*shape"]:
    """Return each pixel's class: the one with the nearest colour in RGB.

    Args:
        levels: 8-bit RGB.
        palette: The colours; if two are equally near, the earlier one counts.

    Returns:
        Indices of `palette.classes`; void has the number of classes.
    """
    colours = palette.colours.astype(np.float32)
    # The pixel's own square, equal for all colours, is left out. Exact: values are below 2^24.
    distances = np.sum(colours**2, axis=-1) - 2 * (levels.astype(np.float32) @ colours.T)
    return np.minimum(np.argmin(distances, axis=-1), len(palette.classes))


def count_labels(
    fake: Integer[np.ndarray, "*shape"], target: Integer[np.ndarray, "*shape"], classes: int
) -> Integer[np.ndarray, "classes columns"]:
    """Count the pixels of each target class by the class of the fake.

    Args:
        fake: Class indices; all but 0 to `classes` - 1 are void.
        target: The true indices; pixels that are void here are not counted.
        classes: Number of classes.

    Returns:
        A confusion matrix: target classes in rows, classes of the fake in columns, void last.
    """
    known = (target >= 0) & (target < classes)
    rows, columns = target[known].astype(np.int64), fake[known].astype(np.int64)
    columns = np.where((columns >= 0) & (columns < classes), columns, classes)
    cells = rows * (classes + 1) + columns
    counts = np.bincount(cells, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1)


def confusion(
    fake: Images, target: Images, palette: Palette, weight: Weight = None
) -> Integer[np.ndarray, "n classes columns"]:
    """Return the confusion matrix of each pair; the sum over pairs is the set's matrix.

    Args:
        fake: Label maps as RGB or gray pictures, in [-1, 1].
        target: The true ones.
        palette: What the colours mean.
        weight: How much each pixel counts; others than those of `pixel.counting` are void. None:
            all count alike.

    Returns:
        One matrix per pair, see `count_labels`.

    Raises:
        InputError: The shapes differ, or the images are neither gray nor RGB or not finite.
    """
    check_pair(fake, target)
    classes = len(palette.classes)
    sides = rgb_levels(fake, "labels"), rgb_levels(target, "labels")
    pairs = (
        map(partial(nearest_class, palette=palette), pair) for pair in zip(*sides, strict=True)
    )
    return _count_pairs(pairs, counting(weight, target), classes)


def confusion_of_classes(
    fake: Images, target: Images, weight: Weight = None
) -> Integer[np.ndarray, "n classes columns"]:
    """Return the confusion matrix of each pair whose channels are the shares of classes.

    Args:
        fake: Shares in [-1, 1]; the class with the largest one counts.
        target: 1 for the pixel's class and -1 for all others. A pixel of no class is void.
        weight: As for `confusion`.

    Returns:
        One matrix per pair, see `count_labels`.

    Raises:
        InputError: The shapes differ, or the images are not finite.
    """
    check_pair(fake, target)
    check_finite(fake)
    classes = target.shape[-1]
    known = (np.asarray(target) > 0).any(-1) & counting(weight, target)
    pairs = zip(np.asarray(fake).argmax(-1), np.asarray(target).argmax(-1), strict=True)
    return _count_pairs(pairs, known, classes)


def _count_pairs(
    pairs: Iterable[Iterable[Integer[np.ndarray, "h w"]]],
    counting: Bool[np.ndarray, "n h w"],
    classes: int,
) -> Integer[np.ndarray, "n classes columns"]:
    """Return the confusion matrix of each fake and target; what does not count is void."""
    matrices = [
        count_labels(fake, np.where(counts, target, classes), classes)
        for (fake, target), counts in zip(pairs, counting, strict=True)
    ]
    return np.array(matrices, np.int64).reshape(-1, classes, classes + 1)


def pixel_accuracy(matrices: Confusion) -> Float[np.ndarray, "*batch"]:
    """Share of the pixels with the right class, in [0, 1], without unit (Long et al., 2015).

    Higher is better; nan if the whole target is void.
    """
    right, there, _ = _counts(matrices)
    return _ratio(right.sum(axis=-1), there.sum(axis=-1))


def class_accuracy(matrices: Confusion) -> Float[np.ndarray, "*batch"]:
    """Share of each class's pixels that are right, mean over classes (Long et al., 2015).

    In [0, 1], without unit; higher is better. Classes that are missing in the target are left out;
    nan if all are.
    """
    right, there, _ = _counts(matrices)
    return _mean_ratio(right, there)


def class_iou(matrices: Confusion) -> Float[np.ndarray, "*batch"]:
    """Intersection over union of each class, mean over classes (Long et al., 2015).

    In [0, 1], without unit; higher is better. Classes that neither side has are left out; one that
    only the fake has counts as 0. nan if the whole target is void.
    """
    right, there, found = _counts(matrices)
    return _mean_ratio(right, there + found - right)


def _counts(matrices: Confusion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each class how many pixels are right, are in the target, and are in the fake."""
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    return right, matrices.sum(axis=-1), matrices[..., :-1].sum(axis=-2)


def _mean_ratio(part: np.ndarray, whole: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Average part / whole over the classes whose whole is not 0."""
    return _ratio(np.sum(part / np.maximum(whole, 1), axis=-1), np.sum(whole > 0, axis=-1))


def _ratio(part: Sums, whole: Sums) -> Float[np.ndarray, "*batch"]:
    counts = np.asarray(whole)
    known = np.where(counts > 0, counts, 1)
    return np.asarray(np.where(counts > 0, np.asarray(part) / known, np.nan))
