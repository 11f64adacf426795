"""Translate images with a trained generator.

pix2pix-jax sample --workdir runs/maps --input photos/ --output out/
pix2pix-jax sample --workdir runs/maps --split test --output out/
"""

import argparse

from pix2pix_jax.commands import cli
from pix2pix_jax.core.devices import enable_compilation_cache
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import FITS, generator_of
from pix2pix_jax.runs.image_folders import translate_folder, translate_split
from pix2pix_jax.runs.translation import MODES


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--workdir", required=True, help="folder of a run")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--input", help="an image file, or a folder of them")
    what.add_argument("--split", help="a split of the run's own data: train, val or test")
    parser.add_argument("--output", required=True, help="folder for the results")
    parser.add_argument("--checkpoint", default="best", help="best (default), latest or a step")
    parser.add_argument("--mode", default="paper", choices=MODES, help="see the README")
    parser.add_argument(
        "--seed", type=cli.whole(0, 2**32 - 1), help="seed of dropout (default: the run's)"
    )
    parser.add_argument(
        "--fit",
        default="",
        choices=FITS,
        help="for an image of another size than in training: resize it and the result, or pad it "
        "and crop the result (default: resize if the run resized its images)",
    )
    parser.add_argument(
        "--derive",
        action="store_true",
        help="derive the sources from the images as in training: edges, blur, gray and so on",
    )
    parser.add_argument(
        "--batch_size", type=cli.whole(1, 2**12), default=8, help="images per batch (default: 8)"
    )
    cli.add_trust_flag(parser)
    return parser.parse_args()


def main() -> None:
    """Translate the images and write the results."""
    flags = parse_arguments()
    folder = RunFolder(flags.workdir, trust_code=flags.trust_code)
    enable_compilation_cache(folder.settings.compilation_cache)
    generator = generator_of(folder, flags.checkpoint, seed=flags.seed, fit=flags.fit)
    options = {"mode": flags.mode, "batch_size": flags.batch_size}
    if flags.input is not None:
        written = translate_folder(
            generator, flags.input, flags.output, derive=flags.derive, **options
        )
    else:
        written = translate_split(generator, folder, flags.split, flags.output, **options)
    print(f"step {generator.step}: {len(written)} images in {flags.output}")
