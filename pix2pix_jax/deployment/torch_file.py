"""The state_dict that the PyTorch reference loads."""

import pathlib

from pix2pix_jax.core import weight_files
from pix2pix_jax.models.reference_layers import Architecture
from pix2pix_jax.models.reference_weights import (
    discriminator_architecture,
    generator_architecture,
    to_weights,
)
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import generator_of, restore_discriminator

# The depths of U-Nets and the numbers of residual blocks that the reference's --netG can name.
_NAMED = {
    "unet": {7: "unet_128", 8: "unet_256"},
    "resnet": {6: "resnet_6blocks", 9: "resnet_9blocks"},
}
_PARTS = {"unet": "levels", "resnet": "residual blocks"}


def describe_flags(architecture: Architecture, channels: tuple[int, int], *, dropout: bool) -> str:
    """Say with which flags the reference builds this network, or that it has none that do.

    Args:
        architecture: The network.
        channels: Channels of source and target, as the networks see them.
        dropout: Whether the generator was trained with dropout.
    """
    kind, depth = architecture.network, architecture.depth
    if kind in _NAMED and depth not in _NAMED[kind]:
        known = ", ".join(name for names in _NAMED.values() for name in names.values())
        return (
            f"no flags build it, as --netG has no {kind} of {depth} {_PARTS[kind]}, only {known}; "
            "its Python classes load the file"
        )
    if kind in _NAMED:
        flags = f"--netG {_NAMED[kind][depth]} --ngf"
    else:
        chosen = {"patch": f"n_layers --n_layers_D {depth}", "pixel": "pixel"}
        flags = f"--netD {chosen[kind]} --ndf"
    flags = f"{flags} {architecture.base_features} --norm {architecture.norm}"
    if kind in _NAMED and not dropout:
        flags += " --no_dropout"
    for name, count in zip(("--input_nc", "--output_nc"), channels, strict=True):
        flags += "" if count == 3 else f" {name} {count}"  # the reference's default
    return flags


def write(folder: RunFolder, checkpoint: str, network: str, path: pathlib.Path) -> list[str]:
    """Write a network's state_dict, completely or not at all.

    Args:
        folder: The run's folder.
        checkpoint: `best`, `latest` or a step.
        network: `generator` or `discriminator`.
        path: The file; its suffix is one of `weight_files.FORMATS`.

    Returns:
        Two lines: what was written, and how the reference builds the network.

    Raises:
        InputError: The reference has no such network, or the file cannot be written.
    """
    model, networks = folder.settings.model, folder.networks
    if network == "generator":
        architecture = generator_architecture(model, networks)
        generator = generator_of(folder, checkpoint)
        variables, step = generator.variables, generator.step
    else:
        architecture = discriminator_architecture(model, networks)
        with Checkpoints(folder.path, read_only=True) as checkpoints:
            step, variables = checkpoints.use(
                checkpoint, lambda step: restore_discriminator(checkpoints, step, networks)
            )
    weights = to_weights(variables["params"], variables["batch_stats"], architecture)
    weight_files.write(path, weights)
    channels = networks.source_shape[-1], networks.target_shape[-1]
    flags = describe_flags(architecture, channels, dropout=model.dropout > 0)
    return [
        f"step {step}: {architecture}: {len(weights)} arrays in {path}",
        f"in the reference: {flags}",
    ]
