"""How an image is cut into overlapping tiles, and how their results are blended.

All tiles of an image have one size, so one compiled program serves them all. They start at
multiples of what the network's sides are multiples of: strided layers then see the same grid as on
the whole image. A tile at the edge of the image ends there, and so is padded there like the image.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from pix2pix_jax.core.choices import TILE_NORMS
from pix2pix_jax.core.errors import InputError, shown


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


@dataclasses.dataclass(frozen=True)
class Tiling:
    """What may be chosen about tiles (`fit='tile'`).

    Attributes:
        tile: Side of a tile in pixels, a multiple of what the network takes; 0: from the memory.
        overlap: Least overlap of neighbouring tiles in pixels, rounded up to such a multiple; None:
            twice the network's receptive radius, or a quarter of a tile if that is more than half
            of one.
        norm: Where norms that use an image's own statistics take them from: the `whole` image, in a
            first pass; `running`: from the training, which needs batch norm; `tile`: each tile its
            own, so that tiles may differ in brightness and colour.
    """

    tile: int = 0
    overlap: int | None = None
    norm: str = "whole"

    def __post_init__(self) -> None:
        """Raise InputError if a value is impossible for any network."""
        if self.norm not in TILE_NORMS:
            raise InputError(f"tile_norm={shown(self.norm)}: choose from {', '.join(TILE_NORMS)}")
        for name, value in (("tile", self.tile), ("overlap", self.overlap)):
            if value is not None and not _is_length(value):
                raise InputError(f"{name}={shown(value)}: expected a whole number of pixels")


USUAL_TILING = Tiling()


@dataclasses.dataclass(frozen=True)
class Cut:
    """The sizes of the tiles of one network, in pixels.

    Attributes:
        tile: Side of a tile.
        overlap: Least overlap of neighbours.
        trim: How much of a tile's inner edges is thrown away.
        multiple: What all starts are multiples of.
    """

    tile: int
    overlap: int
    trim: int
    multiple: int


def choose_cut(tiling: Tiling, *, largest: int, multiple: int, radius: int | None) -> Cut:
    """Choose sizes for a network, as far as they are left open.

    Args:
        tiling: What was asked for.
        largest: Side of the largest tile that fits in memory.
        multiple: What the sides of the network's images are multiples of.
        radius: The network's receptive radius; None if it is not known.

    Raises:
        InputError: The tile is no multiple, or not larger than the overlap.
    """
    tile = tiling.tile or max(largest // multiple, 2) * multiple
    if tile % multiple:
        near = " or ".join(str(each) for each in _multiples_around(tile, multiple))
        raise InputError(
            f"--tile {tile}: the network takes sides that are multiples of {multiple}; choose "
            f"{near}"
        )
    if tiling.overlap is not None:
        overlap = _round_up(tiling.overlap, multiple)
    elif radius is not None and _round_up(2 * radius, multiple) <= tile // 2:
        overlap = _round_up(2 * radius, multiple)
    else:
        overlap = _round_up(tile // 4, multiple)
    if overlap >= tile:
        or_less = ", or a smaller --overlap" if overlap > multiple else ""
        raise InputError(
            f"--tile {tile}: must be larger than the overlap of {overlap} pixels (a multiple of "
            f"{multiple}); choose at least {overlap + multiple}{or_less}"
        )
    covered = radius is not None and overlap >= 2 * radius and tiling.norm != "tile"
    return Cut(tile, overlap, radius if covered and radius else overlap // 4, multiple)


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _multiples_around(length: int, multiple: int) -> list[int]:
    below = length // multiple * multiple
    return [each for each in (below, below + multiple) if each]


@dataclasses.dataclass(frozen=True)
class Span:
    """The rows, or columns, of one tile, in the source and in the result.

    Attributes:
        start: First row of the tile in the source.
        stop: Row after its last.
        place: First row of the tile in the result, which may have another scale.
        first: First row of the result that is used.
        weights: Weight of each row that is used; those of all tiles add up to 1.
    """

    start: int
    stop: int
    place: int
    first: int
    weights: Float[np.ndarray, " rows"]

    @property
    def last(self) -> int:
        """Row of the result after the last one that is used."""
        return self.first + len(self.weights)

    @property
    def used(self) -> slice:
        """Which rows of the tile's result are used."""
        return slice(self.first - self.place, self.last - self.place)


def cut(side: int, sizes: Cut, scale: float = 1.0) -> list[Span]:
    """Cut a side of an image into tiles that overlap about evenly.

    Args:
        side: Its length, a multiple of `sizes.multiple`.
        sizes: The sizes of tiles; a shorter side is one tile.
        scale: How many times as large the result is; tiles begin at whole rows of both.

    Returns:
        The tiles, in order.
    """
    tile = min(sizes.tile, side)
    count = 1 + max(-(-(side - tile) // (tile - sizes.overlap)), 0) if side > tile else 1
    steps = (side - tile) // sizes.multiple
    starts = [steps * number // max(count - 1, 1) * sizes.multiple for number in range(count)]
    places, length = [int(start * scale) for start in starts], int(tile * scale)
    fades = [
        _fade(left + length, right, int(np.ceil(sizes.trim * scale)), right - left)
        for left, right in itertools.pairwise(places)
    ]
    spans = []
    for number, (start, place) in enumerate(zip(starts, places, strict=True)):
        first, rise = (place, 0) if number == 0 else fades[number - 1]
        last, fall = (place + length, 0) if number == count - 1 else fades[number]
        weights = np.ones(last + fall - first, np.float32)
        weights[:rise] = _ramp(rise)
        if fall:
            weights[-fall:] -= _ramp(fall)
        spans.append(Span(start, start + tile, place, first, weights))
    return spans


def _fade(stop: int, start: int, trim: int, most: int) -> tuple[int, int]:
    """Return where two neighbours are blended, and over how many rows.

    Args:
        stop: End of the first tile.
        start: Start of the second one, before that end.
        trim: How many rows of each are thrown away.
        most: Largest number of rows, so that no more than two tiles meet.
    """
    width = min(stop - start - 2 * trim, most)
    return start + (stop - start - width) // 2, width


def _ramp(width: int) -> Float[np.ndarray, " width"]:
    """Return weights that rise like a cosine from 0 to 1, without either."""
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / max(width, 1))).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Plan:
    """All tiles of an image.

    Attributes:
        rows: Rows of tiles, from the top.
        columns: Columns of tiles, from the left.
    """

    rows: list[Span]
    columns: list[Span]

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of each tile."""
        row, column = self.rows[0], self.columns[0]
        return row.stop - row.start, column.stop - column.start

    @property
    def borders(self) -> tuple[list[int], list[int]]:
        """Rows and columns of the result in the middle of what two tiles share."""
        rows, columns = (
            [(left.last + right.first) // 2 for left, right in itertools.pairwise(spans)]
            for spans in (self.rows, self.columns)
        )
        return rows, columns


def make_plan(size: tuple[int, int], sizes: Cut, scale: float = 1.0) -> Plan:
    """Cut an image into tiles.

    Args:
        size: Height and width, multiples of `sizes.multiple`.
        sizes: The sizes of tiles.
        scale: How many times as large the result is.
    """
    return Plan(cut(size[0], sizes, scale), cut(size[1], sizes, scale))


def blend_rows(
    parts: Iterator[Float[np.ndarray, "rows width c"]], spans: list[Span]
) -> Iterator[Float[np.ndarray, "rows width c"]]:
    """Blend rows of tiles, and yield what is finished, from the top of the image to its end.

    Args:
        parts: What each row of tiles gives for the rows that are used of it.
        spans: These rows of tiles.
    """
    kept: Any = None  # what the rows of tiles so far give for rows that the next one shares
    for part, span, following in zip(parts, spans, [*spans[1:], None], strict=True):
        part *= span.weights[:, None, None]
        if kept is not None:
            part[: len(kept)] += kept
        done = len(part) if following is None else following.first - span.first
        kept = part[done:].copy()
        yield part[:done]
