"""Images at the size of others, where sources and targets differ in size."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped, UInt8


def at_size(
    image: Shaped[Array | np.ndarray, "*n h w c"], size: tuple[int, ...]
) -> Shaped[Any, "*n h2 w2 c"]:
    """Bring images to a size that is a multiple, or a part, of theirs; works under `jit`.

    Args:
        image: The images.
        size: Height and width.

    Returns:
        Images whose pixels are repeated, or are means of blocks; the same if they have this size.
        A block at the end that is not whole repeats its last row or column.
    """
    *first, height, width, channels = image.shape
    if (height, width) == tuple(size):
        return image
    if height < size[0] or width < size[1]:
        factor = max(size[0] // height, size[1] // width)
        return image.repeat(factor, -3).repeat(factor, -2)
    factor = max(-(-height // size[0]), -(-width // size[1]))
    if (height, width) != (factor * size[0], factor * size[1]):
        ends = zip(size, (height, width), strict=True)
        rows, columns = (np.arange(factor * side).clip(max=end - 1) for side, end in ends)
        image = image[..., rows[:, None], columns, :]
    return image.reshape(*first, size[0], factor, size[1], factor, channels).mean((-4, -2))


def nearest(
    image: Shaped[np.ndarray, "h w c"], size: tuple[int, ...]
) -> Shaped[np.ndarray, "h2 w2 c"]:
    """Return an image that repeats or leaves out pixels, to have a height and width."""
    rows, columns = (np.arange(size[axis]) * image.shape[axis] // size[axis] for axis in range(2))
    return image[rows[:, None], columns]


def interpolated(
    image: Float[Array, "n h w c"], size: tuple[int, int]
) -> Float[Array, "n h2 w2 c"]:
    """Bring images in [-1, 1] to a size by bicubic interpolation.

    Args:
        image: The images.
        size: Height and width.
    """
    count, height, width, channels = image.shape
    if (height, width) == tuple(size):
        return image
    shape = (count, *size, channels)
    precise = jax.lax.Precision.HIGHEST
    return jnp.clip(jax.image.resize(image, shape, "cubic", precision=precise), -1, 1)


def of_one_height(
    first: UInt8[np.ndarray, "h w _"], second: UInt8[np.ndarray, "h2 w2 _"]
) -> tuple[UInt8[np.ndarray, "h3 w3 _"], UInt8[np.ndarray, "h3 w4 _"]]:
    """Return two pictures of one height; the pixels of the smaller one are repeated."""
    height = max(len(first), len(second))
    one, other = (
        picture.repeat(height // len(picture), 0).repeat(height // len(picture), 1)
        for picture in (first, second)
    )
    return one, other
