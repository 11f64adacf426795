"""Pixels that count less, or not at all, in training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import variables_of

from pix2pix_jax.core.config import default_config
from pix2pix_jax.data.augment import Examples
from pix2pix_jax.models.discriminators import PatchGAN
from pix2pix_jax.training.judging import discriminator_loss, generator_loss, regression_loss
from pix2pix_jax.training.losses import RECONSTRUCTION_LOSSES, l1_loss
from pix2pix_jax.training.objectives import build_losses

SHAPE = (2, 16, 16, 3)
PATCH = PatchGAN(base_features=2, layers=1)
KEYS = jax.random.split(jax.random.key(0), 2)


def losses_of(**settings):
    return build_losses(**{**default_config().loss, **settings})


def images(seed):
    return jnp.asarray(np.random.default_rng(seed).uniform(-1, 1, SHAPE), jnp.float32)


SOURCE, TARGET, FAKE = map(images, range(3))
# The right half of the first image does not count.
WEIGHT = jnp.ones((*SHAPE[:3], 1)).at[0, :, 8:].set(0)


def elsewhere(image, other):
    """Return an image with the pixels of another one where they do not count."""
    return jnp.where(WEIGHT > 0, image, other)


@pytest.mark.parametrize("name", RECONSTRUCTION_LOSSES)
def test_a_pixel_counts_by_its_weight(name):
    loss = RECONSTRUCTION_LOSSES[name]
    np.testing.assert_allclose(loss(FAKE, TARGET, jnp.ones_like(WEIGHT)), loss(FAKE, TARGET))
    half = loss(FAKE[:1, :, :8], TARGET[:1, :, :8])
    np.testing.assert_allclose(loss(FAKE[:1], TARGET[:1], WEIGHT[:1]), half / 2, rtol=1e-6)
    np.testing.assert_allclose(
        loss(FAKE, TARGET, jnp.full_like(WEIGHT, 0.25)), loss(FAKE, TARGET) / 4, rtol=1e-6
    )


def test_by_hand():
    fake, target = jnp.array([[[[0.5], [1.0]]]]), jnp.array([[[[0.0], [-1.0]]]])
    weight = jnp.array([[[[1.0], [0.25]]]])
    np.testing.assert_allclose(l1_loss(fake, target, weight), (0.5 + 0.25 * 2) / 2)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gan": "wgangp", "r1_weight": 1.0, "r1_every": 1},
        {
            "feature_matching_weight": 10.0,
            "shift_tolerance": 1,
            "diffaugment": ("color", "translation", "cutout"),
        },
    ],
)
def test_what_does_not_count_changes_no_loss_and_gets_no_gradient(settings):
    losses = losses_of(**settings)
    params = variables_of(PATCH, SOURCE, TARGET)["params"]

    @jax.jit
    def both(target, fake):
        pair = Examples(SOURCE, target, WEIGHT)
        d_loss, _ = discriminator_loss(PATCH, losses, params, {}, pair, fake, KEYS)
        g_loss, gradient = jax.value_and_grad(
            lambda fake: generator_loss(PATCH, losses, params, {}, pair, fake, KEYS)[0]
        )(fake)
        return d_loss, g_loss, gradient

    d_loss, g_loss, gradient = both(TARGET, FAKE)
    other = both(elsewhere(TARGET, images(3)), elsewhere(FAKE, images(4)))
    np.testing.assert_array_equal(d_loss, other[0])
    np.testing.assert_array_equal(g_loss, other[1])
    np.testing.assert_array_equal(gradient, other[2])
    assert not np.any(np.where(WEIGHT > 0, 0, gradient))
    assert np.any(gradient[0])


def test_own_losses_see_no_difference_there():
    losses = losses_of(gan="none")
    pair = Examples(SOURCE, TARGET, WEIGHT)
    _, metrics = regression_loss(losses, pair, elsewhere(TARGET, FAKE))
    assert metrics["g_loss_l1"] == 0
