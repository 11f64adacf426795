"""Targets: every kind of image file, damaged."""

import functools
import io
import pathlib
import tempfile
import zlib

import numpy as np
import tifffile
from PIL import Image, features

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.carried import read_carried
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.files import read_picture, read_pixel, size_of, write
from pix2pix_jax.images.label_files import read_labels
from pix2pix_jax.images.opening import naming
from pix2pix_jax.images.pixels import DTYPES, KINDS, Picture
from pix2pix_jax.images.tiff_rows import open_tiff_rows

from .mutations import mutate

MOST = 2**18  # pixels
_CHANNELS = {"gray": {1}, "gray+alpha": {2}, "RGB": {3}, "RGBA": {4}, "bands": set(range(1, 2**14))}


def _pixels(*shape, dtype="uint8"):
    values = np.random.default_rng(len(shape)).random(shape)
    largest = np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else 1
    return (values * largest).astype(dtype)


def _saved(picture, kind, **options):
    memory = io.BytesIO()
    picture.save(memory, kind, **options)
    return memory.getvalue()


def _pictures(*modes):
    base = Image.fromarray(_pixels(24, 20, 3))
    return [base.convert(mode) for mode in modes]


def _exif():
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a text"
    return exif


def _pngs():
    made = [_saved(each, "PNG") for each in _pictures("1", "L", "LA", "P", "RGB", "RGBA")]
    made.append(_saved(Image.fromarray(_pixels(9, 8, dtype="uint16")), "PNG", exif=_exif()))
    made.append(_saved(_pictures("P")[0], "PNG", transparency=3))
    frames = _pictures("RGB", "RGB")
    made.append(_saved(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    try:
        import cv2
    except ModuleNotFoundError:
        return made
    return [*made, cv2.imencode(".png", _pixels(9, 8, 4, dtype="uint16"))[1].tobytes()]


def _jpegs():
    made = [_saved(each, "JPEG", exif=_exif()) for each in _pictures("L", "RGB", "CMYK")]
    made.append(_saved(_pictures("RGB")[0], "JPEG", progressive=True, optimize=True))
    frames = _pictures("RGB", "RGB")
    return [*made, _saved(frames[0], "MPO", save_all=True, append_images=frames[1:])]


def _moving(kind):
    frames = _pictures("RGB", "P")
    return _saved(frames[0], kind, save_all=True, append_images=frames[1:])


def _webps():
    made = [_saved(each, "WEBP", exif=_exif()) for each in _pictures("RGB", "RGBA")]
    return [*made, _saved(_pictures("RGBA")[0], "WEBP", lossless=True), _moving("WEBP")]


def _gifs():
    return [*(_saved(each, "GIF") for each in _pictures("1", "L", "P", "RGB")), _moving("GIF")]


def _bmps():
    return [_saved(each, "BMP") for each in _pictures("1", "L", "P", "RGB", "RGBA")]


def _tgas():
    made = [_saved(each, "TGA") for each in _pictures("L", "LA", "P", "RGB", "RGBA")]
    return [*made, *(_saved(each, "TGA", compression="tga_rle") for each in _pictures("L", "RGBA"))]


def _ppms():
    made = [_saved(each, "PPM") for each in _pictures("1", "L", "RGB", "F")]
    made.append(_saved(Image.fromarray(_pixels(9, 8, dtype="uint16")), "PPM"))
    made += [b"P2 3 2 100\n1 2 3 4 5 6\n", b"P3 2 1 9\n1 2 3 4 5 6\n", b"P1 3 2\n101 010\n"]
    return [*made, b"P6 2 1 65535\n" + bytes(12), b"P5 3 2 100\nabcdef"]


def _jpeg2000s():
    made = [_saved(each, "JPEG2000") for each in _pictures("L", "LA", "RGB", "RGBA")]
    return [*made, _saved(Image.fromarray(_pixels(9, 8, dtype="uint16")), "JPEG2000")]


def _avifs():
    return [*(_saved(each, "AVIF") for each in _pictures("RGB", "RGBA")), _moving("AVIF")]


def _pillow_tiffs():
    made = [_saved(each, "TIFF") for each in _pictures("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")]
    made += [_saved(_pictures("1")[0], "TIFF", compression="group4")]
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        made.append(_saved(_pictures("RGB")[0], "TIFF", compression=compression))
    made.append(
        _saved(Image.fromarray(_pixels(9, 8, dtype="uint16")), "TIFF", compression="tiff_lzw")
    )
    return [*made, _moving("TIFF")]


def _tiff(array, **options):
    memory = io.BytesIO()
    tifffile.imwrite(memory, array, **options)
    return memory.getvalue()


_GEO = [
    (33550, "d", 3, (0.5, 0.5, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 440720.0, 3751320.0, 0.0), True),
    (34735, "H", 8, (1, 1, 0, 1, 1026, 34737, 7, 0), True),
    (34736, "d", 1, 298.257, True),
    (34737, "s", 0, "NAD27 |", True),
    (42113, "s", 0, "-999", True),
]


def _tifffile_tiffs():
    deep = functools.partial(_pixels, dtype="uint16")
    return [
        _tiff(deep(9, 8, 5), photometric="minisblack", planarconfig="contig"),
        _tiff(deep(5, 9, 8), photometric="minisblack", planarconfig="separate"),
        _tiff(deep(24, 20, 4), photometric="rgb", compression="zlib", rowsperstrip=5),
        _tiff(deep(24, 20), photometric="miniswhite", compression="lzma"),
        _tiff(
            deep(40, 36, 3), photometric="rgb", tile=(16, 16), compression="zlib", predictor=True
        ),
        _tiff(_pixels(24, 20, 2, dtype="float32"), photometric="minisblack", planarconfig="contig"),
        _tiff(_pixels(24, 20, dtype="float64"), byteorder=">", compression="zlib"),
        _tiff(_pixels(24, 20, dtype="float16"), bigtiff=True),
        _tiff(_pixels(24, 20, dtype="int16"), compression="lzma"),
        _tiff(_pixels(24, 20, dtype="int32"), imagej=False, subfiletype=1),
        _tiff(deep(3, 9, 8), photometric="minisblack"),
        _tiff(deep(3, 9, 8), imagej=True),
        _tiff(deep(2, 9, 8), ome=True, photometric="minisblack"),
        _tiff(deep(9, 8, 4), photometric="rgb", extrasamples=[1]),
        _tiff(deep(9, 8), extratags=_GEO, metadata=None),
    ]


def _arrays():
    made = []
    for dtype in ("bool", "uint8", ">u2", "int16", "int64", "float16", "float32", "float64"):
        for shape in ((9, 8), (9, 8, 3)):
            memory = io.BytesIO()
            np.save(memory, np.asfortranarray(_pixels(*shape)).astype(dtype))
            made.append(memory.getvalue())
    memory = io.BytesIO()
    np.savez_compressed(memory, image=_pixels(9, 8))
    return [*made, memory.getvalue()]


def _with_checksums(data):
    """Return a damaged PNG with right checksums, so that what reads its chunks is reached."""
    result, place = bytearray(data), 8
    while place + 12 <= len(result):
        end = place + 8 + int.from_bytes(result[place : place + 4], "big")
        if end + 4 > len(result):
            break
        result[end : end + 4] = zlib.crc32(result[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(result)


@functools.cache
def _made(make):
    return make()


@functools.cache
def _scratch():
    folder = tempfile.TemporaryDirectory()
    return folder, pathlib.Path(folder.name, "image")


def _checked(read):
    """Return what a reader returns, or None if it refused as it should."""
    try:
        return read()
    except InputError as error:
        text = str(error)
        if "\n" in text or not text.startswith("name: ") or len(text) < 12:
            raise AssertionError(f"not one line with the name: {text!r}") from error
        return None


def _check_picture(picture: Picture) -> None:
    pixels, kind = picture.pixels, picture.kind
    assert pixels.ndim == 3
    assert pixels.size
    assert str(pixels.dtype) in DTYPES
    assert kind in KINDS
    assert pixels.shape[-1] in _CHANNELS[kind]
    assert pixels.shape[0] * pixels.shape[1] <= MOST
    assert pixels.nbytes <= 8 * MOST
    assert pixels.flags.c_contiguous
    assert np.isfinite(pixels).all()


def _trial(make, rng):
    """Read one file as a picture, as labels, as a photo, and its size."""
    seeds = _made(make)
    data = seeds[rng.integers(len(seeds))]
    if rng.random() < 0.97:
        data = mutate(data, rng)
        if make is _pngs and rng.random() < 0.7:
            data = _with_checksums(data)
    picture = _checked(lambda: read_picture(io.BytesIO(data), name="name", max_pixels=MOST))
    _checked(lambda: read_labels(io.BytesIO(data), name="name", max_pixels=MOST))
    photo = Encoding(max_pixels=MOST)
    _checked(lambda: photo.read(io.BytesIO(data), name="name"))
    carried = _checked(lambda: read_carried(io.BytesIO(data), name="name"))
    if picture is None:
        return False
    _check_picture(picture)
    path = _scratch()[1]
    if carried:
        result = path.with_suffix(".tif")
        write(result, np.zeros((2, 2, 3), np.uint8), carried=carried)
        # As texts, since values that are not numbers differ from themselves.
        assert str(read_carried(result).geo) == str(carried.geo_for(np.dtype("uint8")))
    path.write_bytes(data)
    assert size_of(path) == picture.pixels.shape[:2]
    pixel = read_pixel(path, max_pixels=MOST)
    assert (pixel.kind, pixel.pixels.dtype) == (picture.kind, picture.pixels.dtype)
    assert pixel.pixels.shape[-1] == picture.pixels.shape[-1]
    _checked(lambda: _compare_rows(data, picture))
    return True


def _compare_rows(data, picture: Picture) -> None:
    """Read a TIFF a second time, row by row."""
    with open_tiff_rows(io.BytesIO(data), MOST, name="name") as rows, naming("name"):
        if rows is not None:
            middle, height = rows.size[0] // 2, rows.size[0]
            halves = [rows.read(0, middle), rows.read(middle, height)]
            np.testing.assert_array_equal(np.concatenate(halves), picture.pixels)


_KINDS = {
    "png": _pngs,
    "jpeg": _jpegs,
    "webp": _webps,
    "gif": _gifs,
    "bmp": _bmps,
    "tga": _tgas,
    "ppm": _ppms,
    "tiff": _pillow_tiffs,
    "tiff of bands": _tifffile_tiffs,
    "npy": _arrays,
    **({"jpeg 2000": _jpeg2000s} if features.check("jpg_2000") else {}),
    **({"avif": _avifs} if features.check("avif") else {}),
}
TARGETS = {f"image: {name}": functools.partial(_trial, make) for name, make in _KINDS.items()}
