"""Image arrays (height, width, channels): resize, crop, convert channels.

Files hold unsigned integers or float32; `images.encoding` maps these to the networks' float32 in
[-1, 1]. Unless they say otherwise, functions take uint8, uint16 and float32.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image

from pix2pix_jax.core.errors import InputError

Stored = Shaped[np.ndarray, "h w c"]
DTYPES = ("float32", "uint16", "uint8")
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601: gray from red, green and blue
# What channels mean: RGB or gray, maybe with alpha (opacity) as the last one; or anything else.
KINDS = ("gray", "gray+alpha", "RGB", "RGBA", "bands")
WITH_ALPHA = ("gray+alpha", "RGBA")
_RGB, _RGBA = 3, 4
_PART = 2**20  # values
_BICUBIC, _NEAREST = Image.Resampling.BICUBIC, Image.Resampling.NEAREST


def to_uint8(image: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Map [-1, 1] to 0..255, rounding to the nearest level; values outside are clipped."""
    levels = np.rint((np.asarray(image, np.float32) + 1) * np.float32(127.5))
    return np.clip(levels, 0, 255).astype(np.uint8)


def white(dtype: np.dtype) -> float:
    """Return the value of white: an integer dtype's largest, or 1 for float32."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


@dataclasses.dataclass(frozen=True)
class Picture:
    """Pixels, and what their channels mean.

    Attributes:
        pixels: The pixels.
        kind: One of `KINDS`.
    """

    pixels: Stored
    kind: str


def kind_of(image: Stored) -> str:
    """Return the kind of an image of which only the number of channels is known.

    One is gray and three are RGB. Nothing says that the last of two or four is alpha.
    """
    return {1: "gray", _RGB: "RGB"}.get(image.shape[-1], "bands")


def as_channels(
    image: Stored, channels: int, what: object, *, kind: str = ""
) -> Shaped[np.ndarray, "h w channels"]:
    """Convert an image to another number of channels.

    If alpha is not wanted, the image is composited over white; a missing alpha channel becomes
    opaque. Gray is repeated; RGB becomes gray by its luma. Bands, which may be anything, are never
    converted.

    Args:
        image: Pixels.
        channels: Number of channels wanted.
        what: Name of the image, for the message.
        kind: What its channels mean, one of `KINDS`; '' if only their number is known.

    Returns:
        The image itself if it has that many already.

    Raises:
        InputError: There is no rule for this conversion.
    """
    there = image.shape[-1]
    if there == channels:
        return image
    kind = kind or kind_of(image)
    if channels not in (1, _RGB, _RGBA) or kind == "bands":
        unknown = ", of which nothing says that they are colours or alpha"
        raise InputError(
            f"{what}: has {there} channels{unknown if there <= _RGBA and kind == 'bands' else ''}, "
            f"expected {channels}; set data.source_channels and data.target_channels to what the "
            "files have"
        )
    if kind in WITH_ALPHA:  # not wanted; gray and alpha become opaque RGBA, too
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
    result = np.empty((*image.shape[:2], image.shape[-1] - 1), image.dtype)
    for part in parts(image):  # float64 of a large image would take eight times its memory
        alpha = image[part, :, -1:].astype(np.float64) / full
        mixed = image[part, :, :-1] * alpha + full * (1 - alpha)
        result[part] = _cast(mixed, image.dtype)
    return result


def finite(image: Stored, *, nan: bool = False) -> Stored:
    """Return an image, or raise InputError if a value is infinite or not a number.

    Args:
        image: Pixels.
        nan: Whether not a number is allowed.
    """
    if image.dtype == np.float32:
        refused = np.isinf if nan else lambda values: ~np.isfinite(values)
        wrong = sum(int(refused(image[part]).sum()) for part in parts(image))
        if wrong:
            raise InputError(
                f"holds values that are not finite ({wrong} of {image.size}); replace them"
            )
    return image


def parts(image: Shaped[np.ndarray, "h w ..."]) -> Iterator[slice]:
    """Yield slices of the rows of an image, of about a million values each."""
    rows = max(_PART // max(image[0].size, 1), 1)
    for top in range(0, len(image), rows):
        yield slice(top, top + rows)


def _luma(image: Stored) -> Shaped[np.ndarray, "h w 1"]:
    if image.dtype == np.uint8:  # rounded by Pillow, for the same results as other programs
        return np.array(Image.fromarray(image).convert("L"))[..., None]
    result = np.empty((*image.shape[:2], 1), image.dtype)
    for part in parts(image):
        result[part] = _cast(image[part].astype(np.float64) @ np.array(LUMA)[:, None], image.dtype)
    return result


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
