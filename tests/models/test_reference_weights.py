"""Weights of the reference: recognised, converted, exported."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.torch_twins import (
    DISCRIMINATORS,
    GENERATORS,
    NORMS,
    TWINS,
    PatchTwin,
    PixelTwin,
    ResNetTwin,
    UNetTwin,
    arrays_of,
    make_twin,
    module_for,
    nchw,
    nhwc,
    torch,
)

from pix2pix_jax import InputError, default_config
from pix2pix_jax.core.config_files import set_value
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.models.initial import abstract_variables, draw_variables, make_blueprint
from pix2pix_jax.models.reference_layers import Architecture
from pix2pix_jax.models.reference_weights import (
    configure,
    discriminator_architecture,
    generator_architecture,
    recognise,
    to_variables,
    to_weights,
)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", TWINS)
def test_imported_weights_give_the_outputs_of_pytorch(name, norm):
    twin, size = make_twin(TWINS[name], norm), 32 if name in GENERATORS else 128
    weights = arrays_of(twin)
    architecture = recognise(weights)
    params, batch_stats = jax.tree.map(jnp.asarray, to_variables(weights, architecture))
    variables = {"params": params, "batch_stats": batch_stats}
    module = module_for(architecture, size)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2, size, size, architecture.in_channels)).astype(np.float32)
    inputs = [jnp.asarray(part) for part in ([x] if name in GENERATORS else np.split(x, 2, -1))]

    @jax.jit
    def apply(variables, inputs):
        still = module.apply(variables, *inputs, train=False)
        return still, module.apply(variables, *inputs, train=True, mutable=["batch_stats"])

    def output(result):
        return result if name in GENERATORS else result[0][0]

    still, (result, updates) = apply(variables, inputs)
    np.testing.assert_allclose(output(still), nhwc(twin.eval()(nchw(x))), atol=1e-5)
    np.testing.assert_allclose(output(result), nhwc(twin.train()(nchw(x))), atol=1e-5)
    if norm == "batch":
        after = to_weights(params, updates["batch_stats"], architecture)
        for key, value in arrays_of(twin).items():
            if "running" in key:
                np.testing.assert_allclose(after[key], value, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", TWINS)
def test_weights_come_back_bit_by_bit_and_pytorch_loads_them(name, norm):
    twin = make_twin(TWINS[name], norm)
    weights = arrays_of(twin)
    architecture = recognise(weights)
    assert architecture.dropout == (name == "resnet with dropout")
    back = to_weights(*to_variables(weights, architecture), architecture)
    assert back.keys() == weights.keys()
    for key, array in back.items():
        assert array.dtype == weights[key].dtype
        if not key.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(array, weights[key])
    state = {key: torch.from_numpy(array) for key, array in back.items()}
    TWINS[name](norm=norm).load_state_dict(state)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", TWINS)
def test_our_variables_come_back_bit_by_bit_through_the_references_names(name, norm):
    architecture = recognise(arrays_of(TWINS[name](norm=norm)))
    module = module_for(architecture, 128)
    shapes = (
        [(1, 128, 128, 3)] * 2
        if name in DISCRIMINATORS
        else [(1, 128, 128, architecture.in_channels)]
    )
    drawn = draw_variables({"": make_blueprint(module, *shapes)}, 0)[""]
    back = to_variables(to_weights(*drawn, architecture), architecture)
    jax.tree.map(np.testing.assert_array_equal, back, tuple(drawn))


FULL_SIZE = [
    # build, norm, arrays in the file, parameters
    (functools.partial(UNetTwin, 8, 64), "batch", 82, 54_413_955),
    (functools.partial(UNetTwin, 8, 64), "instance", 32, 54_409_603),
    (functools.partial(UNetTwin, 7, 64), "batch", 70, 41_828_995),
    (functools.partial(UNetTwin, 7, 64), "instance", 28, 41_825_667),
    (functools.partial(ResNetTwin, 9, 64), "batch", 140, 11_383_427),
    (functools.partial(ResNetTwin, 9, 64), "instance", 48, 11_378_179),
    (functools.partial(ResNetTwin, 6, 64, dropout=False), "batch", 104, 7_841_411),
    (functools.partial(ResNetTwin, 6, 64, dropout=False), "instance", 36, 7_837_699),
    (functools.partial(PatchTwin, 1, 64), "batch", None, 139_585),
    (functools.partial(PatchTwin, 2, 64), "batch", None, 666_433),
    (functools.partial(PatchTwin, 3, 64), "batch", 22, 2_768_705),
    (functools.partial(PatchTwin, 3, 64), "instance", 10, 2_767_809),
    (functools.partial(PatchTwin, 4, 64), "batch", None, 6_964_033),
    (functools.partial(PatchTwin, 5, 64), "batch", None, 11_159_361),
    (functools.partial(PatchTwin, 6, 64), "batch", None, 15_354_689),
    (functools.partial(PixelTwin, 64), "batch", 9, 9_024),
    (functools.partial(PixelTwin, 64), "instance", 6, 8_897),
]


@pytest.mark.parametrize(("build", "norm", "arrays", "parameters"), FULL_SIZE)
def test_networks_of_full_size_are_recognised_by_the_published_counts(
    build, norm, arrays, parameters
):
    with torch.device("meta"):
        twin = build(norm=norm)
    # The same shapes without their memory.
    weights = {
        name: np.broadcast_to(np.float32(0), tuple(value.shape))
        for name, value in twin.state_dict().items()
    }
    architecture = recognise(weights)
    assert arrays in (None, len(weights))
    assert sum(value.numel() for value in twin.parameters()) == parameters
    module = module_for(architecture, 256)
    is_generator = architecture.network in ("unet", "resnet")
    params, batch_stats = abstract_variables(module, *[(1, 256, 256, 3)] * (2 - is_generator))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == parameters
    ours = jax.tree.map(lambda leaf: leaf.shape, (params, batch_stats))
    imported = to_variables(weights, architecture)
    assert jax.tree.map(lambda leaf: leaf.shape, imported) == ours


def test_the_names_of_a_file_are_those_that_are_published():
    keys = arrays_of(UNetTwin(levels=5)).keys()
    inner = "model.model.1.model." + "3.model." * 3
    for key in (
        *("model.model.0.weight", "model.model.3.weight", "model.model.3.bias"),
        *("model.model.1.model.1.weight", "model.model.1.model.6.running_var"),
        *(f"{inner}1.weight", f"{inner}3.weight", f"{inner}4.num_batches_tracked"),
    ):
        assert key in keys
    keys = arrays_of(ResNetTwin(blocks=6, dropout=False)).keys()
    for key in ("model.15.conv_block.5.weight", "model.16.weight", "model.23.bias"):
        assert key in keys
    assert "model.10.conv_block.6.weight" in arrays_of(ResNetTwin(norm="instance"))


def test_old_files_without_batch_counts_are_taken():
    weights = arrays_of(UNetTwin())
    expected = recognise(weights)
    old = {key: value for key, value in weights.items() if not key.endswith("batches_tracked")}
    assert recognise(old) == expected
    to_variables(old, expected)


def test_stale_statistics_of_instance_norm_are_passed_over():
    weights = arrays_of(make_twin(UNetTwin, "instance"))
    architecture = recognise(weights)
    stale = dict(weights)
    for key in ("model.model.1.model.2", "model.model.1.model.6"):
        stale[f"{key}.running_mean"] = stale[f"{key}.running_var"] = np.ones(8, np.float32)
        stale[f"{key}.num_batches_tracked"] = np.array(5)
    assert recognise(stale) == architecture
    ours, batch_stats = to_variables(stale, architecture)
    jax.tree.map(np.testing.assert_array_equal, ours, to_variables(weights, architecture)[0])
    assert batch_stats == {}


def test_a_network_in_the_other_role_is_said_so():
    generator, discriminator = arrays_of(UNetTwin()), arrays_of(PatchTwin())
    with pytest.raises(InputError, match=r"D\.pth: holds a discriminator \(PatchGAN .*generator"):
        recognise(discriminator, "D.pth", "generator")
    with pytest.raises(InputError, match=r"G\.pth: holds a generator \(U-Net .*discriminator"):
        recognise(generator, "G.pth", "discriminator")
    assert recognise(generator, "G.pth", "generator").network == "unet"


def changed(weights, missing=(), extra=(), reshaped=()):
    weights = {key: value for key, value in weights.items() if key not in missing}
    weights.update({key: np.zeros((5, 5), np.float32) for key in extra})
    weights.update({key: np.zeros((9,), np.float32) for key in reshaped})
    return weights


@pytest.mark.parametrize(
    ("weights", "messages"),
    [
        (
            lambda: changed(
                arrays_of(UNetTwin()),
                missing=["model.model.1.model.1.weight"],
                extra=["a", "b", "c", "d"],
                reshaped=["model.model.1.model.2.weight"],
            ),
            [
                "the nearest is a U-Net of 5 levels, batch norm, 8 features, 3 -> 3 channels",
                "1 missing (model.model.1.model.1.weight)",
                "4 too many (a, b, c, ...)",
                "1 of another shape (model.model.1.model.2.weight (9,) instead of (16,))",
            ],
        ),
        (
            lambda: changed(arrays_of(ResNetTwin()), missing=["model.11.conv_block.6.weight"]),
            ["ResNet of 2 blocks with dropout", "1 missing (model.11.conv_block.6.weight)"],
        ),
        (
            lambda: changed(arrays_of(PatchTwin()), missing=["model.0.weight"]),
            ["not a network of the reference, but 21 arrays (model.0.bias, "],
        ),
        (
            lambda: changed(arrays_of(UNetTwin()), missing=["model.model.3.weight"]),
            ["a unet has model.model.3.weight"],
        ),
        (
            lambda: changed(arrays_of(PatchTwin()), extra=["model.20.weight"]),
            ["PatchGAN discriminator of 3 layers", "1 too many (model.20.weight)"],
        ),
        (
            lambda: {"conv1.weight": np.zeros((2, 2)), "fc": np.zeros(2)},
            ["not a network of the reference, but 2 arrays (conv1.weight, fc)"],
        ),
        (lambda: {"model.0.weight": np.zeros((1, 1, 1, 1))}, ["a patch has model.5.weight"]),
    ],
)
def test_another_network_is_refused_with_what_differs(weights, messages):
    with pytest.raises(InputError) as caught:
        recognise(weights(), "x.pth")
    assert str(caught.value).startswith("x.pth: not a network of the reference")
    assert "\n" not in str(caught.value)
    for message in messages:
        assert message in str(caught.value)


def test_a_discriminator_for_other_channels_is_refused():
    generator = recognise(arrays_of(UNetTwin()))
    discriminator = recognise(arrays_of(PatchTwin(channels=3)))
    with pytest.raises(InputError, match=r"takes 3 channels; source and target .* have 6"):
        configure(default_config(), generator, discriminator)


def networks_of(config):
    """Return what tells the architecture: the resolved section `model`, and the networks."""
    config = resolve(config)
    adversarial = config.loss.gan != "none"
    return config.model, build_networks(config.model, config.data, adversarial=adversarial)


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("norm", NORMS)
def test_a_config_set_to_a_network_means_that_network(name, norm):
    architecture = recognise(arrays_of(TWINS[name](norm=norm)))
    config = default_config()
    if name in GENERATORS:
        configure(config, architecture)
        config.data.image_size = (32,)
        assert generator_architecture(*networks_of(config)) == architecture
    else:
        configure(config, Architecture("resnet", "instance", 9, 64, 3, 3), architecture)
        assert discriminator_architecture(*networks_of(config)) == architecture


@pytest.mark.parametrize(
    ("key", "value", "architecture"),
    [
        ("model.generator", "hybrid", generator_architecture),
        ("model.norm", "group", generator_architecture),
        ("model.norm", "none", generator_architecture),
        ("model.activation", "mish", generator_architecture),
        ("model.upsample", "nearest", generator_architecture),
        ("model.unet_skips", False, generator_architecture),
        ("model.levels", 4, generator_architecture),
        ("model.discriminator", "multiscale", discriminator_architecture),
        ("model.discriminator_norm", "instance_affine", discriminator_architecture),
        ("model.discriminator_norm", "group", discriminator_architecture),
        ("model.spectral_norm", True, discriminator_architecture),
        ("model.conditional", False, discriminator_architecture),
        ("loss.gan", "none", discriminator_architecture),
    ],
)
def test_a_network_that_the_reference_lacks_is_refused_by_its_key(key, value, architecture):
    config = default_config()
    architecture(*networks_of(config))
    set_value(config, key, value)
    changed_networks = networks_of(config)
    with pytest.raises(InputError, match=f"^{key}={value!r}: "):
        architecture(*changed_networks)
