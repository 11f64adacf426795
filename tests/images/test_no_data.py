"""Pixels without data: NaN, or a number that stands for missing values."""

import dataclasses

import jax
import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.images import no_data
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.stacked import StackedEncoding

NAN = np.nan
HEIGHTS = Encoding(2, "float32", 0.0, 10.0, side="source", no_data="nan")
BYTES = Encoding(3, "uint8", no_data="0")


def test_nan_in_any_channel_and_a_number_in_all_channels_is_no_data():
    heights = np.array([[[1, 2], [NAN, 2], [NAN, NAN]]], np.float32)
    colours = np.array([[[0, 0, 1], [0, 0, 0], [9, 9, 9]]], np.uint8)
    for convert in (lambda function: function, jax.jit):
        assert convert(HEIGHTS.valid)(heights)[..., 0].tolist() == [[True, False, False]]
        assert convert(BYTES.valid)(colours)[..., 0].tolist() == [[True, False, True]]
        seen = convert(HEIGHTS.to_network)(heights)
        np.testing.assert_allclose(seen, [[[-0.8, -0.6], [0, 0], [0, 0]]], atol=1e-6)
    both = StackedEncoding((HEIGHTS, BYTES), ("height", "colour"))
    stacked = np.concatenate([heights[:, ::-1], colours.astype(np.float32)], -1)
    assert both.valid(stacked)[..., 0].tolist() == [[False, False, True]]
    assert Encoding().valid(colours).all()


def test_only_pixels_with_data_are_averaged():
    side = Encoding(1, "float32", -10.0, 10.0, no_data="-9999")
    image = np.full((8, 8, 1), 3, np.float32)
    image[:, :2] = -9999
    small = side.resize(image, (2, 2))
    np.testing.assert_allclose(small[:, 1], 3, rtol=1e-6)
    image[:, :6] = -9999
    small = side.resize(image, (2, 2))
    assert small[:, 0].tolist() == [[-9999], [-9999]]
    np.testing.assert_array_equal(side.resize(image, (8, 8)), image)
    deep = Encoding(1, "uint16", 0.0, 65535.0, no_data="0")
    stored = np.array([[0, 0, 0, 0, 700, 700, 700, 700]], np.uint16).reshape(1, 8, 1)
    found = deep.resize(stored, (1, 2))
    assert found.dtype == np.uint16
    assert found.ravel().tolist() == [0, 700]


def test_pictures_are_hatched_where_there_is_no_data():
    image = np.full((12, 12, 2), 10, np.float32)
    image[:, :6] = NAN
    picture = HEIGHTS.show(image)
    assert set(np.unique(picture[:, :6])) == {64, 192}
    assert set(np.unique(picture[:, 6:])) == {255}


def test_values_count_only_where_there_is_data():
    image = np.array([[[1, 2], [NAN, 2]]], np.float32)
    np.testing.assert_array_equal(HEIGHTS.convert(image, "a.npy"), image)
    with pytest.raises(InputError, match=r"not finite \(1 of 4 are infinite\)"):
        HEIGHTS.convert(np.array([[[1, np.inf], [NAN, 2]]], np.float32), "a.npy")
    deep = Encoding(1, "float32", 0.0, 10.0, side="target", no_data="-9999")
    message = r"a\.npy: holds values that are not finite \(1 of 2 are nan\); .*target_no_data=nan"
    with pytest.raises(InputError, match=message):
        deep.convert(np.array([[[NAN], [-9999]]], np.float32), "a.npy")


def test_resizing_makes_no_pixel_equal_to_the_mark():
    image = np.full((20, 20, 3), 3, np.uint8)
    image[:, :10] = 250
    plain = Encoding(3, "uint8").resize(image, (33, 33))
    assert not BYTES.valid(plain).all()  # bicubic interpolation goes below what is there
    found = BYTES.resize(image, (33, 33))
    assert BYTES.valid(found).all()
    assert np.abs(found.astype(int) - plain).max() == 1
    white = np.full((1, 2, 1), 255, np.uint8)
    assert no_data.unmarked(white, "255").ravel().tolist() == [254, 254]
    below = no_data.unmarked(np.full((1, 1, 1), -9999, np.float32), "-9999")
    assert below != -9999
    assert below == pytest.approx(-9999, abs=0.01)


def test_a_result_is_missing_only_where_its_source_is():
    form = PairFormat(BYTES, dataclasses.replace(BYTES, side="target"))
    source = np.full((1, 3, 3), 9, np.uint8)
    source[0, 0] = 0
    black = np.zeros((1, 3, 3), np.uint8)
    found = form.finish(source, black)
    assert BYTES.valid(found)[..., 0].tolist() == [[False, True, True]]
    assert found.max() == 1
