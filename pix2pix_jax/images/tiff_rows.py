"""TIFF files read some rows at a time: only the strips or tiles that these rows cross."""

import contextlib
import dataclasses
import importlib.util
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.opening import File, Opened, naming, open_file, reader
from pix2pix_jax.images.tiff_files import BOUNDED, BUILT_IN, MAGIC
from pix2pix_jax.images.tiff_headers import TiffHeader, check_size, read_header, refuse_swelling

_COLOURS = {"MINISBLACK": 1, "RGB": 3}
_ALPHA = 2  # an extra sample: opacity by which the colours are not multiplied
_LARGEST_SEGMENT = 2**26  # bytes that a strip or tile may unpack to, as rows are read one by one
_PREDICTORS = (1, 2)  # none, and differences of whole numbers


@dataclasses.dataclass(frozen=True)
class TiffRows:
    """An open TIFF file, of which any rows can be read.

    Attributes:
        size: Height and width.
        kind: What its channels mean, one of `pixels.KINDS`.
        dtype: Dtype of its values.
    """

    size: tuple[int, int]
    kind: str
    dtype: np.dtype
    _file: Opened
    _page: Any

    def read(self, first: int, last: int) -> Shaped[np.ndarray, "rows width c"]:
        """Read the rows from `first` up to, but not including, `last`.

        Raises:
            InputError: A strip or tile is damaged.
        """
        planes, _, _, width, samples = self._page.shaped
        result = np.zeros((planes, last - first, width, samples), self.dtype.newbyteorder("="))
        if self._page.is_final:
            for plane in range(planes):
                result[plane] = self._stored(plane, first, last)
        else:
            self._unpack(first, last, result)
        return np.moveaxis(result, 0, 2).reshape(last - first, width, planes * samples)

    def _stored(self, plane: int, first: int, last: int) -> Shaped[np.ndarray, "rows width s"]:
        """Read rows of values that lie in the file as they are, one after another."""
        _, _, length, width, samples = self._page.shaped
        dtype = np.dtype(self._page.parent.byteorder + self.dtype.str[1:])
        row = width * samples * dtype.itemsize
        with reader():
            self._file.seek(self._page.dataoffsets[0] + (plane * length + first) * row)
            data = self._file.read((last - first) * row)
        if len(data) < (last - first) * row:
            raise InputError("cannot be read as an image (its pixels are cut short)")
        return np.frombuffer(data, dtype).reshape(last - first, width, samples)

    def _unpack(
        self, first: int, last: int, result: Shaped[np.ndarray, "planes rows width s"]
    ) -> None:
        """Put what the strips or tiles hold of some rows into an array."""
        width = result.shape[2]
        for index in self._segments(first, last):
            with reader():
                segment, place = self._decode(index)
            if segment is None:  # it is sparse: nothing but zeros
                continue
            plane, _, top, left, _ = place
            rows = slice(max(top, first), min(top + segment.shape[1], last, self.size[0]))
            columns = slice(left, min(left + segment.shape[2], width))
            if rows.start < rows.stop:
                result[plane, rows.start - first : rows.stop - first, columns] = segment[
                    0, rows.start - top : rows.stop - top, : columns.stop - left
                ]

    def _segments(self, first: int, last: int) -> Iterator[int]:
        """Yield the numbers of the strips or tiles that have one of these rows."""
        planes, _, downwards, across, _ = _grid(self._page)
        height = self._page.chunks[0]
        for plane in range(planes):
            for row in range(first // height, min(-(-last // height), downwards)):
                start = (plane * downwards + row) * across
                yield from range(start, start + across)

    def _decode(self, index: int) -> tuple[Any, tuple[int, ...]]:
        page = self._page
        self._file.seek(page.dataoffsets[index])
        data = self._file.read(page.databytecounts[index])
        if len(data) < page.databytecounts[index]:
            raise InputError("cannot be read as an image (a strip or tile is cut short)")
        segment, place, shape = page.decode(data or None, index, jpegtables=page.jpegtables)
        if segment is not None and segment.size != math.prod(shape):
            raise InputError("cannot be read as an image (a strip or tile of another size)")
        return None if segment is None else segment.reshape(shape), place


def _grid(page: Any) -> tuple[int, ...]:
    """Return how many strips or tiles there are: planes, 1, downwards, across, 1."""
    planes, depth, length, width, _ = page.shaped
    height, across = page.chunks[:2]
    return planes, depth, -(-length // height), -(-width // across), 1


@contextlib.contextmanager
def open_tiff_rows(
    file: File, max_pixels: int, *, name: object = None
) -> Iterator[TiffRows | None]:
    """Open a TIFF file for reading rows.

    Args:
        file: A path, or a binary file.
        max_pixels: As for `limits.refuse_large`.
        name: Name of the image, for messages; its path by default.

    Yields:
        The open file; None if it is no TIFF, or one that can only be read whole: with a palette,
        bits that are packed, a compression that only Pillow knows, one huge strip, and the like.

    Raises:
        InputError: The file is missing, damaged or too large.
    """
    import tifffile

    with contextlib.ExitStack() as stack:
        with naming(file if name is None else name):
            opened = stack.enter_context(open_file(file))
            with reader():
                start, size = opened.read(4), opened.seek(0, 2)
                opened.seek(0)
            rows = None
            if start in MAGIC:
                with reader():
                    tiff: Any = tifffile.TiffFile(opened, is_ome=False)
                    header = read_header(tiff)
                check_size(header, size, max_pixels)
                if _is_readable(header, tiff.pages[0]):
                    refuse_swelling(opened, header)
                    rows = _open(header, opened, tiff.pages[0])
        yield rows


def _open(header: TiffHeader, file: Opened, page: Any) -> TiffRows:
    colours = _COLOURS[header.photometric]
    kind = {1: "gray", 3: "RGB"}[colours]
    if header.samples > colours:
        alpha = header.samples == colours + 1 and header.extras == (_ALPHA,)
        kind = {1: "gray+alpha", 3: "RGBA"}[colours] if alpha else "bands"
    return TiffRows((header.length, header.width), kind, header.dtype, file, page)


def _is_readable(header: TiffHeader, page: Any) -> bool:
    """Return whether strips and tiles can be read one by one, to what is read of the whole file."""
    plain = header.dtype.str[1:] in ("u1", "u2", "f4") and header.bits == 8 * header.dtype.itemsize
    alone = header.flat and header.others == 0 and header.orientation == 1
    planes, depth, length, width, samples = page.shaped
    sound = (depth, length, width) == (1, header.length, header.width) and length and width
    sound = sound and planes * samples == header.samples and page.planarconfig in (1, 2)
    premultiplied = header.samples > 1 and 1 in header.extras[:1]
    there = all((place > 0) == (length > 0) for place, length in header.segments)
    packed = header.compression in BOUNDED and importlib.util.find_spec("imagecodecs") is None
    return (
        (sound and there and plain and alone and not premultiplied and not packed)
        and header.samples >= _COLOURS.get(header.photometric, header.samples + 1)
        and header.compression in (*BUILT_IN, *BOUNDED)
        and header.predictor in _PREDICTORS
        and (page.is_final or header.segment <= _LARGEST_SEGMENT)
        and (page.is_final or len(header.segments) == math.prod(_grid(page)))
    )
