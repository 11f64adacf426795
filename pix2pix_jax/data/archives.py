"""Archives: downloaded whole or not at all, checked, and read without trust."""

import errno
import gzip
import hashlib
import http.client
import os
import pathlib
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator

from tqdm import tqdm

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path

_CHUNK = 2**20  # bytes read at a time
_TIMEOUT = 60.0  # seconds without a byte
_LARGEST_MEMBER = 2**28  # bytes: a small archive can claim to hold far more than fits in memory
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def download(
    url: str, path: pathlib.Path, *, sha256: str = "", size: int = 0, hint: str = "try again later"
) -> None:
    """Download a file, with a progress bar; it appears whole or not at all.

    Its SHA-256 is recorded beside it in `<path>.sha256`, in the form of sha256sum, for `verify`.

    Args:
        url: Where it is.
        path: The file wanted; its folder is made.
        sha256: Its checksum in hexadecimal; '': unknown.
        size: Its number of bytes; 0: what the server says, if it does.
        hint: The way out where there is no network, for the message.

    Raises:
        InputError: The server cannot be reached, does not have the file, or sends other bytes than
            it should; or the file cannot be written.
    """
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            with temporary.open("wb") as file:
                for chunk in _chunks(url, size, hint):
                    file.write(chunk)
                    digest.update(chunk)
            _compare(url, digest.hexdigest(), sha256, "nothing was kept; try again later")
        with atomic_path(_record(path)) as temporary:
            temporary.write_text(f"{digest.hexdigest()}  {path.name}\n")
    except OSError as error:
        full = "; free some space, or choose another folder" if error.errno in _DISK_FULL else ""
        raise InputError(f"{path}: cannot be written ({error.strerror or error}{full})") from None


def _chunks(url: str, size: int, hint: str) -> Iterator[bytes]:
    """Yield what a server sends; raise InputError where that fails or is not all."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "pix2pix_jax"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            length = response.headers.get("Content-Length", "")
            total, received = size or (int(length) if length.isdigit() else None), 0
            name = url.rpartition("/")[2]
            with tqdm(
                desc=name, total=total, unit="B", unit_scale=True, disable=None, leave=False
            ) as bar:
                while chunk := response.read(_CHUNK):
                    received += len(chunk)
                    bar.update(len(chunk))
                    yield chunk
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{url}: cannot be downloaded ({_reason(error)}); {hint}") from None
    if total is not None and received != total:
        raise InputError(f"{url}: sent {received} of {total} bytes; {hint}")


def _reason(error: Exception) -> str:
    """Return what went wrong in a few words, on one line."""
    inner = error.reason if type(error) is urllib.error.URLError else error
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return " ".join(str(text).split())


def _record(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f"{path.name}.sha256")


def _compare(what: object, found: str, expected: str, way_out: str) -> None:
    if expected and found != expected.lower():
        raise InputError(f"{what}: has the SHA-256 {found}, expected {expected}; {way_out}")


def verify(path: pathlib.Path, sha256: str = "") -> None:
    """Check a file against its known checksum, and against that recorded when it was downloaded.

    Args:
        path: The file.
        sha256: Its checksum; '': unknown.

    Raises:
        InputError: It cannot be read, or is another one.
    """
    try:
        record = _record(path)
        recorded = record.read_text().split()[:1] if record.exists() else []
        expected = [checksum for checksum in (sha256, *recorded) if checksum]
        if not expected:
            return
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None
    for checksum in expected:
        _compare(path, found, checksum, f"delete it and {record.name}, and get it again")


def iterate_members(path: str | os.PathLike) -> Iterator[tuple[str, bytes]]:
    """Read the files of a `.tar.gz` archive one after another; nothing is unpacked onto the disk.

    Args:
        path: The archive.

    Yields:
        Name and content of each file, in the archive's order.

    Raises:
        InputError: The archive cannot be read, is broken or cut short (which may show at its end
            only), or has a member that would lie elsewhere, is a link, or no plain file.
    """
    try:
        with gzip.open(path) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    _refuse_unsafe(member, path)
                    file = archive.extractfile(member)
                    if file is not None:
                        yield member.name, file.read()
            while stream.read(_CHUNK):  # to the end, where gzip has its checksum
                pass
    except (gzip.BadGzipFile, zlib.error, EOFError, tarfile.TarError) as error:
        reason = str(error) or type(error).__name__
        raise InputError(
            f"{path}: no whole .tar.gz archive ({reason}); delete it, and get it again"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _refuse_unsafe(member: tarfile.TarInfo, archive: str | os.PathLike) -> None:
    """Raise InputError for a member that is no plain file or folder below the archive's top."""
    place = pathlib.PurePosixPath(member.name)
    if place.is_absolute() or ".." in place.parts:
        wrong = "lies outside of the archive's folder"
    elif not (member.isfile() or member.isdir()):
        wrong = "is a link or a device"
    elif member.size > _LARGEST_MEMBER:
        wrong = f"has {member.size} bytes, more than the {_LARGEST_MEMBER} allowed"
    else:
        return
    raise InputError(f"{archive}: its member {member.name!r} {wrong}; get it from a better place")
