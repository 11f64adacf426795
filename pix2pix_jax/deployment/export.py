"""Write a run's generator as a file that other programs run, once it is known to be right."""

import contextlib
import pathlib
from collections.abc import Iterator

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.deployment import onnx_file
from pix2pix_jax.deployment.about import describe, in_float32
from pix2pix_jax.deployment.verification import Comparison, compare, sources_of
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator

SUFFIXES = {"onnx": ".onnx"}


def export(
    folder: RunFolder,
    generator: Generator,
    path: pathlib.Path,
    *,
    weights: str = "float32",
) -> Comparison:
    """Write a run's generator, from images as stored to images as stored, and check the file.

    The file gets its name only after it has translated images as this package does; else nothing is
    left of it.

    Args:
        folder: The run's folder.
        generator: Its generator.
        path: The file; an old one is replaced. Its folder is created if missing.
        weights: Dtype in which kernels are stored: `float32`, or `float16` for half the size.

    Returns:
        How far the file is from this package.

    Raises:
        InputError: The format cannot hold the network, a package is missing, the path cannot be
            written, or the file differs by more than one 8-bit level.
    """
    check_path(path)
    about, generator = describe(folder, generator), in_float32(generator)
    with _written_whole(path) as temporary:
        onnx_file.write(temporary, generator, about, weights=weights)
        sources = sources_of(folder, generator)
        found = compare(onnx_file.load(temporary), generator, sources)
        _refuse_difference(path, found, weights)
    return found


def check_path(path: pathlib.Path) -> None:
    """Raise InputError unless a path is that of a file of the format."""
    if path.is_dir():
        raise InputError(
            f"--output {path}: is a folder; give the name of a file, such as "
            f"{path / 'generator.onnx'}"
        )
    if path.suffix != ".onnx":
        raise InputError(f"--output {path}: expected a file ending in .onnx")


@contextlib.contextmanager
def _written_whole(path: pathlib.Path) -> Iterator[pathlib.Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        yield temporary


def _refuse_difference(path: pathlib.Path, found: Comparison, weights: str) -> None:
    """Raise InputError if a file does not do what this package does."""
    if found.difference <= found.allowed:  # not so either if it is nan
        return
    way_out = ": --weights float32 keeps all digits" if weights == "float16" else ""
    raise InputError(
        f"{path}: not written, as the file differs by {found.difference:.3g} {found.unit}, and "
        f"{found.allowed:.3g} is allowed{way_out} ({found.sources.kind})"
    )
