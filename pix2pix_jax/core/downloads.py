"""Downloads: the whole file or nothing, checked by its SHA-256."""

import dataclasses
import errno
import hashlib
import http.client
import logging
import pathlib
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from tqdm.auto import tqdm

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path

logger = logging.getLogger(__name__)

CACHE = "~/.cache/pix2pix_jax"  # folder of what is downloaded for all runs

_CHUNK = 2**20  # bytes read at a time
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_LARGEST = 2**36  # bytes, if nobody says how many: a server may send without end
_LONGEST_RECORD = 2**16
_ANSWERS = (urllib.error.HTTPError, ValueError)  # the server answered, or the address is none


def download(
    url: str,
    path: pathlib.Path,
    *,
    sha256: str = "",
    size: int = 0,
    timeout: float = 60.0,
    hint: str = "try again later",
    or_http: bool = False,
) -> None:
    """Download a file, with a progress bar; it appears whole or not at all.

    Its SHA-256 is recorded beside it in `<path>.sha256`, in the format of sha256sum, with its size.
    If no checksum is known, every later download must have the recorded one.

    Args:
        url: Where it is.
        path: The file to write; its folder is created.
        sha256: Its checksum in hexadecimal; '' if unknown.
        size: Its number of bytes; 0: what the server says, if it does.
        timeout: Seconds without a byte after which the download fails.
        hint: What to do without a connection, for the message.
        or_http: Whether to use http if the server does not answer by https; a warning says so.

    Raises:
        InputError: The server cannot be reached, does not have the file, or sends other bytes than
            it should; or the file cannot be written.
    """
    expected, where = sha256, ""
    if not sha256:
        expected = _recorded(path)
        where = f"that {_record(path).name} recorded at the first download"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            url, found = _fetch(url, temporary, size, timeout, hint, or_http)
            way_out = "nothing was kept; try again later"
            if where:
                way_out += f", or if the new file is to be trusted, delete {_record(path)}"
            _compare(url, found, expected, way_out, where)
            length = temporary.stat().st_size
        with atomic_path(_record(path)) as temporary:
            temporary.write_text(f"# {length} bytes from {url}\n{found}  {path.name}\n")
    except OSError as error:
        full = "; free some space, or choose another folder" if error.errno in _DISK_FULL else ""
        raise InputError(f"{path}: cannot be written ({error.strerror or error}{full})") from None
    if not expected:
        logger.info(
            "%s: no checksum is published for it; its SHA-256 %s is recorded in %s, and compared "
            "from now on",
            url,
            found,
            _record(path),
        )


def verify(path: pathlib.Path, sha256: str = "", *, hint: str = "get it again") -> None:
    """Check a file against its known checksum, and the one recorded when it was downloaded.

    Args:
        path: The file.
        sha256: Its checksum; '' if unknown.
        hint: What to do after deleting a wrong file, for the message.

    Raises:
        InputError: The file cannot be read, or is another one.
    """
    recorded = _recorded(path)
    expected = [checksum for checksum in (sha256, recorded) if checksum]
    if not expected:
        return
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None
    old = f"it and {_record(path).name}" if recorded else "it"
    for checksum in expected:
        _compare(path, found, checksum, f"delete {old}, and {hint}")


@dataclasses.dataclass(frozen=True)
class Published:
    """A file that its publisher never changes.

    Attributes:
        url: Where it is.
        sha256: Its checksum in hexadecimal.
        name: Its name in a folder.
        others: Names that it has elsewhere.
    """

    url: str
    sha256: str
    name: str
    others: tuple[str, ...] = ()


def published_file(
    published: Published,
    folder: pathlib.Path,
    *,
    hint: str,
    again: str = "",
    timeout: float = 60.0,
) -> pathlib.Path:
    """Return a published file in a folder; download it if it is missing.

    Args:
        published: The file.
        folder: The folder.
        hint: What to do without a connection, for the message.
        again: What to do after deleting a wrong file; '': to download it from the publisher.
        timeout: As for `download`.

    Raises:
        InputError: The file is another one, or see `download`.
    """
    for name in (published.name, *published.others):
        path = folder / name
        if path.is_file():
            again = again or f"download it again from {published.url}"
            verify(path, published.sha256, hint=again)
            return path
    path = folder / published.name
    download(published.url, path, sha256=published.sha256, timeout=timeout, hint=hint)
    return path


def _fetch(
    url: str, path: pathlib.Path, size: int, timeout: float, hint: str, or_http: bool
) -> tuple[str, str]:
    """Write what a server sends to a file.

    Returns:
        The address that was used, and the SHA-256 of the bytes.

    Raises:
        InputError: The download fails, or is cut short.
    """
    digest = hashlib.sha256()
    try:
        response = _open(url, timeout)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if not (or_http and url.startswith("https:")) or isinstance(error, _ANSWERS):
            raise InputError(f"{url}: cannot be downloaded ({_reason(error)}); {hint}") from None
        logger.warning(
            "%s: cannot be downloaded (%s); by http now, where anyone on the way can change it",
            url,
            _reason(error),
        )
        return _fetch(f"http:{url.removeprefix('https:')}", path, size, timeout, hint, False)
    with response, path.open("wb") as file:
        for chunk in _chunks(response, url, size, hint):
            file.write(chunk)
            digest.update(chunk)
    return url, digest.hexdigest()


class _SameSafety(urllib.request.HTTPRedirectHandler):
    """Follows a server to another address, but not from https to http or to other protocols."""

    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str
    ) -> Any:
        schemes = ("https",) if req.type == "https" else ("http", "https")
        if urllib.parse.urlsplit(newurl).scheme not in schemes:
            raise urllib.error.URLError(f"it leads to {newurl}, which is not safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, timeout: float) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "pix2pix_jax"})
    return urllib.request.build_opener(_SameSafety).open(request, timeout=timeout)


def _chunks(response: Any, url: str, size: int, hint: str) -> Iterator[bytes]:
    """Yield what a server sends, up to what it should be.

    Raises:
        InputError: The download fails, is cut short, or does not end.
    """
    length = response.headers.get("Content-Length", "")
    total, received = size or (int(length) if length.isdecimal() else None), 0
    name = url.rpartition("/")[2]
    bar = tqdm(desc=name, total=total, unit="B", unit_scale=True, disable=None, leave=False)
    try:
        with bar:
            while chunk := response.read(_CHUNK):
                received += len(chunk)
                if received > (total or _LARGEST):
                    break
                bar.update(len(chunk))
                yield chunk
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{url}: cannot be downloaded ({_reason(error)}); {hint}") from None
    if received > _LARGEST and total is None:
        raise InputError(f"{url}: sends more than {_LARGEST} bytes; {hint}")
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


def _recorded(path: pathlib.Path) -> str:
    """Return the SHA-256 recorded for a file; '' if there is none.

    Raises:
        InputError: The record cannot be read, or is none.
    """
    record = _record(path)
    try:
        with record.open("rb") as file:
            lines = file.read(_LONGEST_RECORD).decode("ascii", "replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise InputError(f"{record}: cannot be read ({error.strerror or error})") from None
    for line in lines:
        if match := re.fullmatch(r"([0-9a-fA-F]{64})( .*)?", line):
            return match[1]
    raise InputError(f"{record}: holds no SHA-256; delete it, and {path.name} if you doubt it")


def _compare(what: object, found: str, expected: str, way_out: str, where: str = "") -> None:
    if expected and found != expected.lower():
        source = f" {where}" if where else ""
        raise InputError(f"{what}: has the SHA-256 {found}, expected {expected}{source}; {way_out}")
