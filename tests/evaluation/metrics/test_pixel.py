import inspect

import numpy as np
import pytest
from support.pictures import smooth, spoiled

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.pixel import (
    check_finite,
    check_pair,
    gray_levels,
    l1,
    l2,
    psnr,
    rgb_levels,
)

NOISE = np.random.default_rng(0).uniform(-1, 1, (3, 6, 5, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("difference", "mean_absolute", "mean_squared", "decibels"),
    [
        (2.0, 2.0, 4.0, 0.0),
        (0.2, 0.2, 0.04, 20.0),  # ten times the error below the peak of 2: 20 dB
        (0.02, 0.02, 0.0004, 40.0),
        (0.0, 0.0, 0.0, 106.0206),
    ],
)
def test_constant_difference_by_hand(difference, mean_absolute, mean_squared, decibels):
    target = np.full((2, 4, 4, 3), -1, np.float32)
    fake = target + np.float32(difference)
    np.testing.assert_allclose(l1(fake, target), [mean_absolute] * 2, rtol=1e-5)
    np.testing.assert_allclose(l2(fake, target), [mean_squared] * 2, rtol=1e-5)
    np.testing.assert_allclose(psnr(fake, target), [decibels] * 2, atol=1e-3)


def test_errors_are_averaged_over_pixels_and_channels_by_hand():
    target = np.zeros((1, 1, 2, 2), np.float32)
    fake = np.array([[[[1.0, 0.0], [-0.5, 0.0]]]], np.float32)
    np.testing.assert_allclose(l1(fake, target), [1.5 / 4], rtol=1e-6)
    np.testing.assert_allclose(l2(fake, target), [1.25 / 4], rtol=1e-6)
    np.testing.assert_allclose(psnr(fake, target), [10 * np.log10(4 / (1.25 / 4))], rtol=1e-6)


def test_psnr_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    target = smooth(0)
    fake = spoiled(target)
    expected = [
        metrics.peak_signal_noise_ratio(*pair, data_range=2)
        for pair in zip(target, fake, strict=True)
    ]
    np.testing.assert_allclose(psnr(fake, target), expected, rtol=1e-5)


@pytest.mark.parametrize("metric", [l1, l2, psnr])
def test_metric_is_symmetric(metric):
    np.testing.assert_array_equal(metric(NOISE, NOISE[::-1]), metric(NOISE[::-1], NOISE))


def test_check_finite_names_the_image():
    images = NOISE.copy()
    check_finite(images, ["a", "b", "c"])
    images[1:, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"^b: 3 of 90 values are nan or infinite"):
        check_finite(images, ["a", "b", "c"])
    with pytest.raises(InputError, match=r"^image 1 of the batch: 3 of 90 values"):
        check_finite(images)


@pytest.mark.parametrize("check", [check_pair, l1, l2, psnr])
def test_shapes_that_would_broadcast_are_refused(check):
    check = inspect.unwrap(check)  # the annotations would refuse them first
    with pytest.raises(InputError, match=r"\(3, 6, 5, 3\) and targets of shape \(3, 6, 5, 1\)"):
        check(NOISE, NOISE[..., :1])


@pytest.mark.parametrize(("channels", "level"), [(1, 200), (2, 150), (4, 150)])
def test_gray_is_the_mean_of_channels_other_than_rgb(channels, level):
    image = np.full((1, 2, 2, channels), 200 / 127.5 - 1, np.float32)
    image[..., 1::2] = 100 / 127.5 - 1
    np.testing.assert_array_equal(gray_levels(image), np.full((1, 2, 2), level))


def test_levels_are_rounded_and_clipped():
    image = np.array([-3, -1, -0.999, 0.999, 1, 3], np.float32).reshape(1, 1, 6, 1)
    expected = [0, 0, 0, 255, 255, 255]
    assert gray_levels(image).ravel().tolist() == expected
    np.testing.assert_array_equal(rgb_levels(image, "x")[0, 0], np.repeat([expected], 3, 0).T)


@pytest.mark.parametrize("channels", [2, 4])
def test_only_gray_and_rgb_have_rgb_levels(channels):
    with pytest.raises(InputError, match=f"colours: images of {channels} channels; it needs RGB"):
        rgb_levels(np.zeros((1, 2, 2, channels), np.float32), "colours")


def test_no_images_have_no_levels():
    assert gray_levels(np.zeros((0, 4, 5, 3), np.float32)).shape == (0, 4, 5)
    assert rgb_levels(np.zeros((0, 4, 5, 1), np.float32), "x").shape == (0, 4, 5, 3)
