"""Write a run's network in another program's format.

    pix2pix-jax export --workdir runs/maps --format torch --output latest_net_G.pth

torch: the state_dict that the PyTorch reference loads, as .pth, .safetensors or .npz.
"""

import argparse
import pathlib

from pix2pix_jax.commands import cli
from pix2pix_jax.commands.terminal import say
from pix2pix_jax.core import weight_files
from pix2pix_jax.core.files import refuse_unwritable
from pix2pix_jax.models.reference_layers import Architecture
from pix2pix_jax.models.reference_weights import (
    discriminator_architecture,
    generator_architecture,
    to_weights,
)
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import generator_of, restore_discriminator


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--workdir", required=True, type=cli.filled_path, help="folder of a run")
    parser.add_argument("--format", required=True, choices=sorted(FORMATS))
    parser.add_argument("--output", required=True, type=cli.filled_path, help="file to write")
    parser.add_argument("--checkpoint", default="best", help="best (default), latest or a step")
    parser.add_argument("--network", default="generator", choices=("generator", "discriminator"))
    cli.add_trust_flag(parser)
    return parser.parse_args()


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


def export_torch(flags: argparse.Namespace) -> None:
    """Write a state_dict."""
    refuse_unwritable(pathlib.Path(flags.output).parent)
    folder = RunFolder(flags.workdir, trust_code=flags.trust_code)
    model, networks = folder.settings.model, folder.networks
    if flags.network == "generator":
        architecture = generator_architecture(model, networks)
        generator = generator_of(folder, flags.checkpoint)
        variables, step = generator.variables, generator.step
    else:
        architecture = discriminator_architecture(model, networks)
        with Checkpoints(folder.path, read_only=True) as checkpoints:
            step, variables = checkpoints.use(
                flags.checkpoint, lambda step: restore_discriminator(checkpoints, step, networks)
            )
    weights = to_weights(variables["params"], variables["batch_stats"], architecture)
    weight_files.write(pathlib.Path(flags.output), weights)
    say(f"step {step}: {architecture}: {len(weights)} arrays in {flags.output}")
    channels = networks.source_shape[-1], networks.target_shape[-1]
    print("in the reference:", describe_flags(architecture, channels, dropout=model.dropout > 0))


FORMATS = {"torch": export_torch}


def main() -> None:
    """Export the network."""
    flags = parse_arguments()
    FORMATS[flags.format](flags)
