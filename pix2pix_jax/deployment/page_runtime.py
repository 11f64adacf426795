"""What runs ONNX files in a browser: two files of the npm package onnxruntime-web."""

import json
import logging
import pathlib
import tarfile
import zlib
from collections.abc import Sequence

from pix2pix_jax.core.downloads import CACHE, Published, published_file
from pix2pix_jax.core.errors import InputError, first_line
from pix2pix_jax.core.files import expand

logger = logging.getLogger(__name__)

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
URL = f"https://registry.npmjs.org/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
# The program for WebAssembly alone: SIMD, and threads if the page is isolated from other origins.
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
_LARGEST = 2**27  # bytes of one of the files
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, OSError)


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
    contents = _contents(path)
    version = _version(path, contents["package.json"])
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_bytes(contents[f"dist/{name}"])
    return version


def _downloaded(cache: str, url: str) -> pathlib.Path:
    """Return the package in the cache."""
    published = Published(url, SHA256, url.rpartition("/")[2])
    hint = (
        f"without a network, get {published.name} elsewhere (npm pack {PACKAGE}@{VERSION}) and "
        "give it with --runtime"
    )
    folder = pathlib.Path(expand(cache))
    return published_file(published, folder, hint=hint, again="run the command again")


def _contents(path: pathlib.Path) -> dict[str, bytes]:
    """Return the files of a package that are needed, by their paths in it."""
    wanted = ["package.json", *(f"dist/{name}" for name in FILES)]
    if path.is_dir():
        found = {name: (path / name).read_bytes() for name in wanted if (path / name).is_file()}
    elif path.is_file():
        found = _unpacked(path, wanted)
    else:
        raise InputError(f"--runtime {path}: there is no such file or folder")
    missing = [name for name in wanted if name not in found]
    if missing:
        raise InputError(
            f"--runtime {path}: has no {missing[0]}; give the npm package {PACKAGE} {VERSION}: its "
            "folder or its .tgz"
        )
    return found


def _unpacked(path: pathlib.Path, wanted: Sequence[str]) -> dict[str, bytes]:
    """Read files of an archive of npm, whose only folder is `package`, in one pass."""
    found = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.removeprefix("package/")
                if name in wanted and member.isfile() and member.size <= _LARGEST:
                    file = archive.extractfile(member)
                    found[name] = file.read() if file is not None else b""
    except _DAMAGED as error:
        reason = first_line(error).rstrip(":")
        raise InputError(f"--runtime {path}: cannot be read as a .tgz ({reason})") from None
    return found


def _version(path: pathlib.Path, description: bytes) -> str:
    """Return the version that a `package.json` states."""
    try:
        about = json.loads(description)
    except ValueError:
        about = None
    if not isinstance(about, dict) or about.get("name") != PACKAGE:
        raise InputError(f"--runtime {path}: is not the npm package {PACKAGE}")
    version = str(about.get("version"))
    if version != VERSION:
        logger.warning(
            "--runtime %s: is version %s; the page was tested with %s", path, version, VERSION
        )
    return version
