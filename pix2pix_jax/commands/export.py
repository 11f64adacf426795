"""Write a run's network for other programs.

    pix2pix-jax export --workdir runs/maps --format onnx --output maps.onnx
    pix2pix-jax export --workdir runs/maps --format bundle --output maps --push owner/maps
    pix2pix-jax export --workdir runs/maps --format torch --output latest_net_G.pth

onnx: one file from images as stored to images as stored, of any size that the network takes.
stablehlo: the same for JAX alone, on a CPU, a GPU or a TPU.
bundle: a folder of weights, settings and a model card, which stands for the run in --workdir.
torch: the state_dict that the PyTorch reference loads, as .pth, .safetensors or .npz.

All but torch translate validation images before they get their name. What differs from this package
by more than one 8-bit level is not written.
"""

import argparse
import pathlib

from pix2pix_jax.commands import cli
from pix2pix_jax.commands.terminal import say
from pix2pix_jax.core.files import refuse_unwritable

_NAMES = ("bundle", "onnx", "stablehlo", "torch")
# Flags that go with one format: the format, and the value if they are not given.
_OF_FORMAT = {
    "network": ("torch", "generator"),
    "push": ("bundle", ""),
    "weights": ("onnx", "float32"),
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    cli.add_workdir_flag(parser)
    parser.add_argument("--format", required=True, choices=_NAMES)
    parser.add_argument(
        "--output", required=True, type=cli.filled_path, help="file to write; for bundle: folder"
    )
    cli.add_checkpoint_flag(parser)
    parser.add_argument(
        "--network",
        default="generator",
        choices=("generator", "discriminator"),
        help="with torch: the network to write (default: generator)",
    )
    parser.add_argument(
        "--weights",
        default="float32",
        choices=("float32", "float16"),
        help="with onnx: how kernels are stored (default: float32); float16 halves the file, which "
        "computes in float32 all the same",
    )
    parser.add_argument(
        "--push",
        default="",
        metavar="OWNER/NAME",
        help="with bundle: also put it on the Hugging Face hub, under this name",
    )
    parser.add_argument(
        "--data_root", type=cli.path, default="", help="where the run's data is now"
    )
    cli.add_trust_flag(parser)
    flags = parser.parse_args()
    for name, (of_format, default) in _OF_FORMAT.items():
        if flags.format != of_format and getattr(flags, name) != default:
            parser.error(f"--{name} {getattr(flags, name)} goes with --format {of_format}")
    return flags


def main() -> None:
    """Export the network."""
    flags = parse_arguments()
    # These need JAX, for which --help does not wait.
    from pix2pix_jax.deployment import torch_file
    from pix2pix_jax.deployment.export import FORMATS, export
    from pix2pix_jax.deployment.hub import Hub
    from pix2pix_jax.runs.folder import RunFolder
    from pix2pix_jax.runs.generator import generator_of

    output = pathlib.Path(flags.output)
    if flags.format != "torch":
        FORMATS[flags.format].check_path(output)
    refuse_unwritable(output.parent)
    folder = RunFolder(flags.workdir, trust_code=flags.trust_code, data_root=flags.data_root)
    if flags.format == "torch":
        for line in torch_file.write(folder, flags.checkpoint, flags.network, output):
            say(line)
        return
    hub = Hub(flags.push) if flags.push else None
    generator = generator_of(folder, flags.checkpoint)
    say(str(export(folder, generator, output, flags.format, weights=flags.weights)))
    files = [output] if output.is_file() else [*output.iterdir()]
    size = sum(file.stat().st_size for file in files)
    say(f"step {generator.step}: {size:,} bytes in {output}")
    if hub is not None:
        say(hub.push(output, f"Step {generator.step}"))
