"""Archives of published data sets, read without trusting them."""

import gzip
import io
import logging
import os
import pathlib
import stat
import tarfile
import zlib
from collections.abc import Iterator

from tqdm.auto import tqdm

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.sources import SPLITS
from pix2pix_jax.images.listing import Listing, is_data, is_image

logger = logging.getLogger(__name__)

_CHUNK = 2**20  # bytes read at a time
_MOST_MEMBERS = 2**22  # the largest published set has 140,000
# Images hardly shrink: an archive that unpacks to more than this many times its size is no set.
_MOST_RATIO, _SPARE = 50, 2**26
# What tarfile and gzip raise for broken data, depending on where it is broken.
_BROKEN = (
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    tarfile.TarError,
    ValueError,
    LookupError,
    OverflowError,
    RecursionError,
)
_LARGEST = 2**28  # bytes: a small archive can claim to hold far more than fits in memory


class _Bounded(io.RawIOBase):
    """What a compressed archive unpacks to, up to what such files can hold.

    A tar archive's headers may claim any size, and are read whole: this keeps them from filling
    the memory, and an archive of a few bytes from filling the disk.
    """

    def __init__(self, stream: gzip.GzipFile, packed: int) -> None:
        self._stream, self._most = stream, _MOST_RATIO * packed + _SPARE
        self._done = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, _CHUNK) if size >= 0 else _CHUNK)
        self._done += len(data)
        if self._done > self._most:
            raise InputError(
                f"unpacks to more than {self._most} bytes, over {_MOST_RATIO} times its own size"
            )
        return data


def iterate_members(
    path: str | os.PathLike, *, largest: int = _LARGEST, most: int = _MOST_MEMBERS
) -> Iterator[tuple[str, bytes]]:
    """Read the files of a `.tar.gz` archive one after another, without unpacking them to disk.

    Args:
        path: The archive.
        largest: Largest number of bytes that one file may have.
        most: Largest number of members.

    Yields:
        Name and content of each file, in the archive's order.

    Raises:
        InputError: The archive cannot be read, is broken or cut short (which may only show at its
            end), unpacks to far more than images do, or has a member that is not a plain file or
            folder inside the archive.
    """
    way_out = "delete it, and get it again"
    try:
        yield from _members(path, largest, most)
    except InputError as error:
        raise InputError(f"{path}: {error}; get the archive from another place") from None
    except _BROKEN as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{path}: not a complete .tar.gz archive ({reason}); {way_out}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _members(path: str | os.PathLike, largest: int, most: int) -> Iterator[tuple[str, bytes]]:
    """Yield members as `iterate_members` does; an InputError does not name the archive."""
    status = pathlib.Path(path).stat()
    if not stat.S_ISREG(status.st_mode):  # a named pipe would be waited for without end
        raise OSError("it is not a file")
    with gzip.open(path) as unpacked:
        stream = _Bounded(unpacked, status.st_size)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for number, member in enumerate(archive):
                if number >= most:
                    raise InputError(f"has more than {most} members")
                _refuse_unsafe(member, largest)
                file = archive.extractfile(member)
                if file is not None:
                    yield member.name, file.read()
                # Or it would keep a record of each.
                archive.members.clear()  # type: ignore[attr-defined]
        while stream.read(_CHUNK):  # gzip's checksum is at the end
            pass


def iterate_images(archive: pathlib.Path) -> Iterator[tuple[str, str, bytes]]:
    """Read the images in the folders train, val and test of an archive, in its order.

    Args:
        archive: The archive.

    Yields:
        Split, name inside the split's folder, and content of each file.

    Raises:
        InputError: As for `iterate_members`.
    """
    for member, data in iterate_members(archive):
        split, name = _place(member)
        if split:
            yield split, name, data


def _place(member: str) -> tuple[str, str]:
    """Return a member's split and its name there; '' and why it is left out if it is no image."""
    path = pathlib.PurePosixPath(member)
    split = next((part for part in path.parts[:-1] if part in SPLITS), "")
    if not split:
        return "", "in no split"
    if not is_data(path.parts):
        return "", "hidden file"
    if not is_image(path):
        return "", path.suffix.lower() or "without suffix"
    return split, "/".join(path.parts[path.parts.index(split) + 1 :])


def measure_images(archive: pathlib.Path) -> dict[str, dict[str, int]]:
    """Read an archive to its end, and return the sizes of its images.

    Args:
        archive: The archive.

    Returns:
        `{split: {name: bytes}}`, in the archive's order.

    Raises:
        InputError: It has no images, or two of the same name; and as for `iterate_members`.
    """
    sizes: dict[str, dict[str, int]] = {}
    left_out: list[tuple[pathlib.Path, str]] = []
    bar = tqdm(desc=f"checking {archive.name}", unit="image", disable=None, leave=False)
    with bar:
        for member, data in iterate_members(archive):
            split, name = _place(member)
            if not split:
                left_out.append((pathlib.Path(member), name))
                continue
            files = sizes.setdefault(split, {})
            if name in files:
                raise InputError(f"{archive}: has {split}/{name} twice; get it again")
            files[name] = len(data)
            bar.update()
    if not sizes:
        raise InputError(f"{archive}: has no images in folders named {', '.join(SPLITS)}")
    if left_out:
        logger.info("%s", Listing(archive, (), tuple(left_out)).summary)
    return {split: sizes[split] for split in SPLITS if split in sizes}


def _refuse_unsafe(member: tarfile.TarInfo, largest: int) -> None:
    """Raise InputError if a member is not a plain file or folder inside the archive."""
    place = pathlib.PurePosixPath(member.name)
    if place.is_absolute() or ".." in place.parts:
        wrong = "is outside the archive's folder"
    elif not (member.isfile() or member.isdir()):
        wrong = "is a link or a device"
    elif not 0 <= member.size <= largest:
        wrong = f"has {member.size} bytes, more than the {largest} allowed"
    else:
        return
    raise InputError(f"its member {member.name!r} {wrong}")
