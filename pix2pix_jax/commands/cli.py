"""What all scripts share: their flags' form, and how they end when the user has made a mistake."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from pix2pix_jax import InputError
from pix2pix_jax.runs.generator import MODES


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; its help is the script's docstring and its flags."""

    def __init__(self, description: str | None = None, **options: Any) -> None:
        super().__init__(
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,
        )

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage, which --help shows, and exit with status 2."""
        print(f"error: {message} (see --help)", file=sys.stderr)
        sys.exit(2)


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a type for a flag: whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            message = f"{text!r}: expected a whole number from {low} to {high}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return parse


def split_names(text: str) -> list[str]:
    """Return the names in a text with commas between them."""
    return [part.strip() for part in text.split(",") if part.strip()]


def add_scoring_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that decide how images are made and scored."""
    parser.add_argument("--mode", default="paper", choices=MODES, help="see the README")
    parser.add_argument("--metrics", default="l1,psnr,ssim", help="names, with commas between")
    parser.add_argument("--palette", default="cityscapes", help="of label metrics, or a JSON file")
    parser.add_argument(
        "--inception_weights", default="", help="of fid, kid, inception_score: a file"
    )
    parser.add_argument("--batch_size", type=whole(1, 2**12), default=8, help="default: 8")


def run(main: Callable[[], int | None]) -> NoReturn:
    """Run a script's main function and exit with its status.

    A mistake of the user's (InputError, or a file that the system refuses) prints one line and
    exits with status 2; any other exception is a bug and keeps its traceback.
    PIX2PIX_JAX_TRACEBACK=1 shows the traceback of mistakes as well.

    Args:
        main: Takes nothing; returns an exit status, None for 0.
    """
    try:
        status = main()
    except (InputError, OSError) as error:
        if os.environ.get("PIX2PIX_JAX_TRACEBACK"):
            raise
        notes = getattr(error, "__notes__", [])
        print("error:", " ".join("; ".join([str(error), *notes]).split()), file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 128 + signal.SIGINT
    sys.exit(status)
