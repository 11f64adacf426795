import numpy as np
import pytest

from pix2pix_jax.metrics import PIXEL_METRICS
from pix2pix_jax.metrics.pixel import l1, psnr

NOISE = np.random.default_rng(0).uniform(-1, 1, (3, 6, 5, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("difference", "mean_absolute", "decibels"),
    [
        (2.0, 2.0, 0.0),
        (0.2, 0.2, 20.0),  # ten times the error below the peak of 2: 20 dB
        (0.02, 0.02, 40.0),
        (0.0, 0.0, 106.0206),
    ],
)
def test_constant_difference_by_hand(difference, mean_absolute, decibels):
    target = np.full((2, 4, 4, 3), -1, np.float32)
    fake = target + np.float32(difference)
    np.testing.assert_allclose(l1(fake, target), [mean_absolute] * 2, rtol=1e-5)
    np.testing.assert_allclose(psnr(fake, target), [decibels] * 2, atol=1e-3)


def test_errors_are_averaged_over_pixels_and_channels_by_hand():
    target = np.zeros((1, 1, 2, 2), np.float32)
    fake = np.array([[[[1.0, 0.0], [-0.5, 0.0]]]], np.float32)
    np.testing.assert_allclose(l1(fake, target), [1.5 / 4], rtol=1e-6)
    np.testing.assert_allclose(psnr(fake, target), [10 * np.log10(4 / (1.25 / 4))], rtol=1e-6)


@pytest.mark.parametrize("name", sorted(PIXEL_METRICS))
def test_each_image_has_its_own_value_whatever_its_batch(name):
    metric = PIXEL_METRICS[name]
    target = NOISE[::-1] * 0.5
    together = metric(NOISE, target)
    assert together.shape == (3,)
    alone = [metric(NOISE[i : i + 1], target[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(together, alone, rtol=1e-6)
    assert len(set(np.asarray(together).tolist())) == 3


@pytest.mark.parametrize("name", sorted(PIXEL_METRICS))
def test_metric_is_symmetric(name):
    metric = PIXEL_METRICS[name]
    np.testing.assert_array_equal(metric(NOISE, NOISE[::-1]), metric(NOISE[::-1], NOISE))
