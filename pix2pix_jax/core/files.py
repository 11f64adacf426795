"""Files that are written completely or not at all."""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from pix2pix_jax.core.errors import InputError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yield a temporary file that takes the place of `path` if the block ends without an error.

    Args:
        path: The file to write; an old one is replaced.

    Yields:
        A path in the same folder, to be written.
    """
    path = pathlib.Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = pathlib.Path(name)
    try:
        yield temporary
        # mkstemp makes private files; the result gets the permissions of any new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: pathlib.Path, value: Any) -> None:
    """Write a JSON file, completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def read_json_object(path: pathlib.Path) -> dict[str, Any]:
    """Read a JSON file as far as it can be read.

    Args:
        path: The file.

    Returns:
        Its object; an empty one if the file is missing, damaged, not a file, or holds another
        value.
    """
    try:
        # Asked first: reading a named pipe would wait for ever.
        value = json.loads(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def refuse_inside(
    output: str | os.PathLike, folder: str | os.PathLike, what: str, *, flag: str = ""
) -> None:
    """Refuse to write results into a folder that is read.

    Args:
        output: Where the results are to go.
        folder: The folder.
        what: What it is, for the message, such as `the input folder`.
        flag: Flag of the command line that gives the output, for the message.

    Raises:
        InputError: The output is the folder, or is inside it.
    """
    if pathlib.Path(output).resolve().is_relative_to(pathlib.Path(folder).resolve()):
        place = f"{flag} {output}" if flag else str(output)
        raise InputError(f"{place}: is inside {what} {folder}; choose another folder")
