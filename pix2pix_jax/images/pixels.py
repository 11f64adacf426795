"""Image arrays: resize, change channels, arrange; (height, width, channels).

Files hold unsigned integers or float32; `encodings.py` says how these stand for the network's
float32 in [-1, 1]. Functions that name no dtype take uint8, uint16 and float32.
"""

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image

from pix2pix_jax.core.errors import InputError

Stored = Shaped[np.ndarray, "h w c"]
DTYPES = ("float32", "uint16", "uint8")
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601: gray from red, green and blue
_RGB, _RGBA = 3, 4
_BICUBIC, _NEAREST = Image.Resampling.BICUBIC, Image.Resampling.NEAREST


def to_uint8(image: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Map [-1, 1] onto 0..255, rounding to the nearest level; values outside are clipped."""
    levels = np.rint((np.asarray(image, np.float32) + 1) * np.float32(127.5))
    return np.clip(levels, 0, 255).astype(np.uint8)


def white(dtype: np.dtype) -> float:
    """Return the value of white: an integer type's largest; 1 for float32."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def as_channels(image: Stored, channels: int, what: object) -> Shaped[np.ndarray, "h w channels"]:
    """Give an image another number of channels, by rule.

    Two channels are gray and alpha, four are RGBA. Alpha is laid over white where it is not wanted,
    and opaque where it is missing; gray is repeated; RGB becomes gray by its luma.

    Args:
        image: Pixels.
        channels: Number of channels wanted.
        what: Name of the image, for the message.

    Returns:
        The image itself where it has as many already.

    Raises:
        InputError: There is no rule from the one number to the other.
    """
    there = image.shape[-1]
    if there == channels:
        return image
    if channels not in (1, _RGB, _RGBA) or there not in (1, 2, _RGB, _RGBA):
        raise InputError(
            f"{what}: has {there} channels, expected {channels}; set data.source_channels and "
            "data.target_channels to what the files have"
        )
    if there in (2, _RGBA):  # an alpha channel that is not wanted: 2 -> 4 is laid over white, too
        image = _over_white(image)
    if channels == 1:
        return image if image.shape[-1] == 1 else _luma(image)
    colour = image if image.shape[-1] == _RGB else np.repeat(image, _RGB, axis=-1)
    if channels == _RGB:
        return colour
    opaque = np.full((*colour.shape[:2], 1), white(colour.dtype), colour.dtype)
    return np.concatenate([colour, opaque], axis=-1)


def _over_white(image: Stored) -> Shaped[np.ndarray, "h w _"]:
    full = white(image.dtype)
    alpha = image[..., -1:].astype(np.float64) / full
    mixed = image[..., :-1] * alpha + full * (1 - alpha)
    return _cast(mixed, image.dtype)


def _luma(image: Stored) -> Shaped[np.ndarray, "h w 1"]:
    if image.dtype == np.uint8:  # as Pillow rounds it, for results equal to other programs'
        return np.array(Image.fromarray(image).convert("L"))[..., None]
    return _cast(image.astype(np.float64) @ np.array(LUMA)[:, None], image.dtype)


def _cast(image: Shaped[np.ndarray, "h w c"], dtype: np.dtype) -> Stored:
    """Round to an integer dtype within its range, or convert to float32."""
    if np.issubdtype(dtype, np.integer):
        image = np.rint(image).clip(0, white(dtype))
    return image.astype(dtype)


def resize(
    image: Stored, size: tuple[int, int], *, nearest: bool = False
) -> Shaped[np.ndarray, "h2 w2 c"]:
    """Resize with Pillow's antialiasing bicubic filter, as the reference does.

    Args:
        image: Pixels; gray and RGB of 8 bits are filtered in 8 bits, all others in float32.
        size: Height and width wanted.
        nearest: Whether each result is the nearest pixel instead: for class indices.

    Returns:
        The image itself where it has that size already.
    """
    if image.shape[:2] == tuple(size):
        return image
    wanted, method = (size[1], size[0]), _NEAREST if nearest else _BICUBIC
    if image.dtype == np.uint8 and image.shape[-1] in (1, _RGB):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        return np.asarray(picture.resize(wanted, method)).reshape(*size, image.shape[-1])
    planes = [
        Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(wanted, method)
        for plane in np.moveaxis(image, -1, 0)
    ]
    return _cast(np.stack([np.asarray(plane) for plane in planes], axis=-1), image.dtype)


def centre_crop(image: Stored, size: tuple[int, int]) -> Shaped[np.ndarray, "h2 w2 c"]:
    """Cut the middle of an image that is at least of that height and width."""
    top, left = ((side - wanted) // 2 for side, wanted in zip(image.shape, size, strict=False))
    return image[top : top + size[0], left : left + size[1]]
