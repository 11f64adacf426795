"""Images that are read and written some rows at a time: they need not fit in memory."""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.carried import NOTHING, Carried
from pix2pix_jax.images.limits import MAX_PIXELS
from pix2pix_jax.images.opening import naming
from pix2pix_jax.images.pixels import finite
from pix2pix_jax.images.tiff_rows import open_tiff_rows

Strip = Shaped[np.ndarray, "rows width c"]
_TILE = 256  # side of the tiles that a TIFF is written in
# Bytes from which on a TIFF is written with 64-bit offsets: what is packed may take more than it
# does unpacked, and the tags come on top of it.
_BIG = 2**32 - 2**27


@dataclasses.dataclass(frozen=True)
class Rows:
    """An image of which any rows can be read.

    Attributes:
        size: Height and width.
        read: Returns the rows from its first argument up to, but not including, its second.
    """

    size: tuple[int, int]
    read: Callable[[int, int], Strip]


def rows_of(image: Shaped[np.ndarray, "h w c"]) -> Rows:
    """Return an image in memory as rows."""
    return Rows(image.shape[:2], lambda first, last: image[first:last])


Converter = Callable[[Strip, str], Strip]  # of a strip and of what its channels mean


@contextlib.contextmanager
def open_rows(
    path: str | os.PathLike, convert: Converter, *, max_pixels: int = MAX_PIXELS
) -> Iterator[Rows]:
    """Open an image file for reading rows, which have the values of `files.read_picture`.

    NaN is kept: `convert` knows whether it marks pixels without data.

    A TIFF that can be is read strip by strip; any other file is decoded as a whole.

    Args:
        path: The file.
        convert: What is done to each strip that is read.
        max_pixels: As for `read_picture`.

    Raises:
        InputError: As for `read_picture`. What is damaged inside a TIFF shows when it is read.
    """
    with open_tiff_rows(path, max_pixels) as tiff:
        if tiff is None:
            picture = image_files.read_picture(path, max_pixels=max_pixels, checked=False)
            whole = rows_of(picture.pixels)
            kind, read = picture.kind, whole.read
            size = whole.size
        else:
            size, kind, read = tiff.size, tiff.kind, tiff.read

        def read_converted(first: int, last: int) -> Strip:
            with naming(path):
                strip = finite(read(first, last), nan=True)
            return convert(strip, kind)

        yield Rows(size, read_converted)


def write_rows(
    path: str | os.PathLike,
    strips: Iterable[Strip],
    size: tuple[int, int],
    *,
    dtype: str,
    channels: int,
    carried: Carried = NOTHING,
) -> None:
    """Write an image from its rows; the file appears whole or not at all.

    Args:
        path: The file; its folder must exist. A TIFF is written as the rows come, in tiles, and
            with 64-bit offsets (BigTIFF) if it may pass 4 GB. A PNG is collected in memory.
        strips: The rows, from the top.
        size: Height and width.
        dtype: Dtype of the rows.
        channels: Number of their channels.
        carried: What the image keeps of the file that it was made from.
    """
    if pathlib.Path(path).suffix.lower() not in image_files.TIFF_SUFFIXES:
        image = np.empty((*size, channels), dtype)
        row = 0
        for strip in strips:
            image[row : row + len(strip)] = strip
            row += len(strip)
        image_files.write(path, image, carried=carried)
        return
    import tifffile

    form = np.dtype(dtype)
    shape = (*size, channels) if channels > 1 else size
    big = size[0] * size[1] * channels * form.itemsize >= _BIG
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=big) as file:
        file.write(
            _tiles(strips, size[1]),
            shape=shape,
            dtype=form,
            tile=(_TILE, _TILE),
            **image_files.tiff_form(form, channels),
            iccprofile=carried.profile_for(form, channels),
            extratags=carried.geo_for(form),
            metadata=None,
        )


def _tiles(strips: Iterable[Strip], width: int) -> Iterator[Shaped[np.ndarray, "h w ..."]]:
    """Yield an image's tiles of a TIFF, row by row; those at its end are filled up with zeros."""
    for strip in _by_height(strips, _TILE):
        flat = strip[..., 0] if strip.shape[-1] == 1 else strip
        for left in range(0, width, _TILE):
            part = flat[:, left : left + _TILE]
            tile = np.zeros((_TILE, _TILE, *part.shape[2:]), part.dtype)
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile


def _by_height(strips: Iterable[Strip], height: int) -> Iterator[Strip]:
    """Yield the same rows in strips of one height; the last one may be lower."""
    waiting: list[Strip] = []
    for strip in strips:
        while len(strip):
            missing = height - sum(map(len, waiting))
            waiting.append(strip[:missing])
            strip = strip[missing:]
            if sum(map(len, waiting)) == height:
                yield np.concatenate(waiting)
                waiting = []
    if waiting:
        yield np.concatenate(waiting)
