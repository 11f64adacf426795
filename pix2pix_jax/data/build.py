"""Where pairs come from, and how they reach the step."""

import pathlib
from collections.abc import Callable

from ml_collections import ConfigDict

from pix2pix_jax.core.config import pair_of
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat, build_format
from pix2pix_jax.data.published import build_published
from pix2pix_jax.data.selection import Patches, Subset, choose_split
from pix2pix_jax.data.sources import (
    SPLITS,
    Folders,
    SideBySide,
    Single,
    Source,
    find_files,
    find_folder_pairs,
    relative_names,
)
from pix2pix_jax.data.synthetic import SyntheticPairs
from pix2pix_jax.data.tfds import build_tfds
from pix2pix_jax.images import files as image_files

# A set may have only one held-out split; it then serves for validation and for test.
_FALLBACKS = {"train": ("train",), "val": ("val", "test"), "test": ("test", "val")}
_ALL = "all"  # instead of a split: everything there is, to be split by data.split


def _places(split: str) -> tuple[str, ...]:
    return (".",) if split == _ALL else _FALLBACKS[split]


def _build_side_by_side(config: ConfigDict, form: PairFormat, split: str) -> Source:
    if form.source.classes:
        raise InputError(
            f"data.source_classes={form.source.classes}: class indices and photos do not fit into "
            "one file; choose data.source=folders"
        )
    layout = "side-by-side pairs (A left, B right)"
    folder, paths = find_files(config.data.root, _places(split), layout)
    names = relative_names(folder, paths)
    return SideBySide(paths, names, form.direction, form.source, form.target)


def _build_folders(config: ConfigDict, form: PairFormat, split: str) -> Source:
    pairs = find_folder_pairs(config.data.root, _places(split), config.data.unpaired)
    sides = tuple(zip(*pairs.values(), strict=True))
    if form.direction == "BtoA":
        sides = sides[::-1]
    return Folders(sides[0], sides[1], tuple(pairs), form.source, form.target)


def _build_single(config: ConfigDict, form: PairFormat, split: str) -> Source:
    folder, paths = find_files(config.data.root, _places(split), "single images")
    return Single(paths, relative_names(folder, paths), form.single)


def _build_synthetic(config: ConfigDict, form: PairFormat, split: str) -> Source:
    data = config.data
    if split == _ALL:
        raise InputError(
            f"data.split={data.split}: data.source='synthetic' has splits of its own, set "
            "data.synthetic_pairs"
        )
    if (form.source, form.target) != (PHOTOS.source, PHOTOS.target):
        raise InputError(
            f"data.source_channels={data.source_channels}, data.target_channels="
            f"{data.target_channels}: data.source='synthetic' has 3 of 8 bits on both sides"
        )
    count = dict(zip(_FALLBACKS, data.synthetic_pairs, strict=True))[split]
    height, width = pair_of(data.load_size or data.image_size)
    return SyntheticPairs(count, max(height, width), config.seed, split, data.direction)


def _build_tfds(config: ConfigDict, form: PairFormat, split: str) -> Source:
    data, single = config.data, form.derivation is not None
    return build_tfds(
        data.source.partition(":")[2],
        split,
        source=form.single if single else form.source,
        target=form.single if single else form.target,
        data_dir=data.root,
        source_feature=data.tfds_source,
        target_feature=data.tfds_target,
        direction=form.direction,
        single=single,
    )


def _build_published(config: ConfigDict, form: PairFormat, split: str) -> Source:
    """Use side-by-side files where the folder holds some, else the published set."""
    root = config.data.root
    places = (".",) if split == _ALL else SPLITS
    if root and any(image_files.find(pathlib.Path(root, name)) for name in places):
        return _build_side_by_side(config, form, split)
    return build_published(
        config.data.source.partition(":")[2],
        split,
        source=form.source,
        target=form.target,
        data_dir=root,
        archive=config.data.archive,
        direction=form.direction,
    )


SOURCES: dict[str, Callable[[ConfigDict, PairFormat, str], Source]] = {
    "side_by_side": _build_side_by_side,
    "folders": _build_folders,
    "single": _build_single,
    "synthetic": _build_synthetic,
    "tfds": _build_tfds,
    "pix2pix": _build_published,
}
_NAMED = ("tfds", "pix2pix")  # those with a data set's name behind a colon


def build_source(config: ConfigDict, split: str, *, may_be_empty: bool = False) -> Source:
    """Build the source of one split.

    Args:
        config: A whole configuration.
        split: `train`, `val` or `test`.
        may_be_empty: Whether a split that has no pairs by the config's counts is all right.

    Returns:
        The pairs, none of them read yet.

    Raises:
        InputError: The source is unknown, or has no pairs where the config looks for them.
    """
    if split not in _FALLBACKS:
        raise InputError(f"split {split!r}: choose from {', '.join(_FALLBACKS)}")
    data = config.data
    kind, _, name = data.source.partition(":")
    if kind not in SOURCES or bool(name) != (kind in _NAMED):
        known = sorted(kind + ":<name>" * (kind in _NAMED) for kind in SOURCES)
        raise InputError(f"data.source={data.source!r}: choose from {', '.join(known)}")
    form = build_format(config)
    if kind == "single" and form.derivation is None:
        raise InputError(
            "data.source='single' has one image instead of two: set derive.kind to what makes the "
            "other, such as gray or edges"
        )
    if form.derivation is not None and kind not in ("single", "tfds"):
        raise InputError(
            f"derive.kind={form.derivation.kind!r} with data.source={data.source!r}: pairs need "
            "nothing derived; choose data.source=single, or derive.kind=''"
        )
    if data.split:
        source = SOURCES[kind](config, form, _ALL)
        source = Subset(source, choose_split(source.names, data.split, split, config.seed))
    else:
        source = SOURCES[kind](config, form, split)
    if data.patch_size:
        source = Patches(source, pair_of(data.patch_size), data.workers)
    if data.max_pairs and len(source) > data.max_pairs:
        source = Subset(source, range(data.max_pairs))
    if not len(source) and not may_be_empty:
        raise InputError(f"data.source={data.source!r}: the {split} split has no pairs")
    return source
