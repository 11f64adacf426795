"""Pixel metrics, the checks that all metrics share, and the 8-bit pixels that some compare.

Images are float, NHWC, in [-1, 1], with any number of channels. A metric returns one value per
image and leaves the mean to its caller, so that a smaller last batch has its proper weight. Values
that are not finite give nan.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

from pix2pix_jax.core.errors import InputError, NonFiniteError
from pix2pix_jax.images import pixels

Images = Float[Array | np.ndarray, "n h w c"]
Weight = Float[Array | np.ndarray, "n h w 1"] | None  # how much each pixel counts, in [0, 1]

# Images with a smaller mean squared error differ by rounding only: PSNR stops at 106 dB.
_LEAST_MSE = 1e-10
_RGB = 3


def check_pair(
    fake: Float[Array | np.ndarray, "..."], target: Float[Array | np.ndarray, "..."]
) -> None:
    """Refuse images of different shapes, which broadcasting would still compare.

    Raises:
        InputError: The shapes differ.
    """
    if fake.shape != target.shape:
        raise InputError(
            f"fake images of shape {fake.shape} and targets of shape {target.shape}: metrics "
            "compare images of equal shape; resize one side or give both the same channels"
        )


def count_not_finite(images: Images) -> Int[Array, " n"]:
    """Count the values of each image that are nan or infinite; works under `jit`."""
    return jnp.sum(~jnp.isfinite(images), axis=(1, 2, 3))


def refuse_not_finite(counts: Int[np.ndarray, " n"], names: Sequence[str], values: int) -> None:
    """Refuse images with nan or infinite values.

    Args:
        counts: From `count_not_finite`.
        names: The images' names; (): the message gives the place in the batch instead.
        values: Number of values of an image.

    Raises:
        NonFiniteError: An image has such values; the message says which one is the first.
    """
    if counts.any():
        first = int(np.argmax(counts > 0))
        name = names[first] if len(names) else f"image {first} of the batch"
        raise NonFiniteError(
            f"{name}: {counts[first]} of {values} values are nan or infinite, so it "
            "has no score; choose another checkpoint or leave the image out"
        )


def check_finite(images: Images, names: Sequence[str] = ()) -> None:
    """Do what `refuse_not_finite` does, for images of any range."""
    values = int(np.prod(images.shape[1:]))
    refuse_not_finite(np.asarray(count_not_finite(images)), names, values)


def l1(fake: Images, target: Images, weight: Weight = None) -> Float[Array, " n"]:
    """Mean absolute difference of each pair, in [0, 2] (units of [-1, 1]).

    Lower is better; identical images have 0 (Isola et al., 2017, eq. 3).
    """
    check_pair(fake, target)
    return weighted_mean(jnp.abs(fake - target), weight)


def l2(fake: Images, target: Images, weight: Weight = None) -> Float[Array, " n"]:
    """Mean squared difference of each pair, in [0, 4] (squared units of [-1, 1]).

    Lower is better; identical images have 0.
    """
    check_pair(fake, target)
    return weighted_mean(jnp.square(fake - target), weight)


def psnr(fake: Images, target: Images, weight: Weight = None) -> Float[Array, " n"]:
    """Peak signal-to-noise ratio of each pair in dB; the peak is the whole range, 2.

    Higher is better; black against white has 0, identical images have 106 dB.
    """
    check_pair(fake, target)
    return 10 * jnp.log10(4 / jnp.maximum(l2(fake, target, weight), _LEAST_MSE))


def weighted_mean(values: Images, weight: Weight = None) -> Float[Array, " n"]:
    """Return the mean of each image over its pixels and channels.

    Args:
        values: A value for each pixel and channel.
        weight: How much each pixel counts, in [0, 1]; None: all count alike. An image of which no
            pixel counts has nan.
    """
    if weight is None:
        return jnp.mean(values, axis=(1, 2, 3))
    return jnp.mean(jnp.sum(values * weight, axis=(1, 2)) / jnp.sum(weight, axis=(1, 2)), axis=-1)


def counting(weight: Weight, images: Images) -> Bool[np.ndarray, "n h w"]:
    """Return the pixels that count at least half as much as those of the image that count most.

    It is for metrics that count pixels.
    """
    if weight is None:
        return np.ones(images.shape[:3], bool)
    weights = np.asarray(weight)[..., 0]
    return (weights > 0) & (weights >= weights.max(axis=(1, 2), keepdims=True) / 2)


def gray_levels(images: Images) -> UInt8[np.ndarray, "n h w"]:
    """Return images as 8-bit gray, as a file would hold them.

    RGB becomes luma (ITU-R 601); any other number of channels is averaged.

    Args:
        images: Images in [-1, 1]; values outside are clipped.

    Returns:
        Levels 0 to 255, rounded.

    Raises:
        InputError: An image has values that are not finite.
    """
    levels = _levels(images)
    if levels.shape[-1] != _RGB:
        return np.rint(levels.mean(axis=-1)).astype(np.uint8)
    gray = [pixels.as_channels(image, 1, "image")[..., 0] for image in levels]
    return np.stack(gray) if gray else levels[..., 0]


def rgb_levels(images: Images, metric: str) -> UInt8[np.ndarray, "n h w 3"]:
    """Return images as 8-bit RGB, as a file would hold them; gray is repeated.

    Args:
        images: Images in [-1, 1]; values outside are clipped.
        metric: What needs them, for the message.

    Returns:
        Levels 0 to 255, rounded.

    Raises:
        InputError: The images are neither gray nor RGB, or have values that are not finite.
    """
    if images.shape[-1] not in (1, _RGB):
        raise InputError(
            f"{metric}: images of {images.shape[-1]} channels; it needs RGB or gray: convert them, "
            "or leave the metric out"
        )
    levels = _levels(images)
    return np.broadcast_to(levels, (*levels.shape[:-1], _RGB))


def _levels(images: Images) -> UInt8[np.ndarray, "n h w c"]:
    check_finite(images)
    return pixels.to_uint8(np.asarray(images))
