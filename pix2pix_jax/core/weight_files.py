"""Weight files of PyTorch, safetensors and NumPy, read without ever running code from a file.

A pickle (.pth, .pt) can contain calls of any function. It is read only by PyTorch's restricted
reader, which refuses everything but tensors and plain containers.
"""

import collections
import contextlib
import io
import os
import pathlib
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from pix2pix_jax.core.errors import InputError, require
from pix2pix_jax.core.files import atomic_path

Weights = dict[str, np.ndarray]

# Through the restricted reader of older versions, a crafted file can run code (up to 2.5,
# CVE-2025-32434) or corrupt memory (up to 2.9, CVE-2026-24747).
_SAFE_TORCH = (2, 10)
# Arrays of weights hardly shrink when they are packed: more than this means harm.
_MOST_SWOLLEN = 20  # times the bytes of the file
_ALWAYS_ALLOWED = 2**28  # bytes
_PREFIX = "module."  # which torch.nn.DataParallel puts before every name


def read(path: str | os.PathLike) -> Weights:
    """Read a weight file.

    A dict under the key `state_dict` is taken as the weights; a prefix `module.` is removed from
    names.

    Args:
        path: File ending in one of `FORMATS`.

    Returns:
        Arrays by name.

    Raises:
        InputError: The file is missing, damaged, of another kind, or contains anything but arrays;
            or the package that reads it is missing.
    """
    path = pathlib.Path(path)
    load, _ = _format(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    with path.open("rb"):  # a file that may not be read is not a damaged one
        pass
    with _damage_named(path):
        _refuse_swollen_archive(path)
        content = load(path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: expected arrays by name, found {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise InputError(f"{path}: {name!r} is not an array, but {type(value).__name__}")
    if all(name.startswith(_PREFIX) for name in content):
        return {name.removeprefix(_PREFIX): value for name, value in content.items()}
    return content


def read_texts(path: pathlib.Path) -> dict[str, str]:
    """Read the texts in the header of a .safetensors file.

    Raises:
        InputError: The file is damaged, or the package safetensors is missing.
    """
    safetensors = require("safetensors", "safetensors")
    with _damage_named(path), safetensors.safe_open(str(path), framework="np") as file:
        return file.metadata() or {}


@contextlib.contextmanager
def _damage_named(path: pathlib.Path) -> Iterator[None]:
    """Turn what a reader raises for a damaged file, which is nearly anything, into one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: {_reason(error, path.suffix)}") from None


def write(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a weight file, completely or not at all.

    Args:
        path: File ending in one of `FORMATS`; its folder is created if missing.
        arrays: Arrays by name. A .pth file is the `state_dict` of a PyTorch module.

    Raises:
        InputError: The suffix is unknown, the package that writes it is missing, or the file cannot
            be written.
    """
    path = pathlib.Path(path)
    _, pack = _format(path)
    # Copied to C order: safetensors writes the memory of a view as it is.
    plain = {name: np.array(array, order="C") for name, array in arrays.items()}
    # Packed in memory: on a full disk, each library raises something else, or prints it.
    content = pack(plain)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _format(path: pathlib.Path) -> tuple[Callable[..., Any], Callable[..., bytes]]:
    """Return the reader of a file, and what packs arrays for it."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: expected a file ending in {', '.join(FORMATS)}")
    return FORMATS[path.suffix.lower()]


def _reason(error: Exception, suffix: str) -> str:
    """Describe in one line why a file was refused."""
    text = str(error)
    if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in text:
        return "refused: it contains more than tensors, and loading it could run code from the file"
    if isinstance(error, ValueError) and "allow_pickle" in text:
        return "refused: not an archive of plain arrays; loading Python objects could run code"
    if isinstance(error, pickle.UnpicklingError):
        return "refused: not a file of plain tensors (truncated, another kind, or Python objects)"
    return f"cannot be read as a {suffix} file ({type(error).__name__}: truncated or another kind?)"


def _refuse_swollen(path: pathlib.Path, size: int) -> None:
    """Refuse a file that holds far more bytes than it has: a small one could fill the memory."""
    there = path.stat().st_size
    if size > _ALWAYS_ALLOWED + _MOST_SWOLLEN * there:
        raise InputError(
            f"{path}: refused: claims {size:,} bytes of arrays in a file of {there:,} bytes"
        )


def _refuse_swollen_archive(path: pathlib.Path) -> None:
    """Refuse an archive (.npz, and .pth of today) by what its list of contents claims."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            _refuse_swollen(path, sum(entry.file_size for entry in archive.infolist()))


def _load_torch(path: pathlib.Path) -> Any:
    torch = require("torch", "torch")
    if tuple(map(int, torch.__version__.split(".")[:2])) < _SAFE_TORCH:
        raise InputError(
            f"{path}: PyTorch {torch.__version__} can be made to run code by a crafted file; "
            f"pip install 'torch>={'.'.join(map(str, _SAFE_TORCH))}'"
        )

    def size_of(value: Any) -> int:
        if isinstance(value, dict):
            return sum(size_of(inner) for inner in value.values())
        return value.numel() * value.element_size() if isinstance(value, torch.Tensor) else 0

    def to_arrays(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: to_arrays(inner) for name, inner in value.items()}
        if not isinstance(value, torch.Tensor):
            return value
        value = value.detach()  # below: NumPy has no bfloat16
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong with a file becomes an error
        content = torch.load(path, map_location="cpu", weights_only=True)
        # Asked before it is converted: a tensor may repeat one value as often as it likes.
        _refuse_swollen(path, size_of(content))
        return to_arrays(content)


def _pack_torch(arrays: Weights) -> bytes:
    torch = require("torch", "torch")
    # An OrderedDict, like state_dict(): old readers set attributes on it.
    state_dict = collections.OrderedDict((k, torch.from_numpy(v)) for k, v in arrays.items())
    file = io.BytesIO()
    torch.save(state_dict, file)
    return file.getvalue()


def _load_safetensors(path: pathlib.Path) -> Any:
    return require("safetensors.numpy", "safetensors").load_file(path)


def _pack_safetensors(arrays: Weights) -> bytes:
    content: bytes = require("safetensors.numpy", "safetensors").save(arrays)
    return content


def _load_numpy(path: pathlib.Path) -> Any:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def _pack_numpy(arrays: Weights) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


FORMATS = {
    ".npz": (_load_numpy, _pack_numpy),
    ".pt": (_load_torch, _pack_torch),
    ".pth": (_load_torch, _pack_torch),
    ".safetensors": (_load_safetensors, _pack_safetensors),
}
