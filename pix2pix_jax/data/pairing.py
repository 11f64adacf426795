"""pix2pix_jax.data.pairing."""

import pathlib
from collections.abc import Sequence

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.sources import SPLITS, Paths
from pix2pix_jax.images import files as image_files

_NAMED = 3  # so many names stand in a message


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
