"""Metrics of images of which some pixels do not count."""

import numpy as np
import pytest
from support.pictures import smooth

from pix2pix_jax.evaluation.metrics.pixel import l1, l2, psnr
from pix2pix_jax.evaluation.metrics.structural import ssim
from pix2pix_jax.evaluation.metrics.table import METRICS, choose_metrics, names_per
from pix2pix_jax.evaluation.scored_batches import Compared
from pix2pix_jax.evaluation.scoring import tally

COUNTED = sorted(set(names_per("image")) - {"ms_ssim", "keypoint_ratio"})


def pictures(seed, size=(40, 48)):
    return np.random.default_rng(seed).uniform(-1, 1, (2, *size, 3)).astype(np.float32)


FAKE, TARGET = pictures(0), np.clip(pictures(0) + 0.3 * pictures(1), -1, 1)
WEIGHT = np.ones((2, 40, 48, 1), np.float32)
WEIGHT[0, :, 30:] = 0
WEIGHT[1, :13] = 0


def scores(names, fake, target, weight):
    compared = Compared(fake, target, weight)
    return tally(iter([(compared, ("one", "other"))]), choose_metrics(names)).values


@pytest.mark.parametrize("name", COUNTED)
def test_pixels_that_do_not_count_do_not_matter(name):
    changed = np.where(WEIGHT > 0, FAKE, pictures(2))
    before = scores([name], FAKE, TARGET, WEIGHT)[name]
    np.testing.assert_allclose(scores([name], changed, TARGET, WEIGHT)[name], before, rtol=1e-6)
    assert not np.allclose(scores([name], changed, TARGET, None)[name], before, rtol=1e-4)


@pytest.mark.parametrize("name", COUNTED)
def test_equal_weights_change_nothing(name):
    without = scores([name], FAKE, TARGET, None)[name]
    for weight in (1, 0.25) if METRICS[name].weighted else (1,):
        found = scores([name], FAKE, TARGET, np.full_like(WEIGHT, weight))[name]
        np.testing.assert_allclose(found, without, rtol=1e-5)


@pytest.mark.parametrize(
    "name",
    [name for name in COUNTED if name not in ("ssim", "lpips_alex", "lpips_vgg")],
)
def test_the_score_is_that_of_the_pixels_that_count(name):
    """Cut away what does not count: for metrics of single pixels this is the same."""
    value = scores([name], FAKE, TARGET, WEIGHT)[name]
    for number, kept in enumerate((np.s_[:, :, :30], np.s_[:, 13:])):
        alone = scores([name], FAKE[kept], TARGET[kept], None)[name]
        np.testing.assert_allclose(value[number], alone[number], rtol=1e-5)


def test_by_hand():
    fake, target = np.zeros((1, 1, 2, 1), np.float32), np.array([[[[0.5], [-1.0]]]], np.float32)
    weight = np.array([[[[1.0], [0.25]]]], np.float32)
    np.testing.assert_allclose(l1(fake, target, weight), (0.5 + 0.25) / 1.25, rtol=1e-6)
    np.testing.assert_allclose(l2(fake, target, weight), (0.25 + 0.25) / 1.25, rtol=1e-6)
    np.testing.assert_allclose(psnr(fake, target, weight), 10 * np.log10(4 / 0.4), rtol=1e-6)


def test_windows_count_by_their_middles():
    """An error far from what counts is in no window of it; one nearby is made good first."""
    target = smooth(1, 1, 40, 40)
    fake = target.copy()
    fake[:, :, 32:] = -1
    weight = np.zeros((1, 40, 40, 1), np.float32)
    weight[:, :, :26] = 1
    np.testing.assert_allclose(ssim(fake, target, weight), 1, rtol=1e-6)
    weight[:, :, :] = 1
    assert ssim(fake, target, weight) < 0.95


def test_a_larger_image_of_five_scales():
    fake, target = pictures(0, (200, 184)), np.clip(pictures(0, (200, 184)) * 0.5, -1, 1)
    weight = np.ones((2, 200, 184, 1), np.float32)
    weight[:, :, 90:] = 0
    changed = np.where(weight > 0, fake, pictures(3, (200, 184)))
    before = scores(["ms_ssim"], fake, target, weight)["ms_ssim"]
    np.testing.assert_allclose(
        scores(["ms_ssim"], changed, target, weight)["ms_ssim"], before, rtol=1e-5
    )
    assert (scores(["ms_ssim"], changed, target, None)["ms_ssim"] < before).all()
