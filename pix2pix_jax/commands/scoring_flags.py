"""The flags of the commands that score images."""

import argparse

from pix2pix_jax.commands import cli
from pix2pix_jax.runs.translation import MODES


def add_scoring_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how images are generated and scored."""
    parser.add_argument("--mode", default="paper", choices=MODES, help="see the README")
    parser.add_argument(
        "--metrics", default="l1,psnr,ssim", help="comma-separated (docs/evaluation.md)"
    )
    parser.add_argument(
        "--palette",
        default="cityscapes",
        help="colours of the classes for label metrics: a name or a JSON file",
    )
    parser.add_argument(
        "--inception_weights",
        default="",
        metavar="FILE",
        help="weights of the Inception network, for fid, kid and inception_score",
    )
    parser.add_argument(
        "--batch_size", type=cli.whole(1, 2**12), default=8, help="images per batch (default: 8)"
    )
