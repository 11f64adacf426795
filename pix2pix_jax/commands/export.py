"""Write a run's network in another program's format.

    pix2pix-jax export --workdir runs/maps --format onnx --output maps.onnx
    pix2pix-jax export --workdir runs/maps --format torch --output latest_net_G.pth

onnx: one file from images as stored to images as stored, of any size that the network takes.
stablehlo: the same for JAX on a CPU, a GPU or a TPU, without this package.
torch: the state_dict that the PyTorch reference loads, as .pth, .safetensors or .npz.
"""

import argparse
import pathlib

from pix2pix_jax.commands import cli
from pix2pix_jax.commands.terminal import say
from pix2pix_jax.core.files import refuse_unwritable

FORMATS = ("onnx", "stablehlo", "torch")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--workdir", required=True, type=cli.filled_path, help="folder of a run")
    parser.add_argument("--format", required=True, choices=FORMATS)
    parser.add_argument("--output", required=True, type=cli.filled_path, help="file to write")
    parser.add_argument("--checkpoint", default="best", help="best (default), latest or a step")
    parser.add_argument(
        "--network",
        default="generator",
        choices=("generator", "discriminator"),
        help="which network to write (default: generator); discriminator goes with torch",
    )
    parser.add_argument(
        "--weights",
        default="float32",
        choices=("float32", "float16"),
        help="how onnx stores kernels (default: float32); float16 halves the file, which still "
        "computes in float32",
    )
    parser.add_argument(
        "--data_root", type=cli.path, default="", help="where the run's data is now"
    )
    cli.add_trust_flag(parser)
    flags = parser.parse_args()
    if flags.network != "generator" and flags.format != "torch":
        parser.error(f"--network {flags.network} goes with --format torch")
    if flags.weights != "float32" and flags.format != "onnx":
        parser.error(f"--weights {flags.weights} goes with --format onnx")
    return flags


def main() -> None:
    """Export the network."""
    flags = parse_arguments()
    # These need JAX, for which --help does not wait.
    from pix2pix_jax.deployment import torch_file
    from pix2pix_jax.deployment.export import check_path, export
    from pix2pix_jax.runs.folder import RunFolder
    from pix2pix_jax.runs.generator import generator_of

    output = pathlib.Path(flags.output)
    refuse_unwritable(output.parent)
    folder = RunFolder(flags.workdir, trust_code=flags.trust_code, data_root=flags.data_root)
    if flags.format == "torch":
        for line in torch_file.write(folder, flags.checkpoint, flags.network, output):
            say(line)
        return
    check_path(output, flags.format)
    generator = generator_of(folder, flags.checkpoint)
    found = export(folder, generator, output, flags.format, weights=flags.weights)
    say(str(found))
    say(f"step {generator.step}: {output.stat().st_size:,} bytes in {output}")
