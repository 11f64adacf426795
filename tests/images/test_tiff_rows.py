import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.files import read_picture
from pix2pix_jax.images.limits import MAX_PIXELS
from pix2pix_jax.images.tiff_rows import open_tiff_rows

SIZE = (53, 47)


def tiff_of(dtype, channels, **options):
    """Return a TIFF file of noise."""
    shape = (*SIZE, channels) if channels > 1 else SIZE
    if options.get("planarconfig") == "separate":
        shape = (channels, *SIZE)
    values = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
    memory = io.BytesIO()
    tifffile.imwrite(memory, values, **options)
    memory.seek(0)
    return memory


def rows_of(file, *spans):
    with open_tiff_rows(file, MAX_PIXELS, name="a.tif") as rows:
        return None if rows is None else [rows.read(*span) for span in spans]


@pytest.mark.parametrize("tile", [None, (32, 16)], ids=["strips", "tiles"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("dtype", "channels", "options"),
    [
        ("u1", 3, {"photometric": "rgb"}),
        ("u1", 1, {"bigtiff": True}),
        (">u2", 4, {"photometric": "rgb", "extrasamples": ["unassalpha"], "byteorder": ">"}),
        ("<f4", 5, {"photometric": "minisblack", "planarconfig": "separate"}),
        ("<u2", 5, {"photometric": "minisblack", "planarconfig": "contig"}),
    ],
)
def test_any_rows_are_those_of_the_whole_file(tile, compression, dtype, channels, options):
    rows_per_strip = {} if tile else {"rowsperstrip": 7}
    predictor = {"predictor": True} if compression and "f" not in dtype else {}
    form = {"tile": tile, "compression": compression, **rows_per_strip, **predictor}
    file = tiff_of(dtype, channels, **options, **form)
    whole = read_picture(file)
    spans = [(0, 53), (0, 1), (5, 38), (52, 53), (31, 33)]
    for span, rows in zip(spans, rows_of(file, *spans), strict=True):
        np.testing.assert_array_equal(rows, whole.pixels[slice(*span)])
    with open_tiff_rows(file, MAX_PIXELS) as opened:
        assert (opened.kind, opened.size) == (whole.kind, SIZE)


def picture_in(form, mode, **options):
    memory = io.BytesIO()
    Image.new(mode, (8, 8)).save(memory, form, **options)
    return memory


@pytest.mark.parametrize(
    "file",
    [
        picture_in("PNG", "RGB"),
        picture_in("TIFF", "P"),
        picture_in("TIFF", "1"),
        picture_in("TIFF", "RGB", compression="jpeg"),
        tiff_of("u1", 3, photometric="rgb", extratags=[(274, 3, 1, 6, True)]),
        tiff_of("f8", 1),
    ],
    ids=["no TIFF", "palette", "bits", "JPEG", "turned", "float64"],
)
def test_what_must_be_read_whole_is_not_opened(file):
    assert rows_of(file, (0, 1)) is None


def test_a_damaged_strip_is_one_line_when_it_is_read():
    file = tiff_of("u1", 3, photometric="rgb", compression="zlib", rowsperstrip=8)
    with tifffile.TiffFile(file) as tiff:
        place = tiff.pages[0].dataoffsets[3]
    file.seek(place)
    file.write(b"\0" * 40)
    assert rows_of(file, (0, 24)) is not None
    with pytest.raises(InputError, match="cannot be read as an image"):
        rows_of(file, (20, 30))


def test_a_file_that_is_cut_short_is_refused():
    whole = tiff_of("u2", 1).getvalue()
    with pytest.raises(InputError, match="cannot be read as an image"):
        rows_of(io.BytesIO(whole[:-200]), (0, 53))
