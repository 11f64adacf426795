"""Build the networks from a configuration."""

import dataclasses
import functools
from collections.abc import Collection
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode, is_own
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.core.source_parts import source_depth
from pix2pix_jax.models.blocks import ACTIVATIONS, UPSAMPLINGS
from pix2pix_jax.models.discriminators import MultiscaleGAN, PatchGAN, PixelGAN
from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.initial import Blueprint, Shapes, make_blueprint
from pix2pix_jax.models.layers import NORMS
from pix2pix_jax.models.own_networks import check_discriminator, check_generator, refuse_numbers
from pix2pix_jax.models.resnet import ResNet
from pix2pix_jax.models.sizes import check_multiple, check_patches, unet_levels
from pix2pix_jax.models.unet import DROPOUT_PLACEMENTS, UNet

Shape = tuple[int, int, int]  # height, width, channels


def _build_unet(model: ConfigDict, image_size: tuple[int, int], **shared: Any) -> nn.Module:
    return UNet(
        levels=unet_levels(model.levels, image_size),
        unet_skips=model.unet_skips,
        dropout_placement=model.dropout_placement,
        **shared,
    )


def _build_resnet(model: ConfigDict, image_size: tuple[int, int], **shared: Any) -> nn.Module:
    check_multiple("resnet", image_size, 4, 8)
    return ResNet(blocks=model.blocks, **shared)


def _build_hybrid(model: ConfigDict, image_size: tuple[int, int], **shared: Any) -> nn.Module:
    # Instance norm would leave nothing of an image of one pixel.
    unit = 2**model.downsamplings
    check_multiple("hybrid", image_size, unit, 2 * unit)
    return Hybrid(blocks=model.blocks, downsamplings=model.downsamplings, **shared)


GENERATORS = {"unet": _build_unet, "resnet": _build_resnet, "hybrid": _build_hybrid}


def build_generator(
    model: ConfigDict,
    *,
    image_size: tuple[int, int],
    out_channels: int,
    of_classes: bool = False,
    axis_name: str | None = None,
    numbers: int = 0,
    scale: float = 1.0,
    code: OwnCode = NO_OWN_CODE,
) -> nn.Module:
    """Build the generator from the config's `model` section.

    Args:
        model: The section `model` of a configuration.
        image_size: Height and width of the sources.
        out_channels: Channels of the target.
        of_classes: Whether these are classes; own networks see to that themselves.
        axis_name: Mapped axis over the devices in training; None for inference.
        numbers: How many numbers beside the image it takes.
        scale: How many times as large as a source its result is.
        code: Loads own code.

    Returns:
        A module called as `(source, train=, dropout_keys=)`, and with `condition=` if there are
        numbers.

    Raises:
        InputError: A name is unknown, the image size does not fit the network, or own code cannot
            be used.
    """
    name = model.generator
    _check_choice("model.generator", name, GENERATORS, or_own=True)
    _check_choice("model.norm", model.norm, NORMS)
    _check_choice("model.activation", model.activation, ACTIVATIONS)
    _check_choice("model.upsample", model.upsample, UPSAMPLINGS)
    _check_choice("model.dropout_placement", model.dropout_placement, DROPOUT_PLACEMENTS)
    shared = {
        "out_channels": out_channels,
        "base_features": model.base_features,
        "norm": model.norm,
        "activation": model.activation,
        "upsample": model.upsample,
        "dropout": model.dropout,
        "remat": model.remat,
        "dtype": jnp.dtype(model.dtype),
        "axis_name": axis_name,
    }
    if not is_own(name):
        mine = {"of_classes": of_classes, "numbers": numbers, "scale": scale}
        return GENERATORS[name](model, image_size, **mine, **shared)
    refuse_numbers("model.generator", name, numbers)
    own = {
        "image_size": image_size,
        "levels": model.levels,
        "blocks": model.blocks,
        "scale": scale,
    }
    return code.build(name, "model.generator", shared | own, nn.Module)


def _build_patch(model: ConfigDict, image_size: tuple[int, int], **shared: Any) -> nn.Module:
    check_patches(model.discriminator_layers, 1, image_size)
    return PatchGAN(layers=model.discriminator_layers, **shared)


def _build_pixel(model: ConfigDict, image_size: tuple[int, int], **shared: Any) -> nn.Module:
    return PixelGAN(**shared)


def _build_multiscale(model: ConfigDict, image_size: tuple[int, int], **shared: Any) -> nn.Module:
    layers, scales = model.discriminator_layers, model.discriminator_scales
    check_patches(layers, scales, image_size)
    return MultiscaleGAN(scales, partial(PatchGAN, layers=layers, **shared))


DISCRIMINATORS = {
    "patch": _build_patch,
    "pixel": _build_pixel,
    "multiscale": _build_multiscale,
}


def build_discriminator(
    model: ConfigDict,
    *,
    image_size: tuple[int, int],
    axis_name: str | None = None,
    numbers: int = 0,
    code: OwnCode = NO_OWN_CODE,
) -> nn.Module:
    """Build the discriminator from the config's `model` section.

    Args:
        model: The section `model` of a configuration.
        image_size: Height and width of the images.
        axis_name: Mapped axis over the devices in training; None for inference.
        numbers: How many numbers beside the image it takes.
        code: Loads own code.

    Returns:
        A module called as `(source, image, train=)`, and with `condition=` if there are numbers.

    Raises:
        InputError: A name is unknown, the image is too small for the patches, or own code cannot be
            used.
    """
    name = model.discriminator
    _check_choice("model.discriminator", name, DISCRIMINATORS, or_own=True)
    _check_choice("model.discriminator_norm", model.discriminator_norm, NORMS)
    shared = {
        "base_features": model.discriminator_features,
        "norm": model.discriminator_norm,
        "conditional": model.conditional,
        "spectral_norm": model.spectral_norm,
        "dtype": jnp.dtype(model.dtype),
        "axis_name": axis_name,
    }
    if not is_own(name):
        return DISCRIMINATORS[name](model, image_size, numbers=numbers, **shared)
    refuse_numbers("model.discriminator", name, numbers)
    own = {
        "image_size": image_size,
        "layers": model.discriminator_layers,
        "scales": model.discriminator_scales,
    }
    return code.build(name, "model.discriminator", shared | own, nn.Module)


@dataclasses.dataclass(frozen=True)
class Networks:
    """Both networks of a run, and the shapes of their images.

    Attributes:
        generator: The generator.
        discriminator: The discriminator; None if there is none (`loss.gan='none'`).
        source_shape: Height, width and channels of a source as the networks see it; if sources are
            class indices, it has one channel for each class.
        target_shape: Height, width and channels of a target. The discriminator sees sources at
            this size, too.
    """

    generator: nn.Module
    discriminator: nn.Module | None
    source_shape: Shape
    target_shape: Shape

    @functools.cached_property
    def generator_blueprint(self) -> Blueprint:
        """The generator's variables before they have values."""
        return make_blueprint(self.generator, (1, *self.source_shape))

    @functools.cached_property
    def discriminator_blueprint(self) -> Blueprint | None:
        """The discriminator's variables before they have values; None without one."""
        if self.discriminator is None:
            return None
        images = (1, *self.judged_source_shape), (1, *self.target_shape)
        return make_blueprint(self.discriminator, *images)

    @property
    def judged_source_shape(self) -> Shape:
        """Height, width and channels of a source as the discriminator sees it."""
        return (*self.target_shape[:2], self.source_shape[2])

    @property
    def generator_shapes(self) -> Shapes:
        """Shapes of the generator's parameters and batch statistics."""
        return self.generator_blueprint.shapes

    @property
    def discriminator_shapes(self) -> Shapes | None:
        """Shapes of the discriminator's parameters and batch statistics; None without one."""
        blueprint = self.discriminator_blueprint
        return None if blueprint is None else blueprint.shapes


def build_networks(
    model: ConfigDict,
    data: ConfigDict,
    *,
    adversarial: bool,
    axis_name: str | None = None,
    code: OwnCode = NO_OWN_CODE,
) -> Networks:
    """Build the networks of a configuration, with their shapes.

    Args:
        model: The section `model` of a resolved configuration.
        data: The section `data`.
        adversarial: Whether to build a discriminator.
        axis_name: Mapped axis over the devices in training; None for inference.
        code: Loads own code.

    Returns:
        The networks.

    Raises:
        InputError: See `build_generator` and `build_discriminator`; or an own network does not
            return what a step needs.
    """
    size, scale = data.image_size, data.target_scale
    target_size = scaled(size, scale)
    shared: dict[str, Any] = {
        "axis_name": axis_name,
        "numbers": len(data.condition_names),
        "code": code,
    }
    target_channels = data.target_classes or data.target_channels
    of_classes = data.target_classes > 0
    generator = build_generator(
        model,
        image_size=size,
        out_channels=target_channels,
        of_classes=of_classes,
        scale=scale,
        **shared,
    )
    discriminate = partial(build_discriminator, model, image_size=target_size, **shared)
    networks = Networks(
        generator,
        discriminate() if adversarial else None,
        source_shape=(*size, source_depth(data)),
        target_shape=(*target_size, target_channels),
    )
    if axis_name is None:  # batch norm over devices cannot be traced without them
        _check_own(model, networks, code)
    return networks


def _check_own(model: ConfigDict, networks: Networks, code: OwnCode) -> None:
    """Raise InputError if an own network does not return what a step needs."""
    source, target = networks.source_shape, networks.target_shape
    if is_own(model.generator):
        shapes = {"source_shape": source, "target_shape": target}
        check_generator(networks.generator, model.generator, code, **shapes)
    if is_own(model.discriminator) and networks.discriminator is not None:
        shapes = {"source_shape": networks.judged_source_shape, "target_shape": target}
        check_discriminator(networks.discriminator, model.discriminator, code, **shapes)


def _check_choice(key: str, value: str, choices: Collection[str], *, or_own: bool = False) -> None:
    """Raise InputError unless a value is one of the choices, or may be, and is, own code."""
    if value in choices or (or_own and is_own(value)):
        return
    own = ", or give own code as file.py:name or package.module:name" if or_own else ""
    raise InputError(f"{key}={shown(value)}: choose from {', '.join(sorted(choices))}{own}")
