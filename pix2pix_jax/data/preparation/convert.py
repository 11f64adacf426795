"""Make one data set from another: combine, split, cut into patches, derive."""

import itertools
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.data.derive import Derivation
from pix2pix_jax.data.pairing import pair_by_stem
from pix2pix_jax.data.preparation.layout import WHOLE, Item, find_images, find_layout, pool_files
from pix2pix_jax.data.preparation.output import (
    WRITTEN,
    check_leftovers,
    check_output,
    copy_file,
    find_named,
    find_tables,
    in_threads,
    join_sides,
    suffixes_for,
    write_image,
)
from pix2pix_jax.data.preparation.record import OutputRecord
from pix2pix_jax.data.selection import Patches, choose_split
from pix2pix_jax.data.sources import SPLITS, SideBySide, split_in_halves
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.limits import MAX_PIXELS
from pix2pix_jax.images.pixels import Picture, kind_of

LAYOUTS = ("side_by_side", "folders")  # of the pairs that `derive` writes


def _stem(name: str) -> str:
    """Return a path without its suffix."""
    return pathlib.PurePosixPath(name).with_suffix("").as_posix()


def _name(item: Item) -> str:
    """Return the path of an item in the output: with its split, if it has one."""
    return item.name if item.split == WHOLE else item.title


def combine(
    first: str,
    second: str,
    output: str,
    *,
    resize: bool = False,
    quality: int = 0,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> int:
    """Put the pairs of two folders into one file each, A in its left half and B in its right.

    Args:
        first: Folder A.
        second: Folder B; its files have the same stems as those of A, sub-folders included.
        output: Folder for the results.
        resize: Whether a B of another size is resized to its A.
        quality: As for `write_image`.
        overwrite: Whether existing files are replaced, and those of an earlier call removed.
        max_pixels: Largest number of pixels of an image.

    Returns:
        The number of pairs.

    Raises:
        InputError: A file has no partner, or one of another size, and as for `check_output` and
            `write_image`.
    """
    for folder in (first, second):
        find_images(folder)
    found = pair_by_stem(first, second)
    if found.unpaired:
        raise InputError(found.reason)
    stems = list(found.pairs)
    inputs, written = (first, second), suffixes_for(quality)
    record = OutputRecord(output, "combine", inputs)
    check_output(record, stems, inputs, overwrite=overwrite, written=written)
    if not resize:
        _refuse_different_sizes(list(found.pairs.values()))

    def work(stem: str) -> None:
        ours, theirs = found.pairs[stem]
        left, right = (
            image_files.read_picture(path, max_pixels=max_pixels) for path in (ours, theirs)
        )
        fitted = images.resize(right.pixels, left.pixels.shape[:2])
        both = join_sides(left, Picture(fitted, right.kind), ours)
        record.add(write_image(pathlib.Path(output, stem), both.pixels, quality, both.kind))

    with record:
        in_threads(work, stems, "combining")
    return len(stems)


def _refuse_different_sizes(pairs: Sequence[tuple[pathlib.Path, ...]]) -> None:
    sizes = [(image_files.size_of(ours), image_files.size_of(theirs)) for ours, theirs in pairs]
    wrong = [
        f"{ours} ({a[0]} x {a[1]}) and {theirs} ({b[0]} x {b[1]})"
        for (ours, theirs), (a, b) in zip(pairs, sizes, strict=True)
        if a != b
    ]
    if wrong:
        raise InputError(
            f"{some_of(wrong)}: differ in size (height x width); --resize resizes B to A"
        )


def split(
    root: str,
    output: str,
    parts: Sequence[float | int],
    *,
    seed: int = 0,
    link: bool = False,
    overwrite: bool = False,
) -> dict[str, int]:
    """Divide all files of a data set into train, val and test, as `data.split` does.

    Pairs in A and B stay pairs, in `<split>/A` and `<split>/B`. A table of numbers comes along.

    Args:
        root: Folder of the data set.
        output: Folder for `train`, `val` and `test`.
        parts: Shares of train, val and test, or counts, as for `choose_split`.
        seed: Seed of the choice; `data.split` makes the same choice if the config has this `seed`.
        link: Whether to make hard links instead of copies.
        overwrite: Whether existing files are replaced, and those of an earlier call removed.

    Returns:
        The number of pairs or images of each split.

    Raises:
        InputError: There are too few files, they cannot be linked, and as for `find_layout`,
            `check_output`, `check_leftovers` and `writing`.
    """
    sides = pool_files(root)
    names = tuple(sides)
    if sum(parts) > max(len(names), 1 + 1e-6):  # shares add up to 1
        counts = ",".join(map(str, parts))
        raise InputError(
            f"--counts {counts}: asks for {sum(parts)} pairs, there are {len(names)} in {root}"
        )
    chosen = {part: choose_split(names, parts, part, seed) for part in SPLITS}
    jobs = [(path, path.name) for path in find_tables(root)]
    for part, indices in chosen.items():
        for index in indices:
            jobs += _targets(part, names[index], sides[names[index]])
    targets = [target for _, target in jobs]
    record = OutputRecord(output, "split", (root,))
    check_output(record, targets, (root,), overwrite=overwrite, suffixes=("",), written=("",))
    anywhere = [_targets(part, name, files) for part in SPLITS for name, files in sides.items()]
    check_leftovers(record, [target for two in anywhere for _, target in two], targets)

    def work(job: tuple[pathlib.Path, str]) -> None:
        path, target = job
        copy_file(path, pathlib.Path(output, target), link=link)
        record.add(pathlib.Path(output, target))

    with record:
        in_threads(work, jobs, "splitting")
    return {part: len(indices) for part, indices in chosen.items()}


def _targets(
    part: str, name: str, files: dict[str, pathlib.Path]
) -> list[tuple[pathlib.Path, str]]:
    """Return the files of one name, each with its path in a split."""
    return [(path, f"{part}/{side}{_stem(name)}{path.suffix}") for side, path in files.items()]


def patches(
    root: str,
    output: str,
    size: tuple[int, int],
    *,
    quality: int = 0,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> int:
    """Cut side-by-side pairs into patches, as `data.patch_size` does; splits are kept.

    Args:
        root: Folder of the data set.
        output: Folder for the results.
        size: Height and width of a patch.
        quality: As for `write_image`.
        overwrite: Whether existing files are replaced, and those of an earlier call removed.
        max_pixels: Largest number of pixels of an image.

    Returns:
        The number of patches.

    Raises:
        InputError: A pair is smaller than a patch or not in one file, and as for `find_layout`,
            `check_output`, `check_leftovers` and `write_image`.
    """
    if find_layout(root).source == "folders":
        raise InputError(
            f"{root}: its pairs are several files each, and patches are cut from pairs side by "
            "side; training cuts these itself with data.patch_size, or join two folders with "
            "`prepare combine`"
        )
    items = find_layout(root, "side_by_side").items
    paths = tuple(item.paths[0] for item in items)
    names = tuple(_name(item) for item in items)
    source = SideBySide(paths, names)
    _refuse_smaller(source, size)
    cuts = Patches(source, size, os.cpu_count() or 1)
    stems = [_stem(name) for name in cuts.names]
    record = OutputRecord(output, "patches", (root,))
    check_output(record, stems, (root,), overwrite=overwrite, written=suffixes_for(quality))
    written = [stem + suffix for stem in stems for suffix in WRITTEN]
    earlier, ours = find_named(output, r"(.+)_\d+_\d+"), {_stem(name) for name in names}
    check_leftovers(record, [name for name, match in earlier.items() if match[1] in ours], written)
    places = zip(cuts.places, stems, strict=True)
    groups = itertools.groupby(places, lambda place: place[0][0])
    jobs = [(paths[index], list(group)) for index, group in groups]

    def work(job: tuple[pathlib.Path, list[tuple[tuple[int, int, int], str]]]) -> None:
        path, found = job
        picture = image_files.read_picture(path, max_pixels=max_pixels)
        halves = split_in_halves(picture.pixels, path)
        for (_, top, left), stem in found:
            cut = slice(top, top + size[0]), slice(left, left + size[1])
            both = np.concatenate([half[cut] for half in halves], axis=1)
            record.add(write_image(pathlib.Path(output, stem), both, quality, picture.kind))

    with record:
        in_threads(work, jobs, "cutting")
    return len(stems)


def _refuse_smaller(source: SideBySide, size: tuple[int, int]) -> None:
    for index, name in enumerate(source.names):
        height, width = source.size(index)
        if height < size[0] or width < size[1]:
            raise InputError(
                f"{name}: {height} x {width} pixels (height, width) on each side, smaller than "
                f"--size {size[0]}x{size[1]}; choose a smaller one"
            )


def derive(
    root: str,
    output: str,
    derivation: Derivation,
    *,
    layout: str = "side_by_side",
    quality: int = 0,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> int:
    """Write the pairs that are derived from single images, to look at or for other programs.

    Args:
        root: Folder of the images; splits are kept.
        output: Folder for the results.
        derivation: What makes the other side, not `lab`.
        layout: `side_by_side`: A and B in one file; `folders`: in folders A and B.
        quality: As for `write_image`.
        overwrite: Whether existing files are replaced, and those of an earlier call removed.
        max_pixels: Largest number of pixels of an image.

    Returns:
        The number of pairs.

    Raises:
        InputError: The kind is `lab`, an image does not suit it, and as for `find_layout`,
            `check_output` and `write_image`.
    """
    if derivation.kind == "lab":
        raise InputError(
            "--kind lab: L, a and b are float32, which other programs do not read as pictures; "
            "train with data.source=single and derive.kind=lab, which derives them on reading"
        )
    items = find_layout(root, "single").items
    sides = ("",) if layout == "side_by_side" else ("A/", "B/")
    names = [side + _stem(_name(item)) for item in items for side in sides]
    record = OutputRecord(output, "derive", (root,))
    check_output(record, names, (root,), overwrite=overwrite, written=suffixes_for(quality))

    def work(item: Item) -> None:
        picture = image_files.read_picture(item.paths[0], max_pixels=max_pixels)
        made, image = derivation(picture.pixels, item.name)
        same = made.shape[-1] == image.shape[-1]
        pair = Picture(made, picture.kind if same else kind_of(made)), picture
        files = (join_sides(*pair, item.paths[0]),) if layout == "side_by_side" else pair
        for side, file in zip(sides, files, strict=True):
            path = pathlib.Path(output, side + _stem(_name(item)))
            record.add(write_image(path, file.pixels, quality, file.kind))

    with record:
        in_threads(work, items, "deriving")
    return len(items)
