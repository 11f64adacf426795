"""Where the images of a data set are, and how they form pairs."""

import contextlib
import dataclasses
import itertools
import operator
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.core.files import refuse_no_folder
from pix2pix_jax.data.layouts import find_sides, find_split_folders, find_twins
from pix2pix_jax.data.names import USUAL, Names
from pix2pix_jax.data.pairing import find_folder_pairs, match, relative_names
from pix2pix_jax.data.selection import spread_evenly
from pix2pix_jax.data.sides import Sides
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.listing import SUFFIXES, find, has_images, list_images

FORMS = ("side_by_side", "folders", "single")  # values of data.source
WHOLE = "all"  # split of the files of a data set without splits
_MEASURED = 256  # files whose sizes stand for those of all
_MASKS = ("mask", "masks")  # what a folder of masks is usually called
_WIDE = 2  # width to height from which a file could hold a pair


@dataclasses.dataclass(frozen=True)
class Item:
    """A pair, or a single image.

    Attributes:
        split: `train`, `val`, `test`, or `all`.
        name: Its path inside the split's folder, as training names it.
        paths: Its file, or the files of A and B; of several sources one each.
        mask: The file of its mask; None: it has none.
    """

    split: str
    name: str
    paths: tuple[pathlib.Path, ...]
    mask: pathlib.Path | None = None

    @property
    def title(self) -> str:
        """Split and name."""
        return f"{self.split}/{self.name}"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The files of a data set.

    Attributes:
        source: One of `FORMS`.
        items: All pairs or images, split by split.
        unpaired: Files in folders of pairs without a partner of the same stem.
        elsewhere: Image files under the root that belong to no split.
        left_out: What is not taken for an image, and why, see `Listing`.
        missing: Of several sources, which file is missing in which folder.
        letters: What the sides are called; with several sources as their folders are.
    """

    source: str
    items: tuple[Item, ...]
    unpaired: tuple[pathlib.Path, ...] = ()
    elsewhere: tuple[pathlib.Path, ...] = ()
    left_out: tuple[tuple[pathlib.Path, str], ...] = ()
    letters: tuple[str, ...] = ("A", "B")
    missing: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have files."""
        return tuple(dict.fromkeys(item.split for item in self.items))


def find_layout(root: str, source: str = "", names: Names = USUAL) -> Layout:
    """List the files of a data set.

    Args:
        root: Its folder.
        source: One of `FORMS`; '' to guess it from the files: two files of a pair are recognized by
            the names of their folders, or by how their own names end; files are taken for
            side-by-side pairs if most are at least twice as wide as high.
        names: What its folders and files are called.

    Returns:
        Its pairs or images. If it has no folders train, val and test, those of the root itself, as
        split `all`.

    Raises:
        InputError: There is no such folder or no image in it, or two files of one side have the
            same stem.
    """
    found = find_images(root)
    sides = find_sides(root, names) if source in ("", "folders") else {}
    if source == "folders" and not sides:
        raise InputError(
            f"{root}: has no folders of pairs; expected A/train and B/train, trainA and trainB, or "
            "train/A and train/B"
        )
    items: list[Item] = []
    unpaired: list[pathlib.Path] = []
    missing: list[str] = []
    masks: list[pathlib.Path] = []
    if source == "folders" or (sides and not source):
        source = "folders"
        for split, folders in sides.items():
            matched = match(folders)
            sides_of = len(folders.folders)
            for stem, paths in matched.pairs.items():
                mask = None if folders.mask is None else paths[-1]
                name = stem + paths[0].suffix
                items.append(Item(split or WHOLE, name, paths[:sides_of], mask))
            unpaired += matched.unpaired
            missing += matched.missing if len(matched.alone) > 2 else ()
            masks += [] if folders.mask is None else find(folders.mask)
    else:
        items = _find_items(pathlib.Path(root), names)
        source = source or ("side_by_side" if wide_share(items)[0] > 1 / 2 else "single")
    used = {path for item in items for path in item.paths} | {*unpaired, *masks}
    elsewhere = tuple(path for path in found if path not in used)
    left_out = list_images(root).left_out
    letters = letters_of(sides)
    return Layout(
        source, tuple(items), tuple(unpaired), elsewhere, left_out, letters, tuple(missing)
    )


def find_mask(root: str | pathlib.Path, names: Names = USUAL) -> str:
    """Find a folder of masks beside the folders of pairs.

    Args:
        root: Folder of the data set.
        names: What its folders are called.

    Returns:
        `mask` or `masks`, if there is a folder of that name with a file for each pair; '' if not.
    """
    for word in _MASKS if not names.suffixes else ():
        with contextlib.suppress(InputError):  # of other kinds, or no masks of one split
            every = find_sides(root, dataclasses.replace(names, mask=word)).values()
            alone = [match(dataclasses.replace(sides, mask=None)).pairs for sides in every]
            masked = [match(sides).pairs.keys() for sides in every]
            if every and all(map(operator.eq, (pairs.keys() for pairs in alone), masked)):
                return word
    return ""


def mask_among(root: str | pathlib.Path, paths: Iterable[pathlib.Path]) -> str:
    """Return the name of a folder that may hold masks.

    Args:
        root: Folder of the data set.
        paths: Files in it that belong to no pair.

    Returns:
        A name like `mask` or `masks`; '' if none of the files is in such a folder.
    """
    folders = (part for path in paths for part in path.relative_to(root).parts[:-1])
    return next((folder for folder in folders if folder.casefold() in _MASKS), "")


def letters_of(sides: Mapping[str, Sides]) -> tuple[str, ...]:
    """Return what the sides of pairs are called: A and B, or the folders of several sources."""
    for found in sides.values():
        if len(found.folders) > 2:
            words = found.words or tuple(f"*{end}" for end in found.suffixes)
            return tuple(word.upper() if len(word) < 3 else word for word in words)
    return "A", "B"


def find_images(root: str) -> list[pathlib.Path]:
    """List the image files in a folder.

    Raises:
        InputError: There is no such folder, or no image in it.
    """
    refuse_no_folder(root)
    found = find(root)
    if not found:
        raise InputError(f"{root}: no images ({', '.join(SUFFIXES)}) in it")
    return found


def pool_files(root: str) -> dict[str, dict[str, pathlib.Path]]:
    """List the files of all splits together.

    Args:
        root: Folder of the data set.

    Returns:
        `{name: {side: path}}`; the side is `A/` or `B/` (with several sources `A1/`, `A2/`, `B/`),
        or '' for files that are not in folders of pairs. Masks are a side, too.

    Raises:
        InputError: As for `find_images` and `find_folder_pairs`; or some pairs have no mask.
    """
    found = find_images(root)
    if find_sides(root):
        mask = find_mask(root)
        pairs = find_folder_pairs(root, (".",), "fail", Names(mask=mask))
        used = set(itertools.chain.from_iterable(pairs.values()))
        if left_out := mask_among(root, (path for path in found if path not in used)):
            raise InputError(
                f"{root}: the folder {left_out} has files, but not one for each pair; if these are "
                "masks, add the missing ones, otherwise move them out of the data set"
            )
        if others := [path for path in found if path not in used]:
            raise InputError(
                f"{root}: {len(others)} images belong to no pair ({some_of(others)}); move them "
                "out of the data set"
            )
        letters = (*letters_of(find_sides(root)), *([mask] if mask else []))
        return {
            name: {f"{letter}/": path for letter, path in zip(letters, paths, strict=True)}
            for name, paths in pairs.items()
        }
    _refuse_torn_pairs(root, found)
    names = relative_names(pathlib.Path(root), tuple(found))
    return {name: {"": path} for name, path in zip(names, found, strict=True)}


def _refuse_torn_pairs(root: str, found: Sequence[pathlib.Path]) -> None:
    """Raise InputError if files that are no pairs by their folders are pairs by their names."""
    if twins := find_twins(root):
        raise InputError(
            f"{root}: the folders {twins[0]} and {twins[1]} hold files of the same names; if they "
            "are pairs, call these folders A and B, otherwise give each a folder of its own"
        )
    by_stem: dict[pathlib.Path, pathlib.Path] = {}
    for path in found:
        other = by_stem.setdefault(path.with_suffix(""), path)
        if other != path:
            raise InputError(
                f"{root}: {other.name} and {path.name} have the same name; if they are a pair, put "
                "the files of one side into a folder A and the others into B, otherwise rename one"
            )


def _find_items(root: pathlib.Path, names: Names) -> list[Item]:
    """List the files of the splits, or all files if there are no splits."""
    found = find_split_folders(root, names)
    places = {split: folder for split, folder in found.items() if has_images(folder)}
    return [
        Item(split, path.relative_to(folder).as_posix(), (path,))
        for split, folder in (places or {WHOLE: root}).items()
        for path in list_images(folder).files
    ]


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return a number of items, evenly spread over all."""
    return [items[number] for number in spread_evenly(len(items), most)]


def wide_share(items: Sequence[Item]) -> tuple[float, int, tuple[pathlib.Path, ...]]:
    """Return the share of files that are wide enough for a pair, of how many, and the others."""
    wide, narrow = 0, []
    for item in spread(items, _MEASURED):
        try:
            height, width = image_files.size_of(item.paths[0])
        except InputError:
            continue
        if width >= _WIDE * height:
            wide += 1
        else:
            narrow.append(item.paths[0])
    readable = wide + len(narrow)
    return wide / max(readable, 1), readable, tuple(narrow)
