"""Small files that would unpack to gigabytes are refused by what they claim, in little memory."""

import functools
import io
import lzma
import resource
import time
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.files import read_picture
from pix2pix_jax.images.label_files import read_labels

MUCH = 160 * 2**20  # bytes that a bomb unpacks to
MEMORY = 48 * 2**10  # KiB that its refusal may take


def overwritten(array, changes, **options):
    """Return a TIFF of which some tags were changed."""
    memory = io.BytesIO()
    tifffile.imwrite(memory, array, photometric="minisblack", **options)
    data = bytearray(memory.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        tags = tiff.pages[0].tags
        for name, value in changes.items():
            tag = tags[name]
            size = {3: 2, 4: 4}[int(tag.dtype)]
            data[tag.valueoffset : tag.valueoffset + size] = value.to_bytes(size, "little")
    return bytes(data)


def swelling(compress, name, bands):
    """Return a TIFF with a strip that unpacks to far more than it may."""
    strip = compress(bytes(MUCH))
    array = np.zeros((16, 16, bands), np.uint8)
    plain = overwritten(array, {}, planarconfig="contig", compression=name)
    changes = {"StripOffsets": len(plain), "StripByteCounts": len(strip)}
    return overwritten(array, changes, planarconfig="contig", compression=name) + strip


def tiles_of_one_pixel():
    sides = {"ImageWidth": 10_000, "ImageLength": 10_000, "TileWidth": 1, "TileLength": 1}
    array = np.zeros((16, 16, 5), np.uint8)
    return overwritten(array, sides, planarconfig="contig", tile=(16, 16))


def missing_strips():
    sides = {"ImageLength": 10_000, "RowsPerStrip": 1}
    return overwritten(np.zeros((16, 16), np.uint16), sides, compression="zlib")


def shared_strips():
    """Return a TIFF all of whose strips are the same bytes."""
    memory = io.BytesIO()
    array = np.random.default_rng(0).integers(0, 256, (2000, 50), np.uint16)
    tifffile.imwrite(memory, array, photometric="minisblack", rowsperstrip=1, compression="zlib")
    data = bytearray(memory.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        for name, value in (("StripOffsets", 8), ("StripByteCounts", 60_000)):
            tag = tiff.pages[0].tags[name]
            size = {3: 2, 4: 4}[int(tag.dtype)]
            block = value.to_bytes(size, "little") * len(tag.value)
            data[tag.valueoffset : tag.valueoffset + len(block)] = block
    return bytes(data)


def many_bands():
    changes = {"ImageWidth": 11_000, "ImageLength": 11_000, "RowsPerStrip": 11_000}
    array = np.zeros((16, 16, 2), np.float32)
    return overwritten(array, changes, planarconfig="contig", compression="zlib")


def archive():
    memory = io.BytesIO()
    np.savez_compressed(memory, np.zeros(MUCH // 16, np.uint8))
    return memory.getvalue()


def array_without_data():
    memory = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (8000, 8000)}
    np.lib.format.write_array_header_1_0(memory, header)
    return memory.getvalue()


def webp():
    memory = io.BytesIO()
    Image.new("RGB", (16, 16)).save(memory, "WEBP", lossless=True)
    data = bytearray(memory.getvalue())
    place = data.find(b"VP8L") + 9  # 14 bits of width - 1, 14 of height - 1
    data[place : place + 4] = (
        int.from_bytes(data[place : place + 4], "little") | 0xFFFFFFF
    ).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: swelling(zlib.compress, "zlib", 5), "of 1280 bytes unpacks to more"),
        (
            lambda: swelling(functools.partial(lzma.compress, preset=0), "lzma", 5),
            "of 1280 bytes unpacks to more",
        ),
        (tiles_of_one_pixel, "100000000 strips or tiles, more than 1048576"),
        (missing_strips, "1 of 10000 strips or tiles are there"),
        (shared_strips, "120000000 bytes of pixels in"),
        (many_bands, "968000000 bytes to unpack, more than"),
        (archive, "an archive of arrays"),
        (array_without_data, "truncated: 512000000 bytes are missing"),
        (webp, r"\(268435456 pixels\) exceeds limit"),
    ],
)
def test_a_bomb_is_refused_in_little_memory_and_time(make, message):
    file = io.BytesIO(make())
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    for read in (read_picture, read_labels):
        with pytest.raises(InputError, match=f"^a: .*{message}"):
            read(file, name="a")
    # The peak of this process: it can only grow, and does not if it was higher before.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY
    assert time.monotonic() - start < 5


def test_strips_that_unpack_to_what_they_should_are_read():
    # Noise: so many bytes could become far more than they should, and are looked at.
    image = np.random.default_rng(0).integers(0, 65536, (200, 300, 5), np.uint16)
    for compression in ("zlib", "lzma"):
        memory = io.BytesIO()
        options = {"photometric": "minisblack", "planarconfig": "contig", "rowsperstrip": 200}
        tifffile.imwrite(memory, image, compression=compression, **options)
        np.testing.assert_array_equal(read_picture(memory).pixels, image)
