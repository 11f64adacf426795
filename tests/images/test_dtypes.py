"""Values of every dtype are read by one rule, without a silent loss."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, features

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.files import read_picture
from pix2pix_jax.images.label_files import read_labels


def npy(array):
    memory = io.BytesIO()
    np.save(memory, array)
    return memory


def tiff(array):
    memory = io.BytesIO()
    tifffile.imwrite(memory, array, photometric="minisblack")
    return memory


@pytest.mark.parametrize("make", [npy, tiff])
@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([-128, 0, 127], "int8", "float32"),
        ([-32768, 5, 32767], "int16", "float32"),
        ([-(2**24), 0, 2**24], "int32", "float32"),
        ([0, 7, 2**24], "uint32", "float32"),
        ([-(2**24), 0, 2**24], "int64", "float32"),
        ([0, 1, 2**24], "uint64", "float32"),
        ([-0.5, 0, 65504], "float16", "float32"),
        ([0.25, -3, 1e30], "float64", "float32"),
        ([0, 9, 255], "uint8", "uint8"),
        ([0, 9, 65535], "uint16", "uint16"),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_values_are_kept_in_the_dtype_that_the_rule_says(make, values, dtype, expected, order):
    array = np.array([values], np.dtype(dtype).newbyteorder(order))
    found = read_picture(make(array)).pixels
    assert found.dtype == expected
    assert found.dtype.isnative
    np.testing.assert_array_equal(found[..., 0], array.astype(expected))


@pytest.mark.parametrize("make", [npy, tiff])
@pytest.mark.parametrize("value", [2**24 + 1, -(2**24) - 1, 2**31 - 1])
def test_a_whole_number_that_float32_would_round_is_refused(make, value):
    with pytest.raises(InputError, match=rf"^a: holds {value} in int32; .* numbers up to 16777216"):
        read_picture(make(np.array([[0, value]], np.int32)), name="a")


def test_a_file_of_signed_integers_among_unsigned_ones_is_refused_with_the_reason():
    message = r"^a: holds float32 values \(whole numbers with a sign .* as such\), expected uint16"
    with pytest.raises(InputError, match=message):
        Encoding(1, "uint16", 0.0, 65535.0).read(npy(np.zeros((4, 4), np.int16)), name="a")


def test_float64_is_rounded_to_float32():
    found = read_picture(npy(np.array([[0.1]]))).pixels
    assert found.item() == np.float32(0.1)


@pytest.mark.parametrize("make", [npy, tiff])
def test_bits_are_black_and_white_in_a_picture_and_0_and_1_in_a_label_map(make):
    bits = np.array([[True, False, True]] * 2)
    assert read_picture(make(bits)).pixels[0, :, 0].tolist() == [255, 0, 255]
    assert read_labels(make(bits))[0, :, 0].tolist() == [1, 0, 1]


@pytest.mark.parametrize("make", [npy, tiff])
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "int64", ">u2", ">i4"])
def test_class_indices_may_have_any_whole_dtype(make, dtype):
    labels = np.array([[0, 3, 1]], dtype)
    found = Encoding(1, classes=5).read(make(labels))
    assert found.dtype == np.uint8
    assert found[0, :, 0].tolist() == [0, 3, 1]


def test_a_negative_class_is_refused():
    with pytest.raises(InputError, match=r"^a: holds class -1; data\.source_classes=5 has 0 to 4"):
        Encoding(1, classes=5).read(npy(np.array([[0, -1]])), name="a")


def test_values_that_are_not_finite_are_counted():
    image = np.ones((4, 5, 2), np.float32)
    image[1, 2] = np.nan
    with pytest.raises(InputError, match=r"^a: holds values that are not finite \(2 of 40\)"):
        read_picture(npy(image), name="a")


@pytest.mark.parametrize("value", [3e38, -3e38, 1e7])
def test_a_value_far_beyond_the_range_is_refused_and_never_becomes_nan(value):
    image = np.zeros((4, 4, 1), np.float32)
    image[2, 3] = value
    encoding = Encoding(1, "float32", -1.0, 1.0)
    message = r"^a: holds .*e\+.*, a million times beyond the range -1 to 1; .* data\.source_range"
    with pytest.raises(InputError, match=message):
        encoding.read(npy(image), name="a")
    with pytest.raises(InputError, match=message):
        encoding.check(image, "a")


def test_values_a_thousand_times_beyond_the_range_are_read():
    image = np.full((4, 4, 1), -9999, np.float32)
    encoding = Encoding(1, "float32", 0.0, 5.0)
    np.testing.assert_array_equal(encoding.read(npy(image)), image)
    assert np.isfinite(encoding.to_network(image)).all()


def test_a_range_that_is_tiny_for_its_integers_is_refused_with_the_first_file():
    encoding = Encoding(1, "uint16", 0.0, 1e-30)
    with pytest.raises(InputError, match="a: holds 9, a million times beyond the range 0 to 1e-30"):
        encoding.read(npy(np.full((4, 4), 9, np.uint16)), name="a")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"P5 3 1 65535\n" + bytes([0, 1, 2, 3, 255, 255]), [1, 515, 65535]),
        (b"P5 3 1 255\n\x01\x02\xff", [1, 2, 255]),
        (b"P4 3 1\n\xa0", [0, 255, 0]),
        (b"Pf 3 1 -1.0\n" + np.array([0.5, -2, 9], "<f4").tobytes(), [0.5, -2, 9]),
    ],
)
def test_ppm_files_of_gray_keep_their_values(data, expected):
    assert read_picture(io.BytesIO(data)).pixels[0, :, 0].tolist() == expected


@pytest.mark.parametrize("data", [b"P5 3 1 7\n\0\1\7", b"P2 3 1 7\n0 1 7\n"])
def test_gray_levels_that_pillow_stretches_are_no_class_indices(data):
    assert read_picture(io.BytesIO(data)).pixels[0, :, 0].tolist() == [0, 36, 255]
    with pytest.raises(InputError, match=r"^a: gray levels that are not 0 to 255 or 65535"):
        read_labels(io.BytesIO(data), name="a")


def test_colours_of_16_bits_that_would_be_reduced_are_refused():
    with pytest.raises(InputError, match=r"^a: colours of more than 8 bits in a PPM file"):
        read_picture(io.BytesIO(b"P6 1 1 65535\n" + bytes(6)), name="a")


def test_colours_of_12_bits_in_a_jpeg_2000_are_refused():
    memory = io.BytesIO()
    if "JPEG2000" not in Image.SAVE:
        pytest.skip("Pillow without JPEG 2000")
    Image.new("RGB", (16, 16)).save(memory, "JPEG2000")
    data = bytearray(memory.getvalue())
    assert read_picture(io.BytesIO(data)).pixels.shape == (16, 16, 3)
    data[data.find(b"\xff\x4f\xff\x51") + 42] = 11
    with pytest.raises(InputError, match=r"^a: colours of more than 8 bits in a JPEG2000 file"):
        read_picture(io.BytesIO(data), name="a")


def test_colours_of_10_bits_in_an_avif_are_refused():
    cv2 = pytest.importorskip("cv2")
    if not (cv2.haveImageWriter("a.avif") and features.check("avif")):
        pytest.skip("OpenCV or Pillow without AVIF")
    for bits, dtype in ((8, np.uint8), (10, np.uint16)):
        options = [cv2.IMWRITE_AVIF_DEPTH, bits]
        file = io.BytesIO(cv2.imencode(".avif", np.zeros((16, 16, 3), dtype), options)[1].tobytes())
        if bits == 8:
            assert read_picture(file).pixels.shape == (16, 16, 3)
        else:
            with pytest.raises(InputError, match=r"^a: colours of more than 8 bits in a AVIF file"):
                read_picture(file, name="a")
