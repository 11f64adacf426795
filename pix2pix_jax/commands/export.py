"""Write a run's network in another program's format.

    pix2pix-jax export --workdir runs/maps --format torch --output latest_net_G.pth

torch: the state_dict that the PyTorch reference loads, as .pth, .safetensors or .npz.
"""

import argparse
import pathlib

from pix2pix_jax.commands import cli
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


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--workdir", required=True, help="folder of a run")
    parser.add_argument("--format", required=True, choices=sorted(FORMATS))
    parser.add_argument("--output", required=True, help="file to write")
    parser.add_argument("--checkpoint", default="best", help="best (default), latest or a step")
    parser.add_argument("--network", default="generator", choices=("generator", "discriminator"))
    cli.add_trust_flag(parser)
    return parser.parse_args()


def describe_flags(architecture: Architecture, *, dropout: bool) -> str:
    """Return the flags with which the reference builds this network, as far as it has any."""
    names = {
        "unet": f"--netG unet_{2**architecture.depth} --ngf",
        "resnet": f"--netG resnet_{architecture.depth}blocks --ngf",
        "patch": f"--netD n_layers --n_layers_D {architecture.depth} --ndf",
        "pixel": "--netD pixel --ndf",
    }
    flags = f"{names[architecture.network]} {architecture.base_features} --norm {architecture.norm}"
    is_generator = architecture.network in ("unet", "resnet")
    return f"{flags} --no_dropout" if is_generator and not dropout else flags


def export_torch(flags: argparse.Namespace) -> None:
    """Write a state_dict."""
    folder = RunFolder(flags.workdir, trust_code=flags.trust_code)
    model, networks = folder.settings.model, folder.networks
    if flags.network == "generator":
        architecture = generator_architecture(model, networks)
        generator = generator_of(folder, flags.checkpoint)
        variables, step = generator.variables, generator.step
    else:
        architecture = discriminator_architecture(model, networks)
        with Checkpoints(folder.path, read_only=True) as checkpoints:
            step = checkpoints.choose(flags.checkpoint)
            variables = restore_discriminator(checkpoints, step, networks)
    weights = to_weights(variables["params"], variables["batch_stats"], architecture)
    weight_files.write(pathlib.Path(flags.output), weights)
    print(f"step {step}: {architecture}: {len(weights)} arrays in {flags.output}")
    print("in the reference: " + describe_flags(architecture, dropout=model.dropout > 0))


FORMATS = {"torch": export_torch}


def main() -> None:
    """Export the network."""
    flags = parse_arguments()
    FORMATS[flags.format](flags)
