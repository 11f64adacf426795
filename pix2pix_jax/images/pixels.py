"""Image arrays (height, width, channels): resize, crop, convert channels.

Files hold unsigned integers or float32; `images.encoding` maps these to the networks' float32 in
[-1, 1]. Unless they say otherwise, functions take uint8, uint16 and float32.
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
    """Map [-1, 1] to 0..255, rounding to the nearest level; values outside are clipped."""
    levels = np.rint((np.asarray(image, np.float32) + 1) * np.float32(127.5))
    return np.clip(levels, 0, 255).astype(np.uint8)


def white(dtype: np.dtype) -> float:
    """Return the value of white: an integer dtype's largest, or 1 for float32."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def as_channels(image: Stored, channels: int, what: object) -> Shaped[np.ndarray, "h w channels"]:
    """Convert an image to another number of channels.

    Two channels are gray and alpha, four are RGBA. If alpha is not wanted, the image is composited
    over white; a missing alpha channel becomes opaque. Gray is repeated; RGB becomes gray by its
    luma.

    Args:
        image: Pixels.
        channels: Number of channels wanted.
        what: Name of the image, for the message.

    Returns:
        The image itself if it has that many already.

    Raises:
        InputError: There is no rule for this conversion.
    """
    there = image.shape[-1]
    if there == channels:
        return image
    if channels not in (1, _RGB, _RGBA) or there not in (1, 2, _RGB, _RGBA):
        raise InputError(
            f"{what}: has {there} channels, expected {channels}; set data.source_channels and "
            "data.target_channels to what the files have"
        )
    if there in (2, _RGBA):  # alpha is not wanted; gray and alpha become opaque RGBA, too
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
    if image.dtype == np.uint8:  # rounded by Pillow, for the same results as other programs
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
        nearest: Whether to take the nearest pixel instead, as for class indices.

    Returns:
        The image itself if it has that size already.
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
    """Cut the centre of an image that has at least the wanted height and width."""
    top, left = ((side - wanted) // 2 for side, wanted in zip(image.shape, size, strict=False))
    return image[top : top + size[0], left : left + size[1]]
