"""One file, one image: several frames or pages are refused, unless only one of them is meant."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.files import read_picture, size_of
from pix2pix_jax.images.label_files import read_labels

FRAMES = [np.full((8, 12, 3), level, np.uint8) for level in (10, 200, 90)]


def moving(kind, count=2):
    frames = [Image.fromarray(frame) for frame in FRAMES[:count]]
    memory = io.BytesIO()
    try:
        frames[0].save(memory, kind, save_all=True, append_images=frames[1:])
    except (KeyError, OSError):
        pytest.skip(f"Pillow without {kind}")
    return memory


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("read", [read_picture, read_labels])
def test_a_moving_picture_is_refused_with_the_way_out(kind, read):
    message = rf"^a: a {kind} of more than one frame; save the frames as single images"
    with pytest.raises(InputError, match=message):
        read(moving(kind), name="a")
    assert read_picture(moving(kind, count=1)).pixels.shape == (8, 12, 3)


def test_a_tiff_of_two_pages_is_refused_with_the_way_out():
    with pytest.raises(
        InputError, match=r"^a: a TIFF of several pages.*; expected .*: save the page"
    ):
        read_picture(moving("TIFF"), name="a")
    memory = io.BytesIO()
    with tifffile.TiffWriter(memory) as tiff:
        tiff.write(FRAMES[0], photometric="rgb", metadata=None)
        tiff.write(FRAMES[1][:4], photometric="rgb", metadata=None)
    with pytest.raises(InputError, match=r"^a: a TIFF of 2 images; save the one that is meant"):
        read_picture(memory, name="a")


@pytest.mark.parametrize("kind", [1, 4])
def test_reduced_pages_and_masks_of_a_tiff_are_no_images_of_their_own(kind, tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(FRAMES[0], photometric="rgb", metadata=None)
        tiff.write(FRAMES[1][:4, :6], photometric="rgb", metadata=None, subfiletype=1)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tiff.pages[1].tags["NewSubfileType"].overwrite(kind)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, FRAMES[0])
    assert size_of(tmp_path / "a.tif") == (8, 12)


def test_the_other_pictures_of_a_camera_s_file_are_left_out():
    found = read_picture(moving("MPO")).pixels
    assert found.shape == (8, 12, 3)
    np.testing.assert_allclose(found.astype(int), FRAMES[0], atol=3)


def test_a_tiff_of_a_million_pages_is_refused_by_their_number():
    memory = io.BytesIO()
    with tifffile.TiffWriter(memory) as tiff:
        for _ in range(1030):
            tiff.write(np.zeros((1, 1), np.uint8), metadata=None, contiguous=False)
    with pytest.raises(InputError, match=r"^a: a TIFF of 1030 pages; expected 1 to 1024"):
        read_picture(memory, name="a")
