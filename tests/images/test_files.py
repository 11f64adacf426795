import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import label_files
from pix2pix_jax.images import pixels as images

DTYPES = ("uint8", "uint16", "float32")


def noise(*shape, dtype="uint8"):
    values = np.random.default_rng(0).random(shape, np.float32)
    return (values * images.white(np.dtype(dtype))).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 12])
@pytest.mark.parametrize("size", [(6, 9), (1, 4), (4, 1), (1, 1)])
def test_what_is_written_is_read_back_bit_by_bit(tmp_path, dtype, channels, size):
    image = noise(*size, channels, dtype=dtype)
    path = tmp_path / f"image{image_files.suffix_of(dtype, channels)}"
    image_files.write(path, image)
    assert list(tmp_path.iterdir()) == [path]
    for found in (image_files.read_stored(path), image_files.read(path, channels, dtype)):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize(
    ("dtype", "png"), [("uint8", {1, 3, 4}), ("uint16", {1}), ("float32", set())]
)
def test_the_suffix_is_png_if_png_can_hold_the_image(dtype, png):
    found = {channels: image_files.suffix_of(dtype, channels) for channels in (1, 2, 3, 4, 5)}
    assert found == {channels: ".png" if channels in png else ".tif" for channels in found}


def palette_image(indices, colours):
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette(colours.ravel().tolist())
    return image


INDICES = np.array([[0, 1], [2, 1]], np.uint8)
COLOURS = np.array([[255, 0, 0], [0, 200, 7], [1, 2, 3]], np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_palettes_are_looked_up(tmp_path, name):
    palette_image(INDICES, COLOURS).save(tmp_path / name)
    with Image.open(tmp_path / name) as file:
        assert file.mode == "P"
    np.testing.assert_array_equal(image_files.read(tmp_path / name), COLOURS[INDICES])
    np.testing.assert_array_equal(label_files.read_labels(tmp_path / name)[..., 0], INDICES)


def test_a_transparent_palette_colour_becomes_white_without_alpha(tmp_path):
    palette_image(INDICES, COLOURS).save(tmp_path / "a.png", transparency=1)
    found = image_files.read_stored(tmp_path / "a.png")
    np.testing.assert_array_equal(found[..., :3], COLOURS[INDICES])
    np.testing.assert_array_equal(found[..., 3], np.where(INDICES == 1, 0, 255))
    expected = np.where(INDICES[..., None] == 1, 255, COLOURS[INDICES])
    np.testing.assert_array_equal(image_files.read(tmp_path / "a.png"), expected)
    np.testing.assert_array_equal(label_files.read_labels(tmp_path / "a.png")[..., 0], INDICES)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (0, 100, 200)), ("LA", (100,))])
def test_alpha_is_kept_or_composited_over_white(tmp_path, suffix, mode, colour):
    image = Image.new(mode, (3, 1))
    for x, alpha in enumerate((255, 0, 51)):
        image.putpixel((x, 0), (*colour, alpha))
    path = tmp_path / f"clear{suffix}"
    image.save(path)
    np.testing.assert_array_equal(image_files.read_stored(path), np.asarray(image))
    opaque = np.array(colour if mode == "RGBA" else colour * 3)
    mixed = 255 - (255 - opaque) / 5  # an alpha of 51 is a fifth
    expected = np.stack([opaque, np.full(3, 255), mixed])[None]
    np.testing.assert_array_equal(image_files.read(path), expected)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_becomes_rgb(tmp_path, name):
    flat = [np.full((16, 16, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255))]
    Image.fromarray(np.hstack(flat)).convert("CMYK").save(tmp_path / name)
    found = image_files.read_stored(tmp_path / name).astype(int)
    assert found.shape == (16, 32, 3)
    assert abs(found - np.hstack(flat)).max() <= 4


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_one_bit_becomes_black_and_white(tmp_path, name):
    bits = np.array([[0, 255, 255], [255, 0, 0]], np.uint8)
    Image.fromarray(bits).convert("1").save(tmp_path / name)
    found = image_files.read_stored(tmp_path / name)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[..., 0], bits)


def test_16_bit_gray_is_kept_and_an_error_if_8_bits_are_expected(tmp_path):
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(levels).save(tmp_path / "deep.png")
    found = image_files.read(tmp_path / "deep.png", 1, "uint16")
    np.testing.assert_array_equal(found[..., 0], levels)
    with pytest.raises(InputError, match=r"deep\.png: holds uint16 values, expected uint8"):
        image_files.read(tmp_path / "deep.png")


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_in_a_png_is_kept(tmp_path, channels):
    cv2 = pytest.importorskip("cv2")
    pixels = noise(5, 8, channels, dtype="uint16")
    order = [2, 1, 0, 3][:channels]
    cv2.imwrite(str(tmp_path / "deep.png"), pixels[..., order])
    found = image_files.read(tmp_path / "deep.png", channels, "uint16")
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(
    ("kind", "channels"),
    [("minisblack", 2), ("minisblack", 3), ("minisblack", 4), ("rgb", 3), ("rgb", 4), ("rgb", 5)],
)
def test_bands_of_a_tiff_are_channels(tmp_path, dtype, channels, planar, kind):
    image = noise(6, 9, channels, dtype=dtype)
    stored = image if planar == "contig" else np.moveaxis(image, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=kind, planarconfig=planar)
    np.testing.assert_array_equal(image_files.read_stored(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_gray_pages_of_a_tiff_are_channels(tmp_path, dtype, count):
    pages = noise(count, 6, 9, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    found = image_files.read_stored(tmp_path / "a.tif")
    np.testing.assert_array_equal(found, np.moveaxis(pages, 0, -1))


@pytest.mark.parametrize(
    ("dtype", "channels"),
    [("uint8", 1), ("uint8", 2), ("uint8", 3), ("uint8", 4), ("uint16", 1), ("float32", 1)],
)
def test_lzw_of_a_tiff_is_read(tmp_path, dtype, channels):
    image = noise(40, 30, channels, dtype=dtype)
    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    picture.save(tmp_path / "a.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(image_files.read_stored(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("extra", [0, 2])
def test_a_fourth_sample_is_kept_whether_it_is_alpha_or_not(tmp_path, extra):
    image = noise(6, 9, 4)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=[extra])
    np.testing.assert_array_equal(image_files.read_stored(tmp_path / "a.tif"), image)


def test_premultiplied_alpha_is_undone(tmp_path):
    image = np.array([[[50, 100, 0, 127], [0, 0, 0, 0], [9, 8, 7, 255]]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=[1])
    found = image_files.read_stored(tmp_path / "a.tif")
    expected = np.array([[[100, 200, 0, 127], [0, 0, 0, 0], [9, 8, 7, 255]]])
    np.testing.assert_allclose(found.astype(int), expected, atol=1)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda image: image, id="plain"),
        pytest.param(np.asfortranarray, id="fortran"),
        pytest.param(lambda image: image.astype(image.dtype.newbyteorder(">")), id="big endian"),
        pytest.param(lambda image: image[::-1, ::2].copy()[::-1], id="reversed"),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_npy_is_read_whatever_its_order(tmp_path, make, dtype):
    image = make(noise(6, 9, 5, dtype=dtype))
    np.save(tmp_path / "a.npy", image)
    found = image_files.read_stored(tmp_path / "a.npy")
    assert found.dtype == dtype
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, image)
    assert image_files.size_of(tmp_path / "a.npy") == image.shape[:2]


def test_npy_of_two_axes_is_gray_and_float64_becomes_float32(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0.1, -2.0]]))
    found = image_files.read_stored(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, np.array([[[0.1], [-2.0]]], np.float32))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
def test_class_indices_are_the_values_of_a_gray_image(tmp_path, name):
    labels = np.array([[0, 7, 255], [1, 1, 300]], np.uint16)
    for array in (labels, labels.astype(np.uint8)):
        if name == "a.npy":
            np.save(tmp_path / name, array)
        else:
            Image.fromarray(array).save(tmp_path / name)
        np.testing.assert_array_equal(label_files.read_labels(tmp_path / name)[..., 0], array)


@pytest.mark.parametrize(
    "image", [noise(3, 4, 3), noise(3, 4, 4), noise(3, 4, 2), noise(3, 4, 1, dtype="float32")]
)
def test_a_colour_image_is_not_a_label_map(tmp_path, image):
    path = tmp_path / f"a{image_files.suffix_of(str(image.dtype), image.shape[-1])}"
    image_files.write(path, image)
    message = rf"{path}: {image.shape[-1]} channels of {image.dtype}; class indices .* or a palette"
    with pytest.raises(InputError, match=message):
        label_files.read_labels(path)


@pytest.mark.parametrize(("name", "head"), [("a.jpg", 700), ("a.png", 60)])
def test_size_of_reads_only_the_header_and_names_files_it_cannot_read(tmp_path, name, head):
    Image.fromarray(noise(32, 20, 3)).save(tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:head])
    assert image_files.size_of(tmp_path / name) == (32, 20)
    (tmp_path / "b.jpg").write_text("not pixels")
    with pytest.raises(InputError, match=r"b\.jpg: not an image file"):
        image_files.size_of(tmp_path / "b.jpg")


def test_errors_call_a_binary_file_by_the_given_name(tmp_path):
    image_files.write(tmp_path / "a.png", noise(32, 20, 3))
    expected = image_files.read_stored(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    np.testing.assert_array_equal(image_files.read_stored(io.BytesIO(content)), expected)
    assert image_files.size_of(io.BytesIO(content)) == (32, 20)
    with (tmp_path / "a.png").open("rb") as file:
        np.testing.assert_array_equal(image_files.read(file, name="set/7"), expected)
    with pytest.raises(InputError, match=r"^set/7 \(image\): cannot be read"):
        image_files.read_stored(io.BytesIO(content[:500]), name="set/7 (image)")
    with pytest.raises(InputError, match=r"^set/7: 3 channels of uint8; class indices"):
        label_files.read_labels(io.BytesIO(content), name="set/7")
    with pytest.raises(InputError, match=r"^set/7: not an image file"):
        image_files.size_of(io.BytesIO(b"not pixels"), name="set/7")


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_an_image_in_memory_has_the_content_of_its_file(tmp_path, dtype):
    image = noise(6, 9, 3, dtype=dtype)
    image_files.write(tmp_path / "image", image)
    assert image_files.to_bytes(image) == (tmp_path / "image").read_bytes()


def test_gray_and_rgb_are_converted_into_each_other_on_request(tmp_path):
    gray, red = noise(4, 4, 1), np.full((4, 4, 3), (255, 0, 0), np.uint8)
    image_files.write(tmp_path / "gray.png", gray)
    image_files.write(tmp_path / "red.png", red)
    found = image_files.read(tmp_path / "gray.png", 3)
    np.testing.assert_array_equal(found, np.repeat(gray, 3, -1))
    # ITU-R 601: 0.299 of 255
    found = image_files.read(tmp_path / "red.png", 1)
    np.testing.assert_array_equal(found, np.full((4, 4, 1), 76))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    old = noise(4, 4, 3)
    image_files.write(tmp_path / "image.png", old)

    def save_half(self, path, **_):
        path.write_bytes(b"half of a")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", save_half)
        with pytest.raises(OSError, match="No space left"):
            image_files.write(tmp_path / "image.png", 255 - old)
    np.testing.assert_array_equal(image_files.read(tmp_path / "image.png"), old)
    assert [path.name for path in tmp_path.iterdir()] == ["image.png"]


@pytest.mark.parametrize("bands", [2, 5])
def test_an_unnamed_axis_of_a_tiff_holds_the_bands_if_it_is_the_shorter_one(tmp_path, bands):
    pixels = np.arange(20 * 30 * bands, dtype=np.uint16).reshape(20, 30, bands)
    tifffile.imwrite(tmp_path / "last.tif", pixels)
    tifffile.imwrite(tmp_path / "first.tif", np.moveaxis(pixels, -1, 0))
    for name in ("last.tif", "first.tif"):
        np.testing.assert_array_equal(image_files.read_stored(tmp_path / name), pixels)
