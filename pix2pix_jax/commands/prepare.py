"""Check a data set, or make one. Each of the commands below has its own --help.

    pix2pix-jax prepare check data/maps
    pix2pix-jax prepare split data/all data/mine --shares 0.7,0.15,0.15
    pix2pix-jax prepare frames talk.mp4 data/faces/train --every 10 --faces --size 256

No command changes its input, and none replaces a file without --overwrite.
"""

import argparse
import dataclasses
import difflib
from collections.abc import Callable
from typing import Any

from pix2pix_jax import InputError
from pix2pix_jax.commands import cli
from pix2pix_jax.commands.terminal import say
from pix2pix_jax.core.errors import shown
from pix2pix_jax.data.derive import DERIVATIONS, Derivation
from pix2pix_jax.data.preparation import convert
from pix2pix_jax.data.preparation.check import check
from pix2pix_jax.data.preparation.frames import build_detector, extract_frames
from pix2pix_jax.data.preparation.layout import FORMS
from pix2pix_jax.data.preparation.table import format_result
from pix2pix_jax.data.published import PUBLISHED, prepare
from pix2pix_jax.data.tfds import build_tfds
from pix2pix_jax.images.encoding import PHOTO
from pix2pix_jax.images.limits import MAX_PIXELS

_LARGEST = 2**15  # pixels along one side
_CHECK = """Read every image of a data set and print a summary, with the values of each side and
band, and the keys that a config needs for them.

Errors, with exit status 1: files that cannot be read, have an odd width (side by side), or no
partner; masks that do not fit; a side that mixes dtypes, such as 16 bits with 8 bits, or numbers
of channels that do not go together; the same pixels in two splits. Warnings, which leave the exit
status at 0: identical images in one split; near-duplicates by perceptual hash (pairs: both sides
look alike); pairs whose edges coincide no better than those of unrelated images, or much better
after a shift; partners of another size; pixels without data (NaN; for single images an error);
images in no split; what is not taken for an image; values that are beyond the range
of their dtype, or use little of it.

Perceptual hashes find copies that were compressed, resized, darkened, cropped, or shifted by up to
a hundredth of their side. Images that overlap less, such as neighbouring map tiles, are not
found."""


def three(kind: type, form: str, good: Callable[[list], bool]) -> Callable[[str], tuple]:
    """Return a type for a flag: three comma-separated numbers."""

    def parse(text: str) -> tuple:
        try:
            values: list = [cli.number(kind)(part) for part in cli.split_names(text)]
        except argparse.ArgumentTypeError:
            values = []
        if len(values) != 3 or not all(value >= 0 for value in values) or not good(values):
            raise argparse.ArgumentTypeError(f"{shown(text)}: expected {form}")
        return tuple(values)

    return parse


def height_and_width(text: str) -> tuple[int, int]:
    """Parse 256, or 256x512."""
    sides = [cli.whole(1, _LARGEST)(part) for part in text.split("x")]
    if len(sides) > 2:
        raise argparse.ArgumentTypeError(
            f"{shown(text)}: expected a side, or height x width: 256x512"
        )
    return sides[0], sides[-1]


def run_check(flags: argparse.Namespace) -> int:
    """Check a data set; return 1 if something is wrong."""
    result = check(flags.root, flags.source, max_pixels=flags.max_pixels)
    print(format_result(result, flags.show))
    return 0 if result.good else 1


def reading_options(flags: argparse.Namespace) -> dict[str, Any]:
    """Return the options of every command that reads images and writes others."""
    return {name: getattr(flags, name) for name in ("quality", "overwrite", "max_pixels")}


def run_combine(flags: argparse.Namespace) -> None:
    """Put the pairs of two folders into one file each."""
    options = {**reading_options(flags), "resize": flags.resize}
    count = convert.combine(flags.a, flags.b, flags.output, **options)
    say(f"{count} pairs in {flags.output}")


def run_split(flags: argparse.Namespace) -> None:
    """Divide files into train, val and test."""
    options = {"seed": flags.seed, "link": flags.link, "overwrite": flags.overwrite}
    counts = convert.split(flags.root, flags.output, flags.shares or flags.counts, **options)
    say(", ".join(f"{part} {count}" for part, count in counts.items()) + f" in {flags.output}")


def run_patches(flags: argparse.Namespace) -> None:
    """Cut pairs into patches."""
    count = convert.patches(flags.root, flags.output, flags.size, **reading_options(flags))
    say(f"{count} patches in {flags.output}")


def run_derive(flags: argparse.Namespace) -> None:
    """Write the pairs that are derived from single images."""
    options = {**reading_options(flags), "layout": flags.layout}
    names = [field.name for field in dataclasses.fields(Derivation)]
    try:
        derivation = Derivation(**{name: getattr(flags, name) for name in names})
    except InputError as error:  # its keys of the config are the flags here
        raise InputError(str(error).replace("derive.", "--")) from None
    count = convert.derive(flags.root, flags.output, derivation, **options)
    say(f"{count} pairs in {flags.output}")


def run_frames(flags: argparse.Namespace) -> None:
    """Take images from a video."""
    if flags.face_model and not flags.faces:
        raise InputError("--face_model finds faces: add --faces, or leave out --face_model")
    result = extract_frames(
        flags.video,
        flags.output,
        every=flags.every,
        size=flags.size,
        detector=build_detector(flags.face_model) if flags.faces else None,
        quality=flags.quality,
        overwrite=flags.overwrite,
    )
    if result.frames < result.claimed:
        say(f"{flags.video}: ends after {result.frames} of {result.claimed} frames")
    say(f"{result.images} images from {result.frames} frames in {flags.output}")


def run_tfds(flags: argparse.Namespace) -> None:
    """Download and prepare a published data set, or one of TensorFlow Datasets."""
    name = flags.name.removeprefix("tfds:").removeprefix("pix2pix:")
    if flags.name in PUBLISHED or flags.name.startswith("pix2pix:"):
        builder = prepare(name, flags.data_dir, archive=flags.archive)
        say(f"pix2pix:{name} is ready in {builder.data_dir}")
        return
    if flags.archive:
        raise InputError(f"--archive: only for {', '.join(PUBLISHED)}, not for tfds:{name}")
    options = {"source": PHOTO, "target": PHOTO, "data_dir": flags.data_dir, "single": True}
    try:
        source = build_tfds(name, "all", **options)
    except InputError as error:
        near = difflib.get_close_matches(flags.name, PUBLISHED)
        if near:
            error.add_note(f"did you mean the published set {' or '.join(near)}?")
        raise
    say(f"tfds:{name} is ready: {len(source)} examples")


def add_output(parser: cli.Parser, *, quality: bool = True) -> None:
    """Add the flags of every command that writes files."""
    parser.add_argument("output", metavar="OUTPUT", type=cli.filled_path, help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    if quality:
        parser.add_argument(
            "--quality",
            type=cli.whole(1, 100),
            default=0,
            help="write JPEG files of this quality instead of PNG (TIFF for what PNG cannot hold)",
        )


def add_converters(add: Callable[..., cli.Parser]) -> None:
    """Add the commands that make one data set from another."""
    parser = add("combine", run_combine, "put the pairs of two folders into one file each")
    parser.add_argument("a", metavar="A", type=cli.filled_path, help="folder of the left halves")
    parser.add_argument(
        "b", metavar="B", type=cli.filled_path, help="folder of the right halves, same stems"
    )
    parser.add_argument("--resize", action="store_true", help="resize each B to the size of its A")
    cli.add_limit_flag(parser, MAX_PIXELS, str(MAX_PIXELS))
    add_output(parser)

    parser = add("split", run_split, "divide all files into train, val and test")
    parser.add_argument("root", metavar="ROOT", type=cli.filled_path, help="folder of the data set")
    parts = parser.add_mutually_exclusive_group(required=True)
    shares = three(float, "three shares that add up to 1", lambda n: abs(sum(n) - 1) < 1e-6)
    counts = three(int, "three counts, together more than 1", lambda n: sum(n) > 1)
    parts.add_argument("--shares", type=shares, help="shares of train, val and test: 0.7,0.15,0.15")
    parts.add_argument("--counts", type=counts, help="counts of train, val and test: 400,50,50")
    parser.add_argument(
        "--seed",
        type=cli.whole(0, 2**32 - 1),
        default=0,
        help="data.split chooses the same files with the same seed (default: 0)",
    )
    parser.add_argument("--link", action="store_true", help="hard links instead of copies")
    add_output(parser, quality=False)

    parser = add("patches", run_patches, "cut side-by-side pairs into patches, as data.patch_size")
    parser.add_argument(
        "root", metavar="ROOT", type=cli.filled_path, help="folder of the data set; splits are kept"
    )
    parser.add_argument(
        "--size", type=height_and_width, required=True, help="one side, or height x width: 256x512"
    )
    cli.add_limit_flag(parser, MAX_PIXELS, str(MAX_PIXELS))
    add_output(parser)

    parser = add("derive", run_derive, "write the pairs that are derived from single images")
    parser.add_argument(
        "root", metavar="ROOT", type=cli.filled_path, help="folder of the images; splits are kept"
    )
    # Both sides of "small" are one image until data.target_scale makes them differ in size.
    kinds = [kind for kind in DERIVATIONS if kind != "small"]
    parser.add_argument("--kind", required=True, choices=kinds, help="as derive.kind")
    parser.add_argument("--layout", default=convert.LAYOUTS[0], choices=convert.LAYOUTS)
    cli.add_limit_flag(parser, MAX_PIXELS, str(MAX_PIXELS))
    for field in dataclasses.fields(Derivation):
        if field.name != "kind":
            kind, default = type(field.default), field.default
            text = f"as derive.{field.name} in a config (default: {default})"
            choices = (1, 3) if field.name == "channels" else None
            parser.add_argument(
                f"--{field.name}",
                type=cli.number(kind),
                default=default,
                choices=choices,
                help=text,
            )
    add_output(parser)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    root = cli.Parser(__doc__)
    commands = root.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Callable, text: str, description: str = "") -> cli.Parser:
        parser = commands.add_parser(name, help=text, description=description or text)
        parser.set_defaults(run=run)
        return parser

    parser = add("check", run_check, "look for errors, near-duplicates and wrong pairs", _CHECK)
    parser.add_argument("root", metavar="ROOT", type=cli.filled_path, help="folder of the data set")
    parser.add_argument(
        "--source",
        default="",
        choices=FORMS,
        help="form of the data set (default: found by its files)",
    )
    parser.add_argument(
        "--show",
        type=cli.whole(0, 2**31),
        default=10,
        help="number of cases to list for each finding (default: 10)",
    )
    cli.add_limit_flag(parser, MAX_PIXELS, str(MAX_PIXELS))
    add_converters(add)

    parser = add("frames", run_frames, "take images from a video (needs the extra opencv)")
    parser.add_argument("video", metavar="VIDEO", type=cli.filled_path)
    parser.add_argument(
        "--every", type=cli.whole(1, 2**31), default=1, help="take every n-th frame (default: 1)"
    )
    parser.add_argument(
        "--size", type=cli.whole(1, _LARGEST), default=0, help="side of the square images"
    )
    parser.add_argument(
        "--faces", action="store_true", help="write square crops of the faces found"
    )
    parser.add_argument(
        "--face_model",
        type=cli.path,
        default="",
        help="a YuNet ONNX file (default: the cascade of OpenCV 4)",
    )
    add_output(parser)

    parser = add("tfds", run_tfds, "download and prepare a published or TensorFlow Datasets set")
    parser.add_argument("name", metavar="NAME", help=f"{', '.join(PUBLISHED)}; or tfds:NAME")
    parser.add_argument(
        "--data_dir",
        type=cli.path,
        default="",
        help="folder of prepared sets (default: that of TFDS)",
    )
    parser.add_argument(
        "--archive", type=cli.path, default="", help="local .tar.gz of a published set"
    )
    return root.parse_args()


def main() -> int | None:
    """Run the command, and return its exit status."""
    flags = parse_arguments()
    return flags.run(flags)
