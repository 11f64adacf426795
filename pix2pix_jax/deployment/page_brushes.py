"""The colours with which a visitor of the page draws sources, if they are something to draw.

Label maps and sketches consist of areas of a few colours; photos do not. Only pixels inside of
areas are looked at: between two areas, resizing and JPEG make colours of all kinds.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, Shaped, UInt8
from PIL import ImageColor

from pix2pix_jax.images.palettes import Palette

Colour = tuple[int, int, int]
_SAME = 4  # levels by which neighbours in an area differ at most
_NEAR = 12  # levels around a colour that count as that colour: JPEG changes it a little
_MOST = 12  # colours
_LEAST_IN_AREAS = 0.2  # share of the pixels
# Share of the pixels in areas that those colours cover. Measured on 8 images of 64 and 256 pixels:
# label maps and sketches of five sets 0.96 to 1.00, photos 0.47 to 0.90 (0.97: shoes on white).
_LEAST_COVERED = 0.95
_LEAST_SHARE = 0.001  # of a colour; rarer ones are traces of JPEG
_SURE_SHARE = 0.02  # of a colour that may be similar to a more frequent one, and is none of its
_SIMILAR = 32  # levels; traces are near the colours that they come from
_LEAST_OF_PALETTE = 0.9  # share of the colours' pixels that a known palette must explain
_CONTRAST = 128  # levels between a sketch's paper and its lines


@dataclasses.dataclass(frozen=True)
class Brush:
    """A colour to draw with.

    Attributes:
        colour: Red, green and blue, 0 to 255.
        name: What it is called.
    """

    colour: Colour
    name: str


def find_brushes(
    pictures: Sequence[UInt8[np.ndarray, "_ _ _"]], palette: Palette | None = None
) -> list[Brush]:
    """Find the colours that sources are made of.

    Args:
        pictures: Sources as pictures, gray or RGB.
        palette: Colours of classes, which are all taken if the sources consist of them.

    Returns:
        The colours, that of the largest area first: where a drawing starts from. Empty if the
        sources are photos.
    """
    coloured = [np.broadcast_to(each, (*each.shape[:2], 3)) for each in pictures]
    insides = [each[:-1, :-1][_is_inside(each)] for each in coloured]
    inside = np.concatenate(insides) if insides else np.empty((0, 3), np.uint8)
    total = sum(each.shape[0] * each.shape[1] for each in coloured)
    if not total or len(inside) < _LEAST_IN_AREAS * total:
        return []
    found = _most_frequent(inside)
    if sum(found.values()) < _LEAST_COVERED:
        return []
    named = _of_palette(found, palette) if palette is not None else []
    if named:
        return named
    colours = _without_traces(found)
    if len(colours) == 1:
        colours.append(_lines(coloured, colours[0]))
    return [Brush(colour, colour_name(colour)) for colour in colours]


def colour_name(colour: Sequence[int]) -> str:
    """Return the name of the nearest colour that CSS has a name for."""
    known = {name: ImageColor.getrgb(name) for name in ImageColor.colormap}

    def distance(name: str) -> int:
        return sum((a - b) ** 2 for a, b in zip(known[name], colour, strict=False))

    return min(known, key=distance)


def _is_inside(picture: Shaped[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "_ _"]:
    """Tell which pixels are as their neighbours to the right and below."""
    levels = picture.astype(int)
    across = np.abs(np.diff(levels[:-1], axis=1)).max(axis=-1)
    down = np.abs(np.diff(levels[:, :-1], axis=0)).max(axis=-1)
    return np.maximum(across, down) <= _SAME


def _most_frequent(values: UInt8[np.ndarray, "n 3"]) -> dict[Colour, float]:
    """Return the most frequent colours with their shares of the pixels, the largest first."""
    colours, counts = np.unique(values, axis=0, return_counts=True)
    colours, total = colours.astype(int), counts.sum()
    found: dict[Colour, float] = {}
    while len(colours) and len(found) < _MOST:
        colour = colours[counts.argmax()]
        near = np.abs(colours - colour).max(axis=1) <= _NEAR
        found[_as_colour(colour)] = float(counts[near].sum() / total)
        colours, counts = colours[~near], counts[~near]
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _without_traces(found: dict[Colour, float]) -> list[Colour]:
    """Leave out colours that JPEG has made of others; the most frequent ones come first."""
    kept: list[Colour] = []
    for colour, share in found.items():
        apart = [max(abs(a - b) for a, b in zip(colour, other, strict=True)) for other in kept]
        own = share >= _SURE_SHARE or min(apart, default=_SIMILAR) >= _SIMILAR
        if own and share >= _LEAST_SHARE:
            kept.append(colour)
    return kept


def _of_palette(found: dict[Colour, float], palette: Palette) -> list[Brush]:
    """Return the colours of a palette, if they are those that were found."""
    known = palette.colours.astype(int)
    explained: dict[int, float] = {}
    for colour, share in found.items():
        apart = np.abs(known - np.array(colour)).max(axis=1)
        if apart.min() <= _SAME:
            number = int(apart.argmin())
            explained[number] = explained.get(number, 0.0) + share
    if sum(explained.values()) < _LEAST_OF_PALETTE:
        return []
    names = [*palette.classes, *["no class"] * (len(known) - len(palette.classes))]
    shown = set(range(len(palette.classes))) | set(explained)
    order = sorted(shown, key=lambda number: -explained.get(number, 0.0))
    return [Brush(_as_colour(known[number]), names[number]) for number in order]


def _lines(pictures: Sequence[Shaped[np.ndarray, "h w 3"]], paper: Colour) -> Colour:
    """Return the colour of a sketch's lines, which are too thin to have an inside."""
    values = np.concatenate([each.reshape(-1, 3) for each in pictures])
    apart = np.abs(values.astype(int) - np.array(paper)).max(axis=1)
    lines = values[apart >= _CONTRAST]
    if not len(lines):
        dark = sum(paper) < 3 * _CONTRAST
        return (255, 255, 255) if dark else (0, 0, 0)
    return next(iter(_most_frequent(lines)))


def _as_colour(values: Int[np.ndarray, " 3"]) -> Colour:
    red, green, blue = (int(value) for value in values)
    return red, green, blue
