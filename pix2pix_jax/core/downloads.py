"""Downloads: the whole file or nothing, checked by its SHA-256."""

import errno
import hashlib
import http.client
import pathlib
import urllib.error
import urllib.request
from collections.abc import Iterator

from tqdm import tqdm

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path

_CHUNK = 2**20  # bytes read at a time
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def download(
    url: str,
    path: pathlib.Path,
    *,
    sha256: str = "",
    size: int = 0,
    timeout: float = 60.0,
    hint: str = "try again later",
) -> None:
    """Download a file, with a progress bar; it appears whole or not at all.

    Its SHA-256 is recorded beside it in `<path>.sha256`, in the format of sha256sum, for `verify`.

    Args:
        url: Where it is.
        path: The file to write; its folder is created.
        sha256: Its checksum in hexadecimal; '' if unknown.
        size: Its number of bytes; 0: what the server says, if it does.
        timeout: Seconds without a byte after which the download fails.
        hint: What to do without a connection, for the message.

    Raises:
        InputError: The server cannot be reached, does not have the file, or sends other bytes than
            it should; or the file cannot be written.
    """
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            with temporary.open("wb") as file:
                for chunk in _chunks(url, size, timeout, hint):
                    file.write(chunk)
                    digest.update(chunk)
            _compare(url, digest.hexdigest(), sha256, "nothing was kept; try again later")
        with atomic_path(_record(path)) as temporary:
            temporary.write_text(f"{digest.hexdigest()}  {path.name}\n")
    except OSError as error:
        full = "; free some space, or choose another folder" if error.errno in _DISK_FULL else ""
        raise InputError(f"{path}: cannot be written ({error.strerror or error}{full})") from None


def verify(path: pathlib.Path, sha256: str = "", *, hint: str = "get it again") -> None:
    """Check a file against its known checksum, and the one recorded when it was downloaded.

    Args:
        path: The file.
        sha256: Its checksum; '' if unknown.
        hint: What to do after deleting a wrong file, for the message.

    Raises:
        InputError: The file cannot be read, or is another one.
    """
    record = _record(path)
    try:
        recorded = record.read_text().split()[:1] if record.exists() else []
        expected = [checksum for checksum in (sha256, *recorded) if checksum]
        if not expected:
            return
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None
    old = f"it and {record.name}" if recorded else "it"
    for checksum in expected:
        _compare(path, found, checksum, f"delete {old}, and {hint}")


def _chunks(url: str, size: int, timeout: float, hint: str) -> Iterator[bytes]:
    """Yield what a server sends.

    Raises:
        InputError: The download fails, or is cut short.
    """
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "pix2pix_jax"})
        with urllib.request.urlopen(request, timeout=timeout) as response:
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
    """Say in a few words, on one line, what went wrong."""
    inner = error.reason if type(error) is urllib.error.URLError else error
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return " ".join(str(text).split())


def _record(path: pathlib.Path) -> pathlib.Path:
    """Return the file that a download's checksum is recorded in."""
    return path.with_name(f"{path.name}.sha256")


def _compare(what: object, found: str, expected: str, way_out: str) -> None:
    if expected and found != expected.lower():
        raise InputError(f"{what}: has the SHA-256 {found}, expected {expected}; {way_out}")
