"""What a file holds is known from its header, before its pixels are unpacked."""

import numpy as np
import pytest
from PIL import Image

from pix2pix_jax import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import PHOTO, Encoding

RGB = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8))
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F")
SUFFIXES = (".png", ".tif", ".jpg", ".webp", ".gif", ".bmp", ".tga", ".ppm")


def kind(picture):
    return picture.pixels.dtype, picture.pixels.shape[-1], picture.kind


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_pixel_is_of_the_kind_of_the_picture(tmp_path, suffix):
    saved = 0
    for mode in MODES:
        picture = RGB.convert("L").convert(mode) if mode == "I;16" else RGB.convert(mode)
        path = tmp_path / f"{mode.strip(';')}{suffix}"
        try:
            picture.save(path)
        except (OSError, KeyError, ValueError):
            continue  # not every format has every mode
        saved += 1
        assert kind(image_files.read_pixel(path)) == kind(image_files.read_picture(path))
    assert saved


@pytest.mark.parametrize("options", [{"transparency": 3}, {}])
def test_transparency_that_is_not_a_channel_is_seen(tmp_path, options):
    RGB.convert("P").save(tmp_path / "a.png", **options)
    found = kind(image_files.read_pixel(tmp_path / "a.png"))
    assert found == kind(image_files.read_picture(tmp_path / "a.png"))
    assert found[1] == (4 if options else 3)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 7)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int32", "float16", "float64"])
def test_the_header_of_an_array_says_all(tmp_path, shape, dtype):
    np.save(tmp_path / "a.npy", np.zeros(shape, dtype))
    path = tmp_path / "a.npy"
    assert kind(image_files.read_pixel(path)) == kind(image_files.read_picture(path))


def test_a_file_that_does_not_fit_is_refused_as_reading_would(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 5, 7), np.uint8))
    RGB.convert("L").convert("I;16").save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("not an image")
    for name in ("a.npy", "a.png", "a.txt", "none.png"):
        messages = []
        for look in (PHOTO.read, PHOTO.check_file):
            with pytest.raises(InputError) as found:
                look(tmp_path / name)
            messages.append(str(found.value))
        assert messages[0] == messages[1]
    Encoding(7).check_file(tmp_path / "a.npy")
    Encoding(1, "float32", 1e8, 1e8 + 64).check_file(_floats(tmp_path))


def _floats(folder):
    np.save(folder / "f.npy", np.full((2, 2), 1e8, np.float32))
    return folder / "f.npy"


def test_class_indices_are_read_whole(tmp_path):
    labels = np.zeros((4, 4), np.uint8)
    labels[3, 3] = 9
    Image.fromarray(labels).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="holds class 9"):
        Encoding(1, classes=3).check_file(tmp_path / "a.png")
