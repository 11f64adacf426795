"""Output files: checked before anything is written, and written whole or not at all."""

import collections
import contextlib
import io
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.core.files import atomic_path, refuse_inside
from pix2pix_jax.data.numbers import find_usual
from pix2pix_jax.data.preparation.record import OutputRecord
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.listing import list_images
from pix2pix_jax.images.pixels import Picture, Stored

T = TypeVar("T")
WRITTEN = (".png", ".tif", ".jpg")  # suffixes of the files that `write_image` writes
_JPEG_CHANNELS = (1, 3)


def find_tables(root: str) -> list[pathlib.Path]:
    """Return the table of numbers beside the pairs, if there is one of the usual name."""
    table = find_usual(pathlib.Path(root))
    return [pathlib.Path(root, table)] if table else []


def check_output(
    record: OutputRecord,
    names: Sequence[str],
    inputs: Iterable[str],
    *,
    overwrite: bool,
    suffixes: Sequence[str] = WRITTEN,
    written: Sequence[str] = WRITTEN,
) -> None:
    """Check that no file would be lost, and none of an earlier call stays beside the new ones.

    Args:
        record: What was made in the output folder before.
        names: Paths of the files in it, without suffix.
        inputs: Folders that are read.
        overwrite: Whether existing files may be replaced, and those of an earlier call removed.
        suffixes: Those that a file may get; `("",)` if the names have theirs already.
        written: Those of them that this call gives.

    Raises:
        InputError: The output is an input folder or inside one, or would replace what is read; a
            file exists; or two files would get the same name.
    """
    output = record.folder
    for folder in inputs:
        refuse_inside(output, folder, "the input folder")
        _refuse_inputs(output, names, folder)
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{some_of(twice)}: two files would be written there; rename one")
    planned = {output / (name + suffix) for name in names for suffix in suffixes}
    existing = sorted(path for path in planned if path.exists() and not record.is_unfinished(path))
    if existing and not overwrite:
        raise InputError(f"{some_of(existing)}: exists; choose another folder, or --overwrite")
    others = [suffix for suffix in suffixes if suffix not in written]
    beside = {output / (name + suffix) for name in names for suffix in others}.intersection(
        existing
    )
    foreign = sorted(path for path in beside if not record.is_own(path))
    if foreign:
        raise InputError(
            f"{some_of(foreign)}: would stay beside a new file of the same stem, and was not made "
            "by this command with this input; delete it, or choose another folder"
        )
    left = [path for path in record.own if path not in planned and not record.is_unfinished(path)]
    if left and not overwrite:
        raise InputError(
            f"{some_of(left)}: left by an earlier call, and would stay beside the new files; "
            "--overwrite removes such files, or choose another folder"
        )


def _refuse_inputs(output: pathlib.Path, names: Sequence[str], folder: str) -> None:
    """Raise InputError if files would be written into a folder that is read, below the output."""
    top, read = output.resolve(), pathlib.Path(folder).resolve()
    if not read.is_relative_to(top):
        return
    inner = read.relative_to(top)
    wrong = [name for name in names if pathlib.PurePath(name).is_relative_to(inner)]
    if wrong:
        raise InputError(
            f"{some_of(output / name for name in wrong)}: is inside the input folder {folder}; "
            "choose another folder"
        )


def find_named(output: str, pattern: str) -> dict[str, re.Match[str]]:
    """Find the files of `write_image` in a folder whose paths match a pattern.

    Args:
        output: The folder.
        pattern: Regular expression for the whole path inside the folder, without suffix.

    Returns:
        The matches by path inside the folder, with suffix.
    """
    found = [path for path in list_images(output).files if path.suffix in WRITTEN]
    names = [path.relative_to(output).as_posix() for path in found]
    matches = [(name, re.fullmatch(pattern, name.rpartition(".")[0])) for name in names]
    return {name: match for name, match in matches if match}


def check_leftovers(record: OutputRecord, names: Iterable[str], written: Iterable[str]) -> None:
    """Check that no file of an earlier call, which is not in the record, would stay.

    Args:
        record: What was made in the output folder before; such files are removed at the end.
        names: Paths in it, with suffixes, that calls with other settings would write.
        written: Paths in it, with suffixes, that this call writes.

    Raises:
        InputError: A file exists that this call does not replace.
    """
    left = set(names).difference(written)
    paths = sorted(record.folder / name for name in left)
    existing = [path for path in paths if path.exists() and not record.is_own(path)]
    if existing:
        raise InputError(
            f"{some_of(existing)}: left by an earlier call, and would stay beside the new files; "
            f"choose an empty OUTPUT, or delete {record.folder}"
        )


def suffixes_for(quality: int) -> tuple[str, ...]:
    """Return the suffixes that `write_image` may give with a quality."""
    return (".jpg",) if quality else (".png", ".tif")


def in_threads(work: Callable[[T], object], jobs: Sequence[T], label: str) -> None:
    """Do jobs in threads behind a progress bar; the first error ends all."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for _ in tqdm(pool.map(work, jobs), label, len(jobs), disable=None, leave=False):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def writing(path: pathlib.Path) -> Iterator[None]:
    """Create the folders of a file that the block writes, and explain failures.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); all files before it are "
            "whole, and --overwrite makes them again"
        ) from None


def copy_file(path: pathlib.Path, target: pathlib.Path, *, link: bool = False) -> None:
    """Copy a file; the copy appears whole or not at all.

    Args:
        path: The file.
        target: The copy; its folders are created.
        link: Whether to make a hard link instead.

    Raises:
        InputError: The file cannot be written, or cannot be linked.
    """
    with writing(target):
        if link:
            _link(path.resolve(), target)
        else:
            with atomic_path(target) as temporary:
                shutil.copyfile(path, temporary)


def _link(path: pathlib.Path, target: pathlib.Path) -> None:
    temporary = target.with_name(f".{target.name}.new_link")
    try:
        temporary.unlink(missing_ok=True)
        temporary.hardlink_to(path)
        temporary.replace(target)
        temporary.unlink(missing_ok=True)  # replacing does nothing to a link of the same file
    except OSError as error:
        raise InputError(
            f"{target}: cannot be a hard link of {path} ({error.strerror}); leave out --link"
        ) from None


def write_image(
    path: pathlib.Path, image: Stored, quality: int = 0, kind: str = ""
) -> pathlib.Path:
    """Write an image; its file appears whole or not at all.

    Args:
        path: The file without its suffix; its folders are created.
        image: Pixels.
        quality: JPEG quality from 1 to 100; 0: PNG, or TIFF for what PNG cannot hold.
        kind: What its channels mean, as for `images.files.suffix_of`.

    Returns:
        The file.

    Raises:
        InputError: JPEG cannot hold the image, or the file cannot be written.
    """
    channels = image.shape[-1]
    suffix = ".jpg" if quality else image_files.suffix_of(str(image.dtype), channels, kind)
    target = path.with_name(path.name + suffix)
    if not quality:
        with writing(target):
            image_files.write(target, image, kind)
        return target
    if image.dtype != "uint8" or channels not in _JPEG_CHANNELS:
        raise InputError(
            f"{target}: JPEG has 1 or 3 channels of uint8, not {channels} of {image.dtype}; leave "
            "out --quality"
        )
    memory = io.BytesIO()  # writing to the disk itself, Pillow would lose the reason of a failure
    flat = image[..., 0] if channels == 1 else image
    Image.fromarray(flat).save(memory, "JPEG", quality=quality, subsampling=0)
    with writing(target), atomic_path(target) as temporary:
        temporary.write_bytes(memory.getvalue())
    return target


def join_sides(first: Picture, second: Picture, what: object) -> Picture:
    """Put two sides into one image, in RGB or RGBA if their numbers of channels differ.

    Raises:
        InputError: The sides differ in dtype or height, or have no common number of channels.
    """
    way_out = "keep the two folders, and train with data.source=folders"
    pair, kinds = (first.pixels, second.pixels), {first.kind, second.kind}
    if pair[0].dtype != pair[1].dtype:
        raise InputError(
            f"{what}: {pair[0].dtype} and {pair[1].dtype} do not fit into one file; {way_out}"
        )
    counts = [side.shape[-1] for side in pair]
    if counts[0] == counts[1]:
        kind = first.kind if len(kinds) == 1 else "bands"
        return Picture(np.concatenate(pair, axis=1), kind)
    channels = max(*counts, 3)
    if "bands" in kinds:
        raise InputError(
            f"{what}: {counts[0]} and {counts[1]} channels, of which some are neither colours nor "
            f"alpha, do not fit into one file; {way_out}"
        )
    sides = [
        images.as_channels(side.pixels, channels, what, kind=side.kind) for side in (first, second)
    ]
    return Picture(np.concatenate(sides, axis=1), "RGB" if channels == 3 else "RGBA")
