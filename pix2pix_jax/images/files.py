"""Image files: read and write them, without losing bits or channels.

Pillow reads what it can represent; tifffile and NumPy read many bands and floating point; OpenCV
reads 16-bit colour in PNG files.
"""

import io
import os
import pathlib
import struct
import zlib
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image, ImageOps, UnidentifiedImageError

from pix2pix_jax.core.errors import InputError, require
from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.images.pixels import DTYPES, Stored, as_channels

MAX_PIXELS = 2**27  # of one image, 134 million: a small file can claim to have far more
File = str | os.PathLike | io.BytesIO | io.BufferedReader
# What readers raise for a broken file, depending on its format and where it is broken.
BROKEN_FILE = (
    OSError,
    EOFError,
    SyntaxError,
    TypeError,
    ValueError,
    LookupError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_ARRAY_SUFFIXES = (".npy", ".tif", ".tiff")
_BAND_AXES = ("S", "C", "Q", "I", "Z")  # names that TIFF files have for an axis of bands
_ORIENTATION = 0x0112  # number of the tag in EXIF and TIFF


def read(
    file: File, channels: int = 3, dtype: str = "uint8", *, name: object = None
) -> Shaped[np.ndarray, "h w channels"]:
    """Read an image as `read_stored` does, with the wanted number of channels.

    Args:
        file: As for `read_stored`.
        channels: Number of channels, see `pixels.as_channels`.
        dtype: What the file must hold: `uint8`, `uint16` or `float32`.
        name: As for `read_stored`.

    Raises:
        InputError: As for `read_stored`; or the file has another dtype, or channels that cannot be
            converted.
    """
    name = file if name is None else name
    image = read_stored(file, name=name)
    if image.dtype != dtype:
        raise InputError(f"{name}: holds {image.dtype} values, expected {dtype}")
    return as_channels(image, channels, name)


def read_stored(file: File, *, name: object = None) -> Stored:
    """Read an image as its file stores it: uint8, uint16 or float32, with all its channels.

    Palettes are looked up, alpha is kept, the EXIF orientation is applied.

    Args:
        file: A path, or a binary file.
        name: Name of the image, for messages; its path by default.

    Raises:
        InputError: The file is missing, truncated, too large, not an image, or holds values that
            are not finite.
    """
    name = file if name is None else name
    try:
        image = _decode(file)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    except UnidentifiedImageError:
        raise InputError(f"{name}: not an image file") from None
    except BROKEN_FILE as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise InputError(f"{name}: cannot be read as an image ({reason})") from None
    if image.dtype == np.float32 and not np.isfinite(image).all():
        raise InputError(f"{name}: holds values that are not finite")
    return image


def size_of(path: str | os.PathLike) -> tuple[int, int]:
    """Return height and width of an image file; for most formats only its header is read."""
    if _suffix(path) not in _ARRAY_SUFFIXES:
        try:
            with Image.open(path) as picture:
                return picture.size if _orientation(picture) >= 5 else picture.size[::-1]
        except BROKEN_FILE:
            pass  # read_stored will say what is wrong
    height, width = read_stored(path).shape[:2]
    return height, width


def suffix_of(dtype: str, channels: int) -> str:
    """Return the suffix for `write`: `.png`, or `.tif` for what PNG cannot hold."""
    png = (dtype == "uint8" and channels in (1, 3, 4)) or (dtype == "uint16" and channels == 1)
    return ".png" if png else ".tif"


def write(path: str | os.PathLike, image: Stored) -> None:
    """Write an image without loss; the file appears whole or not at all.

    Args:
        path: The file, with the suffix from `suffix_of`; its folder must exist.
        image: Pixels.
    """
    flat = image[..., 0] if image.shape[-1] == 1 else image
    with atomic_path(path) as temporary:
        if suffix_of(str(image.dtype), image.shape[-1]) == ".png":
            Image.fromarray(flat).save(temporary, format="PNG")
        else:
            import tifffile

            kind = "rgb" if image.shape[-1] in (3, 4) else "minisblack"
            planar = "contig" if flat.ndim == 3 else None
            tifffile.imwrite(
                temporary, flat, photometric=kind, planarconfig=planar, compression="zlib"
            )


def _suffix(file: File) -> str:
    return pathlib.Path(file).suffix.lower() if isinstance(file, str | os.PathLike) else ""


def _decode(file: File) -> Stored:
    if _suffix(file) == ".npy":
        return _shape(_load_npy(file), "")
    if _suffix(file) in (".tif", ".tiff"):
        image = _load_tiff(file)
        if image is not None:
            return image
        # From memory, as Pillow 13 ignores the orientation of a file that it maps.
        file = io.BytesIO(pathlib.Path(str(file)).read_bytes())
    with Image.open(file) as picture:
        refuse_bomb(*picture.size)
        if _is_deep_colour(picture):
            return _upright(_load_deep_colour(picture), _orientation(picture))
        ImageOps.exif_transpose(picture, in_place=True)  # a copy would take as long as decoding
        return _from_pillow(picture)


def refuse_bomb(width: int, height: int, values: int = 0) -> None:
    """Refuse an image that is too large to be read.

    Args:
        width: Its width.
        height: Its height.
        values: Its number of values, if known.

    Raises:
        InputError: It has more than `MAX_PIXELS` pixels, or more than four times as many values.
    """
    if width * height > MAX_PIXELS:
        raise InputError(f"{width} x {height} pixels, more than the {MAX_PIXELS} allowed")
    if values > 4 * MAX_PIXELS:
        raise InputError(f"{values} values, more than the {4 * MAX_PIXELS} allowed")


def _orientation(picture: Image.Image) -> int:
    # A PNG's own getexif would decode the pixels, to find tags that come after them.
    return int(Image.Image.getexif(picture).get(_ORIENTATION, 1))


def _upright(image: Stored, orientation: int) -> Shaped[np.ndarray, "h2 w2 c"]:
    """Rotate and mirror an image as its orientation in EXIF or TIFF, 1 to 8, says."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    down, across = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(image[:: -1 if down else 1, :: -1 if across else 1])


def _from_pillow(picture: Image.Image) -> Stored:
    """Convert any Pillow mode to an array without loss."""
    if picture.mode.startswith("I"):
        wide = np.asarray(picture)
        if wide.min(initial=0) < 0 or wide.max(initial=0) > np.iinfo(np.uint16).max:
            raise InputError("holds whole numbers beyond 16 bits")
        pixels = wide.astype(np.uint16)
    elif picture.mode == "F":
        pixels = np.array(picture, np.float32)
    elif picture.has_transparency_data:
        pixels = np.array(picture.convert("LA" if picture.mode in ("LA", "La") else "RGBA"))
    else:
        wanted = "L" if picture.mode in ("1", "L") else "RGB"
        # np.array would copy the pixels twice, which takes longer than decoding.
        pixels = np.asarray(picture if picture.mode == wanted else picture.convert(wanted))
    return pixels.reshape(*pixels.shape[:2], -1)


def _is_deep_colour(picture: Image.Image) -> bool:
    """Return whether Pillow would reduce a PNG's 16-bit colour to 8 bits."""
    tiles = getattr(picture, "tile", []) if picture.format == "PNG" else []
    return bool(tiles) and str(tiles[0][3]) in ("RGB;16B", "RGBA;16B", "LA;16B")


def _load_deep_colour(picture: Any) -> Stored:
    cv2 = require("cv2", "opencv")
    picture.fp.seek(0)
    image = cv2.imdecode(np.frombuffer(picture.fp.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("broken PNG data")
    return image[..., [2, 1, 0, 3][: image.shape[-1]]]  # OpenCV's order is BGRA


def _load_npy(file: File) -> np.ndarray:
    array = np.load(file, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise InputError("an archive of arrays (.npz); save one array")
    refuse_bomb(0, 0, array.size)
    return np.array(array)


def _load_tiff(file: Any) -> Stored | None:
    """Read a TIFF; None if Pillow reads it without loss, as it knows more codecs."""
    import tifffile

    with tifffile.TiffFile(file) as tiff:
        page: Any = tiff.pages[0]
        series = tiff.series[0]
        refuse_bomb(page.imagewidth, page.imagelength, series.size)
        flat = series.ndim == (2 if page.samplesperpixel == 1 else 3)
        if flat and _is_pillows(page):
            return None
        try:
            image = _shape(series.asarray(), series.axes)
        except ValueError as error:
            if "imagecodecs" in str(error):
                if flat and page.samplesperpixel == 1:
                    return None
                require("imagecodecs", "tiff")
            raise
        return _upright(image, page.tags.valueof(_ORIENTATION, default=1))


def _is_pillows(page: Any) -> bool:
    """Return whether a page is gray, palette, RGB or CMYK, maybe with alpha, of up to 8 bits."""
    # Pillow would drop other samples, or take infrared for alpha.
    colours = {"RGB": 3, "YCBCR": 3, "SEPARATED": 4}.get(page.photometric.name, 1)
    more = [extra.name for extra in page.extrasamples]
    known = more in ([], ["ASSOCALPHA"], ["UNASSALPHA"])
    plain = page.bitspersample <= 8 and page.sampleformat == 1
    return plain and known and page.samplesperpixel == colours + len(more)


def _shape(array: np.ndarray, axes: str) -> Stored:
    """Bring a file's array to (height, width, channels) and to one of `DTYPES`.

    Args:
        array: The array.
        axes: Names of its axes in a TIFF; '' if unknown.

    Raises:
        InputError: It has another number of axes, or another dtype.
    """
    bands_first = array.ndim == 3 and axes[:1] in _BAND_AXES and axes.endswith("YX")
    # Q is an axis without a name. An array of (height, width, bands) may have one first, too.
    if bands_first and (axes[0] != "Q" or array.shape[0] < array.shape[-1]):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 2:
        array = array[..., None]
    if array.dtype == np.float64:
        with np.errstate(over="ignore"):  # infinite values are refused later
            array = array.astype(np.float32)
    array = array.astype(array.dtype.newbyteorder("="))
    if array.ndim != 3 or 0 in array.shape:
        raise InputError(f"an array of shape {array.shape}; expected (height, width, channels)")
    if str(array.dtype) not in DTYPES:
        raise InputError(f"holds {array.dtype} values; choose from {', '.join(DTYPES)}")
    return np.ascontiguousarray(array)
