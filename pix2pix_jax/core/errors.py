"""The one error for what users can cause, and mend."""

import importlib
import reprlib
from collections.abc import Iterable
from typing import Any

_LONGEST_VALUE = 100  # characters of a value in a message
_LONGEST_LINE = 2000  # a path alone may have a thousand


class InputError(ValueError):
    """Something from outside is wrong: a config value, a file, a flag, the shape of an array.

    Its message is one line with the value, where it came from and what to do. Commands print that
    line and exit with status 2. Any other exception is a bug of the package and keeps its
    traceback.

    Args:
        message: The message. Line breaks and the like, which names of files may contain, are
            escaped, and the middle of what is longer than 2,000 characters is left out.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class NonFiniteError(InputError):
    """Numbers have become infinite or nan: networks in this state must not be saved."""


class MissingDataError(InputError):
    """A data set has no images where they are expected.

    Args:
        problem: What is missing, and where.
        way_out: What to do about it when a run is started. A command that reads the data of a run
            has another way out.
    """

    def __init__(self, problem: str, way_out: str) -> None:
        super().__init__(f"{problem}; {way_out}")
        self.problem = problem


def one_line(text: str, longest: int = _LONGEST_LINE) -> str:
    """Write a text so that it is one line on every terminal.

    Args:
        text: Any text; that of a path may hold bytes that are not valid UTF-8.
        longest: Number of characters, above which the middle is left out.

    Returns:
        The text, in which what cannot be printed, such as a line break, is escaped as in Python.
    """
    if len(text) > longest:
        tail = longest // 4
        text = f"{text[: longest - tail]} ... {text[-tail:]}"
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def shown(value: object) -> str:
    """Write a value from outside for a message.

    Args:
        value: Anything, however long, deep or odd.

    Returns:
        What Python shows for it, in one line; if that has more than about 100 characters, the
        middle is left out.
    """
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = _LONGEST_VALUE
    short.maxtuple = short.maxlist = 20
    try:
        text = short.repr(value)
    except Exception:  # whatever its own code does: a message is wanted, not a second error
        text = f"a value of type {type(value).__name__}"
    return one_line(" ".join(text.split()), _LONGEST_VALUE + 20)


def first_line(error: object, longest: int = 160) -> str:
    """Return the first line of an error's message, cut to a length, or its type if it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:longest]


def counted(number: int | float, noun: str) -> str:
    """Write a number and what it counts: `1 image`, `2,000 images`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def some_of(names: Iterable[object], most: int = 3) -> str:
    """List the first of some names for a message, and say how many more there are.

    Args:
        names: What to list.
        most: How many are listed.

    Returns:
        Text such as `a.png, b.png, c.png and 2 more`.
    """
    texts = [str(name) for name in names]
    listed = ", ".join(texts[:most])
    if len(texts) > most:
        listed += f" and {len(texts) - most} more"
    return listed


def require(module: str, extra: str) -> Any:
    """Import an optional package.

    Args:
        module: Name to import, such as `cv2`.
        extra: Extra of this package that installs it.

    Returns:
        The module.

    Raises:
        InputError: It is not installed.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (package, module):
            raise
        raise InputError(
            f"the package {package} is missing: pip install 'pix2pix_jax[{extra}]' brings it (in a "
            f"checkout: pip install -e '.[{extra}]')"
        ) from None
