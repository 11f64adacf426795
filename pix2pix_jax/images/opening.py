"""The door for image files: what may be opened, and what becomes of a reader's errors."""

import contextlib
import functools
import io
import os
import pathlib
import stat
import struct
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image
from PIL.ImageFile import ImageFile

from pix2pix_jax.core.errors import InputError, one_line
from pix2pix_jax.images.listing import FORMATS

Opened = io.BytesIO | io.BufferedReader
File = str | os.PathLike | Opened
_LONGEST_REASON = 200  # characters of a reader's own message
_NOT_THIS_FORMAT = (SyntaxError, IndexError, TypeError, struct.error)  # as in `PIL.Image.open`


@contextlib.contextmanager
def naming(name: object) -> Iterator[None]:
    """Put the name of a file before the message of every InputError raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


@contextlib.contextmanager
def reader() -> Iterator[None]:
    """Turn whatever a library raises while it reads a file into an InputError.

    A damaged file can make a library fail in any way: Pillow and tifffile have raised ten kinds of
    exception. So this belongs around calls of a library alone, not around code of this package,
    whose mistakes must keep their traceback.

    Raises:
        InputError: The library raised something; the message says what.
    """
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise InputError("cannot be read as an image (it does not fit in memory)") from None
    except Exception as error:
        raise InputError(f"cannot be read as an image ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error).strip().split("\n")[0]
    return one_line(text, _LONGEST_REASON) or type(error).__name__


@contextlib.contextmanager
def open_file(file: File) -> Iterator[Opened]:
    """Open a file at its start, if it is an ordinary one.

    Args:
        file: A path; or a binary file, which stays open.

    Raises:
        InputError: It cannot be opened, or is something that reading could wait on for ever, such
            as a named pipe or a device.
    """
    if not isinstance(file, str | os.PathLike):
        file.seek(0)
        yield file
        return
    path = pathlib.Path(file)
    with contextlib.ExitStack() as stack:
        with reader():
            mode = path.stat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise InputError("a pipe or a device, not a file; save the image to a file")
            opened = stack.enter_context(path.open("rb"))
        yield opened


def identify(file: Opened) -> ImageFile:
    """Open a picture with Pillow if its content has one of `FORMATS`; pixels are not read yet.

    Unlike `PIL.Image.open`, this tries no other format, such as EPS, for which Pillow starts
    another program; and the size of the picture is left to be judged by `limits.refuse_large`.

    Args:
        file: The file, which must stay open as long as the picture is used.

    Raises:
        InputError: It has none of these formats, or its header is broken.
    """
    file.seek(0)
    start, reason = file.read(16), ""
    for factory, accept in _plugins():
        known = accept is not None and accept(start)
        if isinstance(known, str):
            reason = known  # this Pillow was built without what the format needs
        elif known or accept is None:
            file.seek(0)
            try:
                return factory(file, "")
            except _NOT_THIS_FORMAT as error:
                reason = _reason(error) if known else reason
    if reason:
        raise InputError(f"cannot be read as an image ({one_line(reason, _LONGEST_REASON)})")
    raise InputError("not an image file")


@functools.cache
def _plugins() -> list[tuple[Callable[..., ImageFile], Callable[[bytes], Any] | None]]:
    """Return how Pillow opens each format, and recognises it by its first bytes."""
    Image.init()
    return [Image.OPEN[name] for name in FORMATS if name in Image.OPEN]
