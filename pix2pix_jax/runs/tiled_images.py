"""Translate images of any size in tiles (`fit='tile'`), some rows at a time."""

import itertools
import logging
import math
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, PyTree, Shaped
from tqdm.auto import tqdm

from pix2pix_jax.core.scales import scaled
from pix2pix_jax.images.notebook_image import NotebookImage
from pix2pix_jax.images.pixels import parts
from pix2pix_jax.images.rows import Rows, rows_of
from pix2pix_jax.images.scaling import nearest
from pix2pix_jax.models.receptive_field import receptive_radius
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.image_memory import largest_square
from pix2pix_jax.runs.tile_programs import TileTranslator
from pix2pix_jax.runs.tiling import Plan, blend_rows, choose_cut, make_plan

logger = logging.getLogger(__name__)

_LARGEST_TILE = 2048  # by default: larger ones save little, and rows of them take memory
# Pixels that are measured at once, for each that is translated at once: nothing else is held then.
_MEASURED = 1.5
# Least side of a piece of a sample: smaller ones would be mostly borders.
_PIECE = 128
Strip = Shaped[np.ndarray, "rows width c"]
Image = Shaped[np.ndarray, "_ _ _"]  # (height, width, channels)


class ImageTiler:
    """Translates images in tiles.

    Attributes:
        cut: The sizes of tiles.
    """

    def __init__(self, generator: Generator, *, mode: str) -> None:
        """Choose the sizes.

        Args:
            generator: The generator, with its `tiling`.
            mode: `paper` or `deterministic`.

        Raises:
            InputError: The sizes are impossible, or there are no running statistics.
        """
        self._generator = generator
        self._translator = TileTranslator(generator, mode=mode)
        self._radius = receptive_radius(generator.module)
        largest = largest_square(generator)
        self.cut = choose_cut(
            generator.tiling,
            largest=min(largest, _LARGEST_TILE),
            multiple=generator.multiple,
            radius=self._radius,
        )
        self._most_measured = max(int(_MEASURED * largest**2), self.cut.tile**2)

    def __call__(self, source: Rows, name: str, name_hash: int) -> Iterator[Strip]:
        """Translate an image.

        Args:
            source: The image as the generator's sources are stored.
            name: Its name, for messages and the progress bar; '': there are none.
            name_hash: From `translation.name_hashes`: it decides the image's dropout.

        Yields:
            The result as stored, some rows at a time, from the top.
        """
        form = self._generator.form
        height, width = scaled(source.size, form.scale)
        padded = _Padded(source, self._generator.multiple)
        plan = make_plan(padded.size, self.cut, form.scale)
        # A single tile is the whole image, whose statistics are its own.
        shares = self._translator.shares and len(plan) > 1
        statistics = self._statistics(padded, name, name_hash) if shares else {}
        row = 0
        shown = None if name else True
        with tqdm(total=len(plan), unit="tile", disable=shown, leave=False, desc=name[-30:]) as bar:
            bands = self._bands(padded, plan, statistics, name_hash, bar)
            for band in blend_rows(bands, plan.rows):
                band = band[: height - row, :width]
                for part in parts(band) if len(band) else ():
                    fake = form.target.from_network(band[part])
                    last = row + len(fake)
                    # The source once more, for its lightness or its missing pixels.
                    rows = slice(row, last)
                    seen = _under(source, rows, width, form.scale) if form.finishes else fake
                    yield form.finish(seen, fake)
                    row = last

    def _bands(
        self, source: "_Padded", plan: Plan, statistics: PyTree, name_hash: int, bar: tqdm
    ) -> Iterator[Float[np.ndarray, "rows width d"]]:
        """Yield the used part of each row of tiles, blended from side to side."""
        form = self._generator.form
        width = scaled(source.size, form.scale)[1]
        for rows in plan.rows:
            strip = source.read(rows.start, rows.stop)
            band = np.zeros((len(rows.weights), width, form.target.depth), np.float32)
            for columns in plan.columns:
                tile = np.ascontiguousarray(strip[:, columns.start : columns.stop])
                fake = self._translator(tile, statistics, name_hash, rows.start, columns.start)
                used = fake[rows.used, columns.used]
                band[:, columns.first : columns.last] += used * columns.weights[:, None]
                bar.update()
            yield band

    def _statistics(self, source: "_Padded", name: str, name_hash: int) -> PyTree:
        """Measure an image, or a sample of it if it is too large to be measured at once."""
        height, width = source.size
        if height * width <= self._most_measured:
            return self._translator.measure(source.read(0, height), name_hash)
        sample = _sample(source, self._generator.multiple, math.isqrt(self._most_measured))
        level = logging.INFO if name else logging.DEBUG
        logger.log(
            level,
            "%s: the statistics of its norms are those of a sample, %.1f %% of its pixels",
            *(name, 100 * sample.shape[0] * sample.shape[1] / (height * width)),
        )
        return self._translator.measure(sample, name_hash)

    def say_what_is_blended(self) -> None:
        """Say so in one line if seams are blended and cannot be excluded."""
        cut, norm = self.cut, self._generator.tiling.norm
        if norm == "tile":
            return
        if self._radius is None:
            logger.info(
                "tiles of %d pixels overlap by %d: seams are blended, as nothing is known of how "
                "far own code looks, nor of its own norms, which see one tile at a time",
                *(cut.tile, cut.overlap),
            )
        elif cut.overlap < 2 * self._radius:
            logger.info(
                "tiles of %d pixels overlap by %d, less than the %d that the network sees around "
                "two neighbours: seams are blended, not excluded (--tile, --overlap)",
                *(cut.tile, cut.overlap, 2 * self._radius),
            )


def translate_in_tiles(
    generator: Generator, sources: Sequence[Image], hashes: Sequence[int], *, mode: str
) -> list[NotebookImage]:
    """Translate images in memory in tiles; see `translation.translate`.

    Args:
        generator: The generator, with its `tiling`.
        sources: Images as the generator's sources are stored.
        hashes: From `translation.name_hashes`, one for each image.
        mode: `paper` or `deterministic`.

    Raises:
        InputError: The sizes of tiles are impossible, or there are no running statistics.
    """
    form, numbers = generator.form, generator.rows(len(sources))
    tilers = (
        itertools.repeat(ImageTiler(generator, mode=mode))
        if numbers is None
        else (ImageTiler(generator.at(row), mode=mode) for row in numbers)
    )
    results = [
        np.concatenate(list(tiler(rows_of(source), "", int(name_hash))))
        for tiler, source, name_hash in zip(tilers, sources, hashes, strict=False)
    ]
    return [NotebookImage.of(result, form.written, form.bands) for result in results]


def _under(source: Rows, rows: slice, width: int, scale: float) -> Strip:
    """Return the pixels of an image that lie under some rows of its result: one for each there.

    Of a result of half the size, they are as many as the image has.
    """
    if scale < 1:
        return source.read(int(rows.start / scale), min(int(rows.stop / scale), source.size[0]))
    under = (np.arange(rows.start, rows.stop) / scale).astype(int)
    strip = source.read(int(under[0]), int(under[-1]) + 1)
    return nearest(strip[under - under[0]], (len(under), width))


class _Padded:
    """An image with mirrored rows and columns at its end, up to sides that the network takes."""

    def __init__(self, source: Rows, multiple: int) -> None:
        self._source = source
        # The row, and column, of the image that each one here is.
        self._rows, self._columns = (
            np.pad(np.arange(side), (0, -side % multiple), mode="symmetric") for side in source.size
        )
        self.size = len(self._rows), len(self._columns)

    def read(self, first: int, last: int) -> Strip:
        rows = self._rows[first:last]
        strip = self._source.read(int(rows.min()), int(rows.max()) + 1)
        if len(strip) == len(rows) and strip.shape[1] == len(self._columns):
            return strip
        return strip[(rows - rows.min())[:, None], self._columns]


def _sample(source: _Padded, multiple: int, side: int) -> Shaped[np.ndarray, "h w c"]:
    """Return a mosaic of pieces of an image, spread evenly over it, with about side x side pixels.

    Pieces of a smaller image would have other textures, to which a network answers differently.

    Args:
        source: The image, which has more pixels than that.
        multiple: What the sides of the mosaic are multiples of.
        side: Root of the number of pixels.
    """
    least = -(-_PIECE // multiple) * multiple
    height, width = (min(least, length) for length in source.size)
    down = max(min(side, source.size[0]) // height, 1)
    across = max(min(side * side // (down * height), source.size[1]) // width, 1)
    down = max(min(side * side // (across * width), source.size[0]) // height, 1)
    rows = []
    for top in _spread(source.size[0] - height, down):
        strip = source.read(top, top + height)
        rows.append(
            [strip[:, left : left + width] for left in _spread(source.size[1] - width, across)]
        )
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def _spread(last: int, count: int) -> list[int]:
    """Return `count` places from 0 to `last`; one alone is in the middle."""
    if count == 1:
        return [last // 2]
    return [last * number // (count - 1) for number in range(count)]
