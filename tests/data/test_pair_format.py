import io

import numpy as np
import pytest
from support.sources import format_of

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.derive import Derivation
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.data.shaping import Shaping
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.encoding import PHOTO, Encoding

WHOLE = Shaping("none", (24, 20), (24, 20), training=True)
HALF = Shaping("resize", (12, 10), (12, 10), training=True)


def photo(seed=0, size=(24, 20), channels=3, dtype=np.uint8):
    coarse = np.random.default_rng(seed).random((4, 4, channels), np.float32)
    grown = images.resize(coarse, size).clip(0, 1)
    return (grown * images.white(np.dtype(dtype))).astype(dtype)


def form_of(kind="", direction="AtoB", **data):
    config = default_config()
    config.derive.kind, config.data.direction = kind, direction
    for key, value in data.items():
        config.data[key] = value
    return format_of(config)


def lab_form():
    return form_of("lab", source_channels=1, target_channels=2)


def test_both_sides_are_resized_and_otherwise_unchanged():
    pair = photo(0), photo(1)
    for side, other in zip(PHOTOS.shape(pair, WHOLE, "a.png"), pair, strict=True):
        assert side is other
    for side, other in zip(PHOTOS.shape(pair, HALF, "a.png"), pair, strict=True):
        np.testing.assert_array_equal(side, images.resize(other, (12, 10)))


def test_class_indices_are_resized_by_nearest_neighbour():
    labels = np.repeat(np.array([[[0], [3]]], np.uint8), 24, axis=0).repeat(10, axis=1)
    found, _ = form_of(source_classes=4).shape((labels, photo()), HALF, "a.png")
    np.testing.assert_array_equal(found, labels[:12, 5:15])


@pytest.mark.parametrize("mode", ["resize", "resize_and_crop"])
def test_sides_of_different_size_are_each_resized_from_their_own(mode):
    pair, shaping = (photo(), photo(1, size=(9, 31))), Shaping(mode, (12, 10), (12, 10), True)
    for side, other in zip(PHOTOS.shape(pair, shaping, "a.png"), pair, strict=True):
        np.testing.assert_array_equal(side, images.resize(other, (12, 10)))


@pytest.mark.parametrize("mode", ["crop", "scale_width", "scale_width_and_crop", "none"])
def test_elsewhere_sides_of_different_size_are_an_error_that_gives_the_name_and_a_way_out(mode):
    message = (
        r"a\.png: the source has 24 x 20 pixels \(height, width\), the target 20 x 24; both must "
        rf"have the same size with data\.resize='{mode}'; data\.resize=resize_and_crop or resize"
    )
    shaping = Shaping(mode, (12, 10), (12, 10), training=True)
    with pytest.raises(InputError, match=message):
        PHOTOS.shape((photo(), photo(size=(20, 24))), shaping, "a.png")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((photo(), photo(channels=1)), "a.png: 1 channels of uint8, expected 3 of uint8"),
        ((photo(dtype=np.uint16), photo()), "a.png: 3 channels of uint16, expected 3 of uint8"),
    ],
)
def test_a_side_with_another_dtype_or_depth_is_an_error_that_gives_the_name(pair, message):
    with pytest.raises(InputError, match=message):
        PHOTOS.shape(pair, HALF, "a.png")


@pytest.mark.parametrize("kind", ["gray", "downscale", "mask"])
@pytest.mark.parametrize("shaping", [WHOLE, HALF])
def test_the_other_side_is_derived_at_the_size_that_the_networks_see(kind, shaping):
    image, form = photo(), form_of(kind)
    expected = Derivation(kind)(images.resize(image, shaping.image_size), "a.png")
    for direction, order in (("AtoB", expected), ("BtoA", expected[::-1])):
        form = form_of(kind, direction)
        assert form.single == PHOTO
        for side, other in zip(form.shape((image, image), shaping, "a.png"), order, strict=True):
            np.testing.assert_array_equal(side, other)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_gray_may_be_one_channel(direction):
    key = "source_channels" if direction == "AtoB" else "target_channels"
    form = form_of("gray", direction, **{key: 1})
    pair = form.shape((photo(), photo()), WHOLE, "a.png")
    gray, colour = pair if direction == "AtoB" else pair[::-1]
    np.testing.assert_array_equal(gray, images.as_channels(photo(), 1, ""))
    np.testing.assert_array_equal(colour, photo())


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("kind", ["gray", "downscale", "mask"])
def test_sources_of_any_dtype_are_derived(kind, dtype):
    form = form_of(kind, source_dtype=dtype, target_dtype=dtype)
    image = photo(dtype=np.dtype(dtype))
    source, target = form.shape((image, image), WHOLE, "a.tif")
    assert source.dtype == dtype
    assert target is image


@pytest.mark.parametrize("shaping", [WHOLE, HALF])
def test_lab_comes_back_as_rgb_within_one_level(shaping):
    noise = np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8)
    for image in (photo(), noise):
        form = lab_form()
        assert (form.single, form.written) == (PHOTO, PHOTO)
        source, target = form.shape((image, image), shaping, "a.png")
        assert (source.shape[-1], target.shape[-1]) == (1, 2)
        seen = form.source.to_network(source), form.target.to_network(target)
        assert all(np.abs(side).max() <= 1 for side in seen)
        back = form.finish(form.source.from_network(seen[0]), form.target.from_network(seen[1]))
        assert back.dtype == np.uint8
        expected = images.resize(image, shaping.image_size).astype(int)
        assert np.abs(back - expected).max() <= 1


def test_metrics_compare_lab_as_rgb():
    form, image = lab_form(), photo()
    source, target = (side[None] for side in form.shape((image, image), WHOLE, "a.png"))
    expected = PHOTO.to_network(image[None])
    np.testing.assert_allclose(form.compared_target(source, target), expected, atol=2.01 / 255)
    fake = np.asarray(form.target.to_network(target))
    np.testing.assert_allclose(form.compared(source, fake), expected, atol=2.01 / 255)
    gray = form.compared(source, np.zeros_like(fake))
    np.testing.assert_allclose(gray, gray[..., :1].repeat(3, -1), atol=2.01 / 255)


def test_metrics_compare_other_targets_as_the_networks_see_them():
    fake = np.random.default_rng(0).uniform(-1, 1, (2, 4, 4, 3)).astype(np.float32)
    target = np.full((2, 4, 4, 3), 255, np.uint8)
    np.testing.assert_array_equal(PHOTOS.compared(target, fake), fake)
    np.testing.assert_array_equal(PHOTOS.compared_target(target, target), np.ones_like(fake))
    source, answer = target
    assert PHOTOS.finish(source, answer) is answer


def test_pictures_show_both_sides_of_a_pair():
    labels, deep = np.array([[[0], [1]]], np.uint8), np.array([[[0], [65535]]], np.uint16)
    form = PairFormat(Encoding(1, "uint8", classes=2), Encoding(1, "uint16", 0.0, 65535.0))
    source, target = form.show(labels, deep)
    assert source.shape == (1, 2, 3)
    assert (source[0, 0] != source[0, 1]).any()
    assert target.tolist() == [[[0], [255]]]


def test_pictures_show_the_bands_of_the_config():
    config = default_config()
    config.data.source_channels = 5
    config.log.bands = (4, 2, 0)
    bands = np.arange(0, 50, 10, np.uint8)[None, None]
    source, target = format_of(config).show(bands, np.array([[[7, 8, 9]]], np.uint8))
    assert source.tolist() == [[[40, 20, 0]]]
    assert target.tolist() == [[[7, 8, 9]]]  # it has no band 4


def test_pictures_of_lab_show_the_lightness_and_the_colours():
    form, image = lab_form(), photo()
    pair = form.shape((image, image), WHOLE, "a.png")
    source, target = form.show(*pair)
    assert source.shape == (24, 20, 1)
    np.testing.assert_allclose(target.astype(int), image, atol=1)


@pytest.mark.parametrize("name", ["colour.png", "gray.png"])
@pytest.mark.parametrize("kind", ["gray", "lab"])
def test_a_photo_to_colour_may_be_in_colour(tmp_path, kind, name):
    image = photo(channels=1 if name == "gray.png" else 3)
    image_files.write(tmp_path / name, image)
    form = lab_form() if kind == "lab" else form_of("gray", source_channels=1)
    colour = images.as_channels(image, 3, name)
    expected, _ = form.shape((colour, colour), WHOLE, name)
    found = form.read_source(tmp_path / name)
    np.testing.assert_array_equal(found, expected)
    assert form.source.check(found, name) is found


def test_other_sources_are_derived_only_on_request(tmp_path):
    image = photo()
    image_files.write(tmp_path / "a.png", image)
    form = form_of("downscale")
    np.testing.assert_array_equal(form.read_source(tmp_path / "a.png"), image)
    for size, shaping in ((None, WHOLE), ((12, 10), HALF)):
        expected, _ = form.shape((image, image), shaping, "a.png")
        found = form.read_source(tmp_path / "a.png", derive=True, size=size)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("derive", [True, False])
def test_if_the_target_is_derived_the_source_is_the_image(tmp_path, derive):
    image_files.write(tmp_path / "a.png", photo())
    form = form_of("gray", "BtoA", target_channels=1)
    found = form.read_source(tmp_path / "a.png", derive=derive, size=(8, 8))
    np.testing.assert_array_equal(found, photo())


@pytest.mark.parametrize(
    ("kind", "direction", "data", "message"),
    [
        ("lab", "BtoA", {"source_channels": 1, "target_channels": 2}, "choose AtoB"),
        ("lab", "AtoB", {}, r"set 1 \(L\) and 2 \(a, b\)"),
        ("gray", "AtoB", {"source_classes": 3}, "a derived source has no classes"),
        ("gray", "AtoB", {"source_channels": 4}, "gives 1 or 3 channels, not 4"),
        ("edges", "BtoA", {"target_channels": 2}, "gives 1 or 3 channels, not 2"),
        ("grey", "AtoB", {}, "derive.kind='grey': choose from gray, lab"),
        (
            "blur",
            "AtoB",
            {"source_channels": 1},
            "1 channels of uint8 .* 3 of .*must be equal",
        ),
        ("mask", "BtoA", {"target_dtype": "uint16"}, "3 channels of uint8 .* 3 of uint16"),
        ("gray", "AtoB", {"source_dtype": "uint16"}, "3 channels of uint16 .* 3 of uint8"),
    ],
)
def test_keys_that_contradict_each_other_are_an_error(kind, direction, data, message):
    with pytest.raises(InputError, match=message) as error:
        form_of(kind, direction, **data)
    assert "\n" not in str(error.value)


def test_a_hole_depends_on_the_files_name_without_its_folder():
    config = default_config()
    config.derive.kind = "mask"
    form = format_of(config)
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    shaping = Shaping("resize", (32, 32), (32, 32), training=True)
    sources = [
        form.shape((image, image), shaping, name)[0] for name in ("k/a.png", "train/j/a.png")
    ]
    np.testing.assert_array_equal(*sources)
    other = form.shape((image, image), shaping, "k/b.png")[0]
    assert (other != sources[0]).any()
    content = io.BytesIO(image_files.to_bytes(image))
    read = form.read_source(content, derive=True, name="some/a.png")
    np.testing.assert_array_equal(read, sources[0])
