"""What a TIFF file claims to hold, and whether that may be unpacked."""

import dataclasses
import lzma
import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.limits import refuse_large
from pix2pix_jax.images.opening import Opened, reader

NONE, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD = 1, 5, 8, 32773, 32946, 34925, 50000
_ORIENTATION, _PHOTOMETRIC = 274, 262  # numbers of tags
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType: a page that only goes with another
_MOST_PAGES, _MOST_SEGMENTS = 2**10, 2**20
# tifffile unpacks these whole, however long that is; with how many times it is at most.
_SWELLING: dict[int, tuple[Callable[[], Any], int]] = {
    DEFLATE: (zlib.decompressobj, 1_040),
    OLD_DEFLATE: (zlib.decompressobj, 1_040),
    LZMA: (lzma.LZMADecompressor, 10_000),
}
_HARMLESS = 2**27  # bytes that a strip or tile may become without a look, as looking takes time
_PIECE = 2**16


@dataclasses.dataclass(frozen=True)
class TiffHeader:
    """What a file says about its first image, and about its pages.

    Attributes:
        width: Width of a page.
        length: Its height.
        shape: Shape of the whole image.
        axes: Names of its axes.
        dtype: Its dtype.
        photometric: What the samples of a pixel mean; '' if the file does not say.
        extras: What the samples beyond its colours mean.
        samples: Number of samples of a pixel.
        bits: Number of bits of a sample.
        compression: Number of the compression.
        predictor: Number of the filter before it.
        orientation: As in EXIF.
        segment: Number of bytes of an unpacked strip or tile.
        expected: Number of strips and tiles that there must be.
        segments: Place and length of each strip or tile.
        others: Number of images besides the first.
    """

    width: int
    length: int
    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype
    photometric: str
    extras: tuple[int, ...]
    samples: int
    bits: int
    compression: int
    predictor: int
    orientation: int
    segment: int
    expected: int
    segments: tuple[tuple[int, int], ...]
    others: int

    @property
    def flat(self) -> bool:
        """Whether the image is one page."""
        return len(self.shape) == (2 if self.samples == 1 else 3)


def read_header(tiff: Any) -> TiffHeader:
    """Read what a file says about its first image; whatever tifffile raises passes through.

    Args:
        tiff: An open `tifffile.TiffFile`.

    Raises:
        InputError: It has no page, or far too many.
    """
    count = len(tiff.pages)
    if not count:
        raise InputError("cannot be read as an image (a TIFF without a page)")
    if count > _MOST_PAGES:
        raise InputError(f"a TIFF of {count} pages; expected 1 to {_MOST_PAGES}")
    page, series = tiff.pages[0], tiff.series[0]
    pages = [each for each in series.pages if each is not None]
    known, turned = _PHOTOMETRIC in page.tags, page.tags.valueof(_ORIENTATION)
    sample = np.dtype(page.dtype).itemsize if page.dtype is not None else 1
    return TiffHeader(
        width=int(page.imagewidth),
        length=int(page.imagelength),
        shape=tuple(int(side) for side in series.shape),
        axes=series.axes,
        dtype=np.dtype(series.dtype),
        photometric=getattr(page.photometric, "name", str(page.photometric)) if known else "",
        extras=tuple(int(extra) for extra in page.extrasamples),
        samples=int(page.samplesperpixel),
        bits=int(page.bitspersample),
        compression=int(page.compression),
        predictor=int(page.predictor),
        orientation=turned if turned in range(1, 9) else 1,
        segment=math.prod(page.chunks) * sample,
        expected=math.prod(page.chunked) * len(pages),
        segments=tuple(
            (int(place), int(length))
            for each in pages
            for place, length in zip(each.dataoffsets, each.databytecounts, strict=True)
        ),
        others=sum(
            not int(each.keyframe.subfiletype) & (_REDUCED | _MASK) for each in tiff.series[1:]
        ),
    )


def check_size(header: TiffHeader, size: int, max_pixels: int) -> None:
    """Judge what an image claims to be, before it is unpacked.

    Args:
        header: What it claims.
        size: Number of bytes of the file.
        max_pixels: As for `refuse_large`.

    Raises:
        InputError: It is too large, in too many parts, or parts of it are missing.
    """
    pixels = math.prod(header.shape) * header.dtype.itemsize
    refuse_large(header.width, header.length, max(pixels, header.segment), max_pixels)
    if header.expected > _MOST_SEGMENTS:
        raise InputError(f"{header.expected} strips or tiles, more than {_MOST_SEGMENTS}")
    stored = sum(length for _, length in header.segments)
    contiguous = len(header.segments) == 1 and header.compression == NONE
    if len(header.segments) < header.expected and not contiguous:
        raise InputError(
            f"cannot be read as an image ({len(header.segments)} of {header.expected} strips or "
            "tiles are there)"
        )
    if stored > size:
        raise InputError(f"cannot be read as an image ({stored} bytes of pixels in {size})")


def refuse_swelling(file: Opened, header: TiffHeader) -> None:
    """Refuse strips and tiles that unpack to more than they may, without holding that.

    Raises:
        InputError: One does.
    """
    if header.compression not in _SWELLING:
        return
    make, ratio = _SWELLING[header.compression]
    for place, length in header.segments:
        if length * ratio <= _HARMLESS:
            continue
        file.seek(place)
        with reader():
            unpacked = _unpacked(make(), file.read(length), header.segment)
        if unpacked > header.segment:
            raise InputError(
                f"cannot be read as an image (a strip or tile of {header.segment} bytes unpacks to "
                "more)"
            )


def _unpacked(decompressor: Any, data: bytes, most: int) -> int:
    """Return to how many bytes data unpacks, or a number above `most`."""
    count = 0
    while count <= most and not decompressor.eof:
        piece = decompressor.decompress(data, _PIECE)
        data = getattr(decompressor, "unconsumed_tail", b"")
        count += len(piece)
        if not piece and not data:
            break
    return count
