"""Random-access sources of image pairs that lie in files."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import PHOTO, Encoding

Pair = tuple[Shaped[np.ndarray, "_ _ _"], Shaped[np.ndarray, "_ _ _"]]  # (height, width, channels)
Paths = tuple[pathlib.Path, ...]
SPLITS = ("train", "val", "test")
_NAMED = 3  # so many names stand in a message


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


def find_files(root: str, splits: Sequence[str], layout: str) -> tuple[pathlib.Path, Paths]:
    """List the image files of the first split that has any.

    Args:
        root: Folder of the data set.
        splits: Names of sub-folders, in order of preference; `.` is the root itself.
        layout: What is expected there, for the message.

    Returns:
        The split's folder, and its paths in order.

    Raises:
        InputError: None of the sub-folders holds an image.
    """
    for split in splits:
        folder = pathlib.Path(root, split)
        paths = image_files.find(folder) if root else []
        if paths:
            return folder, tuple(paths)
    wanted = " or ".join(f"{pathlib.Path(root, split)}/*.jpg" for split in splits)
    raise InputError(
        f"data.root={str(root)!r}: no images found. Expected {layout} as {wanted}; set data.root, "
        "or data.split to divide the files of one folder, or try the embedded data set: --config "
        "configs/demo.py"
    )


def relative_names(folder: pathlib.Path, paths: Paths) -> tuple[str, ...]:
    """Return the files' names with the sub-folders they lie in."""
    return tuple(path.relative_to(folder).as_posix() for path in paths)


def find_folder_pairs(
    root: str, splits: Sequence[str], unpaired: str
) -> dict[str, tuple[pathlib.Path, pathlib.Path]]:
    """Pair the files of two folders by their stems, sub-folders included.

    Args:
        root: Folder with `A/<split>` and `B/<split>`, `<split>A` and `<split>B`, or `<split>/A` and
            `<split>/B`.
        splits: Splits in order of preference, or `.`: all pairs of all splits.
        unpaired: What a file without its partner does: `fail`, or `skip` with a count.

    Returns:
        `{name: (A, B)}` in the order of the names.

    Raises:
        InputError: There are no such folders, a file has no partner, or two have one stem.
    """
    if tuple(splits) == (".",):
        found = {split: two_folders(root, split) for split in SPLITS}
        chosen = [(f"{split}/", two) for split, two in found.items() if two is not None]
        whole = (pathlib.Path(root, "A"), pathlib.Path(root, "B"))
        chosen = chosen or ([("", whole)] if all(side.is_dir() for side in whole) else [])
    else:
        options = ((split, two_folders(root, split)) for split in splits)
        chosen = [("", two) for _, two in options if two is not None][:1]
    pairs: dict[str, tuple[pathlib.Path, pathlib.Path]] = {}
    for prefix, (first, second) in chosen:
        for stem, two in find_partners(first, second, unpaired).items():
            pairs[prefix + stem + two[0].suffix] = two
    if pairs:
        return pairs
    split = "train" if tuple(splits) == (".",) else splits[0]
    raise InputError(
        f"data.root={str(root)!r}: no pairs found. Expected {root}/A/{split}/x.png with "
        f"{root}/B/{split}/x.png, or the folders {split}A and {split}B; set data.root"
    )


def two_folders(root: str, split: str) -> tuple[pathlib.Path, pathlib.Path] | None:
    """Return the folders A and B of a split, in whichever layout is there."""
    base = pathlib.Path(root)
    for first, second in (
        (base / "A" / split, base / "B" / split),
        (base / f"{split}A", base / f"{split}B"),
        (base / split / "A", base / split / "B"),
    ):
        if root and first.is_dir() and second.is_dir():
            return first, second
    return None


def by_stem(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return the image files under a folder by their paths inside it, without suffix.

    Raises:
        InputError: Two differ in their suffix alone.
    """
    files: dict[str, pathlib.Path] = {}
    for path in image_files.find(folder):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem in files:
            raise InputError(f"{files[stem]} and {path} have one stem: which is the pair's file?")
        files[stem] = path
    return files


def find_partners(
    first: pathlib.Path, second: pathlib.Path, unpaired: str = "fail"
) -> dict[str, tuple[pathlib.Path, pathlib.Path]]:
    """Pair the image files of two folders by their stems, sub-folders included.

    Args:
        first: A folder.
        second: Another one.
        unpaired: As for `find_folder_pairs`.

    Returns:
        `{stem: (file in first, file in second)}`.

    Raises:
        InputError: A file has no partner, or two of a folder have one stem.
    """
    ours, theirs = by_stem(first), by_stem(second)
    alone = [path for stem, path in ours.items() if stem not in theirs]
    alone += [path for stem, path in theirs.items() if stem not in ours]
    if alone and unpaired == "fail":
        more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
        raise InputError(
            f"{', '.join(map(str, alone[:_NAMED]))}{more}: no partner of the same stem in the "
            "other folder; add it, or set data.unpaired=skip"
        )
    if alone:
        print(f"{first} and {second}: left out {len(alone)} files without a partner")
    return {stem: (path, theirs[stem]) for stem, path in ours.items() if stem in theirs}
