"""Which image files of a data set belong together: by split, and by stem."""

import dataclasses
import itertools
import logging
import pathlib
import unicodedata
from collections.abc import Mapping, Sequence

from pix2pix_jax.core.errors import InputError, MissingDataError, some_of
from pix2pix_jax.data.layouts import find_sides, find_split_folders
from pix2pix_jax.data.names import USUAL, Names, Two, choose_suffixes
from pix2pix_jax.data.sides import Sides
from pix2pix_jax.data.sources import Paths
from pix2pix_jax.images.listing import find, say_once

logger = logging.getLogger(__name__)


def find_files(
    root: str, splits: Sequence[str], layout: str, names: Names = USUAL
) -> tuple[pathlib.Path, Paths]:
    """List the image files of the first split that has any.

    Args:
        root: Folder of the data set.
        splits: Splits in order of preference; `.` is the root itself.
        layout: What is expected there, for the message.
        names: What the folders of the splits are called.

    Returns:
        The split's folder, and its files in order.

    Raises:
        InputError: None of the splits has an image, or the root is a file.
    """
    if root and pathlib.Path(root).is_file():
        raise InputError(f"data.root={str(root)!r}: is a file; give the folder of the data set")
    places = find_split_folders(root, names) | {".": pathlib.Path(root)}
    for split in splits:
        paths = find(places[split]) if root and split in places else []
        if paths:
            return places[split], tuple(paths)
    wanted = " or ".join(f"{pathlib.Path(root, split)}/*.jpg" for split in splits)
    raise MissingDataError(
        f"data.root={str(root)!r}: no images found. Expected {layout} as {wanted}",
        "set data.root, or data.split to divide the files of one folder, or try the embedded data "
        "set: --config configs/demo.py",
    )


def relative_names(folder: pathlib.Path, paths: Paths) -> tuple[str, ...]:
    """Return the names of files inside a folder, with their sub-folders."""
    return tuple(path.relative_to(folder).as_posix() for path in paths)


@dataclasses.dataclass(frozen=True)
class StemPairs:
    """The image files of two or more folders, put together by stem.

    Attributes:
        pairs: A file of each folder, by path without suffix.
        alone: For each folder, its files without a partner in every other one.
        suffixes: How names of each end, if partners have not the same.
        missing: Which stem is missing where, a text each.
    """

    pairs: dict[str, Paths]
    alone: tuple[Paths, ...]
    suffixes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def unpaired(self) -> Paths:
        """All files without a partner."""
        return tuple(itertools.chain.from_iterable(self.alone))

    @property
    def reason(self) -> str:
        """What is wrong with the files without a partner, on one line."""
        if len(self.alone) > 2 and not self.hint:
            return f"{some_of(self.missing)}, but in the other folders"
        names = [f"*{end}.*" for end in self.suffixes]
        how = f" ({' with '.join(names)})" if names else " in the other folder"
        return f"{some_of(self.unpaired)}: no partner of the same stem{how}{self.hint}"

    @property
    def hint(self) -> str:
        """Names without a partner that hardly differ from one another; '' if there are none."""
        theirs = {same_name(path): path for paths in self.alone[1:] for path in paths}
        both = [(path, theirs.get(same_name(path))) for path in self.alone[0]]
        near = [
            f"{one.name!r} and {two.name!r}" for one, two in both if two and one.stem != two.stem
        ]
        if not near:
            return ""
        return (
            f"; {some_of(near)} differ only in upper and lower case, or in how accents are stored: "
            "give both the same name"
        )


def same_name(path: pathlib.Path) -> str:
    """Return a file's stem in a form that hardly differing names share.

    They differ in upper and lower case, or in how Unicode stores accents: as a letter of its own,
    or on macOS as one that follows.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path.stem).casefold())


def pair_by_stem(first: str | pathlib.Path, second: str | pathlib.Path) -> StemPairs:
    """Pair the image files of two folders by their stems, sub-folders included.

    Args:
        first: A folder.
        second: Another folder.

    Returns:
        The pairs in the order of the first folder, and the files that are left over.

    Raises:
        InputError: Two files of one folder have the same stem.
    """
    return _pair_folders((pathlib.Path(first), pathlib.Path(second)))


def _pair_folders(folders: Sequence[pathlib.Path]) -> StemPairs:
    """Put the files of folders together by their stems."""
    return put_together(list(map(files_by_stem, folders)), list(map(str, folders)))


def put_together(
    files: Sequence[Mapping[str, pathlib.Path]],
    places: Sequence[str],
    suffixes: tuple[str, ...] = (),
) -> StemPairs:
    """Put files together by stem.

    Args:
        files: The files of each side by stem.
        places: Where those of each are, for messages.
        suffixes: See `StemPairs`.

    Returns:
        The pairs in the order of the first side, and the files that are left over.
    """
    stems = dict.fromkeys(itertools.chain.from_iterable(files))
    whole = {stem for stem in stems if all(stem in side for side in files)}
    return StemPairs(
        {stem: tuple(side[stem] for side in files) for stem in stems if stem in whole},
        tuple(tuple(side[stem] for stem in side if stem not in whole) for side in files),
        suffixes,
        tuple(
            f"no file {stem}.* in {place}"
            for stem in stems
            for side, place in zip(files, places, strict=True)
            if stem not in side
        ),
    )


def files_by_stem(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return the image files of a folder by their paths inside it, without suffix.

    Raises:
        InputError: Two of them have the same stem.
    """
    files: dict[str, pathlib.Path] = {}
    for path in find(folder):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem in files:
            raise InputError(
                f"{files[stem]} and {path}: same stem, so the pair is ambiguous; remove one"
            )
        files[stem] = path
    return files


def match(sides: Sides) -> StemPairs:
    """Pair the image files of the sides.

    Args:
        sides: Where they are.

    Returns:
        The pairs by path without suffix, and without the ends that tell A and B apart; if no two
        files of two folders have the same stem, these ends are found out. Masks are the last file
        of each pair.

    Raises:
        InputError: Two files of one side have the same stem.
    """
    if sides.mask is not None:
        return _pair_folders((*sides.folders, sides.mask))
    if sides.suffixes:
        return _pair_by_ends(sides)
    paired = _pair_folders(sides.folders)
    ends = () if paired.pairs or len(sides.folders) > 2 else _ends_in(sides, paired)
    if not ends:
        return paired
    sides = dataclasses.replace(sides, suffixes=ends)
    say_once(f"{sides}: {sides.how}")
    return _pair_by_ends(sides)


def _pair_by_ends(sides: Sides) -> StemPairs:
    """Pair files by their stems without the ends that tell A and B apart."""
    found: list[dict[str, pathlib.Path]] = [{} for _ in sides.folders]
    alone: list[pathlib.Path] = []
    for folder in dict.fromkeys(sides.folders):
        ends = [
            (number, end)
            for number, end in enumerate(sides.suffixes)
            if sides.folders[number] == folder
        ]
        ends.sort(key=lambda end: -len(end[1]))  # '' fits every name
        for stem, path in files_by_stem(folder).items():
            fitting = [(side, end) for side, end in ends if stem.casefold().endswith(end)]
            if fitting:
                side, end = fitting[0]
                found[side][stem[: len(stem) - len(end)]] = path
            else:
                alone.append(path)
    paired = put_together(found, sides.places, sides.suffixes)
    first, *others = paired.alone
    return dataclasses.replace(paired, alone=((*first, *alone), *others))


def _ends_in(sides: Sides, alone: StemPairs) -> Two | tuple[()]:
    """Find out how names end in two folders in which no two files have the same stem."""
    stems = {
        path.relative_to(folder).with_suffix("").as_posix().casefold()
        for folder, paths in zip(sides.folders, alone.alone, strict=True)
        for path in paths
    }
    return choose_suffixes(stems)


def find_folder_pairs(
    root: str, splits: Sequence[str], unpaired: str, names: Names = USUAL
) -> dict[str, Paths]:
    """Find the pairs of a data set with two files for each, or more if there are several sources.

    Args:
        root: Folder of the data set, see `layouts.find_sides`.
        splits: Splits in order of preference; or `.` alone: all pairs of all splits.
        unpaired: What to do about a file without a partner: `fail`, or `skip` it and log how many.
        names: What its folders and files are called.

    Returns:
        `{name: (A, B)}` in the order of the names; with several sources `(A1, A2, B)`. Masks, if
        they have a name, are the last.

    Raises:
        InputError: There are no pairs, a file has no partner, two have the same stem, or there are
            several candidates for the sides.
    """
    found = find_sides(root, names)
    whole = tuple(splits) == (".",)
    chosen = list(found) if whole else [split for split in splits if split in found][:1]
    pairs: dict[str, Paths] = {}
    for split in chosen:
        prefix = f"{split}/" if whole and split else ""
        partners = _find_partners(found[split], unpaired)
        pairs |= {prefix + stem + paths[0].suffix: paths for stem, paths in partners.items()}
    if pairs:
        return pairs
    if "" in found and not whole:
        raise MissingDataError(
            f"data.root={str(root)!r}: {found['']} hold pairs, but no folders for the splits",
            "set data.split=0.8,0.1,0.1 to divide them, or move them into folders train, val and "
            "test",
        )
    split = "train" if whole else splits[0]
    words = (*(names.folders or ("A", "B")), *([names.mask] if names.mask else []))
    files = " with ".join(f"{root}/{word}/{split}/x.png" for word in words)
    folders = " and ".join(f"{split}{word}" for word in words)
    raise MissingDataError(
        f"data.root={str(root)!r}: no pairs found. Expected {files}, or the folders {folders}",
        "set data.root, or data.folder_a and data.folder_b if the folders have other names",
    )


def _find_partners(sides: Sides, unpaired: str) -> dict[str, Paths]:
    """Pair the files of two sides; `unpaired` is that of `find_folder_pairs`."""
    found = match(sides)
    if found.unpaired and unpaired == "fail":
        raise InputError(f"{found.reason}; add it, or set data.unpaired=skip")
    if found.unpaired:
        count, some = len(found.unpaired), some_of(found.unpaired)
        line = "%s: left out %d files without a partner (%s)%s"
        logger.info(line, sides, count, some, found.hint)
    return found.pairs
