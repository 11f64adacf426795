"""What a layer declares is what is drawn."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import draw

from pix2pix_jax.models.discriminators import PatchGAN
from pix2pix_jax.models.initial import (
    KERNEL,
    ONES,
    abstract_variables,
    draw_variables,
    make_blueprint,
)
from pix2pix_jax.models.unet import UNet

IMAGE = (1, 8, 8, 3)


class Own(nn.Module):
    """A network of somebody else: flax's layers, one of our initialisers, any names."""

    @nn.compact
    def __call__(self, source, *, train):
        x = nn.Conv(16, (3, 3), kernel_init=nn.initializers.zeros, name="silent")(source)
        x = nn.Conv(16, (3, 3), kernel_init=nn.initializers.constant(3.0), name="loud")(x)
        x = nn.Dense(512, name="spread")(x)
        gamma = self.param("gamma", nn.initializers.constant(0.25), (1, 1, 1, 512))
        ours = self.param("ours", KERNEL, (1, 1, 512, 64))
        self.variable("batch_stats", "seen", lambda: jnp.full((2,), 7.0))
        return (x * gamma) @ ours[0]


def drawn(module, *shapes, seed=0, **options):
    return draw_variables({"g": make_blueprint(module, *shapes)}, seed, **options)["g"]


def test_a_layers_own_initialiser_is_honoured_whatever_its_parameter_is_called():
    params, batch_stats = drawn(Own(), IMAGE)
    assert (params["silent"]["kernel"] == 0).all()
    assert (params["loud"]["kernel"] == 3).all()
    assert (params["gamma"] == 0.25).all()
    assert (batch_stats["seen"] == 7).all()
    # lecun_normal of 16 channels, which flax's layers declare unless they are told otherwise.
    assert np.std(params["spread"]["kernel"]) == pytest.approx(0.25, rel=0.05)
    assert (params["spread"]["bias"] == 0).all()


def test_the_runs_choice_is_for_kernels_that_are_declared_with_ours():
    params, _ = drawn(Own(), IMAGE, initializer="kaiming")
    assert np.std(params["ours"]) == pytest.approx((2 / 512) ** 0.5, rel=0.05)
    assert (params["silent"]["kernel"] == 0).all()
    params, _ = drawn(Own(), IMAGE)
    assert np.std(params["ours"]) == pytest.approx(0.02, rel=0.05)


def test_values_follow_the_seed_and_nothing_else():
    first, again, other = (drawn(Own(), IMAGE, seed=seed)[0] for seed in (1, 1, 2))
    for name in ("spread", "ours"):
        one, two, three = (jax.tree.leaves(params[name])[-1] for params in (first, again, other))
        np.testing.assert_array_equal(one, two)
        assert (np.asarray(one) != np.asarray(three)).any()


def test_shapes_are_those_of_init_and_init_gives_plain_arrays():
    for module, shapes in (
        (UNet(base_features=4, levels=2, norm="batch"), (IMAGE,)),
        (PatchGAN(base_features=4, layers=1, norm="group"), (IMAGE, IMAGE)),
        (Own(), (IMAGE,)),
    ):
        images = [draw(0, *shape) for shape in shapes]
        variables = module.init(jax.random.key(0), *images, train=False)
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(variables))
        ours = abstract_variables(module, *shapes)
        theirs = variables["params"], variables.get("batch_stats", {})
        assert jax.tree.structure(ours) == jax.tree.structure(theirs)
        assert [leaf.shape for leaf in jax.tree.leaves(ours)] == [
            leaf.shape for leaf in jax.tree.leaves(theirs)
        ]


def test_the_values_of_our_networks_are_drawn_without_compiling_them(monkeypatch):
    monkeypatch.setattr(jax, "jit", lambda *_, **__: pytest.fail("something is compiled"))
    params, _ = drawn(UNet(base_features=4, levels=3, norm="group"), IMAGE)
    assert np.std(params["down_0"]["conv"]["kernel"]) == pytest.approx(0.02, rel=0.2)


def test_an_initialiser_can_be_called_like_any_of_jax():
    assert (ONES(None, (2, 3)) == 1).all()
    values = KERNEL(jax.random.key(0), (4, 4, 32, 32))
    assert values.dtype == jnp.float32
    assert float(values.std()) == pytest.approx(0.02, rel=0.05)
