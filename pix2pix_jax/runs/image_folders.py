"""Translate image files: a folder of them, or a run's own data."""

import pathlib

from tqdm import tqdm

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import listing
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.translation import check_mode, translate


def translate_folder(
    generator: Generator,
    source: str | pathlib.Path,
    output: str | pathlib.Path,
    *,
    mode: str = "paper",
    batch_size: int = 8,
    derive: bool = False,
) -> list[pathlib.Path]:
    """Translate an image file, or all image files in a folder, to files with the same names.

    These are PNG files, or TIFF if PNG cannot hold the target: see `images.files.suffix_of`.

    Args:
        generator: From `load_generator`.
        source: File or folder; sub-folders are kept.
        output: Folder for the results, created if missing.
        mode: `paper` or `deterministic`.
        batch_size: Images per batch.
        derive: Whether to derive the sources from the images as in training, even if the images
            could be sources themselves (edges, blur, downscale, mask).

    Returns:
        The files written, in order.

    Raises:
        InputError: The input is missing or has no images, a file cannot be read, two inputs would
            be written to the same file, or an output would replace an input.
    """
    check_mode(mode)
    jobs = plan_outputs(pathlib.Path(source), pathlib.Path(output), _suffix(generator))
    size = generator.image_size if generator.fit == "resize" else None
    written = []
    for start in tqdm(range(0, len(jobs), batch_size), unit="batch", disable=None):
        chunk = jobs[start : start + batch_size]
        pixels = [generator.form.read_source(path, derive=derive, size=size) for path, _ in chunk]
        names = [path.name for path, _ in chunk]
        fakes = translate(generator, pixels, names=names, mode=mode, batch_size=batch_size)
        for (source, path), fake in zip(chunk, fakes, strict=True):
            if derive:  # the source was derived at the network's size
                fake = generator.form.written.resize(fake, image_files.size_of(source))
            path.parent.mkdir(parents=True, exist_ok=True)
            image_files.write(path, fake)
            written.append(path)
    return written


def _suffix(generator: Generator) -> str:
    """Return the suffix of the files that results are written to."""
    target = generator.form.written
    return image_files.suffix_of(target.dtype, target.channels)


def translate_split(
    generator: Generator,
    run: RunFolder,
    split: str,
    output: str | pathlib.Path,
    *,
    mode: str = "paper",
    batch_size: int = 8,
) -> list[pathlib.Path]:
    """Translate a split of a run's own data to files with the names of the pairs.

    Args:
        generator: From `load_generator`.
        run: The run's folder.
        split: `train`, `val` or `test`.
        output: Folder for the results, created if missing.
        mode: `paper` or `deterministic`.
        batch_size: Images per batch.

    Returns:
        The files written, in order.

    Raises:
        InputError: The split is missing or empty, the output is inside the data set, or two pairs
            would be written to the same file.
    """
    check_mode(mode)
    run.refuse_output_in_data(output)
    pairs = run.load_pairs(split, cache=False)
    folder = pathlib.Path(output).resolve()
    suffix = _suffix(generator)
    jobs = _without_collisions(
        [(pathlib.Path(name), (folder / name).with_suffix(suffix)) for name in pairs.names]
    )
    for start in tqdm(range(0, len(pairs), batch_size), unit="batch", disable=None):
        numbers = range(start, min(start + batch_size, len(pairs)))
        names = [pairs.names[number] for number in numbers]
        sources = [pairs[number][0] for number in numbers]
        fakes = translate(generator, sources, names=names, mode=mode, batch_size=batch_size)
        for number, fake in zip(numbers, fakes, strict=True):
            jobs[number][1].parent.mkdir(parents=True, exist_ok=True)
            image_files.write(jobs[number][1], fake)
    return [path for _, path in jobs]


def plan_outputs(
    source: pathlib.Path, output: pathlib.Path, suffix: str = ".png"
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Pair every input file with its output file, before anything is written.

    Args:
        source: File or folder.
        output: Folder for the results.
        suffix: Suffix of the output files.

    Returns:
        Input and output of each file.

    Raises:
        InputError: See `translate_folder`.
    """
    if not source.exists():
        raise InputError(f"--input {source}: there is no such file or folder")
    root = source if source.is_dir() else source.parent
    found = listing.find(source) if source.is_dir() else [source]
    if not found:
        raise InputError(f"--input {source}: no images ({', '.join(listing.SUFFIXES)}) in it")
    jobs = [(path, output / path.relative_to(root).with_suffix(suffix)) for path in found]
    inputs = {path.resolve() for path in found}
    for _, target in jobs:
        if target.resolve() in inputs:
            raise InputError(f"--output {output}: {target} would replace an input")
    return _without_collisions(jobs)


def _without_collisions(
    jobs: list[tuple[pathlib.Path, pathlib.Path]],
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Return the jobs, unless two of them have the same output."""
    owners: dict[pathlib.Path, pathlib.Path] = {}
    for path, target in jobs:
        if target in owners:
            raise InputError(f"{owners[target]} and {path} would both be written to {target}")
        owners[target] = path
    return jobs
