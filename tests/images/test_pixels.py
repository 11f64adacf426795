import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import pixels as images

DTYPES = (np.uint8, np.uint16, np.float32)


def noise(*shape, dtype=np.uint8):
    values = np.random.default_rng(0).random(shape, np.float32)
    return (values * images.white(np.dtype(dtype))).astype(dtype)


def test_to_uint8_clips_values_out_of_range():
    values = np.array([-np.inf, -9.0, -1.001, 1.001, 9.0, np.inf], np.float32)
    assert images.to_uint8(values).tolist() == [0, 0, 0, 255, 255, 255]


def test_to_uint8_rounds_to_the_nearest_level():
    levels = np.array([10.4, 10.6], np.float32)
    assert images.to_uint8(levels / np.float32(127.5) - 1).tolist() == [10, 11]


@pytest.mark.parametrize(("dtype", "white"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_white_is_the_largest_integer_or_one(dtype, white):
    assert images.white(np.dtype(dtype)) == white


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 9])
def test_an_image_that_has_the_channels_already_is_returned_unchanged(dtype, channels):
    image = noise(3, 2, channels, dtype=dtype)
    assert images.as_channels(image, channels, "a.tif") is image


@pytest.mark.parametrize(("dtype", "full"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
@pytest.mark.parametrize(
    ("pixel", "channels", "expected"),
    [
        # In fifths of white; an alpha of 1/5 leaves a fifth of the colour on white.
        ([2], 3, [2, 2, 2]),
        ([2], 4, [2, 2, 2, 5]),
        ([0, 1], 1, [4]),
        ([0, 0], 1, [5]),
        ([3, 5], 3, [3, 3, 3]),
        ([0, 1], 4, [4, 4, 4, 5]),
        ([1, 2, 3], 4, [1, 2, 3, 5]),
        ([0, 5, 5, 1], 3, [4, 5, 5]),
        ([1, 2, 3, 0], 3, [5, 5, 5]),
        ([2, 2, 2, 5], 1, [2]),
        ([0, 0, 0, 1], 1, [4]),
    ],
)
def test_channels_are_converted_by_rule(dtype, full, pixel, channels, expected):
    image = np.full((2, 3, len(pixel)), np.array(pixel) * full / 5).astype(dtype)
    kind = ("gray", "gray+alpha", "RGB", "RGBA")[len(pixel) - 1]
    found = images.as_channels(image, channels, "a.tif", kind=kind)
    assert found.dtype == dtype
    assert found.shape == (2, 3, channels)
    np.testing.assert_allclose(found[1, 2], np.array(expected) * full / 5, rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "red", "gray"),
    [("uint8", 255, 76), ("uint16", 65535, 19595), ("float32", 1.0, np.float32(0.299))],
)
def test_rgb_becomes_gray_by_its_luma(dtype, red, gray):
    image = np.zeros((2, 3, 3), dtype)
    image[..., 0] = red  # ITU-R 601: 0.299 of it
    np.testing.assert_array_equal(images.as_channels(image, 1, "a.png"), np.full((2, 3, 1), gray))


def test_the_luma_of_16_bits_agrees_with_that_of_8():
    image = noise(16, 16, 3)
    wide = images.as_channels(image.astype(np.uint16) * 257, 1, "a.tif") / 257
    np.testing.assert_allclose(wide, images.as_channels(image, 1, "a.png"), rtol=0, atol=0.51)


@pytest.mark.parametrize(("there", "channels"), [(5, 3), (3, 5), (3, 2), (1, 2), (2, 5), (9, 1)])
def test_channels_without_a_rule_are_an_error_that_gives_the_name(there, channels):
    message = rf"a\.tif: has {there} channels.*, expected {channels}; set data\.source_channels"
    for kind in ("", "bands"):
        with pytest.raises(InputError, match=message):
            images.as_channels(noise(2, 2, there), channels, "a.tif", kind=kind)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("there", [2, 4])
def test_a_last_band_is_taken_for_alpha_only_if_something_says_so(there, channels):
    if there != channels:
        message = "nothing says that they are colours or alpha"
        for kind in ("", "bands"):
            with pytest.raises(InputError, match=message):
                images.as_channels(noise(2, 2, there), channels, "a.tif", kind=kind)


def test_a_large_image_is_converted_like_its_parts():
    image = noise(3, 600_000, 4)
    whole = images.as_channels(image, 1, "a.png", kind="RGBA")
    for row in range(3):
        part = images.as_channels(image[row : row + 1], 1, "a.png", kind="RGBA")
        np.testing.assert_array_equal(whole[row : row + 1], part)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(20, 28), (64, 33)])
def test_resize_is_pillows_bicubic_for_height_and_width(size, channels):
    pixels = noise(32, 24, channels)
    found = images.resize(pixels, size)
    assert found.shape == (*size, channels)
    for channel in range(channels):
        plane = Image.fromarray(pixels[..., channel])
        expected = plane.resize((size[1], size[0]), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(found[..., channel], expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_resize_to_the_same_size_is_the_image_itself(dtype):
    pixels = noise(8, 6, 3, dtype=dtype)
    assert images.resize(pixels, (8, 6)) is pixels


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(20, 28), (64, 33)])
@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 1), (np.uint16, 257)])
def test_resize_of_other_dtypes_agrees_with_that_of_8_bits_to_a_level(size, channels, dtype, scale):
    # Without extremes: the integer filter clips and rounds after each of its two directions.
    pixels = 64 + noise(32, 24, channels) // 2
    found = images.resize(pixels.astype(dtype) * dtype(scale), size)
    assert found.dtype == dtype
    np.testing.assert_allclose(np.rint(found / scale), images.resize(pixels, size), rtol=0, atol=1)


def test_many_bands_are_resized_like_single_ones():
    pixels = noise(16, 12, 5, dtype=np.uint16)
    found = images.resize(pixels, (9, 20))
    for band in range(5):
        alone = images.resize(pixels[..., band : band + 1], (9, 20))
        np.testing.assert_array_equal(found[..., band : band + 1], alone)


def test_resize_keeps_16_bits_within_their_range():
    edge = np.zeros((16, 16, 1), np.uint16)
    edge[:, 8:] = 65535  # the bicubic filter overshoots here
    found = images.resize(edge, (16, 40))
    assert (found.min(), found.max()) == (0, 65535)
    assert (np.diff(found[0, :, 0].astype(int)) < 0).sum() < 10


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_nearest_neighbour_repeats_and_drops_whole_pixels(dtype, channels):
    pixels = noise(4, 6, channels, dtype=dtype)
    twice = images.resize(pixels, (8, 12), nearest=True)
    np.testing.assert_array_equal(twice, pixels.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(images.resize(twice, (4, 6), nearest=True), pixels)


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [((2, 3), slice(1, 3), slice(2, 5)), ((4, 7), slice(0, 4), slice(0, 7))],
)
def test_a_centre_crop_is_the_middle(size, rows, columns):
    pixels = noise(4, 7, 3)
    np.testing.assert_array_equal(images.centre_crop(pixels, size), pixels[rows, columns])
