import itertools
import re
from functools import cache, partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import count, draw, equations, mask_shapes, trace, variables_of

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.models.blocks import ACTIVATIONS, UPSAMPLINGS, leaky_relu
from pix2pix_jax.models.build import GENERATORS, build_generator
from pix2pix_jax.models.convolutions import conv, down_conv, up_conv
from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.initial import abstract_variables
from pix2pix_jax.models.layers import NORMS
from pix2pix_jax.models.resnet import ResNet
from pix2pix_jax.models.unet import UNet

SMALLEST = {
    "unet": partial(UNet, base_features=2, levels=2, dropout_placement="paper"),
    "resnet": partial(ResNet, base_features=2, blocks=1),
    "hybrid": partial(Hybrid, base_features=2, blocks=1, downsamplings=1),
}


@pytest.mark.parametrize(
    ("norm", "blocks", "parameters"),
    [
        ("batch", 9, 11_383_427),
        ("instance", 9, 11_378_179),
        ("batch", 6, 7_841_411),
        ("instance", 6, 7_837_699),
    ],
)
def test_resnet_has_the_reference_number_of_parameters(norm, blocks, parameters):
    params, _ = abstract_variables(ResNet(norm=norm, blocks=blocks), (1, 256, 256, 3))
    assert count(params) == parameters


def test_resnet_is_made_of_the_reference_convolutions():
    params, _ = abstract_variables(ResNet(), (1, 256, 256, 3))
    shapes = {name: block["conv"]["kernel"].shape for name, block in params.items()}
    expected = {
        "first": (7, 7, 3, 64),
        "down_0": (3, 3, 64, 128),
        "down_1": (3, 3, 128, 256),
        "up_0": (3, 3, 256, 128),
        "up_1": (3, 3, 128, 64),
        "last": (7, 7, 64, 3),
    }
    blocks = {f"block_{n}_{half}": (3, 3, 256, 256) for n in range(9) for half in (0, 1)}
    assert shapes == expected | blocks


@pytest.mark.parametrize("downsamplings", [1, 3, 4])
@pytest.mark.parametrize("blocks", [1, 6])
def test_hybrid_is_made_of_its_convolutions(blocks, downsamplings, monkeypatch):
    # As on an accelerator: on the CPU some of them are products of matrices.
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    module = Hybrid(base_features=1, blocks=blocks, downsamplings=downsamplings)
    params, _ = abstract_variables(module, (1, 32, 32, 3))
    widths = [1, 2, 4, 8, 8][: downsamplings + 1]
    steps = list(itertools.pairwise(widths))
    expected = {"first": (3, 3, 3, 1), "last": (3, 3, 1, 3)}
    for number, (fine, coarse) in enumerate(steps):
        expected[f"down_{number}"] = (4, 4, fine, coarse)
        expected[f"up_{downsamplings - 1 - number}"] = (4, 4, coarse, fine)
    for number, half in itertools.product(range(blocks), (0, 1)):
        expected[f"block_{number}_{half}"] = (3, 3, widths[-1], widths[-1])
    assert {name: block["conv"]["kernel"].shape for name, block in params.items()} == expected
    traced = [e for e in trace(module, 1, 32, 32, 3) if e.primitive.name == "conv_general_dilated"]
    assert len(traced) == len(expected) == 2 + 2 * downsamplings + 2 * blocks
    strides = [equation.params["window_strides"] for equation in traced]
    assert strides.count((2, 2)) == downsamplings


def test_hybrid_has_no_skips_around_its_residual_blocks():
    source = draw(0, 1, 8, 8, 2)
    module = Hybrid(base_features=2, blocks=1, downsamplings=1, norm="none")
    variables = variables_of(module, source)

    @jax.jit
    def gradient(variables):
        return jax.grad(lambda x: module.apply(variables, x, train=True).sum())(source)

    assert gradient(variables).any()
    for block in ("block_0_0", "block_0_1"):
        variables["params"][block]["conv"]["kernel"] *= 0
    assert gradient(variables).any()  # the residual connection
    variables["params"]["down_0"]["conv"]["kernel"] *= 0
    assert not gradient(variables).any()


@pytest.mark.parametrize("name", ["resnet", "hybrid"])
def test_residual_blocks_add_to_what_they_get(name):
    source = draw(0, 1, 16, 16, 3)
    two, one = (SMALLEST[name](blocks=blocks, norm="none") for blocks in (2, 1))
    # Larger kernels: with those drawn, next to nothing would arrive at the output.
    variables = jax.tree.map(lambda leaf: 10 * leaf, variables_of(two, source))
    variables["params"]["block_1_1"]["conv"]["kernel"] *= 0
    fake, expected = (
        jax.jit(partial(module.apply, train=True))(variables, source) for module in (two, one)
    )
    np.testing.assert_allclose(fake, expected, atol=1e-6)
    assert fake.std() > 0.01


def test_hybrid_by_its_definition():
    source = draw(0, 1, 8, 8, 3)
    module = Hybrid(base_features=2, blocks=1, downsamplings=2, norm="none", activation="swish")
    variables = jax.tree.map(lambda leaf: 10 * leaf, variables_of(module, source))

    def by_definition(params, x):
        def layer(function, name, x):
            return function(x, params[name]["conv"]["kernel"])

        same = partial(layer, partial(conv, padding=1))
        x = leaky_relu(same("first", x))
        for number in (0, 1):
            x = leaky_relu(layer(down_conv, f"down_{number}", x))
        x = x + same("block_0_1", nn.swish(same("block_0_0", x)))
        for number in (0, 1):
            x = nn.swish(layer(up_conv, f"up_{number}", x))
        return jnp.tanh(same("last", x))

    fake = jax.jit(partial(module.apply, train=True))(variables, source)
    expected = jax.jit(by_definition)(variables["params"], source)
    np.testing.assert_allclose(fake, expected, atol=1e-6)
    assert fake.std() > 0.01


@cache
def initial(module, channels):
    drawn = variables_of(module, jax.ShapeDtypeStruct((1, 8, 12, channels), jnp.float32))
    return jax.tree.map(lambda leaf: 30 * leaf, drawn)  # else nothing would come near -1 or 1


@pytest.mark.parametrize("upsample", UPSAMPLINGS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_runs_in_every_variant(tiny_config, name, norm, activation, upsample):
    model = tiny_config.model
    model.update(generator=name, norm=norm, activation=activation, upsample=upsample)
    model.update(base_features=3, levels=2, blocks=1, downsamplings=1, dropout_placement="paper")
    module = build_generator(model, image_size=(8, 12), out_channels=5)
    source = 3 * draw(0, 2, 8, 12, 2)
    keys = jax.random.split(jax.random.key(0), 2)
    variables = initial(module.clone(activation="relu"), 2)  # activations have no parameters
    # Not compiled as a whole: the variants share their single operations.
    fake = module.apply(variables, source, train=True, dropout_keys=keys)
    assert fake.shape == (2, 8, 12, 5)
    assert fake.dtype == jnp.float32
    values = np.asarray(fake)
    assert np.abs(values).max() <= 1
    assert values.std() > 0


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize(
    ("key", "choices"), [("activation", ACTIVATIONS), ("upsample", UPSAMPLINGS)]
)
def test_every_choice_makes_another_network(name, key, choices):
    traces = {
        str([str(equation) for equation in trace(SMALLEST[name](**{key: choice}), 1, 8, 8, 3)])
        for choice in choices
    }
    assert len(traces) == len(choices)


@pytest.mark.parametrize("name", ["resnet", "hybrid"])
def test_residual_blocks_drop_out_once_each(name):
    module, keys = partial(SMALLEST[name], blocks=3), jax.random.split(jax.random.key(0), 1)
    shape = (1, 8, 8, 3)
    inner = {"resnet": (2, 2, 8), "hybrid": (4, 4, 4)}[name]
    assert mask_shapes(module(), *shape, dropout_keys=keys) == [inner] * 3
    assert mask_shapes(module(), *shape) == []
    assert mask_shapes(module(dropout=0.0), *shape, dropout_keys=keys) == []


@pytest.mark.parametrize("name", ["resnet", "hybrid"])
def test_residual_blocks_have_masks_of_their_own(name):
    module, keys = SMALLEST[name](blocks=3), jax.random.split(jax.random.key(0), 1)
    traced = trace(module, 1, 8, 8, 3, dropout_keys=keys)
    folded = [e for e in traced if e.primitive.name == "random_fold_in"]
    places = {str(equation.invars[1]) for equation in folded}
    assert len(places) == len(folded) == 3


@pytest.mark.parametrize("name", GENERATORS)
def test_remat_changes_neither_output_nor_gradient_nor_statistics(name):
    source = draw(0, 2, 8, 8, 3)
    variables = variables_of(SMALLEST[name](norm="batch"), source)

    def loss(params, remat):
        fake, updates = SMALLEST[name](norm="batch", remat=remat).apply(
            variables | {"params": params},
            source,
            train=True,
            mutable=["batch_stats"],
        )
        return jnp.square(fake - source).sum(), (fake, updates)

    grad = jax.grad(loss, has_aux=True)
    results = {}
    for remat in (False, True):
        call = partial(grad, remat=remat)
        traced = equations(jax.make_jaxpr(call)(variables["params"]).jaxpr)
        names = {equation.primitive.name for equation in traced}
        assert bool(names & {"remat", "remat2", "checkpoint"}) == remat
        results[remat] = jax.jit(call)(variables["params"])
    # The norm of each tree's whole difference: biases before a norm have no gradient but rounding.
    for plain, again in zip(results[False], results[True], strict=True):
        plain, again = (
            np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(t)]) for t in (plain, again)
        )
        assert np.linalg.norm(again - plain) < 1e-5 * np.linalg.norm(plain)


@pytest.mark.parametrize(
    ("name", "downsamplings", "size", "message"),
    [
        ("resnet", 3, (250, 256), r"'resnet' needs .* multiples of 4, at least 8: choose"),
        ("resnet", 3, (4, 4), r"at least 8: choose \(8, 8\)"),
        ("hybrid", 3, (100, 100), r"'hybrid' needs .* of 8, .*choose \(96, 96\) or \(104, 104\)"),
        ("hybrid", 5, (48, 48), r"of 32, .*choose \(64, 64\)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_those_that_do(
    tiny_config, name, downsamplings, size, message
):
    tiny_config.model.update(generator=name, downsamplings=downsamplings)
    with pytest.raises(InputError, match=message) as refusal:
        build_generator(tiny_config.model, image_size=size, out_channels=3)
    named = re.findall(r"\((\d+), (\d+)\)", str(refusal.value).split("choose")[1])
    for near in named:
        height, width = map(int, near)
        module = build_generator(tiny_config.model, image_size=(height, width), out_channels=3)
        params, _ = abstract_variables(module, (1, height, width, 3))
        assert params


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("size", [(32, 64), (96, 32)])
def test_generators_keep_the_size_of_images_that_are_not_square(name, size):
    module = SMALLEST[name]()
    source = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    params, _ = abstract_variables(module, source.shape)
    fake = jax.eval_shape(partial(module.apply, train=True), {"params": params}, source)
    assert fake.shape == source.shape


@pytest.mark.parametrize(
    ("key", "choices"),
    [
        ("generator", "hybrid, resnet, unet"),
        ("norm", "batch, group, instance, instance_affine, none"),
        ("activation", "gelu, leaky_relu, mish, relu, swish"),
        ("upsample", "nearest, pixel_shuffle, transposed"),
        ("dropout_placement", "paper, reference"),
    ],
)
def test_unknown_names_list_the_choices(tiny_config, key, choices):
    tiny_config.model[key] = "unett"
    with pytest.raises(InputError, match=f"^model.{key}='unett': choose from {choices}$"):
        build_generator(tiny_config.model, image_size=(32, 32), out_channels=3)


def test_builders_hand_every_setting_on(tiny_config):
    model = tiny_config.model
    model.update(
        base_features=6,
        norm="group",
        activation="mish",
        upsample="nearest",
        dropout=0.25,
        dropout_placement="paper",
        levels=3,
        unet_skips=False,
        blocks=4,
        downsamplings=2,
        remat=True,
        dtype="bfloat16",
    )
    shared = {
        "out_channels": 5,
        "base_features": 6,
        "norm": "group",
        "activation": "mish",
        "upsample": "nearest",
        "dropout": 0.25,
        "remat": True,
        "dtype": jnp.dtype("bfloat16"),
        "axis_name": "devices",
    }
    expected = {
        "unet": UNet(levels=3, unet_skips=False, dropout_placement="paper", **shared),
        "resnet": ResNet(blocks=4, **shared),
        "hybrid": Hybrid(blocks=4, downsamplings=2, **shared),
    }
    for name, module in expected.items():
        model.generator = name
        built = build_generator(model, image_size=(32, 32), out_channels=5, axis_name="devices")
        assert built == module
