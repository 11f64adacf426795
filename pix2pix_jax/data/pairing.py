"""Which image files of a data set belong together: by split, and by stem."""

import dataclasses
import logging
import pathlib
import unicodedata
from collections.abc import Sequence

from pix2pix_jax.core.errors import InputError, MissingDataError, some_of
from pix2pix_jax.data.sources import SPLITS, Paths
from pix2pix_jax.images.listing import find, list_images

logger = logging.getLogger(__name__)

TwoFolders = tuple[pathlib.Path, pathlib.Path]
TwoFiles = tuple[pathlib.Path, pathlib.Path]


def find_files(root: str, splits: Sequence[str], layout: str) -> tuple[pathlib.Path, Paths]:
    """List the image files of the first split that has any.

    Args:
        root: Folder of the data set.
        splits: Names of sub-folders, in order of preference; `.` is the root itself.
        layout: What is expected there, for the message.

    Returns:
        The split's folder, and its files in order.

    Raises:
        InputError: None of the sub-folders has an image, or the root is a file.
    """
    if root and pathlib.Path(root).is_file():
        raise InputError(f"data.root={str(root)!r}: is a file; give the folder of the data set")
    for split in splits:
        folder = pathlib.Path(root, split)
        paths = find(folder) if root else []
        if paths:
            return folder, tuple(paths)
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
    """The image files of two folders, paired by stem.

    Attributes:
        pairs: File in the first folder and file in the second, by path without suffix.
        only_first: Files of the first folder without a partner.
        only_second: Files of the second folder without a partner.
    """

    pairs: dict[str, TwoFiles]
    only_first: Paths
    only_second: Paths

    @property
    def unpaired(self) -> Paths:
        """All files without a partner."""
        return self.only_first + self.only_second

    @property
    def reason(self) -> str:
        """What is wrong with the files without a partner, on one line."""
        text = f"{some_of(self.unpaired)}: no partner of the same stem in the other folder"
        return text + self.hint

    @property
    def hint(self) -> str:
        """Names without a partner that hardly differ from one another; '' if there are none."""
        theirs = {same_name(path): path for path in self.only_second}
        both = [(path, theirs.get(same_name(path))) for path in self.only_first]
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
    ours, theirs = _files_by_stem(pathlib.Path(first)), _files_by_stem(pathlib.Path(second))
    return StemPairs(
        {stem: (path, theirs[stem]) for stem, path in ours.items() if stem in theirs},
        tuple(path for stem, path in ours.items() if stem not in theirs),
        tuple(path for stem, path in theirs.items() if stem not in ours),
    )


def _files_by_stem(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return the image files of a folder by their paths inside it, without suffix."""
    files: dict[str, pathlib.Path] = {}
    for path in find(folder):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem in files:
            raise InputError(
                f"{files[stem]} and {path}: same stem, so the pair is ambiguous; remove one"
            )
        files[stem] = path
    return files


def find_folder_pairs(root: str, splits: Sequence[str], unpaired: str) -> dict[str, TwoFiles]:
    """Find the pairs of a data set whose sides are in two folders.

    Args:
        root: Folder with `A/<split>` and `B/<split>`, `<split>A` and `<split>B`, or `<split>/A` and
            `<split>/B`.
        splits: Splits in order of preference; or `.` alone: all pairs of all splits.
        unpaired: What to do about a file without a partner: `fail`, or `skip` it and log how many.

    Returns:
        `{name: (A, B)}` in the order of the names.

    Raises:
        InputError: There are no such folders, a file has no partner, or two have the same stem.
    """
    pairs: dict[str, TwoFiles] = {}
    for prefix, (first, second) in _chosen_folders(root, splits):
        for stem, two in _find_partners(first, second, unpaired).items():
            pairs[prefix + stem + two[0].suffix] = two
    if pairs:
        return pairs
    split = "train" if tuple(splits) == (".",) else splits[0]
    raise MissingDataError(
        f"data.root={str(root)!r}: no pairs found. Expected {root}/A/{split}/x.png with "
        f"{root}/B/{split}/x.png, or the folders {split}A and {split}B",
        "set data.root",
    )


def _chosen_folders(root: str, splits: Sequence[str]) -> list[tuple[str, TwoFolders]]:
    """Return folders A and B of the splits to read, each with a prefix for its names."""
    if tuple(splits) != (".",):
        for split in splits:
            folders = two_folders(root, split)
            if folders is not None and any(list_images(folder).files for folder in folders):
                return [("", folders)]
        return []
    found = find_sides(root)
    return [(f"{split}/" if split else "", folders) for split, folders in found.items()]


def find_sides(root: str | pathlib.Path) -> dict[str, TwoFolders]:
    """Return folders A and B of each split of a data set.

    Args:
        root: Folder of the data set.

    Returns:
        Folders by split; by '' those of a data set without splits; empty if it has other files.
    """
    found = {split: two_folders(root, split) for split in SPLITS}
    sides = {split: folders for split, folders in found.items() if folders is not None}
    whole = (pathlib.Path(root, "A"), pathlib.Path(root, "B"))
    if not sides and all(folder.is_dir() for folder in whole):
        return {"": whole}
    return sides


def two_folders(root: str | pathlib.Path, split: str) -> TwoFolders | None:
    """Return folders A and B of a split, in whichever layout is there; None if they are not."""
    base = pathlib.Path(root)
    for first, second in (
        (base / "A" / split, base / "B" / split),
        (base / f"{split}A", base / f"{split}B"),
        (base / split / "A", base / split / "B"),
    ):
        if root and first.is_dir() and second.is_dir():
            return first, second
    return None


def _find_partners(first: pathlib.Path, second: pathlib.Path, unpaired: str) -> dict[str, TwoFiles]:
    """Pair the files of two folders; `unpaired` is that of `find_folder_pairs`."""
    found = pair_by_stem(first, second)
    if found.unpaired and unpaired == "fail":
        raise InputError(f"{found.reason}; add it, or set data.unpaired=skip")
    if found.unpaired:
        count, some = len(found.unpaired), some_of(found.unpaired)
        line = "%s and %s: left out %d files without a partner (%s)%s"
        logger.info(line, first, second, count, some, found.hint)
    return found.pairs
