"""Colour jitter and holes; `test_augment.py` has the geometric changes."""

import functools
import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance
from support.augmenting import KEYS, LOADED, apply, noise
from support.sources import format_of

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.augment import Augmentation, build_augment

PIXELS = np.float32([[(1, 0, 0), (0, 0.6, 0.2)], [(0.9, 1, 0.8), (0.3, 0.3, 0.3)]])
ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def jittered(keys, pixels, strengths, side="source"):
    """Jitter one image of [0, 1] with each key; source and target, in [0, 1] again."""
    images = jnp.stack([2 * jnp.asarray(pixels, jnp.float32) - 1] * len(keys))
    options = Augmentation(images.shape[1:3], False, color_jitter=strengths, jitter_side=side)
    return [(np.asarray(image) + 1) / 2 for image in apply(keys, images, images, options)]


@functools.cache
def factors(number):
    """Each key's factor of brightness, contrast or saturation: all scale colour differences."""
    colour = np.full((2, 2, 3), (0.5, 0.4, 0.45))
    source, _ = jittered(KEYS, colour, only(number))
    return (source[:, 0, 0, 0] - source[:, 0, 0, 1]) / 0.1


def only(number):
    return tuple(0.4 * (number == each) for each in range(3))


@pytest.mark.parametrize("number", range(3))
def test_factors_fill_their_range(number):
    drawn = factors(number)
    assert drawn.min() >= 0.6 - 1e-5
    assert drawn.max() <= 1.4 + 1e-5
    np.testing.assert_allclose(np.quantile(drawn, [0.01, 0.5, 0.99]), [0.6, 1, 1.4], atol=0.05)


def test_factors_are_drawn_independently():
    drawn = np.stack([factors(number) for number in range(3)])
    assert abs(np.corrcoef(drawn) - np.eye(3)).max() < 0.16  # four standard deviations


def test_jitter_has_the_values_of_its_definition():
    gray = np.array([[0.299, 0.587 * 0.6 + 0.114 * 0.2], [0.9473, 0.3]])
    others = (0, (0.299 + 0.375 + 0.9473 + 0.3) / 4, gray[..., None])
    for number, other in enumerate(others):
        factor = factors(number)[:9, None, None, None]
        expected = np.clip(factor * PIXELS + (1 - factor) * other, 0, 1)
        source, _ = jittered(KEYS[:9], PIXELS, only(number))
        np.testing.assert_allclose(source, expected, atol=2e-6)


def test_jitter_is_pillows_brightness_then_contrast_then_saturation():
    levels = np.asarray(noise(6, 5, 3))
    source, _ = jittered(KEYS[:9], levels / 255, (0.4, 0.4, 0.4))
    drawn = np.stack([factors(number)[:9] for number in range(3)], axis=1)
    for image, factor in zip(source, drawn, strict=True):
        expected = Image.fromarray(levels)
        for enhance, strength in zip(ENHANCERS, factor, strict=True):
            expected = enhance(expected).enhance(float(strength))
        # Pillow rounds down after each of its three steps.
        np.testing.assert_allclose(image * 255, np.asarray(expected), atol=3.5)


def test_the_saturation_of_a_gray_image_is_not_jittered():
    gray = PIXELS[..., :1]
    np.testing.assert_allclose(jittered(KEYS[:9], gray, (0.0, 0.0, 1.0))[0][0], gray, atol=1e-6)
    source, _ = jittered(KEYS[:9], gray, only(1))
    factor = factors(1)[:9, None, None, None]
    expected = np.clip(factor * gray + (1 - factor) * gray.mean(), 0, 1)
    np.testing.assert_allclose(source, expected, atol=2e-6)


def test_only_the_chosen_side_is_jittered_or_both_by_the_same_factors():
    strengths = (0.4, 0.4, 0.4)
    source, target = jittered(KEYS[:9], PIXELS, strengths, "source")
    np.testing.assert_allclose(target, np.stack([PIXELS] * 9), atol=1e-6)
    assert (abs(source - PIXELS) > 1e-3).any(axis=(1, 2, 3)).all()
    other_source, other_target = jittered(KEYS[:9], PIXELS, strengths, "target")
    np.testing.assert_array_equal(other_source, target)
    np.testing.assert_array_equal(other_target, source)
    for side in jittered(KEYS[:9], PIXELS, strengths, "both"):
        np.testing.assert_array_equal(side, source)


@pytest.mark.parametrize(("share", "side"), [(0.5, 3), (0.66, 4), (0.01, 1)])
def test_holes_in_the_source_are_squares_around_any_pixel(share, side):
    size = (6, 8)
    image = jnp.ones((len(KEYS), *size, 2), jnp.float32)
    source, target = apply(KEYS, image, image, Augmentation(size, False, cutout=share))
    np.testing.assert_array_equal(target, image)
    np.testing.assert_array_equal(source[..., 0], source[..., 1])
    holes = {np.asarray(each).tobytes() for each in source[..., 0] == 0}
    assert set(np.unique(source).tolist()) == {0.0, 1.0}

    def hole(row, column):
        rows, columns = np.indices(size)
        top, left = row - side // 2, column - side // 2
        inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
        return inside.tobytes()

    assert holes == set(itertools.starmap(hole, itertools.product(range(6), range(8))))


def test_strong_jitter_stays_within_black_and_white():
    for side in jittered(KEYS[:64], noise(*LOADED, 3) / 255, (1.0, 1.0, 1.0), "both"):
        assert side.dtype == np.float32
        assert side.min() == 0
        assert side.max() == 1


@pytest.mark.parametrize(
    ("derive", "data", "message"),
    [
        (
            "lab",
            {"source_channels": 1, "target_channels": 2},
            r"color_jitter=\(0.5, 0.0, 0.0\) with derive.kind='lab'",
        ),
        ("", {"source_classes": 3}, r"data\.source_classes=3.*set augment.jitter_side=target"),
    ],
)
def test_jitter_of_lab_or_of_classes_is_an_error(derive, data, message):
    config = default_config()
    config.augment.color_jitter = (0.5, 0.0, 0.0)
    config.derive.kind = derive
    config.data.update(data)
    with pytest.raises(InputError, match=message):
        build_augment(config.augment, format_of(config), (256, 256))


@pytest.mark.parametrize("side", ["target", "both"])
def test_jitter_of_target_classes_is_an_error(side):
    config = default_config()
    config.augment.color_jitter, config.augment.jitter_side = (0.5, 0.0, 0.0), side
    config.data.target_classes = 4
    message = r"data\.target_classes=4: classes have no colours; set augment.jitter_side=source"
    with pytest.raises(InputError, match=message):
        build_augment(config.augment, format_of(config), (256, 256))
    config.augment.jitter_side = "source"
    build_augment(config.augment, format_of(config), (256, 256))
