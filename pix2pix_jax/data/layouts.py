"""Where the sides of the pairs of a data set are."""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.names import (
    MOST_NUMBERED,
    SEPARATORS,
    SIDE_NAMES,
    USUAL,
    Names,
    Two,
    choose_suffixes,
    divide,
)
from pix2pix_jax.data.sides import Sides
from pix2pix_jax.data.sources import SPLITS
from pix2pix_jax.images.listing import has_images, list_images, say_once, sub_folders

Parts = tuple[str, ...]  # of a path, in lower case
Places = Mapping[Parts, Sequence[pathlib.Path]]  # folders by their parts
Form = Callable[[Parts], Parts]  # from a side's name to the path of its folder


def find_split_folders(root: str | pathlib.Path, names: Names = USUAL) -> dict[str, pathlib.Path]:
    """Return the folders of the splits right below a data set's root.

    Args:
        root: Folder of the data set.
        names: What its folders are called.

    Returns:
        Folders by split, in the order of `SPLITS`.

    Raises:
        InputError: Two folders with images could be the same split.
    """
    below = _by_name(sub_folders(root)) if root else {}
    found = {}
    for split in SPLITS:
        folders = [folder for name in names.of_split(split) for folder in below.get(name, ())]
        filled = [folder for folder in folders if has_images(folder)] or folders[:1]
        if len(filled) > 1:
            raise InputError(
                f"{root}: {filled[0].name} and {filled[1].name} could both be the {split} split; "
                "name the three with data.split_names, such as "
                f"data.split_names={','.join(_example(split, filled[0].name))}"
            )
        if filled:
            found[split] = filled[0]
    return found


def _example(split: str, name: str) -> tuple[str, ...]:
    return tuple(name if each == split else each for each in SPLITS)


def _by_name(folders: Iterable[pathlib.Path]) -> dict[str, list[pathlib.Path]]:
    found: dict[str, list[pathlib.Path]] = {}
    for folder in folders:
        found.setdefault(folder.name.casefold(), []).append(folder)
    return found


def find_sides(root: str | pathlib.Path, names: Names = USUAL) -> dict[str, Sides]:
    """Find the two sides of the pairs of a data set, in two folders or told apart by files' names.

    Args:
        root: Folder of the data set.
        names: What its folders and files are called.

    Returns:
        Sides by split; by '' those of a data set without splits; empty if it has other files.

    Raises:
        InputError: There are several candidates; the message has the keys that decide.
    """
    if not root:
        return {}
    folders = _find_folders(pathlib.Path(root), names)
    if not folders and not names.folders and not names.mask:
        found = _find_suffixes(pathlib.Path(root), names)
    elif names.suffixes:
        ends = tuple(map(str.casefold, names.suffixes))
        found = {
            split: dataclasses.replace(sides, suffixes=ends) for split, sides in folders.items()
        }
    else:
        return folders
    if not names.suffixes:
        for sides in found.values():
            say_once(f"{sides}: {sides.how}")
    return found


def _find_folders(root: pathlib.Path, names: Names) -> dict[str, Sides]:
    """Find folders A and B of each split; or several sources that are numbered, as in A1, A2, B."""
    mask = names.mask.casefold()
    wanted = (names.folders,) if names.folders else [two for two in SIDE_NAMES if mask not in two]
    every = [names.mask, *itertools.chain.from_iterable(wanted)]
    places = _places(root, max(len(word.split("/")) for word in every) + 1)
    found = {words: sides for words in wanted if (sides := _search(places, words, names))}
    if not found and not names.folders:
        found = _search_numbered(places, names)
    if not found and mask:
        for alone in _find_folders(root, dataclasses.replace(names, mask="")).values():
            raise _mask_is_side(names, alone)
    if len(found) > 1:
        _refuse_several(root, found)
    chosen = {
        split: _only(sides, split)
        for splits in found.values()
        for split, sides in splits.items()
        if split or len(splits) == 1
    }
    if not names.mask:
        return chosen
    return {split: _with_mask(places, sides, split, names) for split, sides in chosen.items()}


def _with_mask(places: Places, sides: Sides, split: str, names: Names) -> Sides:
    """Return sides with the folder of their masks, which is called after the split as they are."""
    parts = tuple(names.mask.casefold().split("/"))
    for form in _forms_of(split, names):
        for folder in places.get(form(parts), ()):
            if folder in sides.folders:
                raise _mask_is_side(names, sides)
            if has_images(folder):
                return dataclasses.replace(sides, mask=folder)
    where = f"{split}/{names.mask}, {names.mask}/{split}" if split else names.mask
    raise InputError(
        f"data.mask={names.mask!r}: there is no folder of masks for {sides}; expected {where}, "
        "with a file of the same name for each pair"
    )


def _mask_is_side(names: Names, sides: Sides) -> InputError:
    return InputError(
        f"data.mask={names.mask!r}: is a side of the pairs in {sides}; masks need a folder of "
        "their own, or set data.mask=''"
    )


def _search(places: Places, words: tuple[str, ...], names: Names) -> dict[str, list[Sides]]:
    """Find the folders of some names, by split; those without an image do not count."""
    parts = [tuple(word.casefold().split("/")) for word in words]
    found: dict[str, list[Sides]] = {}
    for split in ("", *SPLITS):
        for form in _forms_of(split, names):
            there = [places.get(form(word), ()) for word in parts]
            sides = [Sides(folders, words=words) for folders in itertools.product(*there)]
            filled = [each for each in sides if any(map(has_images, each.folders))]
            if filled:
                found.setdefault(split, []).extend(filled)
    return found


def _search_numbered(places: Places, names: Names) -> dict[tuple[str, ...], dict[str, list[Sides]]]:
    """Find as many numbered folders as there are beside the one of the other side."""
    known = {name for parts in places for name in parts}
    found = {}
    for a, b in SIDE_NAMES:
        for several, other in ((a, b), (b, a)):
            if not any(f"{several}2" in name for name in known):
                continue
            for count in range(MOST_NUMBERED, 1, -1):
                numbered = tuple(f"{several}{number}" for number in range(1, count + 1))
                words = (*numbered, other) if several == a else (other, *numbered)
                if sides := _search(places, words, names):
                    found[words] = sides
                    break
    return found


def _forms_of(split: str, names: Names) -> Iterator[Form]:
    """Yield what `_forms` does, for all that a split may be called."""
    return itertools.chain.from_iterable(map(_forms, names.of_split(split)))


def _forms(split: str) -> Iterator[Form]:
    """Yield functions from a side's name to the path of its folder, by parts in lower case."""
    if not split:
        yield lambda word: word
        return
    yield lambda word: (*word, split)
    yield lambda word: (split, *word)
    for between in ("", *SEPARATORS):
        yield functools.partial(_with_ends, split + between, "")
        yield functools.partial(_with_ends, "", between + split)


def _with_ends(before: str, after: str, word: Parts) -> Parts:
    return (*word[:-1], before + word[-1] + after)


def _places(root: pathlib.Path, depth: int) -> Places:
    """Return the folders below a root by their parts in lower case."""
    found: dict[Parts, list[pathlib.Path]] = {}
    level: list[tuple[Parts, pathlib.Path]] = [((), root)]
    for _ in range(depth):
        level = [
            ((*parts, folder.name.casefold()), folder)
            for parts, above in level
            for folder in sub_folders(above)
        ]
        for parts, folder in level:
            found.setdefault(parts, []).append(folder)
    return found


def _only(sides: list[Sides], split: str) -> Sides:
    """Return the only candidate of a split."""
    if len(sides) > 1:
        raise InputError(
            f"{split or 'the'} pairs could be in {sides[0]}, or in {sides[1]}; move one of them "
            "out of the data set, or give one of them other names and set data.folder_a and "
            "data.folder_b"
        )
    return sides[0]


def _refuse_several(
    root: pathlib.Path, found: dict[tuple[str, ...], dict[str, list[Sides]]]
) -> None:
    one, two = (next(iter(splits.values()))[0] for splits in itertools.islice(found.values(), 2))
    first, second = (",".join(side) for side in divide(next(iter(found))))
    raise InputError(
        f"{root}: pairs could be in {one}, or in {two}; say which, such as "
        f"data.folder_a={first} data.folder_b={second}"
    )


def _find_suffixes(root: pathlib.Path, names: Names) -> dict[str, Sides]:
    """Find pairs in one folder, told apart by how their files' names end."""
    places = find_split_folders(root, names) or {"": root}
    stems = {split: _stems(folder, root) for split, folder in places.items()}
    every = list(itertools.chain.from_iterable(stems.values()))
    suffixes = names.suffixes or choose_suffixes(every)
    if not suffixes:
        return {}
    return {
        split: Sides((folder,) * len(suffixes), tuple(map(str.casefold, suffixes)))
        for split, folder in places.items()
        if stems[split]
    }


def _stems(folder: pathlib.Path, root: pathlib.Path) -> list[str]:
    """Return the paths of a folder's images from a root, without suffix and in lower case."""
    files = list_images(folder).files
    return [path.relative_to(root).with_suffix("").as_posix().casefold() for path in files]


def find_twins(root: str | pathlib.Path, names: Names = USUAL) -> Two | tuple[()]:
    """Find two folders of any names whose files have the same names, for a question to the user.

    Args:
        root: Folder of the data set.
        names: What its splits are called.

    Returns:
        The names of the only two folders with images in the root, or in its first split, if more
        than half of their files have a partner; () otherwise.
    """
    places = find_split_folders(root, names)
    root = next(iter(places.values()), pathlib.Path(root))
    folders = [folder for folder in sub_folders(root) if has_images(folder)]
    if len(folders) != 2:
        return ()
    first, second = (set(_stems(folder, folder)) for folder in folders)
    if 2 * len(first & second) <= max(len(first), len(second)):
        return ()
    return folders[0].name, folders[1].name


def find_lonely(root: str | pathlib.Path, names: Names = USUAL) -> tuple[pathlib.Path, str] | None:
    """Find a folder that could be one side of pairs, where there is no other side.

    Args:
        root: Folder of the data set.
        names: What its folders are called.

    Returns:
        The folder, and a name that the other one could have; None if there is none.
    """
    places = _places(pathlib.Path(root), 2)
    for two in (names.folders[:2],) if names.folders else SIDE_NAMES:
        for (word, other), split in itertools.product((two, two[::-1]), ("", *SPLITS)):
            for form in _forms_of(split, names):
                for folder in places.get(form((word.casefold(),)), ()):
                    if has_images(folder):
                        other = other.upper() if len(other) == 1 else other
                        return folder, "/".join(form((other,)))
    return None
