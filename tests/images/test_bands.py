"""What a file says its bands mean is obeyed; what is not known is refused, and never guessed."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.sources import read_side_by_side
from pix2pix_jax.images.encoding import PHOTO, Encoding
from pix2pix_jax.images.files import read_picture


def noise(*shape, dtype="uint8"):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def tiff(array, **options):
    memory = io.BytesIO()
    tifffile.imwrite(memory, array, **options)
    return memory


def npy(array):
    memory = io.BytesIO()
    np.save(memory, array)
    return memory


def picture(mode, kind="PNG", **options):
    memory = io.BytesIO()
    Image.fromarray(noise(6, 8, 4)).convert(mode).save(memory, kind, **options)
    return memory


RGB_TIFF = {"photometric": "rgb"}
GRAY_TIFF = {"photometric": "minisblack", "planarconfig": "contig"}


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (picture("L"), "gray"),
        (picture("LA"), "gray+alpha"),
        (picture("RGB"), "RGB"),
        (picture("RGBA"), "RGBA"),
        (picture("P", transparency=3), "RGBA"),
        (picture("LA", "TIFF"), "gray+alpha"),
        (picture("RGBA", "WEBP"), "RGBA"),
        (tiff(noise(6, 8, 3), **RGB_TIFF), "RGB"),
        (tiff(noise(6, 8, 4), **RGB_TIFF, extrasamples=[2]), "RGBA"),
        (tiff(noise(6, 8, 4, dtype="uint16"), **RGB_TIFF, extrasamples=[1]), "RGBA"),
        (tiff(noise(6, 8, 4), **RGB_TIFF, extrasamples=[0]), "bands"),
        (tiff(noise(6, 8, 4, dtype="float32"), **RGB_TIFF, extrasamples=[0]), "bands"),
        (tiff(noise(6, 8, 5), **RGB_TIFF, extrasamples=[2, 0]), "bands"),
        (tiff(noise(6, 8, 2), **GRAY_TIFF), "bands"),
        (tiff(noise(6, 8, 2, dtype="uint16"), **GRAY_TIFF, extrasamples=[2]), "gray+alpha"),
        (tiff(noise(6, 8, 3), **GRAY_TIFF), "bands"),
        (tiff(noise(2, 6, 8), photometric="minisblack"), "bands"),
        (tiff(noise(6, 8, dtype="uint16"), photometric="minisblack"), "gray"),
        (npy(noise(6, 8)), "gray"),
        (npy(noise(6, 8, 1)), "gray"),
        (npy(noise(6, 8, 2)), "bands"),
        (npy(noise(6, 8, 3)), "RGB"),
        (npy(noise(6, 8, 4)), "bands"),
    ],
)
def test_a_picture_says_what_its_channels_mean(file, kind):
    assert read_picture(file).kind == kind


@pytest.mark.parametrize(
    "file",
    [
        tiff(noise(6, 8, 4), **RGB_TIFF, extrasamples=[0]),
        tiff(noise(6, 8, 2), **GRAY_TIFF),
        tiff(noise(2, 6, 8), photometric="minisblack"),
        npy(noise(6, 8, 4)),
        npy(noise(6, 8, 2)),
    ],
)
def test_infrared_is_never_taken_for_alpha(file):
    expected = read_picture(file).pixels
    count = expected.shape[-1]
    np.testing.assert_array_equal(Encoding(count).read(file, name="a"), expected)
    message = f"a: has {count} channels, of which nothing says .* expected 3; set data.source_chann"
    with pytest.raises(InputError, match=message):
        PHOTO.read(file, name="a")
    with pytest.raises(InputError, match=message):
        read_side_by_side(file, "a", "AtoB", PHOTO, PHOTO)


def test_alpha_of_side_by_side_files_is_composited_over_white():
    source, target = read_side_by_side(picture("RGBA"), "a", "AtoB", PHOTO, Encoding(4))
    both = Encoding(3).read(picture("RGBA"))
    np.testing.assert_array_equal(source, both[:, :4])
    assert target.shape == (6, 4, 4)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_zero_as_white_is_inverted(dtype, compression):
    image = noise(6, 8, dtype=dtype)
    file = tiff(image, photometric="miniswhite", compression=compression)
    np.testing.assert_array_equal(read_picture(file).pixels[..., 0], np.iinfo(dtype).max - image)


@pytest.mark.parametrize(("dtype", "full"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_colours_multiplied_by_alpha_are_divided_by_it(dtype, full):
    fifths = np.array([[[1, 2, 3, 4], [0, 0, 0, 0], [5, 4, 3, 5]]])
    image = (fifths * full / 5).astype(dtype)
    found = read_picture(tiff(image, **RGB_TIFF, extrasamples=[1])).pixels
    expected = np.array([[[1.25, 2.5, 3.75, 4], [0, 0, 0, 0], [5, 4, 3, 5]]]) * full / 5
    np.testing.assert_allclose(found, expected, rtol=0, atol=1 if full > 1 else 1e-6)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (tiff(noise(6, 8, 4, dtype="uint16"), photometric="separated"), "16 bits .* SEPARATED"),
        (tiff(noise(6, 8, 3), photometric="cielab"), "8 bits .* CIELAB, which is not read"),
        (tiff(noise(6, 8, 3, dtype="uint16"), photometric="ycbcr"), "16 bits .* YCBCR"),
        (tiff(noise(6, 8, dtype="float32"), photometric="miniswhite"), "0 is white"),
    ],
)
def test_colours_that_are_not_known_are_refused(file, message):
    with pytest.raises(InputError, match=f"^a: a TIFF of .*{message}.*; save it"):
        read_picture(file, name="a")


def test_a_tiff_that_does_not_say_what_zero_means_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(6, 8, dtype="uint16"))
    data = path.read_bytes()
    tag = (262).to_bytes(2, "little")  # becomes a private tag
    path.write_bytes(data.replace(tag, (65262).to_bytes(2, "little"), 1))
    with pytest.raises(InputError, match="photometric interpretation none, which is not read"):
        read_picture(path)


def test_the_fourth_byte_of_a_tga_is_alpha_only_if_its_header_says_so():
    data = bytearray(picture("RGBA", "TGA").getvalue())
    assert read_picture(io.BytesIO(data)).kind == "RGBA"
    data[17] &= 0xF0
    found = read_picture(io.BytesIO(data))
    assert found.kind == "RGB"
    np.testing.assert_array_equal(found.pixels, noise(6, 8, 4)[..., :3])


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bit_colour_of_a_png_is_read_whole(channels):
    image = np.random.default_rng(0).integers(0, 65536, (7, 5, channels), np.uint16)
    found = read_picture(deep_png(image))
    assert found.kind == {2: "gray+alpha", 3: "RGB", 4: "RGBA"}[channels]
    np.testing.assert_array_equal(found.pixels, image)


@pytest.mark.parametrize("colours", [1, 3])
def test_a_transparent_level_of_16_bits_is_never_ignored(colours):
    file = deep_png(noise(4, 5, colours, dtype="uint16"), extra=(b"tRNS", bytes(2 * colours)))
    with pytest.raises(
        InputError, match=r"^a: 16 bits with one level or colour that stands for tr"
    ):
        read_picture(file, name="a")
    assert read_picture(deep_png(noise(4, 5, colours, dtype="uint16"))).pixels.shape[-1] == colours


def deep_png(image, extra=None):
    """Write a PNG of 16 bits by hand: no library here writes gray with alpha, or transparency."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width, channels = image.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    more = chunk(*extra) if extra else b""
    data = head + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + data)
