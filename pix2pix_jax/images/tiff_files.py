"""TIFF files: many bands, 16 bits and floating point with tifffile, all others with Pillow."""

from typing import Any

import numpy as np

from pix2pix_jax.core.errors import InputError, require
from pix2pix_jax.images.opening import Opened, reader
from pix2pix_jax.images.pillow_files import upright
from pix2pix_jax.images.pixels import Picture, parts, white
from pix2pix_jax.images.tiff_headers import (
    DEFLATE,
    LZMA,
    LZW,
    NONE,
    OLD_DEFLATE,
    PACKBITS,
    ZSTD,
    TiffHeader,
    check_size,
    read_header,
    refuse_swelling,
)

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # with 32-bit and with 64-bit offsets
BUILT_IN = (NONE, PACKBITS, DEFLATE, OLD_DEFLATE, LZMA)  # compressions that tifffile itself knows
BOUNDED = (LZW, ZSTD)  # imagecodecs unpacks these, and stops where a strip or tile should end
_BAND_AXES = ("S", "C", "Q", "I", "Z")  # names that TIFF files have for an axis of bands
_COLOURS = {"MINISBLACK": 1, "MINISWHITE": 1, "PALETTE": 1, "RGB": 3, "YCBCR": 3, "SEPARATED": 4}
_OF_FLOATS = 3  # number of a predictor
_PREMULTIPLIED, _ALPHA = 1, 2  # what an extra sample is


def load_tiff(file: Opened, max_pixels: int) -> Picture | None:
    """Read a TIFF file.

    Args:
        file: The file, at its start.
        max_pixels: As for `refuse_large`.

    Returns:
        The picture, or None if Pillow reads it without loss: it knows more compressions.

    Raises:
        InputError: It cannot be read, is too large, has more than one image, or its samples mean
            something that is not known.
    """
    import tifffile

    size = file.seek(0, 2)
    file.seek(0)
    with reader():
        # OME-TIFF could name other files to be read.
        tiff: Any = tifffile.TiffFile(file, is_ome=False)
        header = read_header(tiff)
    check_size(header, size, max_pixels)
    if header.others:
        raise InputError(
            f"a TIFF of {header.others + 1} images; save the one that is meant as a file of its own"
        )
    if _is_pillows(header):
        return None
    kind = _kind_of(header)
    if header.compression not in BUILT_IN and _is_one_band(header):
        return None
    _check_codec(header)
    refuse_swelling(file, header)
    with reader():
        array = tiff.series[0].asarray(maxworkers=1)
    pixels = upright(_bands_last(array, header.axes), header.orientation)
    return Picture(_obey(pixels, header), kind or ("bands" if pixels.shape[-1] > 1 else "gray"))


def size_of_tiff(file: Opened) -> tuple[int, int]:
    """Return the height and width of an image, upright, from its header.

    Raises:
        InputError: The header is broken.
    """
    import tifffile

    with reader():
        header = read_header(tifffile.TiffFile(file, is_ome=False))
    # An array without values has the same axes.
    height, width = _bands_last(np.broadcast_to(np.uint8(0), header.shape), header.axes).shape[:2]
    return (width, height) if header.orientation >= 5 else (height, width)


def _is_pillows(header: TiffHeader) -> bool:
    """Return whether a page is gray, palette, RGB or CMYK, maybe with alpha, of up to 8 bits."""
    # Pillow would drop other samples, or take infrared for alpha.
    colours = _COLOURS.get(header.photometric, 0)
    more = header.extras if colours in (1, 3) else ()
    known = more in ((), (_PREMULTIPLIED,), (_ALPHA,))
    plain = header.bits <= 8 and header.dtype.kind in "bu"
    return header.flat and plain and known and 0 < colours == header.samples - len(more)


def _is_one_band(header: TiffHeader) -> bool:
    """Return whether a page is one band as Pillow can hold it, in any compression."""
    simple = header.flat and header.samples == 1 and header.photometric == "MINISBLACK"
    return simple and header.dtype.str[1:] in ("u2", "f4")


def _kind_of(header: TiffHeader) -> str:
    """Return what the samples of a page mean; '' if each page is one band.

    Raises:
        InputError: That is not known.
    """
    colours, more = _COLOURS.get(header.photometric, 0), header.extras
    if header.photometric not in ("MINISBLACK", "MINISWHITE", "RGB"):
        name = header.photometric or "none"
        raise InputError(
            f"a TIFF of {header.bits} bits and photometric interpretation {name}, which is not "
            "read; save it as gray or RGB"
        )
    if header.photometric == "MINISWHITE" and (header.samples > 1 or header.dtype.kind not in "bu"):
        raise InputError(
            f"a TIFF of {header.samples} samples of {header.dtype} in which 0 is white, which is "
            "not read; save it with 0 as black"
        )
    if header.samples == 1:
        return ""
    if not header.flat:
        raise InputError(
            f"a TIFF of several pages, or an array of shape {header.shape}; expected (height, "
            "width, channels): save the page that is meant as a file of its own"
        )
    kind = {1: "gray", 3: "RGB"}[colours]
    if header.samples == colours:
        return kind
    if header.samples == colours + 1 and more in ((_PREMULTIPLIED,), (_ALPHA,)):
        return "RGBA" if colours == 3 else "gray+alpha"
    return "bands"


def _check_codec(header: TiffHeader) -> None:
    """Refuse compressions that are not known, and those that need a package that is missing."""
    if header.compression not in (*BUILT_IN, *BOUNDED):
        raise InputError(f"TIFF compression {header.compression}; save it with deflate or none")
    packed = header.bits not in (1, 8, 16, 32, 64)
    if header.compression in BOUNDED or header.predictor == _OF_FLOATS or packed:
        require("imagecodecs", "tiff")


def _bands_last(array: np.ndarray, axes: str) -> np.ndarray:
    """Bring a file's array to (height, width, channels).

    Args:
        array: The array.
        axes: Names of its axes.

    Raises:
        InputError: It has another number of axes.
    """
    bands_first = array.ndim == 3 and axes[:1] in _BAND_AXES and axes.endswith("YX")
    # Q is an axis without a name. An array of (height, width, bands) may have one first, too.
    if bands_first and (axes[0] != "Q" or array.shape[0] < array.shape[-1]):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or 0 in array.shape:
        raise InputError(f"an array of shape {array.shape}; expected (height, width, channels)")
    return array


def _obey(pixels: np.ndarray, header: TiffHeader) -> np.ndarray:
    """Undo 0 as white, and colours that are multiplied by alpha."""
    if header.photometric == "MINISWHITE":
        return np.asarray(2**header.bits - 1, pixels.dtype) - pixels
    if header.extras[:1] != (_PREMULTIPLIED,) or header.samples != _COLOURS[header.photometric] + 1:
        return pixels
    result, full = pixels.copy(), white(pixels.dtype)
    for part in parts(pixels):
        alpha = pixels[part, :, -1:].astype(np.float64) / full
        colours = pixels[part, :, :-1] / np.where(alpha > 0, alpha, 1)
        if pixels.dtype.kind == "u":
            colours = np.rint(colours).clip(0, full)
        result[part, :, :-1] = colours
    return result
