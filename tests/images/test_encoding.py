import jax
import numpy as np
import pytest
import tifffile
from PIL import Image

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import PHOTO, Encoding
from pix2pix_jax.images.sides import build_encodings

DEEP = Encoding(1, "uint16", 0.0, 65535.0)
LABELS = Encoding(1, "uint8", classes=5)


def encodings(lab=False, **data):
    """Build the encodings of a config with such values in its section `data`."""
    config = default_config()
    config.data.update(data)
    return build_encodings(resolve(config).data, lab=lab)


@pytest.mark.parametrize(
    ("encoding", "count"), [(PHOTO, 256), (DEEP, 65536)], ids=["8 bits", "16 bits"]
)
def test_every_level_survives_the_way_to_the_network_and_back(encoding, count):
    levels = np.arange(count).astype(encoding.dtype).reshape(1, -1, 1)
    levels = np.repeat(levels, encoding.channels, axis=-1)
    for convert in (encoding.to_network, jax.jit(encoding.to_network)):
        found = convert(levels)
        assert found.dtype == np.float32
        np.testing.assert_allclose(
            found[..., 0], np.linspace(-1, 1, count)[None], rtol=0, atol=2e-7
        )
        back = encoding.from_network(found)
        assert back.dtype == encoding.dtype
        np.testing.assert_array_equal(back, levels)
    ends = encoding.to_network(levels)[0, [0, -1], 0]
    assert ends.tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("dtype", "limits", "values", "expected"),
    [
        ("uint8", (), [0, 51, 255], [-1, -0.6, 1]),
        ("uint8", (100.0, 200.0), [100, 150, 200, 225], [-1, 0, 1, 1.5]),
        ("uint16", (), [0, 65535], [-1, 1]),
        ("uint16", (0, 1000), [0, 250, 1000], [-1, -0.5, 1]),
        ("float32", (), [0, 0.25, 1], [-1, -0.5, 1]),
        ("float32", (-10, 30.0), [-10, 0, 10, 30], [-1, -0.5, 0, 1]),
    ],
)
def test_a_range_is_what_becomes_minus_one_and_one(dtype, limits, values, expected):
    encoding, other = encodings(source_dtype=dtype, source_range=limits, source_channels=1)
    assert other == PHOTO
    stored = np.array(values, dtype).reshape(1, -1, 1)
    found = encoding.to_network(stored)
    np.testing.assert_allclose(found.ravel(), expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(encoding.from_network(found), stored)


def test_float32_survives_to_a_few_parts_in_ten_million():
    encoding = Encoding(2, "float32", -110.0, 110.0)
    stored = np.random.default_rng(0).uniform(-110, 110, (9, 9, 2)).astype(np.float32)
    found = encoding.from_network(encoding.to_network(stored))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, stored, rtol=0, atol=110 * 3e-7)


@pytest.mark.parametrize(("encoding", "top"), [(PHOTO, 255), (DEEP, 65535)])
def test_values_are_clipped_and_rounded_to_the_nearest_level(encoding, top):
    values = np.array([-np.inf, -9, -1.001, 1.001, 9, np.inf], np.float32).reshape(1, -1, 1)
    found = encoding.from_network(np.repeat(values, encoding.channels, -1))
    assert found[0, :, 0].tolist() == [0, 0, 0, top, top, top]
    levels = np.array([10.4, 10.6], np.float32) / np.float32(top / 2) - 1
    found = encoding.from_network(np.repeat(levels.reshape(1, -1, 1), encoding.channels, -1))
    assert found[0, :, 0].tolist() == [10, 11]


def test_a_batch_is_converted_like_its_images():
    batch = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    whole = PHOTO.to_network(batch)
    for one, image in zip(whole, batch, strict=True):
        np.testing.assert_array_equal(one, PHOTO.to_network(image))
    np.testing.assert_array_equal(PHOTO.from_network(whole), batch)


def test_each_class_becomes_a_channel_and_void_has_none():
    labels = np.array([[0, 4, 255]], np.uint8)[..., None]
    found = LABELS.to_network(labels)
    assert LABELS.depth == 5
    expected = -np.ones((1, 3, 5))
    expected[0, 0, 0] = expected[0, 1, 4] = 1
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(jax.jit(LABELS.to_network)(labels), expected)
    np.testing.assert_array_equal(LABELS.from_network(found)[0, :2], labels[0, :2])


@pytest.mark.parametrize("classes", [1, 2, 255, 256, 1000])
def test_every_class_survives_the_way_to_the_network_and_back(classes):
    encoding, _ = encodings(source_classes=classes, source_channels=3)
    labels = np.arange(classes).astype(encoding.dtype).reshape(1, -1, 1)
    assert encoding.check(labels, "a.png") is labels
    np.testing.assert_array_equal(encoding.from_network(encoding.to_network(labels)), labels)
    assert (encoding.channels, encoding.depth) == (1, classes)
    assert encoding.dtype == ("uint8" if classes <= 255 else "uint16")


@pytest.mark.parametrize("wrong", [5, 254])
def test_a_class_out_of_range_is_an_error_that_gives_the_name(tmp_path, wrong):
    labels = np.array([[0, wrong, 255]], np.uint8)
    message = (
        rf"a\.png: holds class {wrong}; data\.source_classes=5 has 0 to 4, and 255 for no class"
    )
    with pytest.raises(InputError, match=message):
        LABELS.check(labels[..., None], "a.png")
    Image.fromarray(labels).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=message):
        LABELS.read(tmp_path / "a.png")


def test_classes_beyond_8_bits_are_an_error_and_do_not_wrap_around(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 257]], np.uint16))
    with pytest.raises(InputError, match=r"a\.tif: holds class 257; data\.source_classes=5"):
        LABELS.read(tmp_path / "a.tif")


def test_16_bit_labels_in_range_are_read(tmp_path):
    labels = np.array([[0, 4, 255]], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", labels)
    found = LABELS.read(tmp_path / "a.tif")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[..., 0], labels)


def test_a_file_of_another_dtype_is_an_error_that_gives_its_name(tmp_path):
    deep = np.array([[0, 1, 65535]], np.uint16)[..., None]
    image_files.write(tmp_path / "deep.png", deep)
    np.testing.assert_array_equal(DEEP.read(tmp_path / "deep.png"), deep)
    message = (
        r"deep\.png: holds uint16 values, expected uint8; all files of a side must have the dtype "
        r"that data\.source_dtype or data\.target_dtype says"
    )
    with pytest.raises(InputError, match=message):
        PHOTO.read(tmp_path / "deep.png")
    image_files.write(tmp_path / "photo.png", deep.astype(np.uint8))
    with pytest.raises(InputError, match=r"photo\.png: holds uint8 values, expected uint16"):
        DEEP.read(tmp_path / "photo.png")
    with pytest.raises(InputError, match=r"^pair 7: holds uint8 values"):
        DEEP.read(tmp_path / "photo.png", name="pair 7")


def test_reading_converts_channels(tmp_path):
    gray = np.array([[0, 100]], np.uint8)[..., None]
    image_files.write(tmp_path / "gray.png", gray)
    np.testing.assert_array_equal(PHOTO.read(tmp_path / "gray.png"), gray.repeat(3, -1))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((2, 2, 1), np.uint8),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((2, 2, 3), np.uint16),
        np.zeros((2, 2, 3), np.float32),
    ],
)
def test_an_array_of_another_dtype_or_depth_is_an_error(image):
    kind = f"a: {image.shape[-1]} channels of {image.dtype}, expected 3 of uint8"
    with pytest.raises(InputError, match=kind):
        PHOTO.check(image, "a")


def test_resizing_makes_no_new_classes():
    labels = np.array([[0, 4], [0, 4]], np.uint8)[..., None]
    assert np.unique(LABELS.resize(labels, (7, 9))).tolist() == [0, 4]
    assert len(np.unique(Encoding(1).resize(labels * 60, (7, 9)))) > 2


@pytest.mark.parametrize(
    ("channels", "bands", "shown"),
    [
        (1, (), [0]),
        (2, (), [0]),
        (3, (), [0, 1, 2]),
        (4, (), [0, 1, 2]),
        (6, (), [0, 1, 2]),
        (6, (5, 3, 1), [5, 3, 1]),
        (6, (4,), [4]),
        (1, (5, 3, 1), [0]),  # which the other side has
        (3, (5, 3, 1), [0, 1, 2]),
        (4, (4,), [0, 1, 2]),
    ],
)
def test_a_picture_shows_the_chosen_bands(channels, bands, shown):
    image = np.arange(channels, dtype=np.uint8)[None, None] * 10
    found = Encoding(channels).show(image, bands)
    assert found.dtype == np.uint8
    assert found[0, 0].tolist() == [10 * band for band in shown]


@pytest.mark.parametrize(
    ("encoding", "values", "shown"),
    [
        (DEEP, [0, 32896, 65535], [0, 128, 255]),
        (Encoding(1, "uint16", 0.0, 1000.0), [0, 500, 1000, 9000], [0, 128, 255, 255]),
        (Encoding(1, "float32", -1.0, 1.0), [-9, -1, 1], [0, 0, 255]),
    ],
)
def test_a_picture_shows_the_range_as_black_to_white(encoding, values, shown):
    image = np.array(values, encoding.dtype).reshape(1, -1, 1)
    assert encoding.show(image)[0, :, 0].tolist() == shown


@pytest.mark.parametrize("classes", [2, 19, 255])
def test_a_picture_shows_each_class_in_its_own_colour(classes):
    labels = np.append(np.arange(classes), 255).astype(np.uint8).reshape(1, -1, 1)
    found = Encoding(1, "uint8", classes=classes).show(labels)
    assert found.shape == (1, classes + 1, 3)
    assert found[0, -1].tolist() == [0, 0, 0]
    assert len(np.unique(found[0], axis=0)) == classes + 1


def test_encodings_are_built_from_the_config():
    found = encodings(
        source_channels=1, source_dtype="uint16", target_channels=4, target_dtype="float32"
    )
    assert found == (DEEP, Encoding(4, "float32", 0.0, 1.0))
    assert encodings() == (PHOTO, PHOTO)
    assert encodings(source_classes=5)[0] == LABELS


def test_lab_with_other_channels_than_one_and_two_is_an_error():
    source, target = encodings(lab=True, source_channels=1, target_channels=2)
    # Isola et al., 2017: L / 50 - 1 and ab / 110.
    assert source.to_network(np.full((1, 1, 1), 75, np.float32)).item() == pytest.approx(0.5)
    ab = target.to_network(np.array([[[55, -110]]], np.float32))
    np.testing.assert_allclose(ab.ravel(), [0.5, -1], atol=1e-6)
    with pytest.raises(InputError, match=r"target_channels=3: set 1 \(L\) and 2 \(a, b\)"):
        encodings(lab=True, source_channels=1, target_channels=3)
