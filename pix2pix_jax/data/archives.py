"""Archives of published data sets, read without trusting them."""

import gzip
import os
import pathlib
import tarfile
import zlib
from collections.abc import Iterator

from tqdm import tqdm

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.sources import SPLITS

_SUFFIXES = (".jpg", ".jpeg", ".png")
_CHUNK = 2**20  # bytes read at a time
_LARGEST = 2**28  # bytes: a small archive can claim to hold far more than fits in memory


def iterate_members(
    path: str | os.PathLike, *, largest: int = _LARGEST
) -> Iterator[tuple[str, bytes]]:
    """Read the files of a `.tar.gz` archive one after another, without unpacking them to disk.

    Args:
        path: The archive.
        largest: Largest number of bytes that one file may have.

    Yields:
        Name and content of each file, in the archive's order.

    Raises:
        InputError: The archive cannot be read, is broken or cut short (which may only show at its
            end), or has a member that is not a plain file or folder inside the archive.
    """
    try:
        with gzip.open(path) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    _refuse_unsafe(member, path, largest)
                    file = archive.extractfile(member)
                    if file is not None:
                        yield member.name, file.read()
            while stream.read(_CHUNK):  # gzip's checksum is at the end
                pass
    except (gzip.BadGzipFile, zlib.error, EOFError, tarfile.TarError) as error:
        reason = str(error) or type(error).__name__
        raise InputError(
            f"{path}: not a complete .tar.gz archive ({reason}); delete it, and get it again"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


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
        path = pathlib.PurePosixPath(member)
        split = next((part for part in path.parts[:-1] if part in SPLITS), None)
        hidden = any(part.startswith(".") for part in path.parts)
        if split is not None and path.suffix.lower() in _SUFFIXES and not hidden:
            name = "/".join(path.parts[path.parts.index(split) + 1 :])
            yield split, name, data


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
    bar = tqdm(desc=f"checking {archive.name}", unit="image", disable=None, leave=False)
    with bar:
        for split, name, data in iterate_images(archive):
            files = sizes.setdefault(split, {})
            if name in files:
                raise InputError(f"{archive}: has {split}/{name} twice; get it again")
            files[name] = len(data)
            bar.update()
    if not sizes:
        raise InputError(f"{archive}: has no images in folders named {', '.join(SPLITS)}")
    return {split: sizes[split] for split in SPLITS if split in sizes}


def _refuse_unsafe(member: tarfile.TarInfo, archive: str | os.PathLike, largest: int) -> None:
    """Raise InputError if a member is not a plain file or folder inside the archive."""
    place = pathlib.PurePosixPath(member.name)
    if place.is_absolute() or ".." in place.parts:
        wrong = "is outside the archive's folder"
    elif not (member.isfile() or member.isdir()):
        wrong = "is a link or a device"
    elif member.size > largest:
        wrong = f"has {member.size} bytes, more than the {largest} allowed"
    else:
        return
    raise InputError(
        f"{archive}: its member {member.name!r} {wrong}; get the archive from another place"
    )
