"""Read every image of a data set once, and keep what reveals errors."""

import dataclasses
import functools
import hashlib
import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm.auto import tqdm

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.preparation.alignment import Alignment, Field, compare, edge_field
from pix2pix_jax.data.preparation.layout import Item, Layout
from pix2pix_jax.data.similarity import perceptual_hash
from pix2pix_jax.data.sources import split_in_halves
from pix2pix_jax.data.values import Values, measure
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.limits import MAX_PIXELS
from pix2pix_jax.images.masked import fill_masked, read_mask_of
from pix2pix_jax.images.pixels import Stored, finite

_TOGETHER = 64  # pairs that are read, and whose edges are compared, at a time


@dataclasses.dataclass(frozen=True)
class Seen:
    """What reading a pair, or a single image, showed.

    Attributes:
        item: The pair.
        problem: Why it cannot be used; if it is not '', the other attributes are empty.
        sizes: Height and width of each side.
        kinds: Number of channels and dtype of each side.
        meanings: What the channels of each side mean, one of `images.pixels.KINDS`.
        values: What the values of each side are.
        digest: Digest of all pixels.
        hashes: Perceptual hash of each side.
        alignment: How well the sides' edges coincide; None if that is unknown.
    """

    item: Item
    problem: str = ""
    sizes: tuple[tuple[int, ...], ...] = ()
    kinds: tuple[tuple[int, str], ...] = ()
    meanings: tuple[str, ...] = ()
    values: tuple[Values, ...] = ()
    digest: bytes = b""
    hashes: tuple[np.uint64, ...] = ()
    alignment: Alignment | None = None


def read_all(layout: Layout, max_pixels: int = MAX_PIXELS) -> list[Seen]:
    """Read all pairs in threads behind a progress bar.

    The edges of a pair are compared with those of 63 others, spread over the whole set, so that no
    more are in memory at a time.

    Args:
        layout: The files.
        max_pixels: Largest number of pixels of an image.

    Returns:
        What each pair showed, in their order.
    """
    count = len(layout.items)
    seen: list[Seen] = [Seen(item) for item in layout.items]
    pool = ThreadPoolExecutor(os.cpu_count())
    bar = tqdm(desc="reading", total=count, unit="pair", disable=None, leave=False)
    look = functools.partial(_look, source=layout.source, max_pixels=max_pixels)
    try:
        groups = math.ceil(count / _TOGETHER)
        for group in range(groups):
            numbers = range(group, count, groups)
            fields = []
            items = [layout.items[number] for number in numbers]
            for number, (one, edges) in zip(numbers, pool.map(look, items), strict=True):
                seen[number] = one
                fields.append(edges)
                bar.update()
            for number, alignment in zip(numbers, compare(fields), strict=True):
                seen[number] = dataclasses.replace(seen[number], alignment=alignment)
    finally:
        pool.shutdown(cancel_futures=True)
        bar.close()
    return seen


def _look(
    item: Item, source: str, max_pixels: int
) -> tuple[Seen, tuple[Field | None, Field | None]]:
    """Read a pair; return what it shows, and the edges of both sides."""
    try:
        sides, meanings = _read(item, source, max_pixels)
    except InputError as error:
        return Seen(item, str(error)), (None, None)
    digest = hashlib.blake2b(digest_size=16)
    for side in sides:
        digest.update(repr((side.shape, side.dtype)).encode())
        digest.update(side.tobytes())
    seen = Seen(
        item,
        sizes=tuple(side.shape[:2] for side in sides),
        kinds=tuple((side.shape[-1], str(side.dtype)) for side in sides),
        meanings=meanings,
        values=tuple(map(measure, sides)),
        digest=digest.digest(),
        hashes=tuple(perceptual_hash(_filled(side)) for side in sides),
    )
    if len(sides) < 2:
        return seen, (None, None)
    return seen, (edge_field(_filled(sides[0])), edge_field(_filled(sides[-1])))


def _filled(image: Stored) -> Stored:
    """Return an image with the mean of its other values in the place of NaN."""
    if image.dtype != np.float32:
        return image
    missing = np.isnan(image)
    return np.where(missing, image.mean(where=~missing), image) if missing.any() else image


def _has_data(image: Stored) -> bool:
    """Return whether a pixel has no NaN."""
    return image.dtype != np.float32 or bool((~np.isnan(image)).all(axis=-1).any())


def _read(item: Item, source: str, max_pixels: int) -> tuple[tuple[Stored, ...], tuple[str, ...]]:
    """Read the sides of a pair, or a single image, and what their channels mean.

    NaN is kept: it may mark pixels without data.

    Raises:
        InputError: A file cannot be read, or has no two halves; a side has infinite values, or no
            pixel without NaN; or the mask is not the target's.
    """
    pictures = [
        image_files.read_picture(path, max_pixels=max_pixels, checked=False) for path in item.paths
    ]
    sides = tuple(picture.pixels for picture in pictures)
    paths = item.paths
    if source == "side_by_side":
        pictures, paths = pictures * 2, paths * 2
        sides = split_in_halves(sides[0], item.paths[0])
    if item.mask is not None:
        size = image_files.size_of(item.mask)
        same = [number for number, side in enumerate(sides) if side.shape[:2] == size]
        target = (same or [len(sides) - 1])[-1]  # either side may be it
        counts = read_mask_of(sides[target], item.mask, max_pixels=max_pixels) > 0
        if sides[target].dtype == np.float32:  # other values are no error, whatever they are
            filled = fill_masked(sides[target], counts)
            sides = (*sides[:target], filled, *sides[target + 1 :])
    for side, path in zip(sides, paths, strict=True):
        with image_files.naming(path):
            finite(side, nan=True)
        if not _has_data(side):
            raise InputError(f"{path}: no pixel counts: all have NaN, or are masked; remove it")
    return sides, tuple(picture.kind for picture in pictures)
