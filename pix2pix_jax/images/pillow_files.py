"""Pictures that Pillow reads."""

import struct
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.limits import refuse_large
from pix2pix_jax.images.opening import Opened, identify, reader
from pix2pix_jax.images.pixels import Picture, parts

# The further pictures of a camera's file are left out; the pages of a TIFF are judged before.
_STILL = ("MPO", "TIFF")
_ORIENTATION = 0x0112  # number of the tag in EXIF and TIFF
# How Pillow unpacks 16-bit colour of PNG: to the high bytes, as it has no mode for such pixels. The
# same data, unpacked as if the low byte came first, gives the low bytes. Of gray with alpha, all
# four bytes of a pixel are unpacked as if they were RGBA.
_LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
_DEEP_GRAY = "LA;16B"
# Pillow stretches 2-bit and 4-bit gray to 0..255, by these factors.
_STRETCHED = {"L;2": 85, "L;4": 17}
# Bytes per pixel that decoders need: Pillow itself has four, OpenJPEG four for each band.
_BYTES, _BYTES_OF_WEBP, _BYTES_OF_AVIF = 4, 12, 8
_SIZE_MARKER = b"\xff\x4f\xff\x51"  # the start of a JPEG 2000 stream
_HEAD = 2**20  # bytes in which a file says how many bits its colours have
_LARGE = 2**22  # pixels, above which an image is not held in a third form at once


def load_picture(file: Opened, max_pixels: int, *, indices: bool = False) -> Picture:
    """Read a picture: palettes are looked up, alpha is kept, the EXIF orientation is applied.

    Args:
        file: The file, at its start.
        max_pixels: As for `refuse_large`.
        indices: Whether to return the indices of a palette instead, and gray levels as stored.

    Returns:
        Pixels of 8 or 16 bits, or float32.

    Raises:
        InputError: It cannot be read, is too large, has more than one frame, or would lose bits.
    """
    picture = _open(file, max_pixels)
    with reader():
        scaled = _is_scaled(picture)
    if _is_deep_png(picture):
        return _load_deep_png(file, picture)
    _refuse_lost_bits(file, picture)
    opaque = picture.format == "TGA" and not _has_alpha_bits(file)
    with reader():
        factor = _STRETCHED.get(_raw_mode(picture)[:3], 1)
        if orientation_of(picture) != 1:  # not one that only comes after the pixels of a PNG
            ImageOps.exif_transpose(picture, in_place=True)  # a copy would take as long as decoding
        if not indices and opaque and picture.mode in ("LA", "RGBA"):
            return _from_pillow(picture.convert("L" if picture.mode == "LA" else "RGB"))
        if not indices:
            return _from_pillow(picture)
    if scaled:
        raise InputError("gray levels that are not 0 to 255 or 65535; save class indices as PNG")
    with reader():
        if picture.mode in ("P", "1", "L"):
            return Picture((np.array(picture).astype(np.uint8) // factor)[..., None], "gray")
        return _from_pillow(picture)


def pixel_of_picture(file: Opened, max_pixels: int) -> Picture:
    """Return one black pixel of the kind that `load_picture` returns, from the header alone.

    Args:
        file: The file, at its start.
        max_pixels: As for `refuse_large`.

    Raises:
        InputError: As for `load_picture`, as far as the header tells.
    """
    picture = _open(file, max_pixels)
    if _is_deep_png(picture):
        kind = "gray+alpha" if _raw_mode(picture) == _DEEP_GRAY else picture.mode
        count = 2 if kind == "gray+alpha" else len(kind)
        return Picture(np.zeros((1, 1, count), np.uint16), kind)
    _refuse_lost_bits(file, picture)
    opaque = picture.format == "TGA" and not _has_alpha_bits(file)
    with reader():
        mode = "RGB" if picture.mode == "P" else picture.mode
        if opaque:
            mode = {"LA": "L", "RGBA": "RGB"}.get(mode, mode)
        elif picture.has_transparency_data and mode not in ("LA", "La"):
            mode = "RGBA"
        return _from_pillow(Image.new(mode, (1, 1)))


def _open(file: Opened, max_pixels: int) -> ImageFile:
    """Open a picture whose pixels may be read."""
    with reader():
        picture = identify(file)
        moving = picture.format not in _STILL and getattr(picture, "is_animated", False)
    pixels = picture.width * picture.height
    refuse_large(*picture.size, _bytes_per_pixel(picture) * pixels, max_pixels)
    if moving:
        by = ", as prepare.py frames does" if picture.format in ("GIF", "PNG") else ""
        raise InputError(
            f"a {picture.format} of more than one frame; save the frames as single images{by}"
        )
    deep = picture.mode.startswith("I") or _is_deep_png(picture)
    if deep and picture.info.get("transparency") is not None:
        raise InputError(
            "16 bits with one level or colour that stands for transparent, which is not read; save "
            "it with alpha, or without"
        )
    return picture


def _bytes_per_pixel(picture: ImageFile) -> int:
    if picture.format == "JPEG2000":
        return _BYTES * len(picture.getbands())
    return {"WEBP": _BYTES_OF_WEBP, "AVIF": _BYTES_OF_AVIF}.get(str(picture.format), _BYTES)


def size_of_picture(file: Opened) -> tuple[int, int]:
    """Return the height and width of a picture, upright, from its header.

    Raises:
        InputError: The header is broken.
    """
    with reader():
        picture = identify(file)
        return picture.size if orientation_of(picture) >= 5 else picture.size[::-1]


def orientation_of(picture: Image.Image) -> int:
    """Return how the camera was turned, 1 to 8, as EXIF says."""
    # A PNG's own getexif would decode the pixels, to find tags that come after them.
    turned: Any = Image.Image.getexif(picture).get(_ORIENTATION)
    return int(turned) if turned in range(1, 9) else 1


def upright(image: Shaped[np.ndarray, "h w c"], orientation: int) -> Shaped[np.ndarray, "h2 w2 c"]:
    """Rotate and mirror an image as its orientation in EXIF or TIFF, 1 to 8, says."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    down, across = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(image[:: -1 if down else 1, :: -1 if across else 1])


def _raw_mode(picture: ImageFile) -> str:
    """Return how Pillow will unpack the pixels, such as `RGB;16B`."""
    tiles = getattr(picture, "tile", None)
    arguments: Any = tiles[0][3] if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _is_deep_png(picture: ImageFile) -> bool:
    return picture.format == "PNG" and _raw_mode(picture) in (*_LOW_BYTES, _DEEP_GRAY)


def _has_alpha_bits(file: Opened) -> bool:
    """Return whether the fourth byte of a TGA's pixels is alpha, and not just padding."""
    place = file.tell()
    file.seek(17)
    descriptor = file.read(1)
    file.seek(place)
    return bool(descriptor[0] & 0x0F)


def _is_scaled(picture: ImageFile) -> bool:
    """Return whether Pillow stretches the gray levels of a PPM file to all of 8 or 16 bits."""
    return picture.format == "PPM" and bool(picture.tile) and picture.tile[0][0] != "raw"


def _from_pillow(picture: Image.Image) -> Picture:
    """Convert any Pillow mode to an array without loss."""
    mode = picture.mode
    if mode.startswith("I"):
        wide = np.asarray(picture)
        if wide.min(initial=0) < 0 or wide.max(initial=0) > np.iinfo(np.uint16).max:
            raise InputError("holds whole numbers beyond 16 bits")
        return Picture(wide.astype(np.uint16)[..., None], "gray")
    if mode == "F":
        return Picture(np.array(picture, np.float32)[..., None], "gray")
    if picture.has_transparency_data:
        if mode in ("LA", "La"):
            return Picture(_pixels(picture, "LA"), "gray+alpha")
        return Picture(_pixels(picture, "RGBA"), "RGBA")
    if mode in ("1", "L"):
        return Picture(_pixels(picture, "L"), "gray")
    return Picture(_pixels(picture, "RGB"), "RGB")


def _pixels(picture: Image.Image, mode: str) -> Shaped[np.ndarray, "h w c"]:
    """Return the pixels in another mode, without holding them in three forms if they are many."""
    width, height = picture.size
    if width * height <= _LARGE:
        # np.array would copy the pixels twice, which takes longer than decoding.
        pixels = np.asarray(picture if picture.mode == mode else picture.convert(mode))
        return pixels.reshape(height, width, -1)
    result = np.empty((height, width, len(Image.new(mode, (1, 1)).getbands())), np.uint8)
    for rows in parts(result):
        strip = picture.crop((0, rows.start, width, min(rows.stop, height)))
        strip = strip if strip.mode == mode else strip.convert(mode)
        result[rows] = np.asarray(strip).reshape(-1, width, result.shape[-1])
    return result


def _load_deep_png(file: Opened, picture: ImageFile) -> Picture:
    """Read 16-bit colour, or gray with alpha, of a PNG."""
    raw = _raw_mode(picture)
    with reader():
        turned = orientation_of(picture)
        if raw == _DEEP_GRAY:
            picture._mode = "RGBA"
            values = _unpacked(picture, "RGBA").view(">u2").astype(np.uint16)
        else:
            values = _unpacked(picture, raw).astype(np.uint16) * np.uint16(256)
            values += _unpacked(identify(file), _LOW_BYTES[raw])
    kind = {2: "gray+alpha", 3: "RGB", 4: "RGBA"}[values.shape[-1]]
    return Picture(upright(values, turned), kind)


def _unpacked(picture: ImageFile, raw_mode: str) -> Shaped[np.ndarray, "h w c"]:
    picture.tile = [picture.tile[0]._replace(args=raw_mode)]
    return np.array(picture)


def _refuse_lost_bits(file: Opened, picture: ImageFile) -> None:
    """Refuse colours of more than 8 bits that Pillow would reduce to 8."""
    with reader():
        deep = _is_deep(file, picture)
    if deep:
        raise InputError(
            f"colours of more than 8 bits in a {picture.format} file, which are not read; save it "
            "as PNG or TIFF of 16 bits"
        )


def _is_deep(file: Opened, picture: ImageFile) -> bool:
    if picture.format == "PPM":
        arguments: Any = picture.tile[0][3] if picture.tile else ()
        largest = arguments[-1] if isinstance(arguments, tuple) else arguments
        return picture.mode == "RGB" and isinstance(largest, int) and largest > 255
    if picture.format not in ("JPEG2000", "AVIF"):
        return False
    place = file.tell()
    file.seek(0)
    head = file.read(_HEAD)
    file.seek(place)
    if picture.format == "AVIF":
        found = head.find(b"av1C")
        return found >= 0 and bool(head[found + 6] & 0x40)  # the bit `high_bitdepth`
    start = head.find(_SIZE_MARKER)
    if start < 0:
        return True
    (count,) = struct.unpack_from(">H", head, start + 40)
    bits = [(head[start + 42 + 3 * number] & 0x7F) + 1 for number in range(count)]
    return max(bits) > 8 and picture.mode != "I;16"
