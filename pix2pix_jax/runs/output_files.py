"""Which file each result of a translation is written to."""

import logging
import pathlib
from collections.abc import Callable, Sequence

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import real_path
from pix2pix_jax.images import listing

logger = logging.getLogger(__name__)

Job = tuple[pathlib.Path, pathlib.Path]  # a file to translate, and where the result goes


def plan_outputs(
    source: pathlib.Path,
    output: pathlib.Path,
    suffix_for: Callable[[pathlib.Path], str] = lambda _: ".png",
) -> list[Job]:
    """Pair every input file with its output file, before anything is written.

    Args:
        source: File or folder.
        output: Folder for the results.
        suffix_for: Returns the suffix of the output file of an input file.

    Returns:
        Input and output of each file. An output folder inside the input folder is left out of the
        inputs, as what is in it are results of an earlier call; a message says so.

    Raises:
        InputError: The input is missing or has no images, two inputs would be written to the same
            file, or an output would replace an input.
    """
    if not source.exists():
        raise InputError(f"--input {source}: there is no such file or folder")
    root = source if source.is_dir() else source.parent
    found = listing.find(source) if source.is_dir() else [source]
    found = _without_results(found, root, output)
    if not found:
        raise InputError(f"--input {source}: no images ({', '.join(listing.SUFFIXES)}) in it")
    jobs = [(path, output / path.relative_to(root).with_suffix(suffix_for(path))) for path in found]
    inputs = set(map(real_path, found))
    for _, target in jobs:
        if real_path(target) in inputs:
            raise InputError(f"--output {output}: {target} would replace an input")
    return without_collisions(jobs)


def _without_results(
    found: Sequence[pathlib.Path], root: pathlib.Path, output: pathlib.Path
) -> list[pathlib.Path]:
    """Leave out the files in an output folder that lies inside the input folder."""
    results = real_path(output)
    if results == real_path(root) or not results.is_relative_to(real_path(root)):
        return list(found)
    kept = [path for path in found if not real_path(path).is_relative_to(results)]
    if len(kept) < len(found):
        logger.info(
            "%s: its %d images are taken for results of an earlier call, and not translated",
            *(output, len(found) - len(kept)),
        )
    return kept


def refuse_losses(jobs: Sequence[tuple[pathlib.Path, Sequence[pathlib.Path]]]) -> None:
    """Raise InputError if a file that goes with a result would replace an input or a result.

    Args:
        jobs: Each input, and all files that are written for it.
    """
    inputs = {real_path(path) for path, _ in jobs}
    for path, targets in jobs:
        for target in targets:
            if real_path(target) in inputs:
                raise InputError(f"{target}, for {path}, would replace an input")
    without_collisions([(path, target) for path, targets in jobs for target in targets])


def without_collisions(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs.

    Raises:
        InputError: Two of them have the same output.
    """
    owners: dict[pathlib.Path, pathlib.Path] = {}
    for path, target in jobs:
        if target in owners:
            raise InputError(f"{owners[target]} and {path} would both be written to {target}")
        owners[target] = path
    return list(jobs)
