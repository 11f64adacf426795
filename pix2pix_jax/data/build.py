"""Build the source of pairs that a configuration asks for (`data.source`)."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode, is_own
from pix2pix_jax.core.validation import automatic_load_size
from pix2pix_jax.data.names import build_names
from pix2pix_jax.data.own_source import KEY, OwnSource
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.data.pairing import find_files, find_folder_pairs, relative_names
from pix2pix_jax.data.published import build_published
from pix2pix_jax.data.selection import Patches, Subset, choose_split
from pix2pix_jax.data.sources import (
    ALL,
    SPLITS,
    STAND_INS,
    Folders,
    SeveralFolders,
    SideBySide,
    Single,
    Source,
)
from pix2pix_jax.data.synthetic import SyntheticPairs
from pix2pix_jax.data.tfds import build_tfds
from pix2pix_jax.images.listing import list_images
from pix2pix_jax.images.stacked import StackedEncoding


def _folders(split: str) -> tuple[str, ...]:
    """Return the folders that may hold a split, in order of preference; `.` is the root."""
    return (".",) if split == ALL else STAND_INS[split]


def _build_side_by_side(data: ConfigDict, form: PairFormat, split: str, seed: int) -> Source:
    (source,) = form.source.parts  # several are in folders
    if source.classes:
        raise InputError(
            f"data.source_classes={source.classes}: class indices and photos do not fit into "
            "one file; choose data.source=folders"
        )
    layout = "side-by-side pairs (A left, B right)"
    folder, paths = find_files(data.root, _folders(split), layout, build_names(data))
    names = relative_names(folder, paths)
    return SideBySide(paths, names, form.direction, source, form.target, form.scale)


def _build_folders(data: ConfigDict, form: PairFormat, split: str, seed: int) -> Source:
    pairs = find_folder_pairs(data.root, _folders(split), data.unpaired, build_names(data))
    masks = [paths[-1] for paths in pairs.values()] if form.masked else None
    if form.masked:
        pairs = {name: paths[:-1] for name, paths in pairs.items()}
    count = len(next(iter(pairs.values()))) - 1
    if count != len(form.source.parts):
        raise InputError(
            f"data.root={data.root!r}: has {count} sources, and the keys speak of "
            f"{len(form.source.parts)}; `train --data` finds the keys, or set data.folder_a and "
            "data.folder_b"
        )
    sides = [paths if form.direction == "AtoB" else paths[::-1] for paths in pairs.values()]
    targets: Sequence[Any] = tuple(side[-1] for side in sides)
    if masks is not None:
        targets = tuple(zip(targets, masks, strict=True))
    if isinstance(form.source, StackedEncoding):
        # Turned round, B1 and B2 are before A, and in their own order.
        sources = [side[:-1] if form.direction == "AtoB" else side[-2::-1] for side in sides]
        return SeveralFolders(
            tuple(sources), targets, tuple(pairs), form.source, form.stored_target
        )
    first = tuple(side[0] for side in sides)
    return Folders(first, targets, tuple(pairs), form.source, form.stored_target)


def _build_single(data: ConfigDict, form: PairFormat, split: str, seed: int) -> Source:
    folder, paths = find_files(data.root, _folders(split), "single images", build_names(data))
    return Single(paths, relative_names(folder, paths), form.single)


def _build_synthetic(data: ConfigDict, form: PairFormat, split: str, seed: int) -> Source:
    if split == ALL:
        raise InputError(
            f"data.split={data.split}: data.source='synthetic' has splits of its own; set "
            "data.synthetic_pairs instead"
        )
    if (form.source, form.target) != (PHOTOS.source, PHOTOS.target):
        raise InputError(
            f"data.source='synthetic': has 3 channels of uint8 on both sides, not "
            f"{form.source.channels} of {form.source.dtype} and {form.target.channels} of "
            f"{form.target.dtype}; set the keys data.source_* and data.target_* to their defaults"
        )
    count = dict(zip(SPLITS, data.synthetic_pairs, strict=True))[split]
    # Drawn at image_size and enlarged like any file, unless the user has chosen a load_size.
    automatic = data.load_size == automatic_load_size(data.image_size)
    height, width = data.image_size if automatic else data.load_size
    side = max(height, width) * max(int(form.scale), 1)  # of the larger side of a pair
    return SyntheticPairs(count, side, seed, split, data.direction)


def _build_tfds(data: ConfigDict, form: PairFormat, split: str, seed: int) -> Source:
    single = form.derivation is not None
    return build_tfds(
        data.source.partition(":")[2],
        split,
        source=form.single if single else form.source.parts[0],
        target=form.single if single else form.target,
        data_dir=data.root,
        source_feature=data.tfds_source,
        target_feature=data.tfds_target,
        direction=form.direction,
        single=single,
    )


def _build_published(data: ConfigDict, form: PairFormat, split: str, seed: int) -> Source:
    """Use the side-by-side files in the folder if it has any, otherwise the published set."""
    root = data.root
    folders = (".",) if split == ALL else SPLITS
    if root and any(list_images(pathlib.Path(root, folder)).files for folder in folders):
        return _build_side_by_side(data, form, split, seed)
    return build_published(
        data.source.partition(":")[2],
        split,
        source=form.source.parts[0],
        target=form.target,
        data_dir=root,
        archive=data.archive,
        direction=form.direction,
        scale=form.scale,
    )


SOURCES: dict[str, Callable[[ConfigDict, PairFormat, str, int], Source]] = {
    "side_by_side": _build_side_by_side,
    "folders": _build_folders,
    "single": _build_single,
    "synthetic": _build_synthetic,
    "tfds": _build_tfds,
    "pix2pix": _build_published,
}
_WITH_NAME = ("tfds", "pix2pix")  # followed by a colon and the name of a data set


def build_source(
    data: ConfigDict,
    form: PairFormat,
    split: str,
    *,
    seed: int,
    may_be_empty: bool = False,
    code: OwnCode = NO_OWN_CODE,
) -> Source:
    """Build the source of one split.

    Args:
        data: The section `data` of a resolved configuration.
        form: The format of the pairs, as from `build_format`.
        split: `train`, `val` or `test`.
        seed: Seed of the run, which decides `data.split` and drawn pairs.
        may_be_empty: Whether a split without pairs is allowed, as some counts in a config imply.
        code: What may run of own code.

    Returns:
        The pairs, none of them read yet.

    Raises:
        InputError: The source is unknown, or has no pairs where the config looks for them.
    """
    if split not in SPLITS:
        raise InputError(f"split {split!r}: choose from {', '.join(SPLITS)}")
    if is_own(data.source):
        source = _build_own(data, form, split, seed, code)
    else:
        source = _build_known(data, form, split, seed)
    if data.patch_size:
        # Single images are cut before the two sides are made from them.
        scale = form.scale if form.derivation is None else 1.0
        workers, on_error = data.workers, data.on_error
        source = Patches(source, data.patch_size, workers, on_error=on_error, scale=scale)
    if data.max_pairs and len(source) > data.max_pairs:
        source = Subset(source, range(data.max_pairs))
    if not len(source) and not may_be_empty:
        raise InputError(f"data.source={data.source!r}: the {split} split has no pairs")
    return source


def _build_known(data: ConfigDict, form: PairFormat, split: str, seed: int) -> Source:
    """Build one of `SOURCES`."""
    kind, _, name = data.source.partition(":")
    if kind not in SOURCES or bool(name) != (kind in _WITH_NAME):
        known = sorted(f"{each}:<name>" if each in _WITH_NAME else each for each in SOURCES)
        raise InputError(
            f"data.source={data.source!r}: choose from {', '.join(known)}, or give own code as "
            "file.py:name or package.module:name"
        )
    if kind == "single" and form.derivation is None:
        raise InputError(
            "data.source='single' has one image instead of two: set derive.kind to how the other "
            "is made, such as gray or edges"
        )
    if form.derivation is not None and kind not in ("single", "tfds"):
        raise InputError(
            f"derive.kind={form.derivation.kind!r} with data.source={data.source!r}: pairs need "
            "no derived side; choose data.source=single, or derive.kind=''"
        )
    if not data.split:
        return SOURCES[kind](data, form, split, seed)
    source = SOURCES[kind](data, form, ALL, seed)
    return Subset(source, choose_split(source.names, data.split, split, seed))


def _build_own(data: ConfigDict, form: PairFormat, split: str, seed: int, code: OwnCode) -> Source:
    """Build a source from own code; with `data.split` it is asked for the split `all`."""
    options = {
        "root": data.root,
        "split": ALL if data.split else split,
        "direction": form.direction,
        "seed": seed,
    }
    source: Source = OwnSource(code.build(data.source, KEY, options, Source), data.source, code)
    if not data.split:
        return source
    return Subset(source, choose_split(source.names, data.split, split, seed))
