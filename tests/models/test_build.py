"""What the builders make of a configuration."""

import jax.numpy as jnp
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.models.build import build_discriminator, build_generator, build_networks
from pix2pix_jax.models.discriminators import PatchGAN, PixelGAN
from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.resnet import ResNet
from pix2pix_jax.models.unet import UNet

OWN = "or give own code as file.py:name or package.module:name"


@pytest.mark.parametrize(
    ("key", "choices"),
    [
        ("generator", f"hybrid, resnet, unet, {OWN}"),
        ("norm", "batch, group, instance, instance_affine, none"),
        ("activation", "gelu, leaky_relu, mish, relu, swish"),
        ("upsample", "nearest, pixel_shuffle, transposed"),
        ("dropout_placement", "paper, reference"),
    ],
)
def test_unknown_names_of_a_generator_list_the_choices(tiny_config, key, choices):
    tiny_config.model[key] = "unett"
    with pytest.raises(InputError, match=f"^model.{key}='unett': choose from {choices}$"):
        build_generator(tiny_config.model, image_size=(32, 32), out_channels=3)


def test_the_builder_of_generators_hands_every_setting_on(tiny_config):
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


@pytest.mark.parametrize(
    ("key", "choices"),
    [
        ("discriminator", f"multiscale, patch, pixel, {OWN}"),
        ("discriminator_norm", "batch, group, instance, instance_affine, none, or ''"),
    ],
)
def test_unknown_names_of_a_discriminator_list_the_choices(tiny_config, key, choices):
    tiny_config.model[key] = "patchh"
    with pytest.raises(InputError, match=f"^model.{key}='patchh': choose from {choices}$"):
        build_discriminator(resolve(tiny_config).model, image_size=(32, 32))


def test_the_builder_of_discriminators_hands_every_setting_on(tiny_config):
    model = tiny_config.model
    model.update(
        base_features=6,
        norm="batch",
        discriminator_layers=1,
        discriminator_scales=3,
        conditional=False,
        spectral_norm=True,
        dtype="bfloat16",
    )
    shared = {
        "base_features": 6,
        "norm": "batch",
        "conditional": False,
        "spectral_norm": True,
        "dtype": jnp.dtype("bfloat16"),
        "axis_name": "devices",
    }

    def built():
        resolved = resolve(tiny_config).model
        return build_discriminator(resolved, image_size=(64, 64), axis_name="devices")

    assert built() == PatchGAN(layers=1, **shared)
    model.discriminator = "pixel"
    assert built() == PixelGAN(**shared)
    model.discriminator = "multiscale"
    multiscale = built()
    assert multiscale.scales == 3
    assert multiscale.patch() == PatchGAN(layers=1, **shared)
    model.update(discriminator="pixel", discriminator_features=10, discriminator_norm="none")
    assert built() == PixelGAN(**shared | {"base_features": 10, "norm": "none"})


def build(config):
    """Build the networks of a configuration."""
    config = resolve(config)
    return build_networks(config.model, config.data, adversarial=config.loss.gan != "none")


def test_networks_know_the_shapes_of_their_images_and_variables(tiny_config):
    tiny_config.data.image_size = (16, 32)
    tiny_config.data.source_channels, tiny_config.data.target_channels = 2, 5
    networks = build(tiny_config)
    assert (networks.source_shape, networks.target_shape) == ((16, 32, 2), (16, 32, 5))
    params, _ = networks.generator_shapes
    assert params["down_0"]["conv"]["kernel"].shape == (4, 4, 2, 4)
    assert params["up_0"]["conv"]["kernel"].shape[-1] == 5
    params, _ = networks.discriminator_shapes
    assert params["conv_0"]["conv"]["kernel"].shape == (4, 4, 2 + 5, 4)


def test_a_source_of_class_indices_has_a_channel_for_each_class(tiny_config):
    tiny_config.data.source_classes = 8
    networks = build(tiny_config)
    assert networks.source_shape == (32, 32, 8)
    params, _ = networks.discriminator_shapes
    assert params["conv_0"]["conv"]["kernel"].shape[2] == 8 + 3


def test_without_an_adversary_there_is_no_discriminator(tiny_config):
    tiny_config.loss.gan = "none"
    networks = build(tiny_config)
    assert networks.discriminator is None
    assert networks.discriminator_shapes is None


def test_networks_over_devices_have_the_shapes_of_those_on_one(tiny_config):
    tiny_config.model.norm = "batch"
    config = resolve(tiny_config)
    one, many = (
        build_networks(config.model, config.data, adversarial=True, axis_name=axis)
        for axis in (None, "devices")
    )
    assert many.generator.axis_name == many.discriminator.axis_name == "devices"
    assert one.generator_shapes == many.generator_shapes
    assert one.discriminator_shapes == many.discriminator_shapes
