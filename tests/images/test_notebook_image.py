import io

import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.images.encoding import PHOTO, Encoding
from pix2pix_jax.images.notebook_image import NotebookImage

COLOURS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def shown(picture):
    return np.asarray(Image.open(io.BytesIO(picture._repr_png_())))


def test_a_picture_is_an_array_that_shows_itself():
    picture = NotebookImage.of(COLOURS, PHOTO)
    np.testing.assert_array_equal(shown(picture), COLOURS)
    np.testing.assert_array_equal(picture, COLOURS)
    assert Image.fromarray(picture).size == (3, 2)
    np.testing.assert_array_equal(shown(picture[:, 1:]), COLOURS[:, 1:])


@pytest.mark.parametrize(
    "changed",
    [
        lambda picture: picture[0],
        lambda picture: picture[..., 0],
        lambda picture: picture[:0],
        lambda picture: picture / 255,
        lambda picture: np.zeros((2, 2, 3), np.uint8).view(NotebookImage),
    ],
)
def test_what_is_no_image_any_more_shows_nothing(changed):
    assert changed(NotebookImage.of(COLOURS, PHOTO))._repr_png_() is None


@pytest.mark.parametrize(
    ("encoding", "pixels", "expected"),
    [
        (Encoding(1, "float32", -2.0, 2.0), np.float32([[[-2], [2]]]), [[0, 255]]),
        (Encoding(1, "uint16", 0.0, 65535.0), np.uint16([[[0], [65535]]]), [[0, 255]]),
        (Encoding(5), np.uint8([[[9, 8, 7, 6, 5]]]), [[[9, 8, 7]]]),
    ],
)
def test_other_kinds_of_pixels_are_shown_as_pictures_of_the_run_show_them(
    encoding, pixels, expected
):
    np.testing.assert_array_equal(shown(NotebookImage.of(pixels, encoding)), expected)


def test_bands_that_are_shown_can_be_chosen():
    picture = NotebookImage.of(np.uint8([[[9, 8, 7, 6, 5]]]), Encoding(5), bands=(4, 3, 0))
    np.testing.assert_array_equal(shown(picture), [[[5, 6, 9]]])
