"""Images that were taken with a turned camera are read upright, whatever reads them."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import pixels as images

ORIENTATION = 0x0112
UPRIGHT = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}


def noise(*shape, dtype="uint8"):
    values = np.random.default_rng(0).random(shape, np.float32)
    return (values * images.white(np.dtype(dtype))).astype(dtype)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def put_into_png(path, kind, data):
    """Put a chunk behind a PNG's header."""
    content = path.read_bytes()
    path.write_bytes(content[:33] + png_chunk(kind, data) + content[33:])


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_orientation_of_a_png_is_applied(tmp_path, orientation, dtype):
    pixels = noise(5, 8, dtype=dtype)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    found = image_files.read_stored(tmp_path / "turned.png")
    np.testing.assert_array_equal(found[..., 0], UPRIGHT[orientation](pixels))
    assert image_files.size_of(tmp_path / "turned.png") == found.shape[:2]


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("compression", [None, "tiff_adobe_deflate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_orientation_of_a_tiff_is_applied(tmp_path, orientation, compression, dtype):
    pixels = noise(5, 8, dtype=dtype)
    info = {ORIENTATION: orientation}
    Image.fromarray(pixels).save(tmp_path / "a.tif", tiffinfo=info, compression=compression)
    found = image_files.read_stored(tmp_path / "a.tif")
    np.testing.assert_array_equal(found[..., 0], UPRIGHT[orientation](pixels))
    assert image_files.size_of(tmp_path / "a.tif") == found.shape[:2]


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_of_a_16_bit_colour_png_is_applied(tmp_path, orientation):
    cv2 = pytest.importorskip("cv2")
    pixels, path = noise(5, 8, 3, dtype="uint16"), tmp_path / "deep.png"
    cv2.imwrite(str(path), pixels[..., ::-1])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    put_into_png(path, b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    for file in (path, io.BytesIO(path.read_bytes())):
        found = image_files.read_stored(file)
        np.testing.assert_array_equal(found, UPRIGHT[orientation](pixels))
    assert image_files.size_of(path) == found.shape[:2]


def test_an_orientation_after_the_pixels_of_a_png_turns_neither_size_nor_pixels(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(noise(5, 8)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    late = png_chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    (tmp_path / "a.png").write_bytes(content[:-12] + late + content[-12:])
    assert image_files.size_of(tmp_path / "a.png") == (5, 8)
    np.testing.assert_array_equal(image_files.read(tmp_path / "a.png")[..., 0], noise(5, 8))
