import jax
import numpy as np
import pytest

from pix2pix_jax.evaluation.metrics.variation import VARIATION
from pix2pix_jax.evaluation.scoring import tally


def ratio(fake, target, batch=3):
    """Score images batch by batch, as an evaluation does."""
    batches = (
        ((fake[at : at + batch], target[at : at + batch]), tuple("abc"[: len(fake[at:][:batch])]))
        for at in range(0, len(fake), batch)
    )
    return tally(batches, {"variation": VARIATION}).scores["variation"]


def images(levels, side=16):
    return np.broadcast_to(
        np.float32(levels)[:, None, None, None], (len(levels), side, side, 3)
    ).copy()


LEVELS = np.array([-1, 1, -1, 1, 0.5, -0.5, 0.25])


def test_equal_images_vary_alike_and_one_image_for_all_does_not_vary():
    assert ratio(images(LEVELS), images(LEVELS)) == pytest.approx(1)
    assert ratio(images(LEVELS * 0 + 0.3), images(LEVELS)) == pytest.approx(0, abs=1e-3)


def test_the_ratio_is_that_of_the_deviations():
    # Half the contrast around another mean: half the deviation. Float32 squares: 1e-6.
    assert ratio(images(0.5 * LEVELS + 0.4), images(LEVELS)) == pytest.approx(0.5, rel=1e-5)


def test_sharpness_does_not_count_but_layout_does():
    rng = np.random.default_rng(0)
    coarse = rng.uniform(-1, 1, (12, 8, 8, 3)).astype(np.float32)
    large = coarse.repeat(8, axis=1).repeat(8, axis=2)
    noisy = large + rng.choice([-0.5, 0.5], large.shape).astype(np.float32)
    assert ratio(noisy, large) == pytest.approx(1, abs=0.05)
    same_layout = np.broadcast_to(large[:1], large.shape)
    assert ratio(same_layout, large) == pytest.approx(0, abs=1e-3)


def test_targets_that_are_all_the_same_have_no_ratio():
    assert np.isnan(ratio(images(LEVELS), images(LEVELS * 0)))


def test_it_is_measured_on_the_device():
    fake, target = images(0.5 * LEVELS), images(LEVELS)
    measure = VARIATION.measure
    np.testing.assert_allclose(jax.jit(measure)(fake, target), measure(fake, target), atol=1e-6)
