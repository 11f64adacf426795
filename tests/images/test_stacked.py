"""Several sources as one stored image."""

import jax
import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.stacked import StackedEncoding

RGB, LAND = Encoding(), Encoding(1, "uint8", classes=3)
HEIGHT = Encoding(1, "uint16", 0.0, 1000.0)
HEAT = Encoding(1, "float32", -5.0, 5.0)
NAMES = ("rgb", "land", "height", "heat")
ALL = StackedEncoding((RGB, LAND, HEIGHT, HEAT), NAMES)


def images(size=(4, 6)):
    rng = np.random.default_rng(0)
    return (
        rng.integers(0, 256, (*size, 3)).astype(np.uint8),
        rng.integers(0, 3, (*size, 1)).astype(np.uint8),
        rng.integers(0, 65536, (*size, 1)).astype(np.uint16),
        rng.normal(0, 3, (*size, 1)).astype(np.float32),
    )


def test_the_dtype_is_the_narrowest_that_keeps_all_values():
    assert ALL.dtype == "float32"
    assert StackedEncoding((RGB, LAND), NAMES[:2]).dtype == "uint8"
    assert StackedEncoding((HEIGHT, RGB), NAMES[:2]).dtype == "uint16"
    assert (ALL.channels, ALL.depth) == (6, 8)
    for one, back in zip(images(), ALL.split(ALL.stack(images(), "x")), strict=True):
        assert back.dtype == one.dtype
        np.testing.assert_array_equal(back, one)


def test_the_networks_see_each_source_by_its_own_encoding():
    stacked = ALL.stack(images(), "x")
    seen = np.asarray(jax.jit(ALL.to_network)(stacked))
    parts = zip(ALL.parts, images(), strict=True)
    expected = np.concatenate([np.asarray(part.to_network(one)) for part, one in parts], axis=-1)
    np.testing.assert_allclose(seen, expected, atol=2e-7)  # compiled: a rounding of float32
    np.testing.assert_array_equal(seen[..., 3:6].sum(axis=-1), -1)  # one of three classes
    back = ALL.from_network(seen)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back[..., :4], stacked[..., :4])
    np.testing.assert_allclose(back, stacked, atol=0.01)  # 65535 is 130 ranges away


def test_each_source_is_resized_from_its_own_size_by_its_own_rule():
    sizes = zip(ALL.parts, images(), images((9, 5)), strict=True)
    mixed = [other if part.classes else one for part, one, other in sizes]
    resized = ALL.split(ALL.resize(mixed, (3, 3)))
    for part, one, small in zip(ALL.parts, mixed, resized, strict=True):
        np.testing.assert_array_equal(small, part.resize(one, (3, 3)))
    with pytest.raises(InputError, match=r"x: sources of different size: rgb 4 x 6, land 9 x 5, "):
        ALL.stack(mixed, "x")


def test_a_picture_has_the_sources_side_by_side():
    shown = ALL.show(ALL.stack(images(), "x"))
    assert shown.shape == (4, 4 * 6 + 3 * 4, 3)
    np.testing.assert_array_equal(shown[:, :6], images()[0])
    assert (shown[:, 6:10] == 255).all()
    np.testing.assert_array_equal(shown[:, 10:16], LAND.show(images()[1]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ((0, 3), r"x, land: holds class 3; data\.source_classes=3"),
        ((3, np.float32(1e9)), r"x, heat: holds 1e\+09, a million times beyond"),
    ],
)
def test_what_a_part_refuses_is_refused_with_its_name(wrong, message):
    parts = list(images())
    place, value = wrong
    place = 1 if place == 0 else place
    parts[place] = np.full_like(parts[place], value)
    with pytest.raises(InputError, match=message):
        ALL.check(ALL.stack(parts, "x"), "x")


def test_too_few_sources_and_other_channels_are_one_line():
    with pytest.raises(InputError, match=r"x: 2 sources; expected 4, in this order: rgb, land, h"):
        ALL.stack(images()[:2], "x")
    with pytest.raises(InputError, match=r"x: 3 channels of uint8, expected 6 of float32 \(rgb: 3"):
        ALL.check(images()[0], "x")
