"""Procedurally drawn pairs of an aerial photo and its street map: a data set without a download.

Each plan (roads, blocks, water, buildings, trees) is drawn twice, so the photo shows everything
that is on the map. A pair depends only on the integers that key its random numbers.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image, ImageDraw

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.sources import SPLITS

# The plan has its own axes (u, v); the picture shows it rotated and slightly bent.
Rects = Float[np.ndarray, "_ 4"]  # (u0, v0, u1, v1)
Rect = Float[np.ndarray, " 4"]
Discs = Float[np.ndarray, "_ 3"]  # (u, v, radius)
Polygons = Float[np.ndarray, "_ _ 2"]  # (x, y) in the picture
Picture = UInt8[np.ndarray, "size size 3"]
MIN_SIZE = 16
_UNITS = 128.0  # side of the picture in units of the plan, whatever its size in pixels
_REACH = 96.0  # half the side of the planned area, which covers the picture at every rotation
_OVERSAMPLING = 3  # antialiasing: shapes are drawn this much larger, then averaged
_SHADE = np.array([0.6, 0.8])  # direction of the shadows, the same for the whole set
_HOUSES, _CENTRE, _PARK, _LOT = range(4)  # kinds of block
# Colours of what both pictures show: (in the photo, on the map); _GROUND by kind of block.
_STREET, _MAIN = ((104, 104, 106), (255, 255, 255)), ((82, 82, 86), (250, 200, 92))
_WATER, _MAP_BUILDING = ((48, 86, 108), (92, 156, 226)), (184, 150, 128)
_GROUND = np.array([(138, 142, 98), (146, 140, 128), (84, 122, 58), (174, 146, 108)])
_MAP_GROUND = np.array([(242, 230, 200), (242, 230, 200), (132, 196, 122), (242, 230, 200)])
# Colours of what is only in the photo.
_PAVEMENT, _BANK, _SHADOW = (174, 170, 162), (132, 126, 88), (16, 20, 34)
_WHITE_MARK, _YELLOW_MARK = (226, 226, 220), (224, 184, 76)
_TREES = np.array([(46, 78, 38), (58, 88, 40), (70, 96, 48), (62, 74, 36)])
_PITCHED = [(178, 92, 66), (158, 82, 62), (150, 106, 82), (118, 112, 112), (196, 124, 88)]
_FLAT = [(226, 224, 220), (214, 204, 188), (190, 190, 192), (214, 194, 164), (236, 236, 236)]
_ROOFS = np.array(_PITCHED + _FLAT)


@dataclasses.dataclass(frozen=True)
class _Plan:
    """What is where in a pair."""

    pose: Float[np.ndarray, " 3"]  # angle, bend, phase of the bend
    mains: Rects
    streets: Rects
    blocks: Rects
    kinds: Int[np.ndarray, " blocks"]
    water: Discs
    buildings: Rects
    flat: Bool[np.ndarray, " buildings"]  # which buildings have a flat roof
    trees: Discs

    def place(self, points: Float[np.ndarray, "_ _ 2"]) -> Polygons:
        u, v = np.moveaxis(points, -1, 0)
        angle, bend, phase = self.pose
        bent = u + 1j * v + bend * (np.sin(v / 38.0 + phase) + 1j * np.sin(u / 46.0 + 2.0 * phase))
        turned = bent * np.exp(1j * angle)
        return np.stack([turned.real, turned.imag], axis=-1) + _UNITS / 2

    def outline(self, rects: Rects, steps: int = 1, inset: float = 0.0) -> Polygons:
        """Return polygons of rectangles; `steps` points on each side let them follow the bend."""
        rects = rects + inset * np.array([1.0, 1.0, -1.0, -1.0])
        corners = rects[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 1, 2)
        share = np.arange(steps)[:, None] / steps
        sides = corners + share * (np.roll(corners, -1, axis=1) - corners)
        return self.place(sides.reshape(-1, 4 * steps, 2))

    def round(self, discs: Discs, points: int = 12) -> Polygons:
        """Return polygons of discs."""
        turn = np.linspace(0.0, 2.0 * np.pi, points, endpoint=False)
        rim = np.column_stack([np.cos(turn), np.sin(turn)])
        return self.place(discs[:, None, :2]) + discs[:, None, 2:] * rim


def _split(rng: np.random.Generator, orders: int) -> tuple[Rects, Rects, Rects]:
    """Cut the area by roads until the blocks are small; the first cuts are the main roads."""
    mains, streets, blocks = (list[Rect]() for _ in range(3))
    main = rng.uniform([0.36, 4.6], [0.64, 5.8])  # the same for all, so that pieces meet
    todo = [(np.array([-_REACH, -_REACH, _REACH, _REACH]), 0)]
    while todo:
        rect, order = todo.pop()
        if np.hypot(*np.maximum(0.0, np.maximum(rect[:2], -rect[2:]))) > _REACH:
            continue  # outside the picture at every rotation
        sides = rect[2:] - rect[:2]
        axis = int(sides.argmax())
        if sides[axis] < rng.uniform(38.0, 56.0):
            blocks.append(rect)
            continue
        share, half = main if order < orders else rng.uniform([0.38, 2.5], [0.62, 3.7])
        middle = rect[axis] + share * sides[axis]
        below, road, above = rect.copy(), rect.copy(), rect.copy()
        below[axis + 2] = road[axis] = middle - half
        above[axis] = road[axis + 2] = middle + half
        (mains if order < orders else streets).append(road)
        todo += [(below, order + 1), (above, order + 1)]
    return np.array(mains), np.array(streets), np.array(blocks)


def _water(rng: np.random.Generator, kind: str, main: Rect) -> Discs:
    """Return a chain of discs: a river across the first main road, or a lake beside it."""
    if kind == "none":
        return np.zeros((0, 3))
    t = np.linspace(-1.0, 1.0, 72)
    wave = np.sin(rng.uniform(1.5, 3.0) * t + rng.uniform(0.0, 6.3))
    shift, swing, broad, phase = rng.uniform([-35.0, 8.0, 0.0, 0.0], [35.0, 24.0, 1.0, 6.3])
    if kind == "river":
        radius = 9.0 + 6.0 * broad + 2.0 * np.sin(4.0 * t + phase)
        return np.column_stack([1.1 * _REACH * t, shift + swing * wave, radius])
    middle, size = (main[0] + main[2]) / 2, 16.0 + 12.0 * broad
    u = middle - np.copysign(size + 16.0 + 6.0 * wave, middle)
    return np.column_stack([u, 0.7 * shift + swing * t, size * np.sqrt(1.0 - 0.8 * t**2)])


def _furnish(rng: np.random.Generator, block: Rect, kind: int) -> tuple[Rects, Discs]:
    """Return the buildings and trees of a block; roofs are drawn later than trees, over them."""
    low, sides = block[:2] + 2.0, block[2:] - block[:2] - 4.0
    rects = np.zeros((0, 4))
    if kind in (_HOUSES, _CENTRE):  # one building on each plot of a grid
        plot = np.array([9.5, 13.0]) if kind == _HOUSES else rng.uniform(13.0, 24.0, 2)
        counts = np.maximum(1, np.round(sides / plot[:: 1 if sides[0] > sides[1] else -1]))
        cells = np.indices(counts.astype(int)).reshape(2, -1).T
        plot, full = sides / counts, 0.7 if kind == _HOUSES else 0.8
        extent = plot * rng.uniform(full - 0.1, full + 0.1, cells.shape)
        start = low + cells * plot + (plot - extent) * rng.uniform(0.2, 0.8, cells.shape)
        rects = np.hstack([start, start + extent])[rng.random(len(cells)) > 0.08]
    density, largest = [(0.035, 1.8), (0.012, 1.6), (0.032, 3.2), (0.01, 1.6)][kind]
    spots = low + sides * rng.random((int(density * sides.prod()), 2))
    return rects, np.column_stack([spots, rng.uniform(1.0, largest, len(spots))])


def _make_plan(rng: np.random.Generator) -> _Plan:
    kind = rng.choice(["river", "lake", "none"], p=[0.45, 0.3, 0.25])
    # A second main road could run along the water.
    mains, streets, blocks = _split(rng, 2 if kind == "none" else 1)
    water = _water(rng, kind, mains[0])
    kinds = rng.choice(4, len(blocks), p=rng.dirichlet([3.7, 1.9, 1.9, 0.5]))
    furnished = [_furnish(rng, *pair) for pair in zip(blocks, kinds.tolist(), strict=True)]
    rects, trees = (np.concatenate(found) for found in zip(*furnished, strict=True))
    flat = np.repeat(kinds == _CENTRE, [len(found) for found, _ in furnished])
    nearest = np.clip(water[:, None, :2], rects[:, :2], rects[:, 2:])  # points of the buildings
    gap = np.hypot(*(nearest - water[:, None, :2]).T) - water[:, 2]
    dry = gap.min(axis=1, initial=np.inf) > 2.0
    pose = rng.uniform(0.0, [2.0 * np.pi, 5.0, 2.0 * np.pi])
    return _Plan(pose, mains, streets, blocks, kinds, water, rects[dry], flat[dry], trees)


def _paint(images: list[Image.Image], polygons: Polygons, *colours: object) -> None:
    """Fill polygons in each image with its colour: one for all of them, or one for each."""
    seen = ((polygons.max(axis=1) > 0.0) & (polygons.min(axis=1) < _UNITS)).all(axis=1)
    for image, colour in zip(images, colours, strict=True):
        draw = ImageDraw.Draw(image)
        fills = np.broadcast_to(np.asarray(colour, int), (len(polygons), len(image.getbands())))
        points = (polygons * (image.width / _UNITS)).reshape(-1, 2 * polygons.shape[1])
        for outline, fill in zip(points[seen].tolist(), fills[seen].tolist(), strict=True):
            draw.polygon(outline, tuple(fill))


def _along(roads: Rects, across: float, period: float, length: float, width: float) -> Rects:
    """Return rows of marks along roads, `across` half widths off the middle."""
    centre, half = (roads[:, 2:] + roads[:, :2]) / 2, (roads[:, 2:] - roads[:, :2]) / 2
    axis = np.eye(2)[half.argmax(axis=1)]
    steps = np.arange(-_REACH, _REACH, period)[:, None, None]
    middle = centre + (1.0 - axis) * across * half + axis * steps
    extent = (axis * length + (1.0 - axis) * width) / 2
    marks = np.concatenate([middle - extent, middle + extent], axis=2)
    return marks[np.abs(steps[..., 0]) < half.max(axis=1) - 2.0]


def _draw_ground(rng: np.random.Generator, plan: _Plan, pair: list[Image.Image]) -> None:
    """Draw blocks, water and roads in both pictures; shadows, trees and marks in the photo."""
    photo, veil = pair[:1], Image.new("L", pair[0].size)
    _paint(pair, plan.outline(plan.blocks, 4), _PAVEMENT, _MAP_GROUND[plan.kinds])
    _paint(photo, plan.outline(plan.blocks, 4, inset=1.1), _GROUND[plan.kinds])
    _paint(photo, plan.outline(_along(plan.streets, 0.0, 6.0, 2.6, 0.5)), _WHITE_MARK)
    heights = np.where(plan.flat, 3.4, 2.0) * rng.uniform(0.7, 1.3, len(plan.flat))
    shades = np.outer(heights, _SHADE)[:, None]
    for share in (0.33, 0.67, 1.0):
        _paint([veil], plan.outline(plan.buildings) + share * shades, 150)
    _paint([veil], plan.round(plan.trees) + 0.5 * plan.trees[:, None, 2:] * _SHADE, 120)
    photo[0].paste(_SHADOW, mask=veil)
    leaves = _TREES[rng.integers(len(_TREES), size=len(plan.trees))]
    _paint(photo, plan.round(plan.trees), leaves)
    lit = plan.round(plan.trees * [1.0, 1.0, 0.6], 8) - 0.25 * plan.trees[:, None, 2:] * _SHADE
    _paint(photo, lit, 1.35 * leaves)
    _paint(photo, plan.round(plan.water + np.array([0.0, 0.0, 1.6]), 32), _BANK)
    _paint(pair, plan.round(plan.water, 32), *_WATER)
    _paint(pair, plan.outline(plan.mains, 12), *_MAIN)
    _paint(photo, plan.outline(_along(plan.mains, 0.0, 8.0, 8.1, 0.8)), _YELLOW_MARK)
    for across in (-0.5, 0.5):
        _paint(photo, plan.outline(_along(plan.mains, across, 6.0, 2.6, 0.5)), _WHITE_MARK)


def _draw_buildings(rng: np.random.Generator, plan: _Plan, pair: list[Image.Image]) -> None:
    roofs = rng.integers(len(_PITCHED), size=len(plan.flat)) + len(_PITCHED) * plan.flat
    colours = _ROOFS[roofs] * rng.uniform(0.85, 1.1, (len(roofs), 1))
    corners = plan.outline(plan.buildings)
    # A pitched roof has a ridge from the side of corners 0 and 3 to that of corners 1 and 2.
    ridge = (corners[:, [1, 0]] + corners[:, [2, 3]]) / 2
    slope = 0.22 * np.dot([-np.sin(plan.pose[0]), np.cos(plan.pose[0])], _SHADE)
    slope = np.where(plan.flat, 0.0, slope)[:, None]  # of the brightness, to both sides
    _paint(pair, corners, colours * (1.0 - slope), _MAP_BUILDING)
    _paint(pair[:1], np.hstack([corners[:, :2], ridge]), colours * (1.0 + slope))
    _paint(pair[:1], plan.outline(plan.buildings[plan.flat], 1, 0.7), 0.9 * colours[plan.flat])


def _texture(rng: np.random.Generator, flat: Image.Image) -> Picture:
    """Make a photo from a drawing in flat colours."""
    photo = np.asarray(flat, np.float32)
    grids = [rng.standard_normal((cells, cells), np.float32) for cells in (5, 14, 40, 100)]
    fields = [np.asarray(Image.fromarray(grid).resize(flat.size)) for grid in grids]
    coarse, fine = fields[0] + 0.7 * fields[1], fields[2] + fields[3]
    red, green, blue = np.moveaxis(photo, 2, 0)
    # Plants and water, which vary more than roofs and roads, are found by their colour.
    plants = np.clip((green - np.maximum(red, blue)) / 25.0, 0.0, 1.0)
    water = np.clip((blue - red) / 50.0, 0.0, 1.0)
    grain = coarse * (0.02 + 0.06 * plants + 0.07 * water)
    grain += fine * (0.03 + 0.07 * plants - 0.02 * water)
    photo = photo * (1.0 + grain[..., None]) * rng.normal(1.0, 0.02, 3) * rng.uniform(0.95, 1.2)
    photo += 4.0 * rng.standard_normal(photo.shape, np.float32)
    return np.clip(photo, 0.0, 255.0).astype(np.uint8)


def _check_range(name: str, value: int, low: int) -> None:
    if not low <= value < 2**64:
        raise InputError(f"{name}={value}: must be from {low} to 2**64 - 1")


def draw_pair(seed: int, index: int, size: int) -> tuple[Picture, Picture]:
    """Draw a pair; the same arguments give the same bytes.

    Args:
        seed: Number of the data set, 0 to 2**64 - 1.
        index: Number of the pair, 0 to 2**64 - 1.
        size: Side in pixels, at least 16. A larger picture shows the same place in more detail.

    Returns:
        Aerial photo and street map, 8-bit RGB.

    Raises:
        InputError: An argument is out of its range.
    """
    _check_range("seed", seed, 0)
    _check_range("index", index, 0)
    _check_range("size", size, MIN_SIZE)
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, index], np.uint64)))
    plan = _make_plan(rng)
    pair = [Image.new("RGB", (size * _OVERSAMPLING,) * 2, colour) for colour in _STREET]
    _draw_ground(rng, plan, pair)
    _draw_buildings(rng, plan, pair)
    return _texture(rng, pair[0].reduce(_OVERSAMPLING)), np.array(pair[1].reduce(_OVERSAMPLING))


@dataclasses.dataclass(frozen=True)
class SyntheticPairs:
    """Drawn pairs of square pictures, 8-bit RGB; a value out of its range is an InputError.

    Attributes:
        count: Number of pairs.
        side: Side of the pictures in pixels, at least 16.
        seed: Number of the data set, 0 to 2**64 - 1.
        split: `train`, `val` or `test`; each has its own pairs.
        direction: `AtoB`: photo to map; `BtoA`: map to photo.
    """

    count: int
    side: int
    seed: int
    split: str
    direction: str = "AtoB"

    def __post_init__(self) -> None:
        for name, choices in (("split", SPLITS), ("direction", ("AtoB", "BtoA"))):
            value = getattr(self, name)
            if value not in choices:
                raise InputError(f"{name}={value!r}: choose from {', '.join(choices)}")
        for name, low in (("count", 0), ("side", MIN_SIZE), ("seed", 0)):
            _check_range(name, getattr(self, name), low)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Name of each pair, such as `train_00012`."""
        return tuple(f"{self.split}_{index:05d}" for index in range(self.count))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Picture, Picture]:
        if not 0 <= index < self.count:
            raise IndexError(f"index {index} is outside 0 to {self.count - 1}")
        number = SPLITS.index(self.split) * 2**60 + int(index)  # no count reaches another split
        pair = draw_pair(self.seed, number, self.side)
        return pair if self.direction == "AtoB" else pair[::-1]

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width."""
        return self.side, self.side
