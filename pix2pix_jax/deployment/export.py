"""Write a run's generator for other programs, once what is written is known to be right."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.files import atomic_folder, atomic_path, no_empty_folders, read_json_object
from pix2pix_jax.core.own_code import is_own
from pix2pix_jax.deployment import bundle_folder, onnx_file, stablehlo_file
from pix2pix_jax.deployment.about import Translate, describe, in_float32
from pix2pix_jax.deployment.verification import Comparison, compare, sources_of
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator


class DifferenceError(InputError):
    """What was written does not do what this package does."""


@dataclasses.dataclass(frozen=True)
class Content:
    """What is to be written.

    Attributes:
        folder: The run's folder.
        generator: Its generator, which computes as the result will.
        about: What is said about it, see `about.describe`.
        weights: Dtype in which kernels are stored.
    """

    folder: RunFolder
    generator: Generator
    about: dict[str, Any]
    weights: str


@dataclasses.dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        suffix: Of its files; '' for a folder.
        write: Writes content to a path.
        load: Returns what runs what was written.
        whole: Yields a temporary path that becomes the path if nothing fails.
        in_float32: Whether it computes in float32 even if the run does not.
        tells_beside: Whether its metadata is in a JSON file beside it, and not inside.
    """

    suffix: str
    write: Callable[[pathlib.Path, Content], None]
    load: Callable[[pathlib.Path], Translate]
    whole: Callable[[pathlib.Path], AbstractContextManager[pathlib.Path]] = atomic_path
    in_float32: bool = True
    tells_beside: bool = False

    def check_path(self, path: pathlib.Path) -> None:
        """Raise InputError unless the format can be written to a path."""
        if not self.suffix:
            bundle_folder.check_path(path)
        elif path.is_dir():
            example = path / f"generator{self.suffix}"
            raise InputError(f"--output {path}: is a folder; give the name of a file: {example}")
        elif path.suffix != self.suffix:
            raise InputError(f"--output {path}: expected a file ending in {self.suffix}")


def _write_onnx(path: pathlib.Path, content: Content) -> None:
    name = content.folder.settings.model.generator
    try:
        onnx_file.write(path, content.generator, content.about, weights=content.weights)
    except InputError as error:
        raise InputError(
            f"model.generator={shown(name)}: {error}" if is_own(name) else error
        ) from None


def _write_stablehlo(path: pathlib.Path, content: Content) -> None:
    own = is_own(content.folder.settings.model.generator)
    content.about["shape"] = stablehlo_file.write(path, content.generator, own=own)


def _write_bundle(path: pathlib.Path, content: Content) -> None:
    bundle_folder.write(path, content.folder, content.generator, content.about)


FORMATS = {
    "bundle": Format("", _write_bundle, bundle_folder.load, whole=atomic_folder, in_float32=False),
    "onnx": Format(".onnx", _write_onnx, onnx_file.load),
    "stablehlo": Format(".stablehlo", _write_stablehlo, stablehlo_file.load, tells_beside=True),
}


def export(
    folder: RunFolder,
    generator: Generator,
    path: pathlib.Path,
    kind: str,
    *,
    weights: str = "float32",
) -> Comparison:
    """Write a run's generator, from images as stored to images as stored, and check the result.

    It gets its name only after it has translated images as this package does; else nothing is left
    of it. A StableHLO file has its metadata in a JSON file beside it, the others inside.

    Args:
        folder: The run's folder.
        generator: Its generator.
        path: The file, in the place of an old one; or for `bundle` the folder, which must not exist
            or be empty. The folder that it is in is created if missing.
        kind: One of `FORMATS`.
        weights: Dtype in which ONNX files store kernels: `float32`, or `float16` for half the size.

    Returns:
        How far the result is from this package.

    Raises:
        InputError: The format cannot hold the network, a package is missing, the path cannot be
            written.
        DifferenceError: The result differs by more than one 8-bit level.
    """
    form = FORMATS[kind]
    form.check_path(path)
    if form.tells_beside:
        _refuse_foreign(path.with_suffix(".json"))
    about = describe(folder, generator)
    generator = in_float32(generator) if form.in_float32 else generator
    content = Content(folder, generator, about, weights)
    with no_empty_folders(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with form.whole(path) as temporary:
            try:
                form.write(temporary, content)
            except OSError as error:  # such as a full disk
                reason = error.strerror or error
                raise InputError(f"--output {path}: cannot be written ({reason})") from error
            found = compare(form.load(temporary), generator, sources_of(folder, generator))
            _refuse_difference(path, found, weights)
            if form.tells_beside:
                _write_about(path.with_suffix(".json"), content.about)
    return found


def _refuse_foreign(path: pathlib.Path) -> None:
    """Raise InputError if a file that is to be replaced is no metadata of an export."""
    if path.exists() and "weights_sha256" not in read_json_object(path):
        raise InputError(
            f"--output: {path} would be replaced by the metadata, and is something else; choose "
            "another name"
        )


def _write_about(path: pathlib.Path, about: dict[str, Any]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _refuse_difference(path: pathlib.Path, found: Comparison, weights: str) -> None:
    """Raise DifferenceError if what was written does not do what this package does."""
    if found.difference <= found.allowed:  # not so either if it is nan
        return
    way_out = ": --weights float32 keeps all digits" if weights == "float16" else ""
    raise DifferenceError(
        f"{path}: not written, as it differs by {found.difference:.3g} {found.unit}, and "
        f"{found.allowed:.3g} is allowed{way_out} ({found.sources.kind})"
    )
