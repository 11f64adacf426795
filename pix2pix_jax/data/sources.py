"""Sources of image pairs by number, and those that read files."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.scales import TARGET_SCALES, scaled, sizes_of_one, step_of
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import PHOTO, Encoding
from pix2pix_jax.images.masked import TargetEncoding
from pix2pix_jax.images.opening import File
from pix2pix_jax.images.stacked import StackedEncoding

Image = Shaped[np.ndarray, "_ _ _"]  # (height, width, channels)
Pair = tuple[Image, Image]
# A pair as it is read: several sources are an image each, as their sizes may differ.
AsRead = tuple[Image | tuple[Image, ...], Image]
Paths = tuple[pathlib.Path, ...]
SPLITS = ("train", "val", "test")
# Splits of a data set that may serve as one of ours, in order of preference: a set with a single
# held-out split uses it for validation and for test.
STAND_INS = {"train": ("train",), "val": ("val", "test"), "test": ("test", "val")}
ALL = "all"  # asked for in place of a split: all pairs, to be split by data.split


@runtime_checkable
class Source(Protocol):
    """Pairs of source and target images as stored, by number.

    Several sources are a tuple of images.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each pair: that of its file, or a generated one."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> AsRead: ...

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a pair, without reading all of it if possible."""
        ...


def names_digest(names: Iterable[str]) -> str:
    """Return the SHA-256 of names and their order, in hexadecimal.

    Args:
        names: Names of pairs, which may hold any characters, even bytes that are not UTF-8.
    """
    digest = hashlib.sha256()
    for name in names:
        data = name.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8) + data)  # the length says where a name ends
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class SideBySide:
    """Files with A in their left and B in their right half, like the published sets.

    Attributes:
        paths: The files.
        names: Name of each.
        direction: `AtoB`: A is the source; `BtoA`: B is.
        source: How sources are stored.
        target: How targets are stored.
        scale: How many times as large as the source the target is to be: as both halves have one
            size, one of them is made smaller.
    """

    paths: Paths
    names: tuple[str, ...]
    direction: str = "AtoB"
    source: Encoding = PHOTO
    target: Encoding = PHOTO
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pair:
        path, sides = self.paths[index], (self.source, self.target)
        return read_side_by_side(path, path, self.direction, *sides, scale=self.scale)

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of the source: those of one half, or smaller."""
        height, width = image_files.size_of(self.paths[index])
        return sizes_of_one((height, width // 2), self.scale, self.paths[index])[0]


def read_side_by_side(
    file: File,
    name: object,
    direction: str,
    source: Encoding,
    target: Encoding,
    *,
    scale: float = 1.0,
) -> Pair:
    """Read a file with A in its left and B in its right half.

    Args:
        file: A path, or a binary file.
        name: Its name, for messages.
        direction: `AtoB`: A is the source; `BtoA`: B is.
        source: How the source is stored.
        target: How the target is stored.
        scale: As for `SideBySide`.

    Raises:
        InputError: The file cannot be read, its width is odd, or a half is not stored as expected.
    """
    picture = image_files.read_picture(file, name=name, max_pixels=source.max_pixels, checked=False)
    first, second = split_in_halves(picture.pixels, name)
    if direction == "BtoA":
        first, second = second, first
    kind = picture.kind
    pair = source.convert(first, name, kind=kind), target.convert(second, name, kind=kind)
    if scale == 1:
        return pair
    sizes = sizes_of_one(first.shape[:2], scale, name)
    first, second = (cut_to_scale(side, scale, name) for side in pair)
    return source.resize(first, sizes[0]), target.resize(second, sizes[1])


def split_in_halves(both: Shaped[np.ndarray, "_ _ _"], what: object) -> Pair:
    """Cut a side-by-side image in two.

    Raises:
        InputError: Its width is odd.
    """
    width = both.shape[1]
    if width % 2:
        raise InputError(
            f"{what}: {width} pixels wide; a side-by-side pair has two halves of equal width"
        )
    return both[:, : width // 2], both[:, width // 2 :]


def cut_to_scale(image: Image, scale: float, what: object) -> Image:
    """Leave out the rows and columns that `sizes_of_one` leaves out."""
    if scale == 1:
        return image
    height, width = max(sizes_of_one(image.shape[:2], scale, what))
    return image[:height, :width]


def images_of(pair: AsRead) -> tuple[Image, ...]:
    """Return the images of a pair as read: each source, and the target."""
    source, target = pair
    return (*source, target) if isinstance(source, tuple) else (source, target)


def check_sizes(pair: AsRead, what: object, way_out: str = "", *, scale: float = 1.0) -> None:
    """Check that all images of a pair have the same height and width, or the target its scale.

    Args:
        pair: Both sides as read.
        what: Name of the pair, for the message.
        way_out: What to do about it, for the message.
        scale: How many times as large as the source the target must be.

    Raises:
        InputError: They differ.
    """
    *sizes, last = (side.shape[:2] for side in images_of(pair))
    wanted = {scaled(size, scale) for size in sizes}
    if wanted != {last} or any(side % step_of(scale) for side in sizes[0]):
        first, *others = (f"{height} x {width}" for height, width in sizes)
        sources = f"the source has {first} pixels (height, width)"
        if others:
            sources = f"the sources have {first}, {', '.join(others)} pixels (height, width)"
        rule = f"{'all' if others else 'both'} must have the same size"
        if scale != 1:
            rule = f"data.target_scale={scale:g} needs a target of exactly {scale:g} times that"
        fitting = [
            each for each in TARGET_SCALES if {scaled(size, each) for size in sizes} == {last}
        ]
        way_out += f"; data.target_scale={fitting[0]:g} fits this pair" if fitting else ""
        raise InputError(f"{what}: {sources}, the target {last[0]} x {last[1]}; {rule}{way_out}")


@dataclasses.dataclass(frozen=True)
class Folders:
    """Pairs of two files, or of three with a mask.

    Attributes:
        source_paths: The sources.
        target_paths: Their targets, in the same order; with masks, a target's file and its mask's.
        names: Name of each pair.
        source: How sources are stored.
        target: How targets are stored.
    """

    source_paths: Paths
    target_paths: Sequence[Any]
    names: tuple[str, ...]
    source: Encoding = PHOTO
    target: TargetEncoding = PHOTO

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Pair:
        source = self.source.read(self.source_paths[index])
        return source, self.target.read(self.target_paths[index])

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of the source."""
        return image_files.size_of(self.source_paths[index])


@dataclasses.dataclass(frozen=True)
class SeveralFolders:
    """Pairs of several sources and one target, a file each.

    Attributes:
        source_paths: For each pair the files of its sources, in order.
        target_paths: As for `Folders`.
        names: Name of each pair.
        source: How sources are stored.
        target: How targets are stored.
    """

    source_paths: tuple[Paths, ...]
    target_paths: Sequence[Any]
    names: tuple[str, ...]
    source: StackedEncoding
    target: TargetEncoding = PHOTO

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> AsRead:
        sources = self.source.read_parts(self.source_paths[index], self.names[index])
        return sources, self.target.read(self.target_paths[index])

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of the first source."""
        return image_files.size_of(self.source_paths[index][0])


@dataclasses.dataclass(frozen=True)
class Single:
    """Single images, from which the other side is derived later; a pair is the same image twice.

    Attributes:
        paths: The files.
        names: Name of each.
        image: How they are stored.
    """

    paths: Paths
    names: tuple[str, ...]
    image: Encoding = PHOTO

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pair:
        image = self.image.read(self.paths[index])
        return image, image

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width."""
        return image_files.size_of(self.paths[index])
