"""What runs ONNX files in a browser: two files of the npm package onnxruntime-web."""

import json
import logging
import pathlib
import shutil
import tarfile
import zlib
from collections.abc import Callable
from typing import IO

from pix2pix_jax.core.downloads import download, verify
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import expand

logger = logging.getLogger(__name__)

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
URL = f"https://registry.npmjs.org/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
BYTES = 33_106_585
CACHE = "~/.cache/pix2pix_jax"
# The program for WebAssembly alone: SIMD, and threads if the page is isolated from other origins.
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
_LARGEST = 2**27  # bytes of one of the files
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, OSError)
Read = Callable[[str], IO[bytes]]  # opens a file of the package by its path in it


def write_runtime(
    folder: pathlib.Path, runtime: str = "", *, cache: str = CACHE, url: str = URL
) -> str:
    """Write the files of onnxruntime-web that the page needs.

    Args:
        folder: Where to write them.
        runtime: The npm package: a folder, or its `.tgz`; '': the one in the cache, which is
            downloaded if it is missing.
        cache: Folder for the download.
        url: Where it is downloaded from.

    Returns:
        The version of the package.

    Raises:
        InputError: It cannot be downloaded, or the folder or the file is not that package.
    """
    path = pathlib.Path(expand(runtime)) if runtime else _downloaded(cache, url)
    if path.is_dir():
        return _copy(folder, path, lambda name: (path / name).open("rb"))
    if not path.is_file():
        raise InputError(f"--runtime {path}: there is no such file or folder")
    try:
        with tarfile.open(path) as archive:
            return _copy(folder, path, lambda name: _member(archive, name))
    except _DAMAGED as error:
        raise InputError(f"--runtime {path}: cannot be read as a .tgz ({error})") from None


def _downloaded(cache: str, url: str) -> pathlib.Path:
    """Return the package in the cache."""
    path = pathlib.Path(expand(cache)) / url.rpartition("/")[2]
    if path.is_file():
        verify(path, SHA256, hint="run the command again")
        return path
    hint = (
        f"without a network, get {path.name} elsewhere (npm pack {PACKAGE}@{VERSION}) and give it "
        "with --runtime"
    )
    download(url, path, sha256=SHA256, size=BYTES, hint=hint)
    return path


def _copy(folder: pathlib.Path, path: pathlib.Path, read: Read) -> str:
    """Copy the files of a package; return its version."""
    version = _version(path, read)
    if version != VERSION:
        logger.warning(
            "--runtime %s: is version %s; the page was tested with %s", path, version, VERSION
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        with _opened(path, read, f"dist/{name}") as source, (folder / name).open("wb") as target:
            shutil.copyfileobj(source, target)
    return version


def _version(path: pathlib.Path, read: Read) -> str:
    try:
        with _opened(path, read, "package.json") as file:
            about = json.loads(file.read(2**20))
    except ValueError:
        about = None
    if not isinstance(about, dict) or about.get("name") != PACKAGE:
        raise InputError(f"--runtime {path}: is not the npm package {PACKAGE}")
    return str(about.get("version"))


def _opened(path: pathlib.Path, read: Read, name: str) -> IO[bytes]:
    try:
        return read(name)
    except (FileNotFoundError, NotADirectoryError, KeyError):
        raise InputError(
            f"--runtime {path}: has no {name}; give the npm package {PACKAGE} {VERSION}: its "
            "folder or its .tgz"
        ) from None


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """Open a file of an archive of npm, whose only folder is `package`."""
    member = archive.getmember(f"package/{name}")
    file = archive.extractfile(member) if member.isfile() and member.size < _LARGEST else None
    if file is None:
        raise KeyError(name)
    return file
