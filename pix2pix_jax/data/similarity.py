"""Perceptual hashes: images that look alike have hashes that differ in few bits."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt64

from pix2pix_jax.core.errors import some_of
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.pixels import Stored

NEAR = 8  # bits in which near-duplicates may differ; unrelated images differ in 32 on average
MOST = 1000  # near-duplicates returned: a set of blank images would have millions
_FLAT = 0.1 / 255  # amplitudes below a tenth of an 8-bit level are noise
_PIECE = 2**20  # hashes compared at a time
_RGB = 3
_SIDE = 32
# Rows 1 to 8 of the DCT-II (half a wave to four waves over the image), scaled so that products with
# an image are amplitudes.
_CENTRES = (np.arange(_SIDE) + 0.5) / _SIDE
_WAVES = (np.cos(np.pi * np.outer(np.arange(1, 9), _CENTRES)) * 2 / _SIDE).astype(np.float32)
Hashes = UInt64[np.ndarray, "_ ..."]


def shrink_luma(image: Stored, side: int) -> Float[np.ndarray, "side side"]:
    """Return the brightness of an image from 0 to 1, resized to a square.

    Integers are divided by their largest value. The range of float32 is not known here: it is
    stretched from its smallest to its largest value. The brightness of channels that are not known
    to be gray or RGB is their mean.
    """
    if image.shape[-1] in (1, _RGB):
        gray = images.as_channels(image, 1, "image")
    else:
        gray = image.mean(axis=-1, keepdims=True, dtype=np.float32).astype(image.dtype)
    small = images.resize(gray, (side, side))[..., 0].astype(np.float32)
    if np.issubdtype(image.dtype, np.integer):
        return small / np.float32(images.white(image.dtype))
    low, high = small.min(), small.max()
    span = high - low if high > low else np.float32(1)
    return (small - low) / span


def perceptual_hash(image: Stored) -> np.uint64:
    """Hash an image by its low frequencies (Zauner, 2010, section 3.2.1).

    The image is reduced to 32x32 gray pixels. Each bit says whether an amplitude of their discrete
    cosine transform, at frequencies 1 to 8 along each axis, is above the median of all 64. Images
    without structure have the hash 0.

    Args:
        image: Pixels of any size, dtype and number of channels.

    Returns:
        64 bits, about half of them set. A smaller, brighter or compressed copy differs in 0 to 6
        bits, a copy shifted or cropped by a fiftieth of its side in 4 to 8, a mirrored copy or any
        other image in about 32.
    """
    amplitudes = _WAVES @ shrink_luma(image, _SIDE) @ _WAVES.T
    bits = amplitudes - np.median(amplitudes) > _FLAT
    return np.packbits(bits).view(">u8")[0].astype(np.uint64)


def near_duplicates(
    first: Hashes, second: Hashes | None = None, distance: int = NEAR, most: int = MOST
) -> list[tuple[int, int, int]]:
    """Find images that look alike; larger shifts of the same scene are not found.

    Args:
        first: Hashes of images; or of pairs, one column for each side. The distance of two pairs is
            that of the side that differs more: two shoes on white look alike, their drawings do
            not.
        second: Hashes of other images; None to compare `first` with itself.
        distance: Largest number of bits that may differ.
        most: Largest number of results.

    Returns:
        `(i, j, distance)`, the nearest first: i is a number in `first`; j is one in `second`, or
        one above i in `first`.
    """
    ours = np.ascontiguousarray(np.atleast_2d(first.T))
    theirs = ours if second is None else np.ascontiguousarray(np.atleast_2d(second.T))
    found = [np.empty((0, 3), np.int64)]
    rows = max(_PIECE // max(theirs.shape[1], 1), 1)
    for start in range(0, len(first), rows):
        bits = np.zeros((1, 1), np.uint8)
        for one, other in zip(ours[:, start : start + rows], theirs, strict=True):
            bits = np.maximum(bits, np.bitwise_count(one[:, None] ^ other))
        i, j = np.nonzero(bits <= distance)
        hits = np.stack([i + start, j, bits[i, j]], axis=-1)
        found.append(_nearest(hits[hits[:, 1] > hits[:, 0]] if second is None else hits, most))
    return [(int(i), int(j), int(bits)) for i, j, bits in _nearest(np.concatenate(found), most)]


def _nearest(hits: np.ndarray, most: int) -> np.ndarray:
    return hits[np.argsort(hits[:, 2], kind="stable")[:most]]


def warn_across_splits(
    train: Hashes, val: Hashes, names: tuple[Sequence[str], Sequence[str]]
) -> str | None:
    """Say which held-out images have a near-duplicate among the training images.

    Args:
        train: Hashes of the training images or pairs, as for `near_duplicates`.
        val: Hashes of the held-out ones.
        names: Names of both.

    Returns:
        One line; None if there are no near-duplicates.
    """
    nearest: dict[int, tuple[int, int]] = {}
    for i, j, bits in near_duplicates(train, val):
        nearest.setdefault(j, (i, bits))
    if not nearest:
        return None
    cases = [
        f"{names[1][j]} ~ {names[0][i]} ({bits} of 64 bits differ)"
        for j, (i, bits) in nearest.items()
    ]
    return (
        f"{len(nearest)} of {len(val)} held-out images look like a training image, so their scores "
        f"are too good: {some_of(cases)}"
    )
