"""Convert between the PyTorch reference's weights and our parameters and config.

The reference's file is a bare `state_dict` of one network. Names and shapes alone tell which
network it is.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import flax.linen as nn
import numpy as np
from jaxtyping import PyTree
from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.models.build import Networks
from pix2pix_jax.models.reference_layers import Architecture, entries
from pix2pix_jax.models.sizes import unet_levels

_GENERATORS = ("unet", "resnet")
_LEAST_LEVELS = 5  # of the reference's U-Net
_OTHERS = "onnx, stablehlo or bundle"  # formats that hold any network
_UNKNOWN = {
    "numbers": "data.condition: the reference's networks take no numbers beside the image",
    "of_classes": "data.target_classes: the reference's generators end in tanh",
}
_SHOWN = 3  # names in an error, of each kind
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")

_FROM_TORCH: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "conv": lambda array: array.transpose(2, 3, 1, 0),
    "transposed": lambda array: array.transpose(2, 3, 0, 1)[::-1, ::-1],
    "vector": lambda array: array,
}
_TO_TORCH: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "conv": lambda array: array.transpose(3, 2, 0, 1),
    "transposed": lambda array: array[::-1, ::-1].transpose(2, 3, 0, 1),
    "vector": lambda array: array,
}


def to_variables(
    weights: Mapping[str, np.ndarray], architecture: Architecture
) -> tuple[PyTree, PyTree]:
    """Arrange the reference's weights as ours.

    Args:
        weights: As from `weight_files.read`; names unknown to the architecture are ignored.
        architecture: The network, as from `recognise`.

    Returns:
        `params` and `batch_stats` of our network, float32.
    """
    trees: dict[str, dict[str, Any]] = {"params": {}, "batch_stats": {}}
    for entry in entries(architecture):
        if entry.collection:
            block, part, name = entry.path
            array = _FROM_TORCH[entry.layout](weights[entry.key])
            place = trees[entry.collection].setdefault(block, {}).setdefault(part, {})
            place[name] = np.array(array, np.float32, order="C")
    return trees["params"], trees["batch_stats"]


def to_weights(
    params: PyTree, batch_stats: PyTree, architecture: Architecture
) -> dict[str, np.ndarray]:
    """Arrange our weights as the reference's: the exact inverse of `to_variables`.

    Args:
        params: Parameters of our network.
        batch_stats: Its running statistics; empty with instance norm.
        architecture: The network.

    Returns:
        Arrays by the reference's names. `num_batches_tracked` is 0, as we do not count batches;
        PyTorch reads it only with a momentum of None.
    """
    trees = {"params": params, "batch_stats": batch_stats}
    weights = {}
    for entry in entries(architecture):
        array = np.zeros((), np.int64)
        if entry.collection:
            block, part, name = entry.path
            array = _TO_TORCH[entry.layout](np.asarray(trees[entry.collection][block][part][name]))
        weights[entry.key] = np.array(array, order="C")
    return weights


def recognise(
    weights: Mapping[str, np.ndarray], name: str = "the weights", role: str = ""
) -> Architecture:
    """Find out which network of the reference a file holds.

    Args:
        weights: Arrays by name, as from `weight_files.read`. Running statistics in old files of
            instance-norm networks mean nothing, and are ignored.
        name: What error messages call them.
        role: `generator` or `discriminator`, if it must be that; '' for either.

    Returns:
        The network.

    Raises:
        InputError: It is not a network of the reference, or one of the other role.
    """
    shapes = {key: array.shape for key, array in weights.items()}
    guess = _guess(shapes, name)
    found = "generator" if guess.network in _GENERATORS else "discriminator"
    if role and role != found:
        raise InputError(f"{name}: holds a {found} ({guess}); expected a {role}")
    expected = {entry.key: entry.shape for entry in entries(guess)}
    # Files from before PyTorch 0.4.1 do not count batches.
    ignored = _STATISTICS if guess.norm == "instance" else _STATISTICS[-1]
    shapes, expected = (
        {key: shape for key, shape in each.items() if not key.endswith(ignored)}
        for each in (shapes, expected)
    )
    other = [
        f"{key} {shapes[key]} instead of {shape}"
        for key, shape in expected.items()
        if shapes.get(key, shape) != shape
    ]
    differences = [
        *_count("missing", sorted(expected.keys() - shapes.keys())),
        *_count("too many", sorted(shapes.keys() - expected.keys())),
        *_count("of another shape", other),
    ]
    if differences:
        raise InputError(
            f"{name}: not a network of the reference; the nearest is a {guess}, but "
            + "; ".join(differences)
        )
    return guess


def _count(what: str, names: Collection[str]) -> list[str]:
    """Return a phrase that counts the names and shows the first few; no phrase without names."""
    if not names:
        return []
    dots = ", ..." if len(names) > _SHOWN else ""
    return [f"{len(names)} {what} ({', '.join(list(names)[:_SHOWN])}{dots})"]


def _guess(shapes: Mapping[str, tuple[int, ...]], name: str) -> Architecture:
    """Return the network that a few characteristic names and shapes point to."""
    kernels = {
        key.removesuffix(".weight"): shape
        for key, shape in shapes.items()
        if key.endswith(".weight") and len(shape) == 4
    }
    in_blocks = {key.split(".")[1] for key in kernels if ".conv_block." in key}
    dropout = False
    if any(key.startswith("model.model.") for key in kernels):
        # Each level adds one "model" to the names of the levels inside it.
        network, first, last = "unet", "model.model.0", "model.model.3"
        depth = max(key.count("model") for key in kernels) - 1
    elif in_blocks:
        network, depth = "resnet", len(in_blocks)
        first, last = "model.1", f"model.{17 + depth}"
        dropout = any(key.endswith(".conv_block.6") for key in kernels)
    elif "net.0" in kernels:
        network, depth, first, last = "pixel", 0, "net.0", "net.5"
    elif "model.0" in kernels:
        tails = [key.removeprefix("model.") for key in kernels]
        depth = max((max(int(tail) for tail in tails if tail.isdecimal()) - 2) // 3, 1)
        network, first, last = "patch", "model.0", f"model.{3 * depth + 2}"
    else:
        names = "; ".join(_count("arrays", sorted(shapes)))
        raise InputError(f"{name}: not a network of the reference, but {names}")
    for key in (first, last):
        if key not in kernels:
            raise InputError(
                f"{name}: not a network of the reference: a {network} has {key}.weight"
            )
    features, in_channels = kernels[first][:2]
    has_scales = any(key.endswith(".weight") and len(shape) == 1 for key, shape in shapes.items())
    norm = "batch" if has_scales else "instance"
    out_channels = kernels[last][1 if network == "unet" else 0]
    return Architecture(network, norm, depth, features, in_channels, out_channels, dropout)


def configure(
    config: ConfigDict, generator: Architecture, discriminator: Architecture | None = None
) -> None:
    """Set a config's networks to those of the reference.

    Args:
        config: Configuration to change: `model.*` and the numbers of channels.
        generator: A generator.
        discriminator: A discriminator; if None, the config's kind stays, with the generator's norm.

    Raises:
        InputError: The discriminator takes other channels than the generator's source and target.
    """
    model, data = config.model, config.data
    model.generator, model.norm = generator.network, generator.norm
    model.base_features = generator.base_features
    if generator.network == "unet":
        model.levels = generator.depth
    else:
        model.blocks = generator.depth
        model.dropout = model.dropout if generator.dropout else 0.0
    data.source_channels, data.target_channels = generator.in_channels, generator.out_channels
    if discriminator is None:
        return
    channels = data.source_channels + data.target_channels
    if discriminator.in_channels != channels:
        raise InputError(
            f"the discriminator takes {discriminator.in_channels} channels; source and target of "
            f"the generator have {channels}"
        )
    model.discriminator, model.discriminator_norm = discriminator.network, discriminator.norm
    model.discriminator_features = discriminator.base_features
    if discriminator.network == "patch":
        model.discriminator_layers = discriminator.depth


def _refuse_unknown(network: nn.Module) -> None:
    """Raise InputError if a network takes numbers beside the image, or answers with classes."""
    for attribute, why in _UNKNOWN.items():
        if getattr(network, attribute, 0):
            raise InputError(f"{why}; choose --format {_OTHERS}")


def generator_architecture(model: ConfigDict, networks: Networks) -> Architecture:
    """Return which network of the reference a run's generator is.

    Args:
        model: The section `model` of the run's resolved configuration.
        networks: The run's networks.

    Raises:
        InputError: The reference has no such network; the message has the key that differs.
    """
    _refuse_unknown(networks.generator)
    _require(
        model,
        generator=_GENERATORS,
        norm=("batch", "instance"),
        activation=("relu",),
        upsample=("transposed",),
    )
    *size, in_channels = networks.source_shape
    if networks.target_shape[:2] != tuple(size):
        raise InputError(
            "data.target_scale is not 1: the reference's generators keep the size of their images; "
            f"choose --format {_OTHERS}"
        )
    shared = (model.base_features, in_channels, networks.target_shape[-1])
    if model.generator == "resnet":
        return Architecture("resnet", model.norm, model.blocks, *shared, dropout=model.dropout > 0)
    _require(model, unet_skips=(True,))
    levels = unet_levels(model.levels, (size[0], size[1]))
    if levels < _LEAST_LEVELS:
        raise InputError(
            f"model.levels={levels}: the reference's U-Net has {_LEAST_LEVELS} or more"
        )
    return Architecture("unet", model.norm, levels, *shared)


def discriminator_architecture(model: ConfigDict, networks: Networks) -> Architecture:
    """Return which network of the reference a run's discriminator is.

    Args:
        model: The section `model` of the run's resolved configuration.
        networks: The run's networks.

    Raises:
        InputError: There is no discriminator, or the reference has no such network; the message has
            the key that differs.
    """
    if networks.discriminator is None:
        raise InputError("loss.gan='none': this run has no discriminator")
    _refuse_unknown(networks.discriminator)
    _require(
        model,
        discriminator=("patch", "pixel"),
        discriminator_norm=("batch", "instance"),
        spectral_norm=(False,),
        conditional=(True,),
    )
    return Architecture(
        model.discriminator,
        model.discriminator_norm,
        model.discriminator_layers if model.discriminator == "patch" else 0,
        model.discriminator_features,
        networks.source_shape[-1] + networks.target_shape[-1],
        1,
    )


def _require(model: ConfigDict, **choices: tuple[Any, ...]) -> None:
    """Raise InputError if the reference does not have a value of the section `model`."""
    for name, known in choices.items():
        value = model[name]
        if value not in known:
            raise InputError(
                f"model.{name}={value!r}: the reference has no such network, only "
                f"{' and '.join(map(str, known))}"
            )
