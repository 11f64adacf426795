"""Which files are images, and the list of those in a folder with what was left out of it."""

import collections
import dataclasses
import errno
import functools
import logging
import operator
import os
import pathlib
import stat
from collections.abc import Iterator

from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.core.files import real_path

logger = logging.getLogger(__name__)

# Formats that are read with Pillow, by its names, and the suffixes of their files. TGA files have
# no mark of their own that they could be known by, so it is the last to be tried.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".mpo",),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf", ".jpc", ".j2c"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "TGA": (".tga",),
}
SUFFIXES = (*(suffix for each in FORMATS.values() for suffix in each), ".npy")
# Folders that systems and tools make beside a user's files: thumbnails, waste bins, resource forks.
# A folder that the user names is read whatever its name is.
_SYSTEM_FOLDERS = frozenset(
    (
        "@eadir",
        "@recycle",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "lost+found",
        "__macosx",
        "__pycache__",
        "thumbnails",
    )
)
PREPARED = ".pix2pix_jax_prepare.jsonl"  # our own record of what was prepared in a folder
_FOLDER = "folder that is not data"
_HIDDEN, _DEAD, _SPECIAL, _NO_SUFFIX = "hidden file", "dead link", "special file", "without suffix"
_AGAIN = "link to a folder that is read already"
_PLURALS = {
    _HIDDEN: "hidden files",
    _DEAD: "dead links",
    _SPECIAL: "special files",
    _AGAIN: "links to folders that are read already",
}
_MOST_NAMED = 3  # folders, and kinds of file, that a summary names


@dataclasses.dataclass(frozen=True)
class Listing:
    """The image files of a folder.

    Attributes:
        folder: The folder.
        files: Its image files, sub-folders included, in the order of their paths.
        left_out: Everything else in it: the path, and in a few words why it is no image.
    """

    folder: pathlib.Path
    files: tuple[pathlib.Path, ...]
    left_out: tuple[tuple[pathlib.Path, str], ...] = ()

    @property
    def summary(self) -> str:
        """What was left out, on one line: `data: left out 3 (2 .xcf, 1 dead link)`, or ''."""
        if not self.left_out:
            return ""
        folders = [path.name for path, why in self.left_out if why == _FOLDER]
        kinds = collections.Counter(why for _, why in self.left_out if why != _FOLDER)
        named = kinds.most_common(_MOST_NAMED)
        parts = [f"{count} {_PLURALS.get(why, why) if count > 1 else why}" for why, count in named]
        others = kinds.total() - sum(count for _, count in named)
        if others:
            parts.append(f"{others} of other kinds")
        if folders:
            parts.append(f"folders that are not data: {some_of(folders, _MOST_NAMED)}")
        return f"{self.folder}: left out {len(self.left_out)} ({', '.join(parts)})"


def is_image(path: str | os.PathLike) -> bool:
    """Return whether a file is taken for an image, by its suffix in upper or lower case."""
    return pathlib.Path(path).suffix.lower() in SUFFIXES


def is_data(parts: tuple[str, ...]) -> bool:
    """Return whether a file may be data, by its path.

    Args:
        parts: Its folders below the one that the user named, and its name.

    Returns:
        False if one is hidden, or a folder that systems make.
    """
    folders = (part.lower() for part in parts[:-1])
    return not any(part.startswith(".") for part in parts) and _SYSTEM_FOLDERS.isdisjoint(folders)


def list_images(path: str | os.PathLike) -> Listing:
    """List the image files of a folder, sub-folders included, and what else is in it.

    Symbolic links are followed. A folder that several paths lead to is read once; a real folder
    goes before a link to it.

    Args:
        path: The folder; or a file, which is then the only one.

    Returns:
        The listing; without a file if there is no such folder.

    Raises:
        InputError: A folder cannot be read.
    """
    root = pathlib.Path(path)
    if root.is_file():
        why = _why_left_out(root)
        return Listing(root, () if why else (root,), ((root, why),) if why else ())
    if not root.exists():
        return Listing(root, ())
    files: list[pathlib.Path] = []
    left_out: list[tuple[pathlib.Path, str]] = []
    for found, why in _walk(root):
        if found.name == PREPARED:
            continue
        if why:
            left_out.append((found, why))
        else:
            files.append(found)
    in_order = sorted(files, key=operator.attrgetter("parts"))  # as paths are, but much faster
    return Listing(root, tuple(in_order), tuple(sorted(left_out)))


def has_images(folder: str | os.PathLike) -> bool:
    """Return whether there is an image file in a folder, without listing all of them.

    Raises:
        InputError: A folder cannot be read.
    """
    root = pathlib.Path(folder)
    return root.is_dir() and any(not why for _, why in _walk(root))


def sub_folders(path: str | os.PathLike) -> list[pathlib.Path]:
    """Return the folders right below a folder that may hold data, in the order of their names.

    Args:
        path: The folder; if there is none, nothing is below it.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with os.scandir(pathlib.Path(path)) as entries:
            folders = [entry.name for entry in entries if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(path, error) from None
    return [pathlib.Path(path, name) for name in sorted(folders) if is_data((name, ""))]


def find(folder: str | os.PathLike) -> list[pathlib.Path]:
    """Return the image files that `list_images` lists, and log in one line what is left out.

    Raises:
        InputError: As for `list_images`.
    """
    found = list_images(folder)
    if found.summary:
        say_once(found.summary)
    return list(found.files)


@functools.lru_cache(maxsize=1024)
def say_once(line: str) -> None:
    """Log a line, unless it was logged before: a run lists the same folder for several splits.

    Args:
        line: The line.
    """
    logger.info("%s", line)


def _walk(root: pathlib.Path) -> Iterator[tuple[pathlib.Path, str]]:
    """Yield the entries of a tree that are not folders to read, and why they are no image or ''."""
    top = real_path(root)
    read, folders, links = {top}, [root], collections.deque[pathlib.Path]()
    while folders or links:
        if not folders:  # links come last, so that a real folder goes before a link to it
            link = links.popleft()
            real = real_path(link)
            if real in read or top.is_relative_to(real):
                yield link, _AGAIN
                continue
            folders.append(link)
            read.add(real)
        for path, is_folder, is_regular in _entries(folders.pop()):
            if not is_folder:
                yield path, _why_left_out(path, is_regular=is_regular)
            elif not is_data((path.name, "")):
                yield path, _FOLDER
            elif path.is_symlink():
                links.append(path)
            else:
                real = real_path(path)
                if real in read:
                    yield path, _AGAIN
                else:
                    read.add(real)
                    folders.append(path)


def _entries(folder: pathlib.Path) -> Iterator[tuple[pathlib.Path, bool, bool]]:
    """Yield what is in a folder, in order, and whether it is a folder, or surely a regular file.

    Only links need a look at the disk for each: it makes the difference for 100,000 files.

    Raises:
        InputError: The folder cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=operator.attrgetter("name"))
        for entry in entries:
            path = folder / entry.name
            is_folder = path.is_dir() if entry.is_symlink() else entry.is_dir()
            yield path, is_folder, entry.is_file(follow_symlinks=False)
    except OSError as error:
        raise _unreadable(folder, error) from None


def _unreadable(folder: str | os.PathLike, error: OSError) -> InputError:
    """Return the error for a folder that cannot be read."""
    return InputError(
        f"{error.filename or folder}: cannot be read ({error.strerror or error}); allow it, or "
        "move it out of the data"
    )


def _why_left_out(path: pathlib.Path, *, is_regular: bool = False) -> str:
    """Return why a file is not taken for an image; '' if it is.

    Args:
        path: The file.
        is_regular: Whether it is surely a regular file.
    """
    if path.name.startswith("."):
        return _HIDDEN
    if not is_image(path):
        return path.suffix.lower() or _NO_SUFFIX
    if is_regular:
        return ""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
            return _DEAD
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return "" if regular else _SPECIAL
