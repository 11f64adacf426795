from functools import partial

import jax
import numpy as np
import pytest
from support.platforms import lowered, pretend

from pix2pix_jax.core.config import default_config
from pix2pix_jax.data.augment import Examples
from pix2pix_jax.models.discriminators import MultiscaleGAN, PatchGAN
from pix2pix_jax.models.initial import draw_variables, make_blueprint
from pix2pix_jax.training.judging import discriminator_loss
from pix2pix_jax.training.objectives import build_losses

SHAPE = (2, 32, 32, 3)


SMALL = partial(PatchGAN, base_features=4, layers=1)


@pytest.mark.parametrize("network", [SMALL(), MultiscaleGAN(2, SMALL)])
def test_fake_and_target_judged_as_one_batch_give_the_same_gradients(network, monkeypatch):
    params, _ = draw_variables({"d": make_blueprint(network, SHAPE, SHAPE)}, 0)["d"]
    rng = np.random.default_rng(0)
    source, target, fake = jax.numpy.asarray(rng.uniform(-1, 1, (3, *SHAPE)), "float32")
    losses = build_losses(**default_config().loss)
    keys = jax.random.split(jax.random.key(0), 2)

    def loss(params):
        return discriminator_loss(network, losses, params, {}, Examples(source, target), fake, keys)

    def gradients():
        return jax.jit(jax.value_and_grad(lambda params: loss(params), has_aux=True))(params)

    for platform, both in (("cpu", False), ("cuda", True), ("tpu", True)):
        assert ("tensor<4x32x32x6xf32>" in lowered(loss, params, platform=platform)) == both
    (_, (_, apart)), apart_grads = gradients()
    pretend(monkeypatch, "cuda")
    (_, (_, together)), together_grads = gradients()
    for name, value in apart.items():
        np.testing.assert_allclose(together[name], value, rtol=1e-5)
    flat = [
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
        for tree in (apart_grads, together_grads)
    ]
    assert np.linalg.norm(flat[0] - flat[1]) < 1e-4 * np.linalg.norm(flat[0])
