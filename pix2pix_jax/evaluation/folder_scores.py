"""Score the images of one folder against those of another, whoever made them."""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Shaped
from tqdm import tqdm

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.pairing import by_stem
from pix2pix_jax.evaluation.scorecard import Scorecard, Wanted, compute_distributions, observe_with
from pix2pix_jax.evaluation.scoring import Compared, tally
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.sheets import Picture

HEADINGS = ("image", "target")
_NAMED = 3  # so many names stand in a message
Stored = Shaped[np.ndarray, "_ _ _"]


@dataclasses.dataclass(frozen=True)
class FilePairs:
    """Images and their targets.

    Attributes:
        folders: The two folders.
        names: Of each image its path in its folder, without suffix.
        paths: Of each the image's file and the target's.
    """

    folders: tuple[pathlib.Path, pathlib.Path]
    names: tuple[str, ...]
    paths: tuple[tuple[pathlib.Path, pathlib.Path], ...]

    def pictures(self, numbers: list[int]) -> list[tuple[Picture, ...]]:
        """Make pictures of some: the image and its target."""
        return [
            tuple(_encoding(side).show(side) for side in _read_both(*self.paths[number]))
            for number in numbers
        ]


def find_file_pairs(fakes: str | pathlib.Path, targets: str | pathlib.Path) -> FilePairs:
    """Pair the image files of two folders by their stems, sub-folders included.

    Raises:
        InputError: There is no such folder, no image in it, or an image without partner.
    """
    folders = pathlib.Path(fakes), pathlib.Path(targets)
    sides = []
    for flag, folder in zip(("--images", "--targets"), folders, strict=True):
        if not folder.is_dir():
            raise InputError(f"{flag} {folder}: there is no such folder")
        sides.append(by_stem(folder))
        if not sides[-1]:
            suffixes = ", ".join(image_files.SUFFIXES)
            raise InputError(f"{flag} {folder}: no images ({suffixes}) in it")
    ours, theirs = sides
    alone = [str(ours[stem]) for stem in ours if stem not in theirs]
    alone += [str(theirs[stem]) for stem in theirs if stem not in ours]
    if alone:
        more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
        raise InputError(
            f"--images {folders[0]} has {len(ours)} images, --targets {folders[1]} {len(theirs)}; "
            f"without a partner of the same stem: {', '.join(alone[:_NAMED])}{more}"
        )
    return FilePairs(folders, tuple(ours), tuple((ours[stem], theirs[stem]) for stem in ours))


def score_folders(pairs: FilePairs, wanted: Wanted, *, batch_size: int = 8) -> Scorecard:
    """Score images against their targets.

    Whole numbers count from black to white of their type, float32 from 0 to 1. Two sides with
    different numbers of channels are compared as RGB, others as they are.

    Args:
        pairs: As from `find_file_pairs`.
        wanted: What to measure.
        batch_size: Neighbouring images of one size that are scored at once.

    Raises:
        InputError: A file cannot be read, differs from its target in size or type, is not finite
            or unfit for a metric.
    """
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
    """Raise InputError where results would lie among the images."""
    for folder in pairs.folders:
        if pathlib.Path(output).resolve().is_relative_to(folder.resolve()):
            raise InputError(f"--output {output}: lies in {folder}, whose images are scored")


def _batches(pairs: FilePairs, batch_size: int) -> Iterator[tuple[tuple[str, ...], Compared]]:
    """Read pairs, and yield neighbours of one shape together."""
    names: list[str] = []
    held: list[tuple[np.ndarray, np.ndarray]] = []
    for name, paths in zip(pairs.names, pairs.paths, strict=True):
        both = _to_network(*_read_both(*paths))
        if held and (len(held) == batch_size or held[0][0].shape != both[0].shape):
            yield tuple(names), _stack(held)
            names, held = [], []
        names.append(name)
        held.append(both)
    yield tuple(names), _stack(held)


def _stack(held: list[tuple[np.ndarray, np.ndarray]]) -> Compared:
    fake, target = (np.stack(side) for side in zip(*held, strict=True))
    return fake, target


def _read_both(ours: pathlib.Path, theirs: pathlib.Path) -> tuple[Stored, Stored]:
    """Read an image and its target, which must have one size and one type."""
    fake, target = image_files.read_stored(ours), image_files.read_stored(theirs)
    if fake.shape[:2] != target.shape[:2]:
        raise InputError(
            f"{ours}: {fake.shape[0]} x {fake.shape[1]} pixels (height, width), its target "
            f"{theirs} has {target.shape[0]} x {target.shape[1]}; give both one size"
        )
    if fake.dtype != target.dtype:
        raise InputError(
            f"{ours}: holds {fake.dtype} values, its target {theirs} {target.dtype}; save both as "
            "one type"
        )
    if max(fake.shape[-1], target.shape[-1]) > 4 and fake.shape != target.shape:
        raise InputError(
            f"{ours}: {fake.shape[-1]} channels, its target {theirs} has {target.shape[-1]}; give "
            "both as many"
        )
    if fake.shape != target.shape:
        fake, target = images.as_channels(fake, 3, ours), images.as_channels(target, 3, theirs)
    for path, image in ((ours, fake), (theirs, target)):
        if image.dtype == np.float32 and not 0 <= image.min() <= image.max() <= 1:
            raise InputError(
                f"{path}: holds values from {image.min():.4g} to {image.max():.4g}; of float32 "
                "images 0 is black and 1 white: rescale both sides"
            )
    return fake, target


def _to_network(fake: Stored, target: Stored) -> tuple[np.ndarray, np.ndarray]:
    encoding = _encoding(fake)
    return np.asarray(encoding.to_network(fake)), np.asarray(encoding.to_network(target))


def _encoding(image: Stored) -> Encoding:
    return Encoding(image.shape[-1], str(image.dtype), 0.0, images.white(image.dtype))
