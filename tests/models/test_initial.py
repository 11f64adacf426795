"""What a layer declares is what is drawn."""

import zlib
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import draw

from pix2pix_jax.models.discriminators import PatchGAN
from pix2pix_jax.models.initial import (
    INITIALIZERS,
    KERNEL,
    ONES,
    ZEROS,
    abstract_variables,
    draw_variables,
    make_blueprint,
)
from pix2pix_jax.models.layers import NORMS
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
        variables = jax.jit(partial(module.init, train=False))(jax.random.key(0), *images)
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


def test_each_array_is_drawn_from_the_seed_and_its_own_name():
    blueprints = {
        "g": make_blueprint(UNet(base_features=4, levels=2), IMAGE),
        "d": make_blueprint(PatchGAN(base_features=4, layers=1, norm="batch"), IMAGE, IMAGE),
    }
    both = draw_variables(blueprints, 7)
    for name, (place, block, part, array), mean in (
        ("g", (0, "down_1", "conv", "kernel"), 0),
        ("d", (0, "conv_0", "conv", "kernel"), 0),
        ("d", (0, "conv_1", "norm", "scale"), 1),
    ):
        path = f"['{name}'][{place}]['{block}']['{part}']['{array}']"
        rng = np.random.Generator(np.random.Philox(key=[7, zlib.crc32(path.encode())]))
        values = both[name][place][block][part][array]
        expected = rng.standard_normal(values.shape, np.float32) * np.float32(0.02) + mean
        np.testing.assert_array_equal(values, expected.astype(np.float32))
    assert (both["d"][1]["conv_1"]["norm"]["var"] == 1).all()
    (alone,) = draw_variables({"g": blueprints["g"]}, 7).values()
    jax.tree.map(np.testing.assert_array_equal, both["g"], alone)


@pytest.mark.parametrize("norm", NORMS)
def test_blocks_that_are_recomputed_declare_what_others_do(norm):
    plain, again = (UNet(base_features=4, levels=2, norm=norm, remat=on) for on in (False, True))
    ours = make_blueprint(again, IMAGE)
    assert None not in ours.initializers
    assert ours.initializers == make_blueprint(plain, IMAGE).initializers
    assert ours.shapes == make_blueprint(plain, IMAGE).shapes


def params_of(*declared):
    """Return what a network draws whose parameters are declared by these functions."""

    class Network(nn.Module):
        @nn.compact
        def __call__(self, source, *, train):
            for number, (initializer, *arguments) in enumerate(declared):
                self.param(f"p{number}", initializer, *arguments)
            return source

    return drawn(Network(), IMAGE)[0].values()


def test_an_initialiser_that_computes_with_one_of_ours_is_honoured():
    wrapped, ours = params_of(
        (lambda key, shape: 100 + KERNEL(key, shape), (64, 64)), (KERNEL, (64, 64))
    )
    assert np.mean(wrapped) == pytest.approx(100, abs=0.01)
    assert np.std(wrapped) == pytest.approx(0.02, rel=0.1)
    assert np.std(ours) == pytest.approx(0.02, rel=0.1)


def test_an_array_has_the_dtype_that_its_layer_asks_for():
    half, constant = params_of((KERNEL, (64, 64), jnp.bfloat16), (ONES, (2,), jnp.float16))
    assert (half.dtype, constant.dtype) == (jnp.bfloat16, jnp.float16)
    assert np.std(half.astype(np.float32)) == pytest.approx(0.02, rel=0.1)


def test_partitioned_parameters_are_plain_arrays_here():
    partitioned = nn.with_partitioning(nn.initializers.constant(3.0), ("in", "out"))
    both = nn.with_partitioning(ONES, ("in", "out"))
    first, second = params_of((partitioned, (4, 4)), (both, (4, 4)))
    assert (first == 3).all()
    assert (second == 1).all()


class Stack(nn.Module):
    """Twenty dense layers in one array of parameters, as `nn.scan` makes it."""

    @nn.compact
    def __call__(self, source, *, train):
        def layer(module, x, _):
            return nn.Dense(3, kernel_init=KERNEL, bias_init=ZEROS, name="dense")(x), None

        axes, keys = {"params": 0}, {"params": True}
        return nn.scan(layer, variable_axes=axes, split_rngs=keys, length=20)(self, source, None)[0]


def test_stacked_layers_are_drawn_each_by_itself():
    params, _ = drawn(Stack(), IMAGE, initializer="xavier")
    kernels = np.asarray(params["dense"]["kernel"])
    assert kernels.shape == (20, 3, 3)
    assert np.std(kernels) == pytest.approx(0.02, rel=0.3)  # as the layer declares it
    assert len(np.unique(kernels)) == kernels.size


def test_two_own_networks_of_a_run_have_different_values():
    blueprint = make_blueprint(Own(), IMAGE)
    both = draw_variables({"g": blueprint, "d": blueprint}, 0)
    one, other = (both[name][0]["spread"]["kernel"] for name in "gd")
    assert (np.asarray(one) != np.asarray(other)).all()


@pytest.mark.parametrize("kind", INITIALIZERS)
def test_kernels_of_any_kind_have_their_deviation(kind):
    rng = np.random.default_rng(0)
    values = KERNEL.draw(rng, (4, 4, 64, 32), kind)
    expected = {
        "normal": 0.02,
        "xavier": (2 / (16 * (64 + 32))) ** 0.5,
        "kaiming": (2 / (16 * 64)) ** 0.5,
        "orthogonal": (1 / (16 * 64)) ** 0.5,
    }
    assert values.std() == pytest.approx(expected[kind], rel=0.02)
    assert values.dtype == np.float32
    if kind == "orthogonal":
        matrix = values.reshape(-1, 32)
        np.testing.assert_allclose(matrix.T @ matrix, np.eye(32), atol=1e-5)


def test_an_initialiser_can_be_called_like_any_of_jax():
    assert (ONES(None, (2, 3)) == 1).all()
    values = KERNEL(jax.random.key(0), (4, 4, 32, 32))
    assert values.dtype == jnp.float32
    assert float(values.std()) == pytest.approx(0.02, rel=0.05)
