"""Image files and arrays: read, write, resize, arrange; the only place where ranges are converted.

Images are (height, width, channels): integers at the file boundary, float32 in [-1, 1] inside.
"""

import contextlib
import os
import pathlib
import struct
import tempfile
from collections.abc import Iterator, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from pix2pix_jax.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png")
_WHITE = (255, 255, 255)
# Pillow reports a broken file by any of these, depending on the format and the place.
_BROKEN_FILE = (
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)


def to_float(image: Integer[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """Map an unsigned integer image onto [-1, 1]; on the device and under `jit`.

    Args:
        image: Any unsigned integer dtype; its whole range is used.

    Returns:
        float32; 0 becomes -1 and the dtype's largest value 1.
    """
    half = float(jnp.iinfo(image.dtype).max) / 2
    return jnp.asarray(image).astype(jnp.float32) / half - 1


def to_uint8(image: Float[Array | np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Map [-1, 1] onto 0..255, rounding to the nearest level; values outside are clipped."""
    levels = np.rint((np.asarray(image, np.float32) + 1) * np.float32(127.5))
    return np.clip(levels, 0, 255).astype(np.uint8)


def read(path: str | os.PathLike, channels: int = 3) -> UInt8[np.ndarray, "h w channels"]:
    """Read an image file as 8-bit gray or RGB.

    The EXIF orientation is applied, palettes are looked up, transparency is laid over white, and
    16-bit gray is scaled to 8 bits.

    Args:
        path: File to read, in any format that Pillow knows.
        channels: 1 for gray, 3 for RGB.

    Returns:
        The pixels.

    Raises:
        InputError: The file is missing, no image, truncated or too large to be one.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            return _to_channels(image, channels)
    except UnidentifiedImageError:
        raise InputError(f"{path}: not an image file") from None
    except _BROKEN_FILE as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read as an image ({reason})") from None


def _to_channels(image: Image.Image, channels: int) -> UInt8[np.ndarray, "h w channels"]:
    """Convert any Pillow mode to 8-bit gray or RGB."""
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow's own conversion would clip
        gray = np.rint(np.asarray(image, np.float64) / 257).clip(0, 255).astype(np.uint8)
        image = Image.fromarray(gray)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGB", image.size, _WHITE)
        image.paste(layer, mask=layer.getchannel("A"))
    pixels = np.array(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], channels)


def write(path: str | os.PathLike, image: UInt8[np.ndarray, "h w c"]) -> None:
    """Write a PNG; the file appears whole or not at all.

    Args:
        path: File to write; its folder must exist.
        image: Gray (one channel) or RGB.
    """
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG")


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Give a temporary file that takes the place of `path` when the block ends well.

    Args:
        path: The file wanted; an old one of that name is replaced.

    Yields:
        A path in the same folder, to be written.
    """
    path = pathlib.Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = pathlib.Path(name)
    try:
        yield temporary
        # mkstemp makes private files; a result should have the rights of any new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def resize(
    image: UInt8[np.ndarray, "h w c"], size: tuple[int, int]
) -> UInt8[np.ndarray, "h2 w2 c"]:
    """Resize with Pillow's antialiasing bicubic filter, as the reference does.

    Args:
        image: Gray or RGB pixels.
        size: Height and width wanted.

    Returns:
        The image itself where it has that size already.
    """
    if image.shape[:2] == tuple(size):
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    resized = np.array(picture.resize((size[1], size[0]), Image.Resampling.BICUBIC))
    return resized.reshape(*size, image.shape[-1])


def resize_float(
    image: Float[np.ndarray, "h w c"], size: tuple[int, int]
) -> Float[np.ndarray, "h2 w2 c"]:
    """Resize floating-point pixels, channel by channel, with the same filter as `resize`."""
    planes = [
        Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(
            (size[1], size[0]), Image.Resampling.BICUBIC
        )
        for plane in np.moveaxis(image, -1, 0)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def grid(
    rows: Sequence[Sequence[UInt8[np.ndarray, "h w _"]]], gap: int = 4
) -> UInt8[np.ndarray, "H W 3"]:
    """Arrange images in rows on white.

    Args:
        rows: Rows of images, gray or RGB, all of one height and width.
        gap: Pixels between images.

    Returns:
        One RGB image.
    """
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    shape = (len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3)
    canvas = np.full(shape, 255, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            canvas[top : top + height, left : left + width] = image
    return canvas


def find(folder: str | os.PathLike) -> list[pathlib.Path]:
    """List the image files under a folder, sub-folders included, in the order of their paths.

    Args:
        folder: Folder to search.

    Returns:
        Paths whose suffix is one of `SUFFIXES`, in upper or lower case; hidden files and folders
        are left out.
    """
    root = pathlib.Path(folder)
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and path.is_file()
    )
