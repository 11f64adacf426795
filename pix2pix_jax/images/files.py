"""Image files: read and write them, without losing bits or channels."""

import contextlib
import io
import math
import os
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.images import npy_files, tiff_files
from pix2pix_jax.images.carried import NOTHING, Carried
from pix2pix_jax.images.limits import MAX_PIXELS, refuse_large
from pix2pix_jax.images.npy_files import load_npy
from pix2pix_jax.images.opening import File, Opened, naming, open_file, reader
from pix2pix_jax.images.pillow_files import load_picture, pixel_of_picture, size_of_picture
from pix2pix_jax.images.pixels import (
    DTYPES,
    WITH_ALPHA,
    Picture,
    Stored,
    as_channels,
    finite,
    kind_of,
    parts,
)
from pix2pix_jax.images.tiff_files import load_tiff, size_of_tiff
from pix2pix_jax.images.tiff_rows import open_tiff_rows

TIFF_SUFFIXES = (".tif", ".tiff")
_ZIP = b"PK\x03\x04"
_EXACT = 2**24  # up to here float32 holds every whole number


def read(
    file: File, channels: int = 3, dtype: str = "uint8", *, name: object = None
) -> Shaped[np.ndarray, "h w channels"]:
    """Read an image as `read_stored` does, with the wanted number of channels.

    Args:
        file: As for `read_picture`.
        channels: Number of channels, see `pixels.as_channels`.
        dtype: What the file must hold: `uint8`, `uint16` or `float32`.
        name: As for `read_picture`.

    Raises:
        InputError: As for `read_picture`; or the file has another dtype, or channels that cannot be
            converted.
    """
    name = file if name is None else name
    picture = read_picture(file, name=name)
    if picture.pixels.dtype != dtype:
        raise InputError(f"{name}: holds {picture.pixels.dtype} values, expected {dtype}")
    return as_channels(picture.pixels, channels, name, kind=picture.kind)


def read_stored(file: File, *, name: object = None, max_pixels: int = MAX_PIXELS) -> Stored:
    """Return the pixels that `read_picture` reads."""
    return read_picture(file, name=name, max_pixels=max_pixels).pixels


def read_picture(
    file: File, *, name: object = None, max_pixels: int = MAX_PIXELS, checked: bool = True
) -> Picture:
    """Read an image as its file stores it: uint8, uint16 or float32, with all its channels.

    Palettes are looked up, alpha is kept, the EXIF orientation is applied. What the file is, its
    content decides, not its suffix.

    Values of other dtypes become what holds them: 1-bit values become 0 and 255 in uint8; integers
    with a sign or of more than 16 bits become float32, if none is beyond 2**24; float16 becomes
    float32, too, and float64 is rounded to it.

    Args:
        file: A path, or a binary file.
        name: Name of the image, for messages; its path by default.
        max_pixels: Largest number of pixels; see `limits.refuse_large`.
        checked: Whether values that are not finite are refused; False: they are kept, for those who
            know which pixels hold data.

    Raises:
        InputError: The file is missing, truncated, too large, not an image or more than one, or
            holds values that are not finite or that float32 does not hold.
    """
    with naming(file if name is None else name):
        picture = decode(file, max_pixels=max_pixels)
        stored = np.ascontiguousarray(_to_stored(picture.pixels))
        return Picture(finite(stored) if checked else stored, picture.kind)


def decode(file: File, *, max_pixels: int = MAX_PIXELS, indices: bool = False) -> Picture:
    """Read an image with values as in its file, of any dtype.

    Args:
        file: A path, or a binary file.
        max_pixels: As for `read_picture`.
        indices: As for `pillow_files.load_picture`.

    Raises:
        InputError: As for `read_picture`, without the name of the file.
    """
    with open_file(file) as opened:
        start = _start(opened)
        if start.startswith(npy_files.MAGIC):
            return load_npy(opened, max_pixels)
        if start.startswith(_ZIP):
            raise InputError("an archive of arrays (.npz) or files; save one array with np.save")
        if start.startswith(tiff_files.MAGIC):
            picture = load_tiff(opened, max_pixels)
            if picture is not None:
                return picture
        return load_picture(opened, max_pixels, indices=indices)


def read_pixel(file: File, *, name: object = None, max_pixels: int = MAX_PIXELS) -> Picture:
    """Return one pixel of the kind that `read_picture` returns, without unpacking the others.

    Of a TIFF file, its first row of pixels is unpacked; some are read whole, as their header does
    not tell the kind.

    Args:
        file: As for `read_picture`.
        name: As for `read_picture`.
        max_pixels: As for `read_picture`.

    Raises:
        InputError: As for `read_picture`, as far as the header tells.
    """
    with naming(file if name is None else name), open_file(file) as opened:
        start = _start(opened)
        if start.startswith(npy_files.MAGIC):
            shape, dtype = npy_files.read_header(opened)
            refuse_large(shape[1], shape[0], math.prod(shape) * dtype.itemsize, max_pixels)
            pixel = np.zeros((1, 1, *shape[2:], *(1,) * (3 - len(shape))), dtype)
            return Picture(_to_stored(pixel), kind_of(pixel))
        if not start.startswith((_ZIP, *tiff_files.MAGIC)):
            return pixel_of_picture(opened, max_pixels)
        # What is damaged is judged as a whole.
        with contextlib.suppress(InputError), open_tiff_rows(opened, max_pixels) as rows:
            if rows is not None:
                return Picture(rows.read(0, 1)[:, :1], rows.kind)
    picture = read_picture(file, name=name, max_pixels=max_pixels, checked=False)
    return Picture(picture.pixels[:1, :1], picture.kind)


def _start(file: Opened) -> bytes:
    with reader():
        start = file.read(8)
        file.seek(0)
    return start


def _to_stored(pixels: np.ndarray) -> Stored:
    """Convert values to one of `pixels.DTYPES`.

    Raises:
        InputError: float32 does not hold one of them.
    """
    dtype = pixels.dtype.newbyteorder("=")
    if str(dtype) in DTYPES:
        return pixels.astype(dtype, copy=False)
    if dtype.kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # infinite values are refused later
            return pixels.astype(np.float32)
    if dtype.kind not in "iu":
        raise InputError(f"holds {dtype} values; choose from {', '.join(DTYPES)}")
    for part in parts(pixels) if dtype.itemsize > 2 else ():
        values = pixels[part]
        wrong = values[(values > _EXACT) | (values < -_EXACT if dtype.kind == "i" else False)]
        if wrong.size:
            raise InputError(
                f"holds {int(wrong[0])} in {dtype}; it is read as float32, which holds whole "
                f"numbers up to {_EXACT} exactly: save it as uint8, uint16 or float32"
            )
    return pixels.astype(np.float32)


def size_of(file: File, *, name: object = None) -> tuple[int, int]:
    """Return height and width of an image file, upright; only its header is read.

    Args:
        file: As for `read_picture`.
        name: As for `read_picture`.

    Raises:
        InputError: The file is missing, or its header is broken.
    """
    with naming(file if name is None else name), open_file(file) as opened:
        start = _start(opened)
        if start.startswith(npy_files.MAGIC):
            height, width = npy_files.read_header(opened)[0][:2]
            return height, width
        if start.startswith(tiff_files.MAGIC):
            return size_of_tiff(opened)
        return size_of_picture(opened)


def is_tiff(path: str | os.PathLike) -> bool:
    """Return whether the content of a file is a TIFF.

    Raises:
        InputError: The file cannot be opened.
    """
    with naming(path), open_file(path) as opened:
        return _start(opened).startswith(tiff_files.MAGIC)


def suffix_of(dtype: str, channels: int, kind: str = "") -> str:
    """Return the suffix for `write`: `.png`, or `.tif` for what PNG cannot hold.

    Args:
        dtype: `uint8`, `uint16` or `float32`.
        channels: Number of channels.
        kind: What they mean, one of `pixels.KINDS`; '' if that is not known: four are RGBA then.
    """
    png = (dtype == "uint8" and channels in (1, 3, 4)) or (dtype == "uint16" and channels == 1)
    return ".png" if png and (kind != "bands" or channels == 1) else ".tif"


def write(
    path: str | os.PathLike, image: Stored, kind: str = "", *, carried: Carried = NOTHING
) -> None:
    """Write an image without loss; the file appears whole or not at all.

    Args:
        path: The file; its folder must exist. With the suffix from `suffix_of`, or that of a TIFF.
        image: Pixels.
        kind: As for `suffix_of`.
        carried: What the image keeps of the file that it was made from.
    """
    with atomic_path(path) as temporary:
        in_tiff = pathlib.Path(path).suffix.lower() in TIFF_SUFFIXES
        _save(temporary, image, kind, carried, in_tiff=in_tiff)


def to_bytes(
    image: Stored, kind: str = "", *, carried: Carried = NOTHING, in_tiff: bool = False
) -> bytes:
    """Return the content of the file that `write` writes.

    Args:
        image: Pixels.
        kind: As for `suffix_of`.
        carried: As for `write`.
        in_tiff: Whether the file is a TIFF, although a PNG could hold the image.
    """
    memory = io.BytesIO()
    _save(memory, image, kind, carried, in_tiff=in_tiff)
    return memory.getvalue()


def _save(
    file: pathlib.Path | io.BytesIO,
    image: Stored,
    kind: str,
    carried: Carried = NOTHING,
    *,
    in_tiff: bool = False,
) -> None:
    channels = image.shape[-1]
    flat = image[..., 0] if channels == 1 else image
    profile = carried.profile_for(image.dtype, channels, kind)
    if not in_tiff and suffix_of(str(image.dtype), channels, kind) == ".png":
        Image.fromarray(flat).save(file, format="PNG", icc_profile=profile)
        return
    import tifffile

    tifffile.imwrite(
        file,
        flat,
        **tiff_form(image.dtype, channels, kind),
        iccprofile=profile,
        extratags=carried.geo_for(image.dtype),
    )


def tiff_form(dtype: np.dtype, channels: int, kind: str = "") -> dict[str, Any]:
    """Return how `write` stores an image as a TIFF, for tifffile.

    Args:
        dtype: Dtype of the image.
        channels: Number of channels.
        kind: As for `suffix_of`.
    """
    return {
        "photometric": "rgb" if channels in (3, 4) and kind != "bands" else "minisblack",
        "planarconfig": "contig" if channels > 1 else None,
        "extrasamples": ["unassalpha"] if kind in WITH_ALPHA else None,
        "compression": "zlib",
    }
