"""Image files that are refused: broken ones, those that claim too much, other kinds of values."""

import pickle
import struct
import sys
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import label_files
from pix2pix_jax.images.encoding import Encoding

ORIENTATION = 0x0112


def noise(*shape, dtype="uint8"):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def refuses(path, message):
    with pytest.raises(InputError, match=message) as error:
        image_files.read_stored(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_missing_codec_is_an_error_that_gives_the_extra(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", noise(9, 9, 5), photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tiff.pages[0].tags["Compression"].overwrite(5)  # LZW
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    refuses(tmp_path / "a.tif", r"imagecodecs is missing: pip install 'pix2pix_jax\[tiff\]'")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[{}]], object), "an array of object; expected numbers"),
        (np.zeros((3, 4), complex), "an array of complex128; expected numbers"),
        (np.zeros((3, 4), "M8[s]"), r"an array of datetime64\[s\]; expected numbers"),
        (np.zeros((3, 4), "f4,u1"), "expected numbers"),
        (
            np.full((3, 4), 2**24 + 1),
            "holds 16777217 in int64; it is read as float32, which",
        ),
        (np.full((3, 4), -(2**31) + 1, np.int32), "holds -2147483647 in int32"),
        (np.full((3, 4), 2**64 - 1, np.uint64), "holds 18446744073709551615 in uint64"),
        (np.zeros((2, 3, 4, 1), np.uint8), r"an array of shape \(2, 3, 4, 1\); expected \(height"),
        (np.zeros((0, 4, 3), np.uint8), r"an array of shape \(0, 4, 3\)"),
        (np.uint8(3), r"an array of shape \(\)"),
        (np.array([[np.nan, 0]], np.float32), "holds values that are not finite"),
        (np.array([[np.inf, 0]]), "holds values that are not finite"),
        (np.array([[1e300, 0]]), "holds values that are not finite"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_an_array_that_is_not_an_image_is_an_error(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    refuses(tmp_path / "a.npy", message)


def test_values_in_a_tiff_that_are_not_finite_are_an_error(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, np.nan]], np.float32))
    refuses(tmp_path / "a.tif", "holds values that are not finite")


def npy_that_claims(path, shape):
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(int(np.prod(shape, dtype=np.int64)) + file.tell())  # takes no room on disk


def png_that_claims(path, side):
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b"\0" * 99))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IEND", b""))


def tiff_that_claims(path, side):
    tifffile.imwrite(path, np.zeros((4, 4), np.uint16))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for name in ("ImageWidth", "ImageLength"):
            tiff.pages[0].tags[name].overwrite(side, dtype="I")


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.png", lambda path: png_that_claims(path, 12_000), "12000 x 12000 pixels, more than"),
        ("a.png", lambda path: png_that_claims(path, 60_000), "60000 x 60000 pixels, more than"),
        ("a.tif", lambda path: tiff_that_claims(path, 60_000), "60000 x 60000 pixels, more than"),
        (
            "a.npy",
            lambda path: npy_that_claims(path, (30_000, 30_000)),
            "30000 x 30000 pixels",
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_file_that_claims_too_many_pixels_is_an_error(tmp_path, name, make, message):
    make(tmp_path / name)
    refuses(tmp_path / name, message)
    with pytest.raises(InputError, match=message):
        label_files.read_labels(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
def test_the_limit_is_on_height_times_width_and_can_be_set(tmp_path, name):
    image = noise(6, 9, 1)
    if name == "a.npy":
        np.save(tmp_path / name, image)
    else:
        Image.fromarray(image[..., 0]).save(tmp_path / name)
    for read in (image_files.read_stored, label_files.read_labels, Encoding(max_pixels=54).read):
        assert read(tmp_path / name).shape[:2] == (6, 9)
    message = "9 x 6 pixels, more than data.max_pixels=53 allows; raise it"
    for read in (image_files.read_stored, label_files.read_labels):
        assert read(tmp_path / name, max_pixels=54).shape == image.shape
        with pytest.raises(InputError, match=message):
            read(tmp_path / name, max_pixels=53)
    for encoding in (Encoding(max_pixels=53), Encoding(1, classes=256, max_pixels=53)):
        with pytest.raises(InputError, match=message):
            encoding.read(tmp_path / name)
    assert image_files.size_of(tmp_path / name) == (6, 9)


def test_many_bands_have_a_limit_on_their_bytes(tmp_path):
    image_files.write(tmp_path / "a.tif", noise(6, 9, 5))
    assert image_files.read_stored(tmp_path / "a.tif", max_pixels=68).shape == (6, 9, 5)
    with pytest.raises(InputError, match="270 bytes to unpack, more than the 4 per pixel that"):
        image_files.read_stored(tmp_path / "a.tif", max_pixels=67)


def truncate(path, write):
    write(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def save(path):
    Image.fromarray(noise(32, 32, 3)).save(path)


def save_deep(path):
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(path), noise(32, 32, 3, dtype="uint16"))


def break_exif(path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x10E] = "hello"
    Image.fromarray(noise(24, 24, 3)).save(path, exif=exif)
    data = bytearray(path.read_bytes())
    data[data.find(b"Exif") + 17] = 86
    path.write_bytes(data)


def save_npz(path):
    with path.open("wb") as file:
        np.savez(file, image=noise(3, 4))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.jpg", lambda path: truncate(path, save), "truncated"),
        ("a.jpg", lambda path: path.write_text("not pixels"), "not an image file"),
        ("a.jpg", lambda path: path.write_bytes(b""), "not an image file"),
        ("a.jpg", lambda path: None, "No such file"),
        ("a.jpg", lambda path: path.mkdir(), "Is a directory"),
        ("a.jpg", break_exif, "cannot be read"),
        ("a.png", lambda path: truncate(path, save), "cannot be read"),
        ("a.png", lambda path: truncate(path, save_deep), "truncated"),
        ("a.tif", lambda path: truncate(path, save), "cannot be read"),
        ("a.tif", lambda path: path.write_bytes(b"II*\0\0\0\0\0"), "cannot be read"),
        ("a.tif", lambda path: path.write_text("not pixels"), "not an image file"),
        ("a.tif", lambda path: None, "No such file"),
        (
            "a.tif",
            lambda path: truncate(path, lambda p: image_files.write(p, noise(64, 64, 5))),
            "bytes of pixels in",
        ),
        ("a.npy", lambda path: truncate(path, lambda p: np.save(p, noise(64, 64))), "truncated"),
        ("a.npy", lambda path: path.write_bytes(b""), "not an image file"),
        ("a.npy", save_npz, "an archive of arrays"),
        ("a.npy", lambda path: path.write_bytes(pickle.dumps(noise(3, 4))), "not an image"),
        ("a.npy", lambda path: None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_one_line_error_that_gives_its_name(
    tmp_path, name, make, message
):
    path = tmp_path / name
    make(path)
    refuses(path, message)
    with pytest.raises(InputError, match=f"^{path}: .*{message}"):
        label_files.read_labels(path)
