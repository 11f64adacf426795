"""The inputs of a run with several sources: a file or a folder for each."""

import os
import pathlib
from collections.abc import Sequence

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import expand, real_path
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.pairing import files_by_stem, put_together
from pix2pix_jax.images.stacked import StackedEncoding
from pix2pix_jax.runs.output_files import Job

Inputs = str | pathlib.Path | Sequence[str | pathlib.Path]


def split_inputs(form: PairFormat, given: Inputs) -> list[pathlib.Path]:
    """Return the file or folder of each source.

    Args:
        form: The format of the run's pairs.
        given: One path, or several: a list, or a text with commas between them.

    Raises:
        InputError: There are more or fewer than the run has sources, or one is a file and another
            a folder.
    """
    if isinstance(form.source, StackedEncoding):
        names = form.source.names
        texts = os.fspath(given).split(",") if isinstance(given, str | pathlib.Path) else given
        paths = [pathlib.Path(expand(str(text).strip())) for text in texts]
        shown = ",".join(map(str, paths))
        if len(paths) != len(names):
            raise InputError(
                f"--input {shown}: this run has {len(names)} sources ({', '.join(names)}); give "
                f"{len(names)} files or folders in this order, with commas between them"
            )
        if len({path.is_dir() for path in paths}) > 1 and all(path.exists() for path in paths):
            raise InputError(f"--input {shown}: give files or folders, not both")
        return paths
    if isinstance(given, str | pathlib.Path):
        path = pathlib.Path(given)
        if (
            not path.exists()
            and "," in str(path)
            and pathlib.Path(str(path).split(",")[0]).exists()
        ):
            raise InputError(f"--input {path}: this run has one source; give one file or folder")
        return [path]
    if len(given) != 1:
        raise InputError(f"--input: this run has one source, and {len(given)} inputs are given")
    return [pathlib.Path(given[0])]


def find_others(
    inputs: Sequence[pathlib.Path], jobs: Sequence[Job]
) -> dict[pathlib.Path, tuple[pathlib.Path, ...]]:
    """Return the files of the other sources for each file of the first.

    Args:
        inputs: From `split_inputs`.
        jobs: The files of the first input, and where their results go.

    Raises:
        InputError: An input or a file is missing, or a result would replace an input.
    """
    first, *others = inputs
    for path in others:
        if not path.exists():
            raise InputError(f"--input {path}: there is no such file or folder")
    if first.is_dir():
        ours = {source.relative_to(first).with_suffix("").as_posix(): source for source, _ in jobs}
        theirs = [files_by_stem(folder) for folder in others]
        wanted = [{stem: files[stem] for stem in files if stem in ours} for files in theirs]
        found = put_together([ours, *wanted], list(map(str, inputs)))
        if found.missing:
            more = f" and {len(found.missing) - 1} more" if len(found.missing) > 1 else ""
            raise InputError(f"--input: {found.missing[0]}{more}; each source needs its file")
        result = {paths[0]: paths[1:] for paths in found.pairs.values()}
    else:
        result = {first: tuple(others)}
    used = {real_path(path) for paths in result.values() for path in paths}
    for _, target in jobs:
        if real_path(target) in used:
            raise InputError(f"--output: {target} would replace an input")
    return result
