import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pix2pix_jax.augment import random_crop_and_flip
from pix2pix_jax.images import to_float, to_uint8

LOADED, CROP = (12, 14), (9, 10)
KEYS = jax.random.split(jax.random.key(0), 600)


def noise(*shape):
    return jnp.asarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def coordinates(count):
    """A source that holds each pixel's (row, column, 0) and a target of row * width + column."""
    rows, columns = np.indices(LOADED, dtype=np.uint8)
    source = np.stack([rows, columns, 0 * rows], axis=-1)
    target = (rows * LOADED[1] + columns)[..., None]
    return jnp.stack([source] * count), jnp.stack([target] * count)


def draw(keys, *, image_size=CROP, flip=True):
    """Augment the coordinates with each key; back to integers."""
    pairs = random_crop_and_flip(keys, *coordinates(len(keys)), image_size=image_size, flip=flip)
    source, target = map(to_uint8, pairs)
    return source.astype(int), target.astype(int)


def windows(source):
    """The top, left and direction of each window, which must be one without gaps."""
    for image in source:
        rows, columns = image[:, :1, 0], image[:1, :, 1]
        mirrored = columns[0, 0] > columns[0, -1]
        top, left = rows.min(), columns.min()
        np.testing.assert_array_equal(rows[:, 0], top + np.arange(len(rows)))
        steps = np.arange(columns.size)
        np.testing.assert_array_equal(columns[0], left + (steps[::-1] if mirrored else steps))
        np.testing.assert_array_equal(image[..., 0], np.broadcast_to(rows, image.shape[:2]))
        np.testing.assert_array_equal(image[..., 1], np.broadcast_to(columns, image.shape[:2]))
        yield int(top), int(left), bool(mirrored)


def test_source_and_target_are_cut_alike():
    source, target = draw(KEYS)
    np.testing.assert_array_equal(target[..., 0], source[..., 0] * LOADED[1] + source[..., 1])


def test_equal_images_stay_equal():
    image = noise(8, 20, 16, 3)
    source, target = random_crop_and_flip(KEYS[:8], image, image, image_size=(16, 8), flip=True)
    assert source.shape == (8, 16, 8, 3)
    np.testing.assert_array_equal(source, target)


def test_every_offset_and_direction_is_reached_and_none_beyond():
    source, _ = draw(KEYS)
    seen = set(windows(source))
    assert seen == set(itertools.product(range(4), range(5), (False, True)))


def test_about_half_of_the_pairs_are_mirrored():
    mirrored = [m for _, _, m in windows(draw(KEYS)[0])]
    assert 250 < sum(mirrored) < 350  # four standard deviations around 300


def test_without_flip_nothing_is_mirrored_and_windows_are_the_same():
    flipped, plain = (list(windows(draw(KEYS, flip=flip)[0])) for flip in (True, False))
    assert not any(mirrored for _, _, mirrored in plain)
    assert [window[:2] for window in flipped] == [window[:2] for window in plain]


def test_a_mirrored_pair_is_the_exact_mirror_image():
    image = noise(8, 16, 16, 3)
    source, _ = random_crop_and_flip(KEYS[:8], image, image, image_size=(16, 16), flip=True)
    upright = np.asarray(to_float(image))
    mirrored = [not (a == b).all() for a, b in zip(source, upright, strict=True)]
    assert 0 < sum(mirrored) < 8
    expected = [b[:, ::-1] if m else b for b, m in zip(upright, mirrored, strict=True)]
    np.testing.assert_array_equal(source, np.stack(expected))


def test_images_of_the_wanted_size_are_not_cropped():
    source, _ = draw(KEYS[:16], image_size=LOADED, flip=False)
    np.testing.assert_array_equal(source, coordinates(16)[0])


def test_the_draw_belongs_to_the_key_not_to_the_place_in_the_batch():
    together, _ = draw(KEYS[:16])
    backwards, _ = draw(KEYS[:16][::-1])
    alone, _ = draw(KEYS[5:6])
    np.testing.assert_array_equal(together, backwards[::-1])
    np.testing.assert_array_equal(alone[0], together[5])
    assert len(set(windows(together))) > 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_results_are_float_in_minus_one_to_one(dtype):
    image = jnp.zeros((2, 16, 16, 1), dtype).at[:, ::2].set(np.iinfo(dtype).max)
    for side in random_crop_and_flip(KEYS[:2], image, image, image_size=(8, 8), flip=True):
        assert side.dtype == jnp.float32
        assert set(np.unique(side).tolist()) == {-1.0, 1.0}


def test_augmentation_is_the_same_under_jit():
    augment = functools.partial(random_crop_and_flip, image_size=CROP, flip=True)
    arguments = (KEYS[:16], *coordinates(16))
    for one, other in zip(jax.jit(augment)(*arguments), augment(*arguments), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=6e-8)
