import os

import jax
import numpy as np
import pytest
from PIL import Image

from pix2pix_jax import images
from pix2pix_jax.errors import InputError


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    ("dtype", "level", "value"),
    [
        (np.uint8, 0, -1.0),
        (np.uint8, 255, 1.0),
        (np.uint8, 51, -0.6),
        (np.uint16, 0, -1.0),
        (np.uint16, 65535, 1.0),
    ],
)
def test_to_float_maps_the_whole_range_of_the_dtype(dtype, level, value):
    found = images.to_float(np.full((2, 3), level, dtype))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, value, rtol=0, atol=6e-8)
    if abs(value) == 1:
        assert (np.asarray(found) == value).all()


def test_all_levels_survive_the_way_to_float_and_back():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(images.to_uint8(images.to_float(levels)), levels)
    np.testing.assert_array_equal(images.to_uint8(jax.jit(images.to_float)(levels)), levels)


def test_to_uint8_clips_what_is_out_of_range():
    values = np.array([-np.inf, -9.0, -1.001, 1.001, 9.0, np.inf], np.float32)
    assert images.to_uint8(values).tolist() == [0, 0, 0, 255, 255, 255]


def test_to_uint8_rounds_to_the_nearest_level():
    levels = np.array([10.4, 10.6], np.float32)
    assert images.to_uint8(levels / np.float32(127.5) - 1).tolist() == [10, 11]


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda pixels: pixels),
        (2, lambda pixels: pixels[:, ::-1]),
        (3, lambda pixels: pixels[::-1, ::-1]),
        (6, lambda pixels: np.rot90(pixels, -1)),
        (8, lambda pixels: np.rot90(pixels)),
    ],
)
def test_read_applies_the_exif_orientation(tmp_path, orientation, upright):
    pixels = noise(5, 8, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(images.read(tmp_path / "turned.png"), upright(pixels))


def test_read_looks_palettes_up(tmp_path):
    indices = np.array([[0, 1], [2, 1]], np.uint8)
    colours = np.array([[255, 0, 0], [0, 200, 7], [1, 2, 3]], np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette(colours.ravel().tolist())
    image.save(tmp_path / "palette.png")
    with Image.open(tmp_path / "palette.png") as file:
        assert file.mode == "P"
    np.testing.assert_array_equal(images.read(tmp_path / "palette.png"), colours[indices])


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (0, 100, 200)), ("LA", (100,))])
def test_read_lays_transparency_over_white(tmp_path, mode, colour):
    image = Image.new(mode, (3, 1))
    for x, alpha in enumerate((255, 0, 51)):
        image.putpixel((x, 0), (*colour, alpha))
    image.save(tmp_path / "clear.png")
    opaque = np.array(colour if mode == "RGBA" else colour * 3)
    mixed = 255 - (255 - opaque) / 5  # an alpha of 51 is a fifth
    expected = np.stack([opaque, np.full(3, 255), mixed])[None]
    found = images.read(tmp_path / "clear.png")
    np.testing.assert_array_equal(found[:, :2], expected[:, :2])
    np.testing.assert_allclose(found, expected, atol=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_read_scales_16_bit_gray_to_8_bits(tmp_path, channels):
    levels = np.array([[0, 257, 128 * 257, 128 * 257 + 128, 128 * 257 + 129, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "deep.png")
    found = images.read(tmp_path / "deep.png", channels)
    assert found.shape == (1, 6, channels)
    assert found[0, :, -1].tolist() == [0, 1, 128, 128, 129, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_write_and_read_are_bit_exact(tmp_path, channels):
    pixels = noise(6, 9, channels)
    images.write(tmp_path / "image.png", pixels)
    np.testing.assert_array_equal(images.read(tmp_path / "image.png", channels), pixels)
    assert [path.name for path in tmp_path.iterdir()] == ["image.png"]


def test_read_turns_gray_into_rgb_and_rgb_into_gray(tmp_path):
    gray, red = noise(4, 4, 1), np.full((4, 4, 3), (255, 0, 0), np.uint8)
    images.write(tmp_path / "gray.png", gray)
    images.write(tmp_path / "red.png", red)
    np.testing.assert_array_equal(images.read(tmp_path / "gray.png", 3), np.repeat(gray, 3, -1))
    # ITU-R 601: 0.299 of 255
    np.testing.assert_array_equal(images.read(tmp_path / "red.png", 1), np.full((4, 4, 1), 76))


def truncated(path):
    Image.fromarray(noise(32, 32, 3)).save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def oversized(path):
    Image.fromarray(noise(32, 32, 3)).save(path, format="PNG")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (truncated, "truncated"),
        (lambda path: path.write_text("not pixels"), "not an image file"),
        (lambda path: path.write_bytes(b""), "not an image file"),
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (oversized, "decompression bomb"),
    ],
)
def test_file_that_cannot_be_read_is_named_in_one_line(tmp_path, monkeypatch, make, message):
    path = tmp_path / "broken.jpg"
    make(path)
    if make is oversized:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match=message) as error:
        images.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    old = noise(4, 4, 3)
    images.write(tmp_path / "image.png", old)

    def save_half(self, path, **_):
        path.write_bytes(b"half of a")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", save_half)
        with pytest.raises(OSError, match="No space left"):
            images.write(tmp_path / "image.png", 255 - old)
    np.testing.assert_array_equal(images.read(tmp_path / "image.png"), old)
    assert [path.name for path in tmp_path.iterdir()] == ["image.png"]


def test_atomic_path_shows_nothing_until_its_block_ends(tmp_path):
    path = tmp_path / "report.txt"
    with images.atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == tmp_path
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_written_file_has_the_rights_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        images.write(tmp_path / "image.png", noise(2, 2, 3))
    finally:
        os.umask(before)
    assert (tmp_path / "image.png").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(20, 28), (64, 33)])
def test_resize_is_pillows_bicubic_for_height_and_width(size, channels):
    pixels = noise(32, 24, channels)
    found = images.resize(pixels, size)
    assert found.shape == (*size, channels)
    for channel in range(channels):
        plane = Image.fromarray(pixels[..., channel])
        expected = plane.resize((size[1], size[0]), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(found[..., channel], expected)


def test_resize_to_the_same_size_is_the_image_itself():
    pixels = noise(8, 6, 3)
    assert images.resize(pixels, (8, 6)) is pixels


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(20, 28), (64, 33), (32, 24)])
def test_resize_float_agrees_with_resize_to_a_level(size, channels):
    # Without extremes: the integer filter clips and rounds after each of its two directions.
    pixels = 64 + noise(32, 24, channels) // 2
    found = images.resize_float(pixels.astype(np.float32), size)
    assert found.dtype == np.float32
    expected = images.resize(pixels, size).astype(np.float32)
    np.testing.assert_allclose(np.rint(found), expected, rtol=0, atol=1)


def test_grid_places_images_in_rows_on_white():
    levels = [[10, 20, 30], [40, 50]]
    rows = [[np.full((3, 5, 3), level, np.uint8) for level in row] for row in levels]
    found = images.grid(rows, gap=2)
    assert found.shape == (3 + 2 + 3, 5 + 2 + 5 + 2 + 5, 3)
    expected = np.full(found.shape, 255)
    for top, row in zip((0, 5), levels, strict=True):
        for left, level in zip((0, 7, 14), row, strict=False):
            expected[top : top + 3, left : left + 5] = level
    np.testing.assert_array_equal(found, expected)


def test_grid_shows_gray_beside_rgb():
    gray, colour = noise(4, 4, 1), noise(4, 4, 3)
    found = images.grid([[gray, colour]], gap=0)
    np.testing.assert_array_equal(found, np.hstack([np.repeat(gray, 3, -1), colour]))


def test_find_lists_images_of_all_subfolders_in_order(tmp_path):
    wanted = ["a.jpg", "b.PNG", "sub/a.jpeg", "sub/deep/c.JPG"]
    for name in [*wanted, ".hidden.jpg", "notes.txt", "sub/.DS_Store", "jpg"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert images.find(tmp_path) == [tmp_path / name for name in wanted]


def test_find_in_a_missing_folder_is_empty(tmp_path):
    assert images.find(tmp_path / "nowhere") == []


def test_a_broken_exif_block_is_refused_by_name(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    exif[0x10E] = "hello"
    path = tmp_path / "a.jpg"
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(path, exif=exif)
    data = bytearray(path.read_bytes())
    data[data.find(b"Exif") + 17] = 86
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.jpg"):
        images.read(path)
