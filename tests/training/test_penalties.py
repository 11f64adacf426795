"""The R1 penalty."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import variables_of

from pix2pix_jax.core.config import default_config
from pix2pix_jax.data.augment import Examples
from pix2pix_jax.models.discriminators import PatchGAN
from pix2pix_jax.training.judging import discriminator_loss
from pix2pix_jax.training.objectives import build_losses
from pix2pix_jax.training.penalties import r1_penalty


def test_r1_by_hand():
    """One logit for each 2 x 2 patch, three times its mean: each pixel's gradient is 3/4."""

    def judge(source, image):
        patches = image.reshape(2, 3, 2, 4, 2, 1).mean((2, 4))
        return ((3 * patches, ()),)

    image = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 6, 8, 1)))
    # 48 pixels and 12 patches in each example.
    np.testing.assert_allclose(
        r1_penalty(judge, image, image), 48 * (3 / 4) ** 2 / 12 / 2, rtol=1e-6
    )


def losses_of(**settings):
    return build_losses(**{**default_config().loss, **settings})


@pytest.mark.parametrize("norm", ["none", "instance"])
def test_r1_reaches_the_discriminators_gradient(norm):
    """Compare with finite differences of the whole loss along a random direction, in float64."""
    with jax.enable_x64(True):
        discriminator = PatchGAN(base_features=2, layers=1, norm=norm, dtype=jnp.float64)
        rng = np.random.default_rng(1)
        source, target, fake = (jnp.asarray(rng.uniform(-1, 1, (2, 16, 16, 1))) for _ in range(3))
        params = variables_of(discriminator, source, target)["params"]
        params = jax.tree.map(lambda p: 5 * np.asarray(p, float), params)
        keys = jax.random.split(jax.random.key(1), 2)
        losses = losses_of(discriminator_weight=0.0, r1_weight=2.0, r1_every=1)

        @jax.jit
        @jax.value_and_grad
        def loss_and_gradient(params):
            pair = Examples(source, target)
            return discriminator_loss(discriminator, losses, params, {}, pair, fake, keys)[0]

        direction = jax.tree.map(lambda p: rng.standard_normal(p.shape), params)
        moved = [
            jax.tree.map(lambda p, d, by=by: p + by * d, params, direction) for by in (1e-6, -1e-6)
        ]
        difference = (loss_and_gradient(moved[0])[0] - loss_and_gradient(moved[1])[0]) / 2e-6
        _, gradient = loss_and_gradient(params)
        slope = sum(
            jnp.sum(g * d)
            for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True)
        )
        np.testing.assert_allclose(slope, difference, rtol=1e-5)
        assert abs(difference) > 1e-3


def test_the_lazy_penalty_counts_as_much_as_the_steps_that_it_stands_for():
    discriminator = PatchGAN(base_features=2, layers=1)
    source, target, fake = jnp.asarray(
        np.random.default_rng(1).uniform(-1, 1, (3, 2, 16, 16, 1)), jnp.float32
    )
    params = variables_of(discriminator, source, target)["params"]
    keys = jax.random.split(jax.random.key(1), 2)

    def penalty(every, step):
        losses = losses_of(r1_weight=2.0, r1_every=every)
        pair = Examples(source, target)
        loss, (_, metrics) = discriminator_loss(
            discriminator, losses, params, {}, pair, fake, keys, step=step
        )
        plain = 0.5 * (metrics["d_loss_real"] + metrics["d_loss_fake"])
        np.testing.assert_allclose(loss - plain, 2 * metrics["d_loss_r1"], rtol=1e-4, atol=1e-6)
        return metrics["d_loss_r1"]

    np.testing.assert_allclose([penalty(4, 8), penalty(4, 9)], [4 * penalty(1, 9), 0], rtol=1e-5)
