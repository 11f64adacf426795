"""Random-access sources of image pairs."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from pix2pix_jax import images
from pix2pix_jax.errors import InputError

Pair = tuple[UInt8[np.ndarray, "h w c"], UInt8[np.ndarray, "h w d"]]


@runtime_checkable
class Source(Protocol):
    """Pairs of (source, target) images of 8 bits, by number."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each pair: its file's name, or a made one."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pair: ...


@dataclasses.dataclass(frozen=True)
class SideBySide:
    """Files that hold A in their left and B in their right half, as the published sets do.

    Attributes:
        paths: The files.
        direction: `AtoB`: A is the source; `BtoA`: B is.
        source_channels: 1 for gray, 3 for RGB.
        target_channels: The same for the target.
        root: Folder that names are relative to; None: names are the files' alone.
    """

    paths: tuple[pathlib.Path, ...]
    direction: str = "AtoB"
    source_channels: int = 3
    target_channels: int = 3
    root: pathlib.Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """File names, with the sub-folders they lie in."""
        if self.root is None:
            return tuple(path.name for path in self.paths)
        return tuple(path.relative_to(self.root).as_posix() for path in self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pair:
        path = self.paths[index]
        channels = (self.source_channels, self.target_channels)
        both = images.read(path, max(channels))
        width = both.shape[1]
        if width % 2:
            raise InputError(
                f"{path}: {width} pixels wide; a side-by-side pair has two halves of equal width"
            )
        halves = (both[:, : width // 2], both[:, width // 2 :])
        source, target = halves if self.direction == "AtoB" else halves[::-1]
        return _gray(source, channels[0]), _gray(target, channels[1])


def _gray(image: UInt8[np.ndarray, "h w c"], channels: int) -> UInt8[np.ndarray, "h w d"]:
    """Reduce RGB to gray where one channel is wanted."""
    if image.shape[-1] == channels:
        return image
    return np.array(Image.fromarray(image).convert("L"))[..., None]


def find_side_by_side(
    root: str, splits: Sequence[str]
) -> tuple[pathlib.Path, tuple[pathlib.Path, ...]]:
    """List the files of the first split that has any.

    Args:
        root: Folder of the data set.
        splits: Names of sub-folders, in order of preference.

    Returns:
        The split's folder, and its paths in order.

    Raises:
        InputError: None of the sub-folders holds an image.
    """
    for split in splits:
        folder = pathlib.Path(root, split)
        paths = images.find(folder)
        if paths:
            return folder, tuple(paths)
    wanted = " or ".join(f"{pathlib.Path(root, split)}/*.jpg" for split in splits)
    raise InputError(
        f"data.root={str(root)!r}: no images found. Expected side-by-side pairs (A left, B right) "
        f"as {wanted}; set data.root, or try the embedded data set: --config configs/demo.py"
    )
