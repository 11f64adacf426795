"""Write a run's generator as a file that other programs run, once it is known to be right."""

import contextlib
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path, no_empty_folders
from pix2pix_jax.core.own_code import is_own
from pix2pix_jax.deployment import onnx_file, stablehlo_file
from pix2pix_jax.deployment.about import describe, in_float32
from pix2pix_jax.deployment.verification import Comparison, compare, sources_of
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator

SUFFIXES = {"onnx": ".onnx", "stablehlo": ".stablehlo"}
_LOADERS: dict[str, Callable[[pathlib.Path], onnx_file.Translate]] = {
    "onnx": onnx_file.load,
    "stablehlo": stablehlo_file.load,
}


def export(
    folder: RunFolder,
    generator: Generator,
    path: pathlib.Path,
    kind: str,
    *,
    weights: str = "float32",
) -> Comparison:
    """Write a run's generator, from images as stored to images as stored, and check the file.

    The file gets its name only after it has translated images as this package does; else nothing is
    left of it. A StableHLO file has its metadata in a JSON file beside it, an ONNX file inside.

    Args:
        folder: The run's folder.
        generator: Its generator.
        path: The file; an old one is replaced. Its folder is created if missing.
        kind: `onnx` or `stablehlo`.
        weights: Dtype in which ONNX files store kernels: `float32`, or `float16` for half the size.

    Returns:
        How far the file is from this package.

    Raises:
        InputError: The format cannot hold the network, a package is missing, the path cannot be
            written, or the file differs by more than one 8-bit level.
    """
    check_path(path, kind)
    about, generator = describe(folder, generator), in_float32(generator)
    with _whole(path) as temporary:
        if kind == "onnx":
            onnx_file.write(temporary, generator, about, weights=weights)
        else:
            own = is_own(folder.settings.model.generator)
            about["shape"] = stablehlo_file.write(temporary, generator, own=own)
        found = compare(_LOADERS[kind](temporary), generator, sources_of(folder, generator))
        _refuse_difference(path, found, weights)
        if kind == "stablehlo":
            _write_about(path.with_suffix(".json"), about)
    return found


def check_path(path: pathlib.Path, kind: str) -> None:
    """Raise InputError unless a path is that of a file of a format."""
    suffix = SUFFIXES[kind]
    if path.is_dir():
        example = path / f"generator{suffix}"
        raise InputError(f"--output {path}: is a folder; give the name of a file: {example}")
    if path.suffix != suffix:
        raise InputError(f"--output {path}: expected a file ending in {suffix}")


@contextlib.contextmanager
def _whole(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield a temporary file, as `atomic_path` does, in a folder that is made if it is missing."""
    with no_empty_folders(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            yield temporary


def _write_about(path: pathlib.Path, about: dict[str, Any]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _refuse_difference(path: pathlib.Path, found: Comparison, weights: str) -> None:
    """Raise InputError if a file does not do what this package does."""
    if found.difference <= found.allowed:  # not so either if it is nan
        return
    way_out = ": --weights float32 keeps all digits" if weights == "float16" else ""
    raise InputError(
        f"{path}: not written, as the file differs by {found.difference:.3g} {found.unit}, and "
        f"{found.allowed:.3g} is allowed{way_out} ({found.sources.kind})"
    )
