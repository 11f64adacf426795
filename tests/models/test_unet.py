"""The U-Net: layers, skip connections, dropout."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import count, draw, mask_shapes, trace, variables_of

from pix2pix_jax.models.initial import abstract_variables
from pix2pix_jax.models.sizes import unet_levels
from pix2pix_jax.models.unet import UNet


@pytest.mark.parametrize(
    ("norm", "levels", "parameters"),
    [
        ("instance", 8, 54_409_603),
        ("batch", 8, 54_413_955),
        ("instance", 7, 41_825_667),
        ("batch", 7, 41_828_995),
    ],
)
def test_unet_has_the_reference_number_of_parameters(norm, levels, parameters):
    params, _ = abstract_variables(UNet(norm=norm, levels=levels), (1, 256, 256, 3))
    assert count(params) == parameters


@pytest.mark.parametrize("levels", [2, 5, 8])
def test_unet_halves_and_doubles_by_one_convolution_a_level(levels):
    side = 2**levels
    module, source = UNet(base_features=1, levels=levels), (1, side, side, 3)
    params, _ = abstract_variables(module, source)
    widths = [1, 2, 4, 8, 8, 8, 8, 8][:levels]
    kernels = {name: block["conv"]["kernel"].shape[2:] for name, block in params.items()}
    downs = zip([3, *widths], widths, strict=False)
    # The decoder sees twice the channels, but for the innermost level, and ends in the image.
    into = [2 * width for width in widths[:-1]] + [widths[-1]]
    ups = zip(into, [3, *widths[:-1]], strict=True)
    expected = {f"down_{level}": shape for level, shape in enumerate(downs)}
    assert kernels == expected | {f"up_{level}": shape for level, shape in enumerate(ups)}


def test_unet_keeps_any_size_it_can_halve_and_stays_in_range():
    module = UNet(out_channels=2, base_features=2, levels=4)
    source = draw(0, 1, 32, 48, 5)
    fake = jax.jit(partial(module.apply, train=True))(variables_of(module, source), source)
    assert fake.shape == (1, 32, 48, 2)
    assert fake.dtype == jnp.float32
    assert float(jnp.abs(fake).max()) <= 1


@pytest.mark.parametrize("size", [512, 1024])
def test_unet_of_large_images_has_a_level_for_every_halving(size):
    levels = unet_levels(0, (size, size))
    assert 2**levels == size
    module = UNet(base_features=2, levels=levels)
    params, _ = abstract_variables(module, (1, size, size, 3))
    assert len(params) == 2 * levels
    keys = jax.random.split(jax.random.key(0), 1)
    fake = jax.eval_shape(
        lambda p, x: module.apply({"params": p}, x, train=True, dropout_keys=keys),
        params,
        jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32),
    )
    assert (fake.shape, fake.dtype) == ((1, size, size, 3), jnp.float32)


def test_unet_in_bfloat16_keeps_float32_parameters_and_output():
    module = UNet(base_features=4, levels=4, dtype=jnp.bfloat16)
    source = draw(0, 1, 32, 32, 3)
    params, _ = abstract_variables(module, source.shape)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    variables = variables_of(module, source)
    in_half = jax.jit(partial(module.apply, train=True))(variables, source)
    full = UNet(base_features=4, levels=4)
    in_full = jax.jit(partial(full.apply, train=True))(variables, source)
    assert in_half.dtype == jnp.float32
    difference = jnp.linalg.norm(in_half - in_full) / jnp.linalg.norm(in_full)
    assert 1e-5 < float(difference) < 0.1


@pytest.mark.parametrize(
    ("placement", "size", "sides"),
    [
        # Sides after the upsampling. At 256 pixels: 2x2 -> 4x4, 4x4 -> 8x8, 8x8 -> 16x16.
        ("reference", 256, [4, 8, 16]),
        ("reference", 128, [4, 8]),
        ("reference", 64, [4]),
        ("reference", 32, []),
        # The innermost block and the two after it, at any size.
        ("paper", 256, [2, 4, 8]),
        ("paper", 128, [2, 4, 8]),
        ("paper", 64, [2, 4, 8]),
        ("paper", 32, [2, 4, 8]),
    ],
)
def test_unet_drops_out_at_the_levels_of_its_placement(placement, size, sides):
    levels = unet_levels(0, (size, size))
    module = UNet(base_features=1, levels=levels, dropout_placement=placement)
    keys = jax.random.split(jax.random.key(0), 1)
    masks = mask_shapes(module, 1, size, size, 3, dropout_keys=keys)
    assert [mask[:2] for mask in masks] == [(side, side) for side in sides]


def test_unet_without_keys_or_with_rate_zero_draws_nothing():
    keys, shape = jax.random.split(jax.random.key(0), 1), (1, 16, 16, 3)
    module = partial(UNet, base_features=1, levels=4, dropout_placement="paper")
    assert len(mask_shapes(module(), *shape, dropout_keys=keys)) == 3
    assert mask_shapes(module(), *shape) == []
    assert mask_shapes(module(dropout=0.0), *shape, dropout_keys=keys) == []


@pytest.mark.parametrize(("placement", "levels"), [("paper", 3), ("reference", 6)])
def test_unet_output_changes_with_the_dropout_key_alone(placement, levels):
    module = UNet(base_features=2, levels=levels, dropout_placement=placement)
    source = draw(0, 1, 2**levels, 2**levels, 1)
    variables = variables_of(module, source)

    @jax.jit
    def call(variables, key):
        return module.apply(variables, source, train=True, dropout_keys=key[None])

    first, again, other = (call(variables, jax.random.key(number)) for number in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def gradient_by_source(module):
    """Return a compiled function of (variables, source)."""

    def loss(variables, source):
        return jnp.square(module.apply(variables, source, train=True)).sum()

    return jax.jit(jax.grad(loss, 1))


@pytest.mark.parametrize("skips", [True, False])
def test_only_without_skips_everything_passes_through_the_bottleneck(skips):
    source = draw(0, 1, 8, 8, 2)
    module = UNet(base_features=2, levels=2, unet_skips=skips, norm="none")
    variables, gradient = variables_of(module, source), gradient_by_source(module)
    assert gradient(variables, source).any()
    variables["params"]["down_1"]["conv"]["kernel"] *= 0  # nothing comes through any more
    assert bool(gradient(variables, source).any()) == skips


def test_without_skips_the_decoder_has_half_the_input_channels():
    shape = (1, 256, 256, 3)
    with_skips, _ = abstract_variables(UNet(), shape)
    without, _ = abstract_variables(UNet(unet_skips=False), shape)
    assert with_skips.keys() == without.keys()
    for name in with_skips:
        kernels = [params[name]["conv"]["kernel"].shape for params in (with_skips, without)]
        handed_over = name.startswith("up") and name != "up_7"
        assert kernels[0][2] == kernels[1][2] * (2 if handed_over else 1)
        assert kernels[0][3] == kernels[1][3]


@pytest.mark.parametrize(("skips", "concatenations"), [(True, 7), (False, 0)])
def test_unet_concatenates_at_every_level_but_the_innermost_or_never(skips, concatenations):
    module = UNet(base_features=1, unet_skips=skips)
    names = [equation.primitive.name for equation in trace(module, 1, 256, 256, 3)]
    assert names.count("concatenate") == concatenations


def test_unet_hands_the_skip_over_before_the_upsampled_half():
    source = draw(0, 1, 8, 8, 2)
    module = UNet(base_features=3, levels=2, norm="none", activation="leaky_relu")
    variables, gradient = variables_of(module, source), gradient_by_source(module)
    # Without the first half of its channels the last convolution sees the bottleneck alone.
    last = variables["params"]["up_0"]["conv"]
    last["kernel"] = last["kernel"].at[:, :, :3].set(0)
    assert gradient(variables, source).any()
    variables["params"]["down_1"]["conv"]["kernel"] *= 0
    assert not gradient(variables, source).any()
