"""Files that are written completely or not at all."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from pix2pix_jax.core.errors import InputError, shown

_READING_UMASK = threading.Lock()
_LONGEST_NAME = 245  # bytes: file systems take 255, and a temporary file's name has 10 more


def expand(path: str | os.PathLike) -> str:
    """Put the home folder in the place of `~` or `~name` at the start of a path.

    Args:
        path: A path from outside: a flag, a key of a config, an argument. It may be empty, or an
            address such as `gs://bucket/data`.

    Returns:
        The path, otherwise as it was typed.

    Raises:
        InputError: There is no such user, nobody knows the user's home, or the path cannot be one.
    """
    typed = os.fspath(path)
    if "\0" in typed:
        raise InputError(f"{shown(typed)}: a path cannot contain a null character")
    expanded = os.path.expanduser(typed)  # noqa: PTH111  pathlib would take // from addresses
    if expanded.startswith("~") and expanded == typed:
        name = pathlib.PurePath(typed).parts[0]
        raise InputError(
            f"{typed}: the home folder {name} is not known; write the whole path, or ./{name} for "
            "a folder of that name"
        )
    return expanded


def real_path(path: str | os.PathLike) -> pathlib.Path:
    """Return where links lead; unlike pathlib's `resolve`, a circle of links raises nothing."""
    return pathlib.Path(os.path.realpath(path))


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike, *, durable: bool = False) -> Iterator[pathlib.Path]:
    """Yield a temporary file that takes the place of `path` if the block ends without an error.

    Args:
        path: The file to write; an old one is replaced.
        durable: Whether the file must survive a power failure: then this waits for the disk.

    Yields:
        A path in the same folder, to be written.
    """
    path = pathlib.Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{_short(path.name)}.")
    os.close(handle)
    temporary = pathlib.Path(name)
    try:
        yield temporary
        # mkstemp makes private files; the result gets the permissions of any new file.
        temporary.chmod(0o666 & ~_umask())
        if durable:
            sync(temporary)
        temporary.replace(path)
        if durable:
            sync(path.parent)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # such as that of a full disk
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """Return the permissions that new files lack: it can only be read by setting it."""
    with _READING_UMASK:
        umask = os.umask(0)
        os.umask(umask)
    return umask


@contextlib.contextmanager
def atomic_folder(path: pathlib.Path, *, replaces: bool = False) -> Iterator[pathlib.Path]:
    """Yield a new, empty folder that takes the place of `path` if the block ends without an error.

    Args:
        path: The folder to write; the one that it is in must exist.
        replaces: Whether an old folder is replaced with all that is in it. If not, it must be
            empty.

    Yields:
        A path on the same disk, to be filled.
    """
    temporary = pathlib.Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{_short(path.name)}."))
    try:
        content = temporary / "content"  # with the permissions of any new folder
        content.mkdir()
        yield content
        if path.is_dir() and replaces:
            path.rename(temporary / "old")
        elif path.is_dir():
            path.rmdir()
        content.rename(path)
    finally:
        shutil.rmtree(temporary)


@contextlib.contextmanager
def no_empty_folders(folder: pathlib.Path) -> Iterator[None]:
    """Remove the folders that the block creates, down to `folder`, if it fails and they are empty.

    Args:
        folder: A folder that the block creates, or one on the way to it.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        yield
    except BaseException:
        for each in missing:
            with contextlib.suppress(OSError):  # it holds something, or was never created
                each.rmdir()
        raise


def is_temporary_of(name: str, final: str) -> bool:
    """Return whether a file's name is that of a temporary file for `final` from `atomic_path`."""
    return re.fullmatch(rf"\.{re.escape(_short(final))}\.[a-z0-9_]{{8}}", name) is not None


def _short(name: str) -> str:
    """Cut a file's name so that a temporary file's name, which is longer, is not too long."""
    while len(os.fsencode(name)) > _LONGEST_NAME:
        name = name[:-1]
    return name


def sync(path: pathlib.Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk, and not only in its cache."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):
        return  # Windows: a folder cannot be opened, and its names need no care
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: pathlib.Path, value: Any) -> None:
    """Write a JSON file, completely or not at all; it survives a power failure."""
    with atomic_path(path, durable=True) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: pathlib.Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: It is not valid JSON, is nested too deep, or is no file.
        FileNotFoundError: It does not exist.
    """
    if path.exists() and not path.is_file():  # reading a named pipe would wait for ever
        raise InputError(f"{path}: is not a file")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not valid JSON ({error})") from None


def read_json_object(path: pathlib.Path) -> dict[str, Any]:
    """Read a JSON file as far as it can be read.

    Args:
        path: The file.

    Returns:
        Its object; an empty one if the file is missing, damaged, not a file, or holds another
        value.
    """
    try:
        value = read_json(path)
    except (OSError, InputError):
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
    if real_path(output).is_relative_to(real_path(folder)):
        place = f"{flag} {output}" if flag else str(output)
        raise InputError(f"{place}: is inside {what} {folder}; choose another folder")


def describe_no_folder(path: str | os.PathLike) -> str:
    """Say for a message why a path is not that of a folder: it is a file, or nothing is there."""
    return "is a file, not a folder" if os.path.lexists(path) else "there is no such folder"


def refuse_no_folder(path: str | os.PathLike, *, flag: str = "") -> None:
    """Raise InputError unless a path is that of a folder.

    Args:
        path: The path.
        flag: What stands before it in the message.
    """
    if not pathlib.Path(path).is_dir():
        raise InputError(f"{flag} {os.fspath(path)}: {describe_no_folder(path)}".lstrip())


def refuse_unwritable(output: str | os.PathLike, *, flag: str = "--output") -> None:
    """Refuse an output folder that cannot be made or written, before the work and not after it.

    Args:
        output: The folder; it need not exist.
        flag: Flag of the command line that gives it, for the message.

    Raises:
        InputError: It is a file, is inside one, or may not be written.
    """
    path = pathlib.Path(output).absolute()
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    if not there.is_dir():
        raise InputError(f"{flag} {output}: {there} is not a folder; choose another")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{flag} {output}: {there} cannot be written; choose another folder")
