"""Pixels without data: NaN, or a number that stands for missing values."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from pix2pix_jax.images import pixels

_STRIPE = 3  # width of the stripes that mark pixels without data, in pixels


def valid(image: Shaped[Any, "*n h w c"], no_data: str | None) -> Bool[Any, "*n h w 1"]:
    """Return which pixels hold data; works under `jit`.

    Args:
        image: Pixels as stored.
        no_data: `nan`: a pixel is without data if any of its channels is NaN. A number: if all of
            them equal it. None: all pixels hold data.
    """
    if no_data is None:
        return np.ones((*image.shape[:-1], 1), bool)
    value = float(no_data)
    if np.isnan(value):
        return (image == image).all(axis=-1, keepdims=True)
    return (image.astype(np.float32) != np.float32(value)).any(axis=-1, keepdims=True)


def unmarked(
    image: Shaped[np.ndarray, "*n h w c"], no_data: str | None
) -> Shaped[np.ndarray, "*n h w c"]:
    """Return pixels that all hold data: what happens to equal the mark takes the next value.

    Args:
        image: Pixels as stored.
        no_data: See `valid`.
    """
    good = valid(image, no_data)
    if no_data is None or good.all() or np.isnan(float(no_data)):
        return image
    mark = np.array(float(no_data)).astype(image.dtype)
    if image.dtype == np.float32:
        other = np.nextafter(mark, np.float32(0) if mark else np.float32(1))
    else:
        other = mark + 1 if mark < pixels.white(image.dtype) else mark - 1
    return np.where(good, image, other.astype(image.dtype))


def resize(
    image: Shaped[np.ndarray, "h w c"], size: tuple[int, int], no_data: str
) -> Shaped[np.ndarray, "h2 w2 c"]:
    """Resize, averaging only pixels that hold data.

    Args:
        image: Pixels as stored.
        size: Height and width wanted.
        no_data: See `valid`.

    Returns:
        Pixels in the dtype of the image; those of which less than half holds data are without.
    """
    good = valid(image, no_data)
    if image.shape[:2] == tuple(size):
        return image
    means, enough = average(image, good, size)
    return np.where(enough, unmarked(means, no_data), np.array(float(no_data)).astype(image.dtype))


def average(
    image: Shaped[np.ndarray, "h w c"], good: Bool[np.ndarray, "h w 1"], size: tuple[int, int]
) -> tuple[Shaped[np.ndarray, "h2 w2 c"], Bool[np.ndarray, "h2 w2 1"]]:
    """Resize an image from some of its pixels.

    Args:
        image: Pixels as stored.
        good: Those that are averaged.
        size: Height and width wanted.

    Returns:
        Pixels in the dtype of the image, and of which at least half is made of good ones.
    """
    if good.all():
        return pixels.resize(image, size), np.ones((*size, 1), bool)
    share = pixels.resize(good.astype(np.float32), size)
    sums = pixels.resize(np.where(good, image, 0).astype(np.float32), size)
    means = sums / np.maximum(share, 0.5)
    if image.dtype != np.float32:
        means = means.round().clip(0, pixels.white(image.dtype))
    return means.astype(image.dtype), share >= 0.5


def hatch(
    picture: UInt8[np.ndarray, "h w d"], good: Bool[np.ndarray, "h w 1"]
) -> UInt8[np.ndarray, "h w d"]:
    """Return a picture with slanted stripes where there is no data.

    Args:
        picture: Gray or RGB.
        good: Which pixels hold data.
    """
    rows, columns = np.indices((*picture.shape[:2], 1))[:2]
    light = (rows + columns) // _STRIPE % 2
    return np.where(good, picture, np.where(light, 192, 64)).astype(np.uint8)
