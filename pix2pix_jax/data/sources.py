"""Random-access sources of image pairs that lie in files."""

import dataclasses
import pathlib
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import PHOTO, Encoding

Pair = tuple[Shaped[np.ndarray, "_ _ _"], Shaped[np.ndarray, "_ _ _"]]  # (height, width, channels)
Paths = tuple[pathlib.Path, ...]
SPLITS = ("train", "val", "test")


@runtime_checkable
class Source(Protocol):
    """Pairs of (source, target) images as stored, by number."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each pair: its file's name, or a made one."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pair: ...

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a pair, where possible without reading all of it."""
        ...


@dataclasses.dataclass(frozen=True)
class SideBySide:
    """Files that hold A in their left and B in their right half, as the published sets do.

    Attributes:
        paths: The files.
        names: Name of each.
        direction: `AtoB`: A is the source; `BtoA`: B is.
        source: How sources are stored.
        target: How targets are stored.
    """

    paths: Paths
    names: tuple[str, ...]
    direction: str = "AtoB"
    source: Encoding = PHOTO
    target: Encoding = PHOTO

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pair:
        path = self.paths[index]
        return read_side_by_side(path, path, self.direction, self.source, self.target)

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of one half."""
        height, width = image_files.size_of(self.paths[index])
        return height, width // 2


def read_side_by_side(
    file: image_files.File, name: object, direction: str, source: Encoding, target: Encoding
) -> Pair:
    """Read a file that holds A in its left and B in its right half.

    Args:
        file: A path, or a binary file.
        name: What messages call it.
        direction: `AtoB`: A is the source; `BtoA`: B is.
        source: How the source is stored.
        target: How the target is stored.

    Raises:
        InputError: It cannot be read, its width is odd, or a half is of another kind.
    """
    halves = split_in_halves(image_files.read_stored(file, name=name), name)
    if direction == "BtoA":
        halves = halves[::-1]
    return source.convert(halves[0], name), target.convert(halves[1], name)


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


def check_sizes(pair: Pair, what: object) -> None:
    """Raise InputError where the two sides differ in height or width."""
    first, second = (side.shape[:2] for side in pair)
    if first != second:
        raise InputError(
            f"{what}: the source has {first[0]} x {first[1]} pixels (height, width), the target "
            f"{second[0]} x {second[1]}; both must have one size"
        )


@dataclasses.dataclass(frozen=True)
class Folders:
    """Pairs in two files each.

    Attributes:
        source_paths: The sources.
        target_paths: Their partners, in the same order.
        names: Name of each pair.
        source: How sources are stored.
        target: How targets are stored.
    """

    source_paths: Paths
    target_paths: Paths
    names: tuple[str, ...]
    source: Encoding = PHOTO
    target: Encoding = PHOTO

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Pair:
        source = self.source.read(self.source_paths[index])
        return source, self.target.read(self.target_paths[index])

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of the source."""
        return image_files.size_of(self.source_paths[index])


@dataclasses.dataclass(frozen=True)
class Single:
    """Images whose other side is derived later; a pair is the same image twice.

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
