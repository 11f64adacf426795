import errno

import numpy as np
import pytest
import tifffile
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.files import read_stored
from pix2pix_jax.images.rows import open_rows, write_rows

NOISE = np.random.default_rng(0).integers(0, 256, (300, 530, 3), np.uint8)


def strips(image, *heights):
    """Cut an image into strips of these heights."""
    return np.split(image, np.cumsum(heights))


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize(
    ("image", "dtype"),
    [(NOISE, "uint8"), (NOISE[..., :1].astype(np.uint16), "uint16")],
    ids=["RGB", "gray of 16 bits"],
)
def test_an_image_is_written_from_strips_of_any_height(tmp_path, name, image, dtype):
    path = tmp_path / name
    parts = strips(image, 1, 255, 30, 0)
    write_rows(path, iter(parts), (300, 530), dtype=dtype, channels=image.shape[-1])
    np.testing.assert_array_equal(read_stored(path), image)


def test_a_small_tiff_is_tiled_and_has_narrow_offsets(tmp_path):
    write_rows(tmp_path / "a.tif", [NOISE], (300, 530), dtype="uint8", channels=3)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert (tiff.is_bigtiff, tiff.pages[0].is_tiled) == (False, True)


def test_a_tiff_beyond_4_gb_has_wide_offsets_and_a_full_disk_leaves_nothing_of_it(tmp_path):
    starts = []

    def rows_until_the_disk_is_full():
        yield np.random.default_rng(0).integers(0, 256, (2048, 1000, 3), np.uint8)
        (unfinished,) = tmp_path.iterdir()
        starts.append(unfinished.read_bytes()[:4])
        raise OSError(errno.ENOSPC, "No space left on device")

    size = (1_500_000, 1000)
    with pytest.raises(OSError, match="No space left"):
        write_rows(
            tmp_path / "a.tif", rows_until_the_disk_is_full(), size, dtype="uint8", channels=3
        )
    assert starts == [b"II+\0"]
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"earlier")

    def failing():
        yield NOISE[:280]
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_rows(path, failing(), (300, 530), dtype="uint8", channels=3)
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]
    assert path.read_bytes() == b"earlier"


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.npy"])
def test_rows_are_converted_one_strip_after_another(tmp_path, name):
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, NOISE)
    else:
        Image.fromarray(NOISE).save(path)
    kinds = []

    def darker(strip, kind):
        kinds.append(kind)
        return strip // 2

    with open_rows(path, darker) as rows:
        assert rows.size == (300, 530)
        np.testing.assert_array_equal(rows.read(100, 260), NOISE[100:260] // 2)
    assert kinds == ["RGB"]


def test_values_that_are_not_finite_are_found_in_the_rows_that_have_them(tmp_path):
    image = np.zeros((40, 8), np.float32)
    image[30, 2] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", image, rowsperstrip=8)
    side = Encoding(1, "float32", 0.0, 1.0)
    with open_rows(tmp_path / "a.tif", lambda strip, _: side.convert(strip, "a.tif")) as rows:
        rows.read(0, 30)
        with pytest.raises(InputError, match=r"a\.tif: holds values that are not finite"):
            rows.read(29, 40)
