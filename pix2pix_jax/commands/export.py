"""Write a run's network in another program's format.

    pix2pix-jax export --workdir runs/maps --format torch --output latest_net_G.pth

torch: the state_dict that the PyTorch reference loads, as .pth, .safetensors or .npz.
"""

import argparse
import pathlib
from typing import Any

from ml_collections import ConfigDict

from pix2pix_jax import load_generator
from pix2pix_jax.commands import cli
from pix2pix_jax.core import config as config_lib
from pix2pix_jax.core import weight_files
from pix2pix_jax.core.config_files import load_json
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.models.initial import abstract_variables
from pix2pix_jax.models.reference_layers import Architecture
from pix2pix_jax.models.reference_weights import (
    discriminator_architecture,
    generator_architecture,
    to_weights,
)
from pix2pix_jax.runs.checkpoints import Checkpoints


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


def load_discriminator(
    config: ConfigDict, workdir: pathlib.Path, checkpoint: str
) -> tuple[dict[str, Any], int]:
    """Restore a run's discriminator; return its variables and step."""
    data, (_, discriminator) = config.data, build_networks(config)
    size = config_lib.pair_of(data.image_size)
    shapes = [(1, *size, channels) for channels in (data.source_channels, data.target_channels)]
    with Checkpoints(workdir, read_only=True) as checkpoints:
        step = checkpoints.choose(checkpoint)
        abstract = abstract_variables(discriminator, *shapes)
        return checkpoints.restore_discriminator(step, *abstract), step


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
    workdir, output = pathlib.Path(flags.workdir), pathlib.Path(flags.output)
    config = load_json(workdir / "config.json")
    if flags.network == "generator":
        architecture = generator_architecture(config)
        generator = load_generator(workdir, flags.checkpoint)
        variables, step = generator.variables, generator.step
    else:
        architecture = discriminator_architecture(config)
        variables, step = load_discriminator(config, workdir, flags.checkpoint)
    weights = to_weights(variables["params"], variables["batch_stats"], architecture)
    weight_files.write(output, weights)
    print(f"step {step}: {architecture}: {len(weights)} arrays in {output}")
    print("in the reference: " + describe_flags(architecture, dropout=config.model.dropout > 0))


FORMATS = {"torch": export_torch}


def main() -> None:
    """Export the network."""
    flags = parse_arguments()
    FORMATS[flags.format](flags)
