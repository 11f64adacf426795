"""Flags that several commands share: how images are translated and scored, and a run's data."""

import argparse
import pathlib

from pix2pix_jax.commands import cli
from pix2pix_jax.core.choices import EVAL_MODES, MOST_DRAWS

_OF_IMAGES = "l1,psnr,ssim"  # metrics, in the absence of --metrics
_OF_CLASSES = "class_iou,pixel_accuracy"


def add_scoring_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how images are generated and scored."""
    add_mode_flag(parser)
    parser.add_argument(
        "--metrics",
        help=f"comma-separated names (default: {_OF_IMAGES}, or {_OF_CLASSES} for a run "
        "whose targets are class indices), listed in docs/evaluation.md",
    )
    parser.add_argument(
        "--palette",
        type=cli.path,
        default="cityscapes",
        help="colours of the classes for label metrics: a name or a JSON file",
    )
    parser.add_argument(
        "--inception_weights",
        type=cli.path,
        default="",
        metavar="FILE",
        help="weights of the Inception network, for fid, kid and inception_score",
    )
    parser.add_argument(
        "--lpips_file",
        type=cli.path,
        default="",
        metavar="PATH",
        help="weights of lpips_alex or lpips_vgg: a file, or a folder of the published ones",
    )
    add_batch_flag(parser)


def choose_names(metrics: str | None, run: str | pathlib.Path | None) -> list[str]:
    """Return the metrics that `--metrics` names, or those that suit what is scored.

    Args:
        metrics: The flag's value; None if it was not given.
        run: Folder of a run; None: two folders of images are scored.

    Raises:
        InputError: The folder does not hold a run.
    """
    if metrics is None:
        from pix2pix_jax.runs.folder import RunFolder  # needs JAX, for which --help does not wait

        of_classes = run is not None and RunFolder(run).config.data.target_classes
        metrics = _OF_CLASSES if of_classes else _OF_IMAGES
    return cli.split_names(metrics)


def add_mode_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--mode`."""
    parser.add_argument(
        "--mode",
        default="paper",
        choices=EVAL_MODES,
        help="paper (default): with dropout; deterministic: without, and batch norm by running "
        "statistics",
    )


def add_batch_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--batch_size`."""
    parser.add_argument(
        "--batch_size",
        type=cli.whole(1, 2**12),
        default=0,
        help="images that a GPU or TPU translates at once (default: 32 per device at 256 pixels); "
        "the CPU translates one by one",
    )


def add_draws_flag(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add `--draws`.

    Args:
        parser: The parser.
        meaning: What more than one draw is for.
    """
    parser.add_argument("--draws", type=cli.whole(1, MOST_DRAWS), default=1, help=meaning)


def add_data_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where a run's data is, and how much an image may be."""
    parser.add_argument(
        "--data_root",
        type=cli.path,
        default="",
        metavar="DIR",
        help="folder of the run's data, if it is not where the run found it, or other data",
    )
    cli.add_limit_flag(parser, 0, "data.max_pixels of the run")
