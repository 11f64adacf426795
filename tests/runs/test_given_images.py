"""What `translate` takes for images, and what it says about everything else."""

import logging

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from pix2pix_jax import InputError
from pix2pix_jax.images.encoding import PHOTO, Encoding
from pix2pix_jax.runs.given_images import as_images

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
GRAY = Encoding(1)


def same(found, expected):
    (image,) = found
    assert image.dtype == expected.dtype
    np.testing.assert_array_equal(image, expected)


def test_arrays_of_every_library_are_taken(tmp_path):
    same(as_images([PIXELS], PHOTO), PIXELS)
    same(as_images(PIXELS[None], PHOTO), PIXELS)
    same(as_images([jnp.asarray(PIXELS)], PHOTO), PIXELS)
    same(as_images(jnp.asarray(PIXELS)[None], PHOTO), PIXELS)
    same(as_images((one for one in [PIXELS]), PHOTO), PIXELS)
    same(as_images([PIXELS[..., 0]], GRAY), PIXELS[..., :1])
    torch = pytest.importorskip("torch")
    same(as_images([torch.from_numpy(PIXELS)], PHOTO), PIXELS)


def test_pictures_and_paths_are_read_like_files(tmp_path):
    picture = Image.fromarray(PIXELS)
    picture.save(tmp_path / "a.png")
    for image in (picture, tmp_path / "a.png", str(tmp_path / "a.png")):
        same(as_images([image], PHOTO), PIXELS)
    (gray,) = as_images([picture.convert("L")], PHOTO)
    assert gray.shape == (4, 6, 3)
    (back,) = as_images([picture.convert("CMYK")], PHOTO)
    np.testing.assert_array_equal(back, np.asarray(picture.convert("CMYK").convert("RGB")))
    deep = np.arange(24, dtype=np.uint16).reshape(4, 6, 1) * 2000
    same(as_images([Image.fromarray(deep[..., 0])], Encoding(1, "uint16", 0.0, 65535.0)), deep)
    floats = deep.astype(np.float32)
    same(as_images([Image.fromarray(floats[..., 0])], Encoding(1, "float32", 0.0, 65535.0)), floats)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (PIXELS, r"ndarray of shape \(4, 6, 3\): expected a list .* for a single one, write \[im"),
        (Image.fromarray(PIXELS), r"expected a list of images.* write \[image\]"),
        ("a.png", r"str 'a\.png': expected a list of images"),
        (None, "NoneType None: expected a list of images"),
        ({"a": PIXELS}, "dict .*: expected a list of images"),
        (7, "int 7: expected a list of images"),
        ([None], r"image 0: NoneType None; expected an array of \(height, width, 3\) in uint8"),
        ([PIXELS, PIXELS[..., 0]], r"image 1: ndarray of shape \(4, 6\); expected an array"),
        ([PIXELS[:0]], r"image 0: ndarray of shape \(0, 6, 3\); expected an array"),
        ([PIXELS / 255], "float64, expected 3 of uint8; if 0 is black and 1 is white, multiply by"),
        ([PIXELS.transpose(2, 0, 1)], r"shape \(3, 4, 6\); .*: move the channels to the end"),
        ([PIXELS.astype(np.int64)], "image 0: 3 channels of int64, expected 3 of uint8"),
        (["nowhere.png"], r"nowhere\.png: "),
    ],
)
def test_everything_else_is_one_line_that_says_what_is_expected(given, message):
    with pytest.raises(InputError, match=message) as found:
        as_images(given, PHOTO)
    assert "\n" not in str(found.value)


def test_a_tensor_that_cannot_be_copied_is_one_line():
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(4, 6, 3, requires_grad=True)
    with pytest.raises(InputError, match=r"image 0: Tensor of shape \(4, 6, 3\) cannot become an"):
        as_images([tensor], PHOTO)


def test_values_that_are_not_finite_are_refused_and_others_only_named(caplog):
    encoding = Encoding(1, "float32", 0.0, 1.0)
    inside, outside = np.zeros((2, 2, 1), np.float32), np.full((2, 2, 1), 7, np.float32)
    with caplog.at_level(logging.WARNING):
        as_images([inside], encoding)
        assert not caplog.messages
        as_images([inside, outside], encoding)
    (line,) = caplog.messages
    assert line.startswith("1 of 2 images have values outside the range of the training, 0 to 1;")
    inside[0] = np.nan
    with pytest.raises(InputError, match="image 0: holds values that are not finite"):
        as_images([inside], encoding)
