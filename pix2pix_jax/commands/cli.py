"""What all commands share: flags, and how a mistake ends a command.

Nothing here imports JAX.
"""

import argparse
import os
import pathlib
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import pix2pix_jax
from pix2pix_jax.commands import ending, interrupts, unknown_flags
from pix2pix_jax.commands.entry import PROGRAM
from pix2pix_jax.commands.terminal import messages_on_terminal
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.files import expand
from pix2pix_jax.core.whole_numbers import parse_whole

T = TypeVar("T")

_BACKENDS = "xla_bridge.py"  # the module of JAX that starts a platform
# JAX adds this note to every error that leaves a function that it traces.
_NOT_FOR_USERS = "JAX has removed its internal frames"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; its help is the command's docstring and its flags.

    A flag may be written with hyphens for its underscores. An unknown one is answered with the one
    that was meant, before anything is missed.

    Args:
        description: The text above the flags.
        foreign: Returns what names that are no flags stand for, see `foreign_flags`.
        **options: Of `argparse.ArgumentParser`.
    """

    def __init__(
        self,
        description: str | None = None,
        foreign: Callable[[], Mapping[str, str]] = dict,
        **options: Any,
    ) -> None:
        super().__init__(
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,
        )
        self.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
        self._foreign = foreign

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read the command line, see `argparse`."""
        flags = unknown_flags.flags_of(self)
        given = sys.argv[1:] if args is None else args
        words = [unknown_flags.spell(word, flags) for word in given]
        unknown = unknown_flags.find(words, flags)
        found, rest = (None, unknown) if unknown else self.parse_known_args(words, namespace)
        if rest:
            self.error(unknown_flags.answer(rest, flags, self._foreign()))
        return found

    def parse_with_overrides(
        self, arguments: list[str]
    ) -> tuple[argparse.Namespace, list[tuple[str, str]]]:
        """Read a command line that may set keys of a config.

        Args:
            arguments: Without the program's name.

        Returns:
            The flags, and (key, text) for each `--config.key=text` or `--config.key text`.
        """
        words, others, overrides = list(arguments), [], []
        while words:
            word = words.pop(0)
            name, equals, value = word.partition("=")
            if not name.startswith("--config."):
                others.append(word)
                continue
            if not equals and not words:
                self.error(f"{name}: a value is missing")
            overrides.append((name.removeprefix("--config."), value if equals else words.pop(0)))
        return self.parse_args(others), overrides

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage, which --help shows, and exit with status 2."""
        ending.print_error(f"{message} (see --help)")
        sys.exit(2)


class _Version(argparse.Action):
    """Looks the version up only if it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Print it and exit."""
        print(version())
        parser.exit()


def version() -> str:
    """Return what `--version` prints."""
    return f"{PROGRAM} {pix2pix_jax.__version__}"


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a type for a flag: a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        number = parse_whole(text)
        if number is None or not low <= number <= high:
            message = f"{shown(text)}: expected a whole number from {low} to {high}"
            raise argparse.ArgumentTypeError(message)
        return number

    return parse


def number(kind: type[T]) -> Callable[[str], T]:
    """Return a type for a flag: an `int` or a `float`, written with the digits 0 to 9."""

    def parse(text: str) -> T:
        try:
            # Python also takes other scripts' digits and underscores, which are slips here.
            if text.isascii() and "_" not in text:
                return kind(text)  # type: ignore[call-arg]
        except ValueError:
            pass
        expected = "a whole number" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"{shown(text)}: expected {expected}")

    return parse


def path(text: str) -> str:
    """Return the path of a flag, with `~` expanded: the type of every flag that takes one."""
    try:
        text.encode()
        return expand(text)
    except UnicodeEncodeError:
        message = (
            f"{shown(text)}: not valid UTF-8, which checkpoints need; rename it, or set LC_ALL"
        )
        raise argparse.ArgumentTypeError(message) from None
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def filled_path(text: str) -> str:
    """Return the path of a flag that needs one: '' would be the current folder, unasked for."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; give a path")
    return path(text)


def split_names(text: str) -> list[str]:
    """Split a flag's value at its commas; empty parts are left out."""
    return [part.strip() for part in text.split(",") if part.strip()]


def add_workdir_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--workdir`, which must be given."""
    parser.add_argument(
        "--workdir", required=True, type=filled_path, help="folder of a run, or a bundle"
    )


def add_checkpoint_flag(parser: argparse._ActionsContainer) -> None:
    """Add `--checkpoint`."""
    parser.add_argument("--checkpoint", default="best", help="best (default), latest or a step")


def add_trust_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--trust_code`."""
    parser.add_argument(
        "--trust_code",
        action="store_true",
        help="run own code kept in the run's folder (docs/extending.md)",
    )


def add_cache_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--compilation_cache`, for `core.devices.enable_compilation_cache`."""
    parser.add_argument(
        "--compilation_cache",
        type=path,
        metavar="DIR",
        help="folder where compiled programs are kept; '' for none (default: "
        "JAX_COMPILATION_CACHE_DIR, or else ~/.cache/pix2pix_jax)",
    )


def add_limit_flag(parser: argparse.ArgumentParser, default: int, meaning: str) -> None:
    """Add `--max_pixels`.

    Args:
        parser: The parser.
        default: Its value if the flag is not given.
        meaning: What that value means, for the help.
    """
    parser.add_argument(
        "--max_pixels",
        type=whole(1, 2**40),
        default=default,
        metavar="N",
        help=f"largest number of pixels of an image (default: {meaning})",
    )


def command_line() -> str:
    """Return the line that started this program, for the record of a run."""
    program, *arguments = sys.argv
    words = program.split() if program.startswith(f"{PROGRAM} ") else ["python", program]
    return shlex.join([*words, *arguments])


def run(main: Callable[[], int | None], *, prints_results: bool = True) -> NoReturn:
    """Run a command's main function and exit with its status.

    A mistake by the user (InputError, or a file that the system refuses) prints one line and exits
    with status 2. Any other exception is a bug and keeps its traceback.
    PIX2PIX_JAX_TRACEBACK=1 shows the traceback of mistakes too.

    Args:
        main: Takes no arguments; returns an exit status, or None for 0.
        prints_results: Whether the command has failed if what it prints cannot be written.
    """
    try:
        with messages_on_terminal():
            status = main() or 0
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):  # a text, of own code
            ending.print_error(str(end.code))
            ending.leave(2, reported=True)
        status = end.code or 0
    except KeyboardInterrupt as error:
        if not isinstance(error, interrupts.Interrupted):
            print("interrupted", file=sys.stderr)
        ending.leave(interrupts.status() or 128 + signal.SIGINT, reported=True, at_once=True)
    except Exception as error:
        line = _describe(error)
        if line is None or os.environ.get("PIX2PIX_JAX_TRACEBACK"):
            raise
        ending.print_error(line)
        ending.leave(2, reported=True)
    lost = ending.lost_output() if prints_results and not status else None
    if lost is not None:
        ending.print_error(f"not all that was printed could be written ({lost.strerror})")
        status = 2
    ending.leave(status)


def _describe(error: Exception) -> str | None:
    """Say in a line what a user can mend; None if the error is a bug."""
    if isinstance(error, InputError | OSError):
        notes = [note for note in getattr(error, "__notes__", []) if _NOT_FOR_USERS not in note]
        return "; ".join([str(error), *notes])
    if isinstance(error, MemoryError):
        return f"out of memory ({error})" if str(error) else "out of memory"
    where = traceback.extract_tb(error.__traceback__)[-1:]
    if where and pathlib.PurePath(where[0].filename).name == _BACKENDS:
        reason = (str(error).strip().splitlines() or ["it is not installed"])[0]
        asked = os.environ.get("JAX_PLATFORMS", "")
        return (
            f"JAX_PLATFORMS={asked}: JAX cannot use this platform here ({reason[:200]}); "
            "unset JAX_PLATFORMS to let JAX choose"
        )
    return None
