"""Find out what a data set is from some of its files: layout, kinds of image, values, sizes."""

import contextlib
import dataclasses
import math
import os
import pathlib
from concurrent.futures import ThreadPoolExecutor

from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.data.layouts import find_twins
from pix2pix_jax.data.names import Names
from pix2pix_jax.data.preparation.layout import (
    WHOLE,
    Item,
    Layout,
    find_layout,
    mask_among,
    spread,
    wide_share,
)
from pix2pix_jax.data.preparation.side import LOOKED_AT, Side, describe_side
from pix2pix_jax.data.sources import split_in_halves
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.masked import fill_masked, read_mask_of
from pix2pix_jax.images.opening import naming
from pix2pix_jax.images.pixels import Picture, finite

Size = tuple[int, int]
_MEASURED = 256  # pairs whose sizes are read, which needs their headers only
_PIXELS = 2**27  # of all images that are in memory at once
_MIXED = 0.1  # share of files from which a second layout is no accident


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a data set is.

    Attributes:
        layout: Its files.
        reason: Why they are taken for this layout.
        sides: A and B, or single images alone; each of several sources by itself.
        sizes: Height and width of all images of some pairs; of single images, twice the same.
        unread: Why some of the files that were looked at cannot be read.
        unequal: Number of pairs that were looked at whose sides differ in size.
    """

    layout: Layout
    reason: str
    sides: tuple[Side, ...]
    sizes: tuple[tuple[Size, ...], ...]
    unread: tuple[str, ...]
    unequal: int = 0


def survey(
    root: str,
    source: str,
    names: Names,
    *,
    max_pixels: int,
    unpaired: str = "fail",
    on_error: str = "fail",
    direction: str = "AtoB",
) -> Survey:
    """Look at a data set: all names, the headers of 256 files, the pixels of 32 pairs.

    Args:
        root: Its folder.
        source: One of `layout.FORMS`; '' to find it out.
        names: What its folders and files are called.
        max_pixels: Largest number of pixels of an image.
        unpaired: What to do about files without a partner: `fail`, or `skip` them.
        on_error: What to do about files of another kind than most of their side: the same.
        direction: `AtoB`: B is the target, whose masked pixels are not looked at; `BtoA`: A is.

    Returns:
        What it is.

    Raises:
        InputError: There are no images, several layouts are possible, files have no partner, no
            file can be read, or the files of a side do not go together.
    """
    layout = find_layout(root, source, names)
    if layout.unpaired and unpaired == "fail":
        raise InputError(
            f"{root}: {len(layout.unpaired)} files have no partner of the same name "
            f"({some_of(layout.missing or layout.unpaired)}); add them, or leave these out with "
            "--config.data.unpaired=skip; if the folders are no sides of pairs, say so with "
            "--config.data.source=single"
        )
    if not layout.items:
        raise InputError(f"{root}: its folders of pairs hold no pair, {some_of(layout.unpaired)}")
    reason = "--config.data.source says so" if source else _explain(root, layout, names)
    target = len(layout.items[0].paths) - 1 if direction == "AtoB" else 0
    seen = _look(layout, max_pixels, target)
    good = [one for one in seen if not isinstance(one, str)]
    unread = tuple(one for one in seen if isinstance(one, str))
    if not good:
        raise InputError(f"{root}: none of {len(seen)} files looked at can be used: {unread[0]}")
    sides = tuple(
        describe_side(
            number, [one[number] for one in good], layout, on_error, masked=number == target
        )
        for number in range(len(good[0]))
    )
    unequal = sum(len({one.pixels.shape[:2] for one in pictures}) > 1 for pictures in good)
    return Survey(layout, reason, sides, _sizes(layout), unread, unequal)


def _explain(root: str, layout: Layout, names: Names) -> str:
    """Say why files are taken for their layout.

    Raises:
        InputError: They could be another one as well.
    """
    if layout.source == "folders":
        if len(layout.elsewhere) > _MIXED * len(layout.items):
            mask = mask_among(root, layout.elsewhere)
            hint = f"; if they are masks, --config.data.mask={mask} says so" if mask else ""
            raise InputError(
                f"{root}: {len(layout.items)} pairs of two files, and {len(layout.elsewhere)} "
                f"images that belong to none ({some_of(layout.elsewhere)}); move these away, or "
                f"say which to use with --config.data.source=folders, side_by_side or single{hint}"
            )
        (first, *_) = layout.items
        *others, last = map(str, first.paths)
        return f"such as {', '.join(others)} and {last}"
    twins = find_twins(root, names)
    if twins and not names.folders:
        raise InputError(
            f"{root}: the folders {twins[0]} and {twins[1]} hold files of the same names; if they "
            f"are A and B of pairs, say so with --config.data.folder_a={twins[0]} "
            f"--config.data.folder_b={twins[1]}, otherwise with --config.data.source=single"
        )
    share, count, narrow = wide_share(layout.items)
    if _MIXED < share < 1 - _MIXED:
        raise InputError(
            f"{root}: {share:.0%} of {count} images are at least twice as wide as high, as pairs "
            "side by side are, and the others are not; say which they are with "
            "--config.data.source=side_by_side or single"
        )
    if layout.source == "side_by_side":
        halved = f"; {some_of(narrow)}: cut in halves like the others" if narrow else ""
        return f"as {share:.0%} of {count} images are at least twice as wide as high{halved}"
    return (
        f"as no two belong together by their names, and {share:.0%} of {count} are at least twice "
        "as wide as high"
    )


def _look(layout: Layout, max_pixels: int, target: int) -> list[tuple[Picture, ...] | str]:
    """Read both sides of some pairs; a text says why one cannot be used."""

    def read(item: Item) -> tuple[Picture, ...] | str:
        try:
            pictures = [
                _read(path, item.mask if number == target else None, max_pixels)
                for number, path in enumerate(item.paths)
            ]
            if layout.source == "side_by_side":
                halves = split_in_halves(pictures[0].pixels, item.paths[0])
                pictures = [Picture(half, pictures[0].kind) for half in halves]
        except InputError as error:
            return str(error)
        return tuple(pictures)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(read, _few_enough(spread(layout.items, LOOKED_AT))))


def _few_enough(items: list[Item]) -> list[Item]:
    """Return as many of some pairs as memory should hold at once, at least two."""
    pixels = 0
    for item in items:
        for path in item.paths:
            with contextlib.suppress(InputError):  # it is reported when it is read
                pixels += math.prod(image_files.size_of(path))
    return spread(items, max(len(items) * _PIXELS // max(pixels, _PIXELS), 2))


def _read(path: pathlib.Path, mask: pathlib.Path | None, max_pixels: int) -> Picture:
    """Read an image, which may mark pixels without data by NaN.

    What it has under the black of its mask does not count.
    """
    picture = image_files.read_picture(path, max_pixels=max_pixels, checked=False)
    if mask is not None:
        counts = read_mask_of(picture.pixels, mask, max_pixels=max_pixels) > 0
        picture = Picture(fill_masked(picture.pixels, counts), picture.kind)
    with naming(path):
        finite(picture.pixels, nan=True)
    return picture


def _sizes(layout: Layout) -> tuple[tuple[Size, ...], ...]:
    """Return the sizes of all images of some pairs."""
    sizes: list[tuple[Size, ...]] = []
    for item in spread(layout.items, _MEASURED):
        try:
            found = tuple(map(image_files.size_of, item.paths))
        except InputError:
            continue
        if layout.source != "folders":
            ((height, width),) = found
            found = ((height, width // 2 if layout.source == "side_by_side" else width),) * 2
        sizes.append(found)
    return tuple(sizes)


def name_of_splits(layout: Layout) -> tuple[str, ...]:
    """Return the splits that a data set has as folders."""
    return tuple(split for split in layout.splits if split != WHOLE)
