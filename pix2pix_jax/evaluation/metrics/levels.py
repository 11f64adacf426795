"""The 8-bit pixels that some metrics compare: those of the files that images would be saved as."""

import numpy as np
from jaxtyping import UInt8

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.pixel import Images, check_finite
from pix2pix_jax.images import pixels as arrays

_RGB = 3


def gray_levels(images: Images) -> UInt8[np.ndarray, "n h w"]:
    """Return gray images: of RGB the luma (ITU-R 601), of any other number of channels the mean.

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
    gray = [arrays.as_channels(image, 1, "image")[..., 0] for image in levels]
    return np.stack(gray) if gray else levels[..., 0]


def rgb_levels(images: Images, metric: str) -> UInt8[np.ndarray, "n h w 3"]:
    """Return RGB images; gray is repeated.

    Args:
        images: Images in [-1, 1]; values outside are clipped.
        metric: What needs them, for the message.

    Returns:
        Levels 0 to 255, rounded.

    Raises:
        InputError: They have other than 1 or 3 channels, or values that are not finite.
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
    return arrays.to_uint8(np.asarray(images))
