"""What the folders and files of data sets are usually called, and what a config calls them.

Names count without regard to upper and lower case.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Iterator

from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.core.source_parts import folder_names
from pix2pix_jax.data.sources import SPLITS

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
MOST_NUMBERED = 9  # sources that are found by their numbers
SEPARATORS = ("_", "-", ".", " ")
# The end of one file's name in the pair x.jpg and x_mask.jpg.
_ADDED = ("mask", "label", "labels", "gt", "target", "output", "seg", "segmentation", "depth")


@dataclasses.dataclass(frozen=True)
class Names:
    """What the folders and files of a data set are called, where it is not what is usual.

    Attributes:
        folders: Names of folders A and B (`data.folder_a`, `data.folder_b`), of which one may be
            several; (): the usual ones.
        splits: Names of the folders of train, val and test (`data.split_names`); (): the usual
            ones.
        suffixes: How names of files end in A and in B (`data.pair_by`); (): the usual ways.
        mask: Name of the folder of masks beside those of A and B (`data.mask`); '': there is none.
    """

    folders: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    mask: str = ""

    def of_split(self, split: str) -> tuple[str, ...]:
        """Return what the folder of a split may be called, in lower case; '' for ''."""
        if not split:
            return ("",)
        if self.splits:
            own = self.splits[SPLITS.index(split)].casefold()
            return (own,) if own else ()
        return _SPLIT_NAMES[split]


USUAL = Names()


def build_names(data: ConfigDict) -> Names:
    """Build the names from the section `data` of a configuration.

    Raises:
        InputError: Only one of the two folders is named, or there are not as many ends of names as
            sources and target.
    """
    sources, folders = folder_names(data), (data.folder_a, data.folder_b)
    if any(folders) and not all(folders):
        given, other = ("data.folder_a", "data.folder_b")[:: 1 if data.folder_a else -1]
        raise InputError(f"{given}={folders[0] or folders[1]!r}: set {other} as well, or neither")
    if data.pair_by and len(data.pair_by) != max(len(sources), 1) + 1:
        raise InputError(
            f"data.pair_by={','.join(data.pair_by)}: give {max(len(sources), 1) + 1} ends, one for "
            "each source and the target"
        )
    if data.pair_by and data.mask:
        raise InputError(
            f"data.mask={data.mask!r} with data.pair_by={','.join(data.pair_by)}: masks are in a "
            "folder beside those of A and B; move the files into such folders, or set data.mask=''"
        )
    flat: tuple[str, ...] = ()
    for folder in folders if all(folders) else ():
        flat += folder if isinstance(folder, tuple) else (folder,)
    if sources and not flat and not data.pair_by:
        flat = (*sources, "B") if data.direction == "AtoB" else ("A", *sources)
    return Names(flat, data.split_names, data.pair_by, data.mask)


def divide(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the folders of A and of B; if there are several sources, these have many.

    Args:
        words: All names in order; those of several sources end with their numbers.
    """
    place = 1 if len(words) == 2 or words[-1][-1:].isdigit() else len(words) - 1
    return words[:place], words[place:]


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
        place = max(stem.rfind(separator) for separator in SEPARATORS)
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
    for separator in SEPARATORS:
        for a, b in SIDE_NAMES:
            yield separator + a, separator + b
        for word in _ADDED:
            yield "", separator + word
