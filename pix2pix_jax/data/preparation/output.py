"""Output files: checked before anything is written, and written whole or not at all."""

import collections
import contextlib
import io
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from PIL import Image
from tqdm import tqdm

from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.core.files import atomic_path, refuse_inside
from pix2pix_jax.data.sources import Pair
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.listing import list_images
from pix2pix_jax.images.pixels import Stored

T = TypeVar("T")
WRITTEN = (".png", ".tif", ".jpg")  # suffixes of the files that `write_image` writes
_JPEG_CHANNELS = (1, 3)


def check_output(
    output: str,
    names: Sequence[str],
    inputs: Iterable[str],
    *,
    overwrite: bool,
    suffixes: Sequence[str] = WRITTEN,
) -> None:
    """Check that no file would be lost.

    Args:
        output: Folder for the files.
        names: Paths of the files in it, without suffix.
        inputs: Folders that are read.
        overwrite: Whether existing files may be replaced.
        suffixes: Those that a file may get; `("",)` if the names have theirs already.

    Raises:
        InputError: The output is an input folder or inside one, a file exists, or two files would
            get the same name.
    """
    for folder in inputs:
        refuse_inside(output, folder, "the input folder")
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{some_of(twice)}: two files would be written there; rename one")
    paths = (pathlib.Path(output, name + suffix) for name in names for suffix in suffixes)
    existing = [path for path in paths if path.exists()]
    if existing and not overwrite:
        raise InputError(f"{some_of(existing)}: exists; choose another folder, or --overwrite")


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


def check_leftovers(output: str, names: Iterable[str], written: Iterable[str]) -> None:
    """Check that no file of an earlier call would stay beside the new ones.

    Args:
        output: Folder for the files.
        names: Paths in it, with suffixes, that calls with other settings would write.
        written: Paths in it, with suffixes, that this call writes.

    Raises:
        InputError: A file exists that this call does not replace.
    """
    left = set(names).difference(written)
    paths = sorted(pathlib.Path(output, name) for name in left)
    existing = [path for path in paths if path.exists()]
    if existing:
        raise InputError(
            f"{some_of(existing)}: left by an earlier call, and would stay beside the new files; "
            f"choose an empty OUTPUT, or delete {output}"
        )


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


def write_image(path: pathlib.Path, image: Stored, quality: int = 0) -> None:
    """Write an image; its file appears whole or not at all.

    Args:
        path: The file without its suffix; its folders are created.
        image: Pixels.
        quality: JPEG quality from 1 to 100; 0: PNG, or TIFF for what PNG cannot hold.

    Raises:
        InputError: JPEG cannot hold the image, or the file cannot be written.
    """
    channels = image.shape[-1]
    suffix = ".jpg" if quality else image_files.suffix_of(str(image.dtype), channels)
    target = path.with_name(path.name + suffix)
    if not quality:
        with writing(target):
            image_files.write(target, image)
        return
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


def join_sides(pair: Pair, what: object) -> Stored:
    """Put two sides into one image, in RGB or RGBA if their numbers of channels differ.

    Raises:
        InputError: The sides differ in dtype or height, or have no common number of channels.
    """
    first, second = pair
    if first.dtype != second.dtype:
        raise InputError(
            f"{what}: {first.dtype} and {second.dtype} do not fit into one file; keep the two "
            "folders, and train with data.source=folders"
        )
    if first.shape[-1] != second.shape[-1]:
        channels = max(first.shape[-1], second.shape[-1], 3)
        first, second = (images.as_channels(side, channels, what) for side in pair)
    return np.concatenate([first, second], axis=1)
