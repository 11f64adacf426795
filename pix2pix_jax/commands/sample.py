"""Translate images with a trained generator.

pix2pix-jax sample --workdir runs/maps --input photos/ --output out/
pix2pix-jax sample --workdir runs/maps --split test --output out/
pix2pix-jax sample --workdir runs/maps --input huge.tif --fit tile --output out/
pix2pix-jax sample --workdir runs/maps --input clip.mp4 --output out.mp4

Results take the place of earlier files of the same names in the output folder.
"""

import argparse
import pathlib
from typing import TYPE_CHECKING

from pix2pix_jax.commands import cli, foreign_flags
from pix2pix_jax.commands.shared_flags import (
    add_batch_flag,
    add_data_flags,
    add_draws_flag,
    add_mode_flag,
)
from pix2pix_jax.commands.terminal import say
from pix2pix_jax.core.choices import FITS, ON_FAULT, PARTS, TILE_NORMS
from pix2pix_jax.core.errors import InputError, counted
from pix2pix_jax.images import listing
from pix2pix_jax.images.video_files import is_video

if TYPE_CHECKING:
    from pix2pix_jax.runs.folder import RunFolder
    from pix2pix_jax.runs.generator import Generator

_PAIRED = ("side_by_side", "pix2pix")  # sources whose files hold both sides
# Flags that say something of one of the two kinds of input only.
_NOT_OF_VIDEOS = ("draws", "side")  # --same_dropout is how they are translated anyway
_OF_INPUT, _OF_SPLIT = ("derive", "side", "on_error"), ("data_root",)
_OF_TILES = ("tile", "overlap", "tile_norm")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__, foreign=foreign_flags.for_sample)
    cli.add_workdir_flag(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--input",
        type=cli.filled_path,
        help="an image file, a folder of them, or a video; of a run with several sources one file "
        "or folder for each, with commas between them",
    )
    what.add_argument("--split", help="a split of the run's own data: train, val or test")
    parser.add_argument(
        "--output",
        required=True,
        type=cli.filled_path,
        help="folder for the results; for a video, its file",
    )
    cli.add_checkpoint_flag(parser)
    add_mode_flag(parser)
    parser.add_argument(
        "--seed", type=cli.whole(0, 2**32 - 1), help="seed of dropout (default: the run's)"
    )
    parser.add_argument(
        "--same_dropout",
        action="store_true",
        help="the same dropout for all images, such as the frames of a video, which would flicker",
    )
    add_draws_flag(
        parser,
        "draws of dropout: the result is their mean, NAME_deviation.tif how much they differ",
    )
    parser.add_argument(
        "--blend",
        type=cli.number(float),
        default=0.0,
        help="share of the frame before in each frame of a video, from 0 (default) to less than 1",
    )
    parser.add_argument(
        "--condition",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="numbers beside the image, for a run with data.condition: name=value, several with "
        "commas between them; with --input also a table with a row for each file",
    )
    _add_fit_flags(parser)
    _add_input_flags(parser)
    add_batch_flag(parser)
    add_data_flags(parser)
    cli.add_cache_flag(parser)
    cli.add_trust_flag(parser)
    flags = parser.parse_args()
    _refuse_what_does_not_go_together(parser, flags)
    return flags


def _refuse_what_does_not_go_together(parser: cli.Parser, flags: argparse.Namespace) -> None:
    """End with the line of an error if a flag says something of what is not asked for."""
    if flags.input is not None and is_video(flags.input):
        for name in _NOT_OF_VIDEOS:
            if getattr(flags, name) != parser.get_default(name):
                parser.error(f"--{name} does not go with a video, such as {flags.input}")
    elif _names_file(flags.output):
        parser.error(f"--output {flags.output}: images are written to a folder; give its name")
    for name in _OF_INPUT if flags.input is None else _OF_SPLIT:
        if getattr(flags, name):
            parser.error(f"--{name} goes with {'--input' if name in _OF_INPUT else '--split'}")
    for name in _OF_TILES if flags.fit != "tile" else ():
        if getattr(flags, name) is not None:
            parser.error(f"--{name} goes with --fit tile")


def _names_file(output: str) -> bool:
    """Return whether the name of an output is that of an image or video, and no folder is there."""
    path = pathlib.Path(output)
    named = is_video(path) or path.suffix.lower() in listing.SUFFIXES
    return named and not path.is_dir()


def _add_fit_flags(parser: cli.Parser) -> None:
    """Add `--fit`, and the flags that go with `--fit tile`."""
    parser.add_argument(
        "--fit",
        default="",
        choices=FITS,
        help="for an image of another size than in training: resize it and the result; or pad it "
        "and crop the result; or tile: translate it in overlapping tiles, in memory that does not "
        "grow with it (default: resize if the run resized its images, or else pad)",
    )
    parser.add_argument(
        "--tile",
        type=cli.whole(1, 2**16),
        help="side of a tile in pixels (default: the largest that takes a fair share of memory)",
    )
    parser.add_argument(
        "--overlap",
        type=cli.whole(0, 2**16),
        help="least overlap of tiles in pixels (default: what the network sees around a border, or "
        "a quarter of a tile if that is more than half of one)",
    )
    parser.add_argument(
        "--tile_norm",
        choices=TILE_NORMS,
        help="where norms that use an image's own statistics take them from: the whole image "
        "(default), running statistics of the training (batch norm alone), or each tile its own",
    )


def _add_input_flags(parser: cli.Parser) -> None:
    """Add the flags that go with `--input`."""
    parser.add_argument(
        "--derive",
        action="store_true",
        help="derive the sources from the images as in training: edges, blur, gray and so on",
    )
    parser.add_argument(
        "--side",
        choices=PARTS,
        help="part of each image that is the source: its left or right half, or the whole; auto "
        "(default): the half that was the source in training, of images with the proportions of a "
        "side-by-side pair, if the run was trained on such files",
    )
    parser.add_argument(
        "--on_error",
        choices=ON_FAULT,
        help="on a file that cannot be read: fail (default), or skip and count; in place of a "
        "damaged frame of a video, the one before is repeated",
    )


def _load(flags: argparse.Namespace) -> "tuple[RunFolder, Generator]":
    """Open the run's folder, and load its generator."""
    from pix2pix_jax.runs.folder import RunFolder
    from pix2pix_jax.runs.generator import generator_of
    from pix2pix_jax.runs.tiling import Tiling

    folder = RunFolder(
        flags.workdir,
        trust_code=flags.trust_code,
        data_root=flags.data_root,
        max_pixels=flags.max_pixels,
    )
    tiling = Tiling(flags.tile or 0, flags.overlap, flags.tile_norm or "whole")
    options = {"seed": flags.seed, "fit": flags.fit, "tiling": tiling}
    return folder, generator_of(folder, flags.checkpoint, **options)


def main() -> None:
    """Translate the images and write the results."""
    flags = parse_arguments()
    # These need JAX, for which --help does not wait.
    from pix2pix_jax.core.devices import enable_compilation_cache
    from pix2pix_jax.runs.file_numbers import parse_condition
    from pix2pix_jax.runs.image_folders import translate_folder, translate_split
    from pix2pix_jax.runs.video import translate_video

    condition = parse_condition(flags.condition)
    table = condition if isinstance(condition, pathlib.Path) else None
    if table is not None and (flags.input is None or is_video(flags.input)):
        raise InputError(
            f"--condition {table}: a table goes with --input and image files; give name=value"
        )
    enable_compilation_cache(flags.compilation_cache)
    folder, generator = _load(flags)
    if condition is not None and table is None:
        generator = generator.with_condition(condition)
    options = {
        "mode": flags.mode,
        "batch_size": flags.batch_size,
        "same_dropout": flags.same_dropout,
        "draws": flags.draws,
        "blend": flags.blend,
    }
    if flags.input is not None and is_video(flags.input):
        count = translate_video(
            generator,
            flags.input,
            flags.output,
            mode=flags.mode,
            batch_size=flags.batch_size,
            derive=flags.derive,
            blend=flags.blend,
            on_error=flags.on_error or "fail",
        )
        say(f"step {generator.step}: {counted(count, 'frame')} in {flags.output}")
        return
    if flags.input is not None:
        paired = folder.settings.data.source.partition(":")[0] in _PAIRED
        written = translate_folder(
            generator,
            flags.input,
            flags.output,
            derive=flags.derive,
            side=flags.side or ("auto" if paired else "whole"),
            on_error=flags.on_error or "fail",
            table=table,
            **options,
        )
    else:
        written = translate_split(generator, folder, flags.split, flags.output, **options)
    say(f"step {generator.step}: {counted(len(written), 'image')} in {flags.output}")
