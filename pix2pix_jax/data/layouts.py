"""What the folders of a data set are called, and where the sides of its pairs are.

Names count without regard to upper and lower case.
"""

import collections
import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Iterator

from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.data.sources import SPLITS
from pix2pix_jax.images.listing import has_images, list_images, sub_folders

Two = tuple[str, str]
_SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
# What A and B are called: of folders, or at the end of a file's name. A is the source unless
# data.direction says otherwise, so it is the side that such sets translate from.
SIDE_NAMES: tuple[Two, ...] = (
    ("a", "b"),
    *itertools.product(("input", "inputs"), ("target", "targets", "output", "outputs", "gt")),
    *itertools.product(("source", "sources", "src"), ("target", "targets", "tgt", "dst")),
    *itertools.product(("label", "labels"), ("photo", "photos")),
    *itertools.product(("label",), ("img", "image")),  # pix2pixHD translates from labels
    *itertools.product(
        ("image", "images", "img", "imgs"),
        ("mask", "masks", "labels", "annotations", "gt", "segmentation", "segmentations"),
    ),
    *itertools.product(("edge", "edges", "sketch", "sketches"), ("photo", "photos")),
    *itertools.product(("gray", "grey", "bw"), ("color", "colour")),
    *itertools.product(("rgb", "image", "images"), ("depth", "depths", "nir", "thermal")),
    *itertools.product(("lr", "lq"), ("hr", "hq", "gt")),
    *itertools.product(("low",), ("high", "normal")),
    *itertools.product(("blur", "blurred", "blurry"), ("sharp", "gt")),
    *itertools.product(("noisy",), ("clean", "gt")),
    *itertools.product(("hazy",), ("clear", "gt")),
    ("x", "y"),
    ("before", "after"),
    ("day", "night"),
    ("map", "photo"),
    ("maps", "photos"),
    ("sar", "optical"),
    ("s1", "s2"),
)
_SEPARATORS = ("_", "-", ".", " ")
# The end of one file's name in the pair x.jpg and x_mask.jpg.
_ADDED = ("mask", "label", "labels", "gt", "target", "output", "seg", "segmentation", "depth")


@dataclasses.dataclass(frozen=True)
class Names:
    """What the folders and files of a data set are called, where it is not what is usual.

    Attributes:
        folders: Names of folders A and B (`data.folder_a`, `data.folder_b`); (): the usual ones.
        splits: Names of the folders of train, val and test (`data.split_names`); (): the usual
            ones.
        suffixes: How names of files end in A and in B (`data.pair_by`); (): the usual ways.
    """

    folders: Two | tuple[()] = ()
    splits: tuple[str, ...] = ()
    suffixes: Two | tuple[()] = ()

    def of_split(self, split: str) -> tuple[str, ...]:
        """Return what the folder of a split may be called, in lower case."""
        if self.splits:
            own = self.splits[SPLITS.index(split)].casefold()
            return (own,) if own else ()
        return _SPLIT_NAMES[split]


USUAL = Names()


def build_names(data: ConfigDict) -> Names:
    """Build the names from the section `data` of a configuration.

    Raises:
        InputError: Only one of the two folders is named.
    """
    folders = (data.folder_a, data.folder_b)
    if any(folders) and not all(folders):
        given = "data.folder_a" if data.folder_a else "data.folder_b"
        other = "data.folder_b" if data.folder_a else "data.folder_a"
        raise InputError(f"{given}={max(folders)!r}: set {other} as well, or neither")
    return Names(folders if any(folders) else (), data.split_names, data.pair_by)


@dataclasses.dataclass(frozen=True)
class Sides:
    """Where the two sides of some pairs are.

    Attributes:
        first: Folder of A.
        second: Folder of B; the same if files' names tell the sides apart.
        suffixes: How names of A and of B then end, in lower case; (): partners have the same.
    """

    first: pathlib.Path
    second: pathlib.Path
    suffixes: Two | tuple[()] = ()

    def __str__(self) -> str:
        if not self.suffixes:
            return f"{self.first} and {self.second}"
        one, two = (f"*{suffix}.*" for suffix in self.suffixes)
        other = "" if self.first == self.second else f"{self.second}/"
        return f"{self.first}/{one} and {other}{two}"


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
    folders = _find_two_folders(pathlib.Path(root), names)
    if not folders and not names.folders:
        return _find_suffixes(pathlib.Path(root), names)
    return {split: _with_suffixes(sides, names) for split, sides in folders.items()}


def _find_two_folders(root: pathlib.Path, names: Names) -> dict[str, Sides]:
    """Find folders A and B of each split."""
    wanted: tuple[Two, ...] = (names.folders,) if names.folders else SIDE_NAMES
    words = {word: tuple(word.casefold().split("/")) for two in wanted for word in two}
    depth = max(map(len, words.values())) + 1
    places = _places(root, depth)
    found: dict[Two, dict[str, list[Sides]]] = {}
    for two in wanted:
        first, second = (words[word] for word in two)
        for split in ("", *SPLITS):
            spellings = names.of_split(split) if split else ("",)
            for form in (form for name in spellings for form in _forms(name)):
                ours, theirs = places.get(form(first), ()), places.get(form(second), ())
                sides = [Sides(*both) for both in itertools.product(ours, theirs)]
                filled = [
                    each for each in sides if has_images(each.first) or has_images(each.second)
                ]
                if filled:
                    found.setdefault(two, {}).setdefault(split, []).extend(filled)
    if len(found) > 1:
        _refuse_several(root, found)
    return {
        split: _only(sides, split)
        for splits in found.values()
        for split, sides in splits.items()
        if split or len(splits) == 1
    }


def _forms(split: str) -> Iterator:
    """Yield functions from a side's name to the path of its folder, by parts in lower case."""
    if not split:
        yield lambda word: word
        return
    yield lambda word: (*word, split)
    yield lambda word: (split, *word)
    for between in ("", *_SEPARATORS):
        yield lambda word, between=between: (*word[:-1], split + between + word[-1])
        yield lambda word, between=between: (*word[:-1], word[-1] + between + split)


def _places(root: pathlib.Path, depth: int) -> dict[tuple[str, ...], list[pathlib.Path]]:
    """Return the folders below a root by their parts in lower case."""
    found: dict[tuple[str, ...], list[pathlib.Path]] = {}
    level: list[tuple[tuple[str, ...], pathlib.Path]] = [((), root)]
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


def _refuse_several(root: pathlib.Path, found: dict[Two, dict[str, list[Sides]]]) -> None:
    one, two = (next(iter(splits.values()))[0] for splits in itertools.islice(found.values(), 2))
    first, second = next(iter(found))
    raise InputError(
        f"{root}: pairs could be in {one}, or in {two}; say which, such as "
        f"data.folder_a={first} data.folder_b={second}"
    )


def _with_suffixes(sides: Sides, names: Names) -> Sides:
    """Add how names of files end, if partners in two folders do not have the same name."""
    if names.suffixes:
        return dataclasses.replace(sides, suffixes=_lower(names.suffixes))
    first, second = (set(_stems(folder, folder)) for folder in (sides.first, sides.second))
    if first & second:
        return sides
    return dataclasses.replace(sides, suffixes=choose_suffixes(first | second))


def _lower(suffixes: tuple[str, ...]) -> Two:
    one, two = suffixes
    return one.casefold(), two.casefold()


def _find_suffixes(root: pathlib.Path, names: Names) -> dict[str, Sides]:
    """Find pairs in one folder, told apart by how their files' names end."""
    places = find_split_folders(root, names) or {"": root}
    stems = {split: _stems(folder, root) for split, folder in places.items()}
    every = list(itertools.chain.from_iterable(stems.values()))
    suffixes = names.suffixes or choose_suffixes(every)
    if not suffixes:
        return {}
    return {
        split: Sides(folder, folder, _lower(suffixes))
        for split, folder in places.items()
        if stems[split]
    }


def _stems(folder: pathlib.Path, root: pathlib.Path) -> list[str]:
    """Return the paths of a folder's images from a root, without suffix and in lower case."""
    files = list_images(folder).files
    return [path.relative_to(root).with_suffix("").as_posix().casefold() for path in files]


def choose_suffixes(stems: Iterable[str]) -> Two | tuple[()]:
    """Find out how names of A and B end in a folder that holds both.

    Args:
        stems: Paths of all files without their suffix, in lower case.

    Returns:
        Two ends such as `_a` and `_b`, or '' and `_mask`; () unless more than half of the files
        are in such pairs.

    Raises:
        InputError: Two kinds of ends account for as many files.
    """
    known = set(stems)
    by_end = collections.defaultdict(set)
    for stem in known:
        place = max(stem.rfind(separator) for separator in _SEPARATORS)
        if place >= 0:
            by_end[stem[place:]].add(stem[:place])
    ends = [(a, b) for a, b in _known_ends() if b in by_end and (not a or a in by_end)]
    counts = {(a, b): 2 * len(by_end[b] & (by_end[a] if a else known)) for a, b in ends}
    most = max(counts.values(), default=0)
    best = [two for two, count in counts.items() if count == most > len(known) / 2]
    if len(best) > 1:
        pairs = some_of((f"*{a}.* with *{b}.*" for a, b in best), 2)
        raise InputError(
            f"files of one folder could be paired as {pairs}; say which, such as "
            f"data.pair_by={','.join(best[0])}"
        )
    return best[0] if best else ()


def _known_ends() -> Iterator[Two]:
    for separator in _SEPARATORS:
        for a, b in SIDE_NAMES:
            yield separator + a, separator + b
        for word in _ADDED:
            yield "", separator + word
