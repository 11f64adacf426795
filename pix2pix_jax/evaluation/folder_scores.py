"""Score the images of one folder against those of another, from this program or any other."""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Shaped
from tqdm.auto import tqdm

from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.core.files import refuse_inside, refuse_no_folder
from pix2pix_jax.data.pairing import pair_by_stem
from pix2pix_jax.evaluation.scorecard import Scorecard, Wanted, compute_distributions, observe_with
from pix2pix_jax.evaluation.scored_batches import Compared
from pix2pix_jax.evaluation.scoring import tally
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import listing, pixels
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.limits import MAX_PIXELS
from pix2pix_jax.images.sheets import Picture

HEADINGS = ("image", "target")
_BATCH = 8
_MOST_COLOURED = 4  # channels: images with more are not gray, RGB or RGBA
Stored = Shaped[np.ndarray, "_ _ _"]


@dataclasses.dataclass(frozen=True)
class FilePairs:
    """Image files and their targets.

    Attributes:
        folders: The folder of the images and that of the targets.
        names: Path of each image in its folder, without suffix.
        paths: The files of each image and its target.
        max_pixels: Largest number of pixels of an image.
    """

    folders: tuple[pathlib.Path, pathlib.Path]
    names: tuple[str, ...]
    paths: tuple[tuple[pathlib.Path, ...], ...]
    max_pixels: int = MAX_PIXELS

    def pictures(self, numbers: list[int]) -> list[tuple[Picture, ...]]:
        """Return pictures of some pairs: the image and its target."""
        return [
            tuple(
                _encoding(side).show(side)
                for side in _read_both(self.paths[number], self.max_pixels)
            )
            for number in numbers
        ]


def find_file_pairs(fakes: str | pathlib.Path, targets: str | pathlib.Path) -> FilePairs:
    """Pair the image files of two folders by their stems, sub-folders included.

    Args:
        fakes: Folder of the images.
        targets: Folder of the targets.

    Returns:
        The pairs.

    Raises:
        InputError: A folder is missing or has no images, an image has no partner, or two images of
            one folder have the same stem.
    """
    folders = pathlib.Path(fakes), pathlib.Path(targets)
    for flag, folder in zip(("--images", "--targets"), folders, strict=True):
        refuse_no_folder(folder, flag=flag)
        if not listing.find(folder):
            suffixes = ", ".join(listing.SUFFIXES)
            raise InputError(f"{flag} {folder}: no images ({suffixes}) in it")
    found = pair_by_stem(*folders)
    if found.unpaired:
        ours, theirs = (len(found.pairs) + len(alone) for alone in found.alone)
        raise InputError(
            f"--images {folders[0]} has {ours} images, --targets {folders[1]} {theirs}; "
            f"without a partner of the same stem: {some_of(found.unpaired)}"
        )
    return FilePairs(folders, tuple(found.pairs), tuple(found.pairs.values()))


def score_folders(pairs: FilePairs, wanted: Wanted, *, batch_size: int = 0) -> Scorecard:
    """Score images against their targets.

    The value range of integers is that of their type, from black to white; that of float32 is 0 to
    1. If the two sides have different numbers of channels, both are compared as RGB.

    Args:
        pairs: From `find_file_pairs`.
        wanted: What to measure.
        batch_size: Largest number of neighbouring images of one size that are scored at once; 0: 8.

    Returns:
        The scores.

    Raises:
        InputError: A file cannot be read, differs from its target in size or type, is not finite,
            or does not fit a metric.
    """
    batch_size = batch_size or _BATCH
    inception = wanted.gather(batch_size)
    observe = observe_with(inception)

    def batches() -> Iterator[tuple[Compared, tuple[str, ...]]]:
        with tqdm(total=len(pairs.names), unit="image", disable=None) as bar:
            for names, both in _batches(pairs, batch_size):
                if observe is not None:
                    observe(both)
                yield both, names
                bar.update(len(names))

    about = {"images": str(pairs.folders[0]), "targets": str(pairs.folders[1]), **wanted.about}
    found = tally(batches(), wanted.metrics)
    return Scorecard(about, found, compute_distributions(wanted, inception))


def refuse_output_among(output: str | pathlib.Path, pairs: FilePairs) -> None:
    """Raise InputError if results would be written among the images that are scored."""
    for folder in pairs.folders:
        refuse_inside(output, folder, "the folder of scored images", flag="--output")


def _batches(pairs: FilePairs, batch_size: int) -> Iterator[tuple[tuple[str, ...], Compared]]:
    """Read pairs, and yield neighbours of the same shape together."""
    names: list[str] = []
    held: list[tuple[np.ndarray, np.ndarray]] = []
    for name, paths in zip(pairs.names, pairs.paths, strict=True):
        both = _to_network(*_read_both(paths, pairs.max_pixels))
        if held and (len(held) == batch_size or held[0][0].shape != both[0].shape):
            yield tuple(names), _stack(held)
            names, held = [], []
        names.append(name)
        held.append(both)
    yield tuple(names), _stack(held)


def _stack(held: list[tuple[np.ndarray, np.ndarray]]) -> Compared:
    fake, target = (np.stack(side) for side in zip(*held, strict=True))
    return Compared(fake, target)


def _read_both(paths: tuple[pathlib.Path, ...], max_pixels: int) -> tuple[Stored, Stored]:
    """Read an image and its target, which must have the same size and type."""
    ours, theirs = paths
    first, second = (
        image_files.read_picture(path, max_pixels=max_pixels) for path in (ours, theirs)
    )
    fake, target = first.pixels, second.pixels
    if fake.shape[:2] != target.shape[:2]:
        raise InputError(
            f"{ours}: {fake.shape[0]} x {fake.shape[1]} pixels (height, width), its target "
            f"{theirs} has {target.shape[0]} x {target.shape[1]}; give both the same size"
        )
    if fake.dtype != target.dtype:
        raise InputError(
            f"{ours}: holds {fake.dtype} values, its target {theirs} {target.dtype}; save both as "
            "one type"
        )
    if fake.shape != target.shape:
        if max(fake.shape[-1], target.shape[-1]) > _MOST_COLOURED:
            raise InputError(
                f"{ours}: {fake.shape[-1]} channels, its target {theirs} has {target.shape[-1]}; "
                "give both the same number"
            )
        fake = pixels.as_channels(fake, 3, ours, kind=first.kind)
        target = pixels.as_channels(target, 3, theirs, kind=second.kind)
    for path, image in ((ours, fake), (theirs, target)):
        if image.dtype == np.float32 and not 0 <= image.min() <= image.max() <= 1:
            raise InputError(
                f"{path}: holds values from {image.min():.4g} to {image.max():.4g}; in float32 "
                "images, 0 is black and 1 is white: rescale both sides"
            )
    return fake, target


def _to_network(fake: Stored, target: Stored) -> tuple[np.ndarray, np.ndarray]:
    encoding = _encoding(fake)
    return np.asarray(encoding.to_network(fake)), np.asarray(encoding.to_network(target))


def _encoding(image: Stored) -> Encoding:
    return Encoding(image.shape[-1], str(image.dtype), 0.0, pixels.white(image.dtype))
