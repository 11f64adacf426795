"""Where the images of a data set lie."""

import dataclasses
import pathlib

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.pairing import by_stem, find_folder_pairs, relative_names, two_folders
from pix2pix_jax.data.sources import SPLITS
from pix2pix_jax.images import files as image_files

SOURCES = ("side_by_side", "folders", "single")
WHOLE = "all"  # the one split of a folder that has none
_WIDE = 2  # a file at least so many times as wide as high could hold a pair


@dataclasses.dataclass(frozen=True)
class Item:
    """A pair, or a single image.

    Attributes:
        split: `train`, `val`, `test`, or `all`.
        name: Its path inside the split's folder, as training names it.
        paths: Its file, or that of A and that of B.
    """

    split: str
    name: str
    paths: tuple[pathlib.Path, ...]

    @property
    def title(self) -> str:
        """Split and name."""
        return f"{self.split}/{self.name}"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The files of a data set.

    Attributes:
        source: One of `SOURCES`.
        items: All pairs or images, split by split.
        unpaired: Files of folders without a partner of the same stem.
        elsewhere: Image files under the root that are in no split.
    """

    source: str
    items: tuple[Item, ...]
    unpaired: tuple[pathlib.Path, ...] = ()
    elsewhere: tuple[pathlib.Path, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have files."""
        return tuple(dict.fromkeys(item.split for item in self.items))


def find_layout(root: str, source: str = "") -> Layout:
    """List the files of a data set.

    Args:
        root: Its folder.
        source: One of `SOURCES`; '': what the files look like. Folders A and B are told by their
            names; files are taken for side-by-side pairs where most are at least twice as wide as
            high.

    Returns:
        Its pairs or images; those of the root itself, as split `all`, where it has no folders
        train, val and test.

    Raises:
        InputError: There is no such folder or no image in it, or two files of one side have one
            stem.
    """
    found = find_images(root)
    sides = find_sides(root)
    if source == "folders" and not sides:
        raise InputError(
            f"{root}: has no folders of pairs; expected A/train and B/train, trainA and trainB, or "
            "train/A and train/B"
        )
    if source == "folders" or (sides and not source):
        items, unpaired = _pair(sides)
        used = {path for item in items for path in item.paths} | set(unpaired)
        source = "folders"
    else:
        items, unpaired = _find_items(pathlib.Path(root)), []
        used = {path for item in items for path in item.paths}
        source = source or ("side_by_side" if _mostly_wide(items) else "single")
    elsewhere = tuple(path for path in found if path not in used)
    return Layout(source, tuple(items), tuple(unpaired), elsewhere)


def find_images(root: str) -> list[pathlib.Path]:
    """List the image files under a folder; raise InputError where there are none."""
    if not pathlib.Path(root).is_dir():
        raise InputError(f"{root}: there is no such folder")
    found = image_files.find(root)
    if not found:
        raise InputError(f"{root}: no images ({', '.join(image_files.SUFFIXES)}) in it")
    return found


def find_sides(root: str) -> dict[str, tuple[pathlib.Path, pathlib.Path]]:
    """Return the folders A and B of each split; nothing where the data set has other files."""
    found = {split: two_folders(root, split) for split in SPLITS}
    sides = {split: two for split, two in found.items() if two is not None}
    whole = (pathlib.Path(root, "A"), pathlib.Path(root, "B"))
    return sides or ({WHOLE: whole} if all(side.is_dir() for side in whole) else {})


def pool_files(root: str) -> dict[str, dict[str, pathlib.Path]]:
    """List the files of all splits: `{name: {side: path}}`, the side being `A/`, `B/` or ''.

    Raises:
        InputError: As for `find_images` and `find_folder_pairs`.
    """
    found = find_images(root)
    if find_sides(root):
        pairs = find_folder_pairs(root, (".",), "fail")
        return {name: dict(zip(("A/", "B/"), two, strict=True)) for name, two in pairs.items()}
    whole = relative_names(pathlib.Path(root), tuple(found))
    return {name: {"": path} for name, path in zip(whole, found, strict=True)}


def _pair(
    sides: dict[str, tuple[pathlib.Path, pathlib.Path]],
) -> tuple[list[Item], list[pathlib.Path]]:
    """Pair the files of folders by their stems, and return those that are left over as well."""
    items, unpaired = [], []
    for split, (first, second) in sides.items():
        ours, theirs = by_stem(first), by_stem(second)
        for stem, path in ours.items():
            if stem in theirs:
                items.append(Item(split, stem + path.suffix, (path, theirs[stem])))
        unpaired += [path for stem, path in ours.items() if stem not in theirs]
        unpaired += [path for stem, path in theirs.items() if stem not in ours]
    return items, unpaired


def _find_items(root: pathlib.Path) -> list[Item]:
    """List files of the splits, or all files where there are no splits."""
    places = {split: root / split for split in SPLITS if image_files.find(root / split)}
    return [
        Item(split, path.relative_to(folder).as_posix(), (path,))
        for split, folder in (places or {WHOLE: root}).items()
        for path in image_files.find(folder)
    ]


def _mostly_wide(items: list[Item]) -> bool:
    wide, readable = 0, 0
    for item in items:
        try:
            height, width = image_files.size_of(item.paths[0])
        except InputError:
            continue
        readable += 1
        wide += width >= _WIDE * height
    return wide * 2 > readable
