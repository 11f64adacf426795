"""Targets with masks: how they are read, resized and stored."""

import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import VOID, Encoding
from pix2pix_jax.images.masked import MaskedEncoding, read_mask

PHOTOS = MaskedEncoding(Encoding(side="target"))
FLOATS = MaskedEncoding(Encoding(1, "float32", 0.0, 10.0, side="target"))


def save(path, values):
    image_files.write(path, values[..., None] if values.ndim == 2 else values)
    return path


def test_black_is_0_and_white_is_1_in_every_dtype(tmp_path):
    for dtype, white in (("uint8", 255), ("uint16", 65535), ("float32", 1.0)):
        path = save(tmp_path / f"{dtype}.tif", np.array([[0, white / 5, white]], dtype))
        np.testing.assert_allclose(read_mask(path).ravel(), [0, 0.2, 1], rtol=1e-6)
    for channels in (3, 4):
        path = save(tmp_path / f"{channels}.png", np.full((1, 1, channels), 255, np.uint8))
        assert read_mask(path).ravel().tolist() == [1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0, 1]], np.uint8), "a mask of 0 to 1 in uint8, where 255 is .* by 255"),
        (np.array([[0, 255]], np.uint16), "a mask of 0 to 255 in uint16, where 65535 .* by 257"),
        (np.array([[[255, 0, 0], [0, 0, 0]]], np.uint8), "a mask in colour; save it as gray"),
        (np.full((2, 2, 4), 9, np.uint8), "a mask with transparent pixels, which may mean either"),
        (np.array([[0, 2]], np.float32), "a mask with values from 0 to 2; in float32, 0 is"),
        (np.array([[-1, 1]], np.float32), "a mask with values from -1 to 1"),
        (np.array([[np.nan, 1]], np.float32), "holds values that are not finite"),
        (np.zeros((2, 2, 5), np.uint8), "a mask of 5 channels; save it as gray"),
    ],
)
def test_what_is_no_mask_is_one_line(tmp_path, values, message):
    path = save(tmp_path / "m.tif", values)
    with pytest.raises(InputError, match=message) as error:
        read_mask(path)
    assert "m.tif: " in str(error.value)


def test_a_target_and_its_mask_are_one_image_which_comes_apart_again(tmp_path):
    target = save(tmp_path / "t.png", np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    mask = save(tmp_path / "m.png", np.array([[0, 51], [204, 255]], np.uint8))
    stored = PHOTOS.read((target, mask))
    assert (stored.shape, stored.dtype) == ((2, 2, 4), np.uint8)
    image, weight = PHOTOS.split(stored)
    assert image.ravel().tolist() == [127, 127, 127, *range(3, 12)]
    np.testing.assert_allclose(weight.ravel(), [0, 0.2, 0.8, 1], rtol=1e-6)
    black = save(tmp_path / "b.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(InputError, match=r"b\.png: a mask that is black in all pixels"):
        PHOTOS.read((target, black))
    small = save(tmp_path / "s.png", np.zeros((2, 3), np.uint8))
    with pytest.raises(InputError, match=r"s\.png: a mask of 2 x 3 .*its target has 2 x 2"):
        PHOTOS.read((target, small))


@pytest.mark.parametrize("value", [np.nan, np.inf, -3.4e38])
def test_what_a_target_holds_under_black_never_matters(tmp_path, value):
    target = save(tmp_path / "t.tif", np.array([[value, 2]], np.float32))
    mask = save(tmp_path / "m.png", np.array([[0, 255]], np.uint8))
    assert FLOATS.read((target, mask)).tolist() == [[[5, 0], [2, 1]]]
    white = save(tmp_path / "w.png", np.array([[255, 255]], np.uint8))
    with pytest.raises(InputError, match=r"t\.tif: holds .*; replace"):
        FLOATS.read((target, white))
    with pytest.raises(InputError, match=r"t\.tif: holds float32 values"):
        PHOTOS.read((target, mask))


def test_classes_that_do_not_exist_may_be_under_black(tmp_path):
    target = save(tmp_path / "t.png", np.array([[77, 2]], np.uint8))
    mask = save(tmp_path / "m.png", np.array([[0, 255]], np.uint8))
    classes = MaskedEncoding(Encoding(1, "uint8", classes=3, side="target"))
    assert classes.read((target, mask)).tolist() == [[[VOID, 0], [2, 255]]]


def test_pixels_that_do_not_count_hold_nothing():
    stored = np.array([[[7, 0], [7, 0.5]]], np.float32)
    assert FLOATS.check(stored, "a").tolist() == [[[5, 0], [7, 0.5]]]
    classes = MaskedEncoding(Encoding(1, "uint8", classes=3))
    assert classes.check(np.array([[[2, 0], [2, 255]]], np.uint8), "a").tolist() == [
        [[VOID, 0], [2, 255]]
    ]
    missing = MaskedEncoding(Encoding(1, "float32", 0.0, 10.0, no_data="-9999"))
    assert missing.check(stored, "a")[0, 0].tolist() == [-9999, 0]
    with pytest.raises(InputError, match="a: 1 channels of float32, expected 2 of float32: those"):
        FLOATS.check(stored[..., :1], "a")
    with pytest.raises(InputError, match="a: the mask, its last channel, has nan"):
        FLOATS.check(np.array([[[7, np.nan]]], np.float32), "a")
    with pytest.raises(InputError, match="a: the mask, its last channel"):
        FLOATS.check(np.array([[[7, 2]]], np.float32), "a")


def test_only_pixels_that_count_are_averaged():
    stored = np.zeros((8, 8, 2), np.float32)
    stored[..., 0], stored[..., 1] = 3, 0.5
    stored[:, :4] = 99, 0
    small = FLOATS.resize(stored, (2, 2))
    np.testing.assert_allclose(small[:, 1], [[3, 0.5]] * 2, atol=0.06)  # the filter reaches over
    assert small[:, 0].tolist() == [[5, 0]] * 2
    other = stored.copy()
    other[:, :4, 0] = -500
    np.testing.assert_array_equal(FLOATS.resize(other, (2, 2)), small)
    np.testing.assert_array_equal(FLOATS.resize(stored, (8, 8)), stored)
    labels = MaskedEncoding(Encoding(1, "uint8", classes=9))
    picked = labels.resize(np.array([[[2, 0], [2, 0], [8, 255], [8, 255]]], np.uint8), (1, 2))
    assert picked.tolist() == [[[2, 0], [8, 255]]]
