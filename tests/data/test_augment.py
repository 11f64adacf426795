import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from support.augmenting import KEYS, LOADED, apply, as_float, in_range, noise

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.augment import Augmentation
from pix2pix_jax.data.warps import Warp

CROP = (9, 10)
EVERYTHING = Augmentation(
    (9, 9),
    vertical_flip=True,
    rotate=True,
    color_jitter=(0.3, 0.3, 0.3),
    cutout=0.4,
    warp=Warp((20.0, 0.2, 5.0, 0.1), (1.0, 6.0)),
)
# Of the places that a warped image is read at, times how steep it is there.
ROUNDING = {"rtol": 1e-5, "atol": 1e-5}


def coordinates(count, size=LOADED):
    """Sources of each pixel's (row, column, 0), and targets of row * width + column."""
    rows, columns = np.indices(size, dtype=np.uint8)
    source = np.stack([rows, columns, 0 * rows], axis=-1)
    target = (rows * size[1] + columns)[..., None]
    return jnp.stack([source] * count), jnp.stack([target] * count)


def draw(keys, *, image_size=CROP, loaded=LOADED, **options):
    """Augment the coordinates with each key; return integers."""
    sides = apply(keys, *coordinates(len(keys), loaded), Augmentation(image_size, **options))
    return [np.asarray(side).astype(int) for side in sides]


def windows(source):
    """Yield top, left and direction of each crop, which must have no gaps."""
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


def test_source_and_target_get_the_same_crop():
    source, target = draw(KEYS)
    np.testing.assert_array_equal(target[..., 0], source[..., 0] * LOADED[1] + source[..., 1])


def test_equal_images_stay_equal():
    image = noise(8, 20, 16, 3)
    source, target = apply(KEYS[:8], image, image, Augmentation((16, 8)))
    assert source.shape == (8, 16, 8, 3)
    np.testing.assert_array_equal(source, target)


def test_crops_and_flips_reach_every_offset_and_direction_and_no_other():
    source, _ = draw(KEYS)
    seen = set(windows(source))
    assert seen == set(itertools.product(range(4), range(5), (False, True)))


def test_about_half_of_the_pairs_are_mirrored():
    mirrored = [m for _, _, m in windows(draw(KEYS)[0])]
    assert 250 < sum(mirrored) < 350  # four standard deviations around 300


def test_without_flip_nothing_is_mirrored_and_crops_are_the_same():
    flipped, plain = (list(windows(draw(KEYS, flip=flip)[0])) for flip in (True, False))
    assert not any(mirrored for _, _, mirrored in plain)
    assert [window[:2] for window in flipped] == [window[:2] for window in plain]


def test_crop_and_flip_are_as_first_drawn():
    # Resumed runs rely on it.
    assert list(windows(draw(KEYS[:6])[0])) == [
        (1, 2, True),
        (1, 1, True),
        (1, 3, False),
        (3, 4, False),
        (0, 0, False),
        (2, 1, False),
    ]


def test_other_options_do_not_change_crop_and_flip():
    image = noise(16, *LOADED, 3)
    arguments = (KEYS[:16], image, image)
    _, plain = apply(*arguments, Augmentation(CROP), in_range, in_range)
    options = Augmentation(CROP, color_jitter=(0.5, 0.5, 0.5), cutout=0.3)
    source, target = apply(*arguments, options, in_range, in_range)
    np.testing.assert_array_equal(target, plain)
    assert (np.asarray(source) != plain).any(axis=(1, 2, 3)).all()


def test_a_mirrored_pair_is_the_exact_mirror_image():
    image = noise(8, 16, 16, 3)
    source, _ = apply(KEYS[:8], image, image, Augmentation((16, 16)))
    source, upright = np.asarray(source), np.asarray(image)
    mirrored = [not (a == b).all() for a, b in zip(source, upright, strict=True)]
    assert 0 < sum(mirrored) < 8
    expected = [b[:, ::-1] if m else b for b, m in zip(upright, mirrored, strict=True)]
    np.testing.assert_array_equal(source, np.stack(expected))


def test_images_that_have_the_size_already_are_not_cropped():
    source, _ = draw(KEYS[:16], image_size=LOADED, flip=False)
    np.testing.assert_array_equal(source, coordinates(16)[0])


def test_options_that_are_off_change_nothing_and_draw_no_numbers():
    image, options = noise(4, 16, 16, 3), Augmentation((16, 16), flip=False)
    for side in apply(KEYS[:4], image, image, options):
        np.testing.assert_array_equal(side, image)

    def drawn(options):
        return "random_bits" in str(jax.make_jaxpr(apply, static_argnums=3)(*arguments, options))

    arguments = (KEYS[:4], image, image)
    assert not drawn(options)
    assert drawn(Augmentation((15, 16), flip=False))
    assert drawn(Augmentation((16, 16)))


@pytest.mark.parametrize(
    ("options", "outcomes"),
    [
        ({"flip": False, "vertical_flip": True}, [(0, False), (2, True)]),
        ({"vertical_flip": True}, [(0, False), (0, True), (2, False), (2, True)]),
        ({"flip": False, "rotate": True}, [(turns, False) for turns in range(4)]),
    ],
)
def test_flips_and_rotations_are_exact_equally_likely_and_the_same_on_both_sides(options, outcomes):
    # Each outcome: the number of quarter turns, and whether the image is mirrored before them.
    size = (6, 6)
    source, target = draw(KEYS, image_size=size, loaded=size, **options)
    np.testing.assert_array_equal(target[..., 0], source[..., 0] * 6 + source[..., 1])
    original = np.arange(36).reshape(size)
    counts = [
        (target[..., 0] == np.rot90(np.fliplr(original) if mirrored else original, turns))
        .all(axis=(1, 2))
        .sum()
        for turns, mirrored in outcomes
    ]
    assert sum(counts) == len(KEYS)
    np.testing.assert_allclose(counts, len(KEYS) / len(outcomes), atol=50)  # four deviations


def test_flips_and_rotations_together_reach_all_eight_symmetries():
    size = (4, 4)
    _, target = draw(KEYS, image_size=size, loaded=size, vertical_flip=True, rotate=True)
    original = np.arange(16).reshape(size)
    symmetries = {
        np.rot90(image, turns).tobytes()
        for image in (original, np.fliplr(original))
        for turns in range(4)
    }
    assert {image.tobytes() for image in target[..., 0]} == symmetries


def test_rotated_crops_of_oblong_images_have_no_gaps_and_stay_aligned():
    source, target = draw(KEYS[:100], image_size=(9, 9), vertical_flip=True, rotate=True)
    np.testing.assert_array_equal(target[..., 0], source[..., 0] * LOADED[1] + source[..., 1])
    for image in source:
        top, left = image[..., 0].min(), image[..., 1].min()
        expected = (
            np.arange(top, top + 9)[:, None] * LOADED[1] + np.arange(left, left + 9)
        ).ravel()
        places = np.sort((image[..., 0] * LOADED[1] + image[..., 1]).ravel())
        np.testing.assert_array_equal(places, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_encoders_get_stored_values_unchanged(dtype):
    image = jnp.asarray((np.random.default_rng(1).random((8, *LOADED, 2)) * 60000).astype(dtype))
    seen = []

    def record(stored):
        seen.append(stored.dtype)
        return as_float(stored)

    options = Augmentation((9, 9), vertical_flip=True, rotate=True)
    source, target = apply(KEYS[:8], image, image, options, record, record)
    assert seen == [dtype, dtype]
    np.testing.assert_array_equal(source, target)
    for moved, original in zip(source, image, strict=True):
        assert np.isin(moved, original).all()


def test_class_indices_may_become_one_channel_each():
    labels = jnp.asarray(np.random.default_rng(2).integers(0, 5, (8, *LOADED, 1), np.uint8))
    options = Augmentation((9, 9), vertical_flip=True, rotate=True)

    def one_hot(image):
        return 2 * jax.nn.one_hot(image[..., 0], 5) - 1

    source, target = apply(KEYS[:8], labels, labels, options, one_hot)
    assert source.shape == (8, 9, 9, 5)
    np.testing.assert_array_equal(jnp.argmax(source, axis=-1), target[..., 0])
    assert set(np.unique(source).tolist()) == {-1.0, 1.0}


def test_draws_depend_on_the_key_and_not_on_the_place_in_the_batch():
    together, _ = draw(KEYS[:16])
    backwards, _ = draw(KEYS[:16][::-1])
    alone, _ = draw(KEYS[5:6])
    np.testing.assert_array_equal(together, backwards[::-1])
    np.testing.assert_array_equal(alone[0], together[5])
    assert len(set(windows(together))) > 1


def test_with_all_options_on_an_example_does_not_depend_on_its_batch():
    images = noise(16, *LOADED, 3)

    def run(chosen):
        return apply(KEYS[:16][chosen], images[chosen], images[chosen], EVERYTHING, in_range)

    everyone, backwards, alone = map(run, (slice(None), slice(None, None, -1), slice(5, 6)))
    for side in range(2):
        np.testing.assert_allclose(everyone[side], backwards[side][::-1], **ROUNDING)
        np.testing.assert_allclose(everyone[side][5], alone[side][0], **ROUNDING)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_results_are_float32_from_minus_one_to_one(dtype):
    image = jnp.zeros((2, 16, 16, 1), dtype).at[:, ::2].set(np.iinfo(dtype).max)
    for side in apply(KEYS[:2], image, image, Augmentation((8, 8)), in_range, in_range):
        assert side.dtype == jnp.float32
        np.testing.assert_allclose(abs(side), 1, rtol=0, atol=2e-7)
        assert side.min() < 0 < side.max()


@pytest.mark.parametrize("options", [Augmentation(CROP), EVERYTHING])
def test_augmentation_is_the_same_under_jit(options):
    images = noise(16, *LOADED, 3)
    arguments = (KEYS[:16], images, images[::-1], options, in_range, in_range)
    compiled = apply(*arguments)
    for one, other in zip(compiled, apply.__wrapped__(*arguments), strict=True):
        np.testing.assert_allclose(one, other, **ROUNDING)


def test_augmentation_is_the_same_on_many_devices():
    images = noise(16, *LOADED, 3)
    devices = NamedSharding(Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data"))
    arguments = (KEYS[:16], images, images)
    spread = apply(*jax.device_put(arguments, devices), EVERYTHING, in_range, in_range)
    for one, other in zip(spread, apply(*arguments, EVERYTHING, in_range, in_range), strict=True):
        assert len(one.sharding.device_set) == len(jax.devices())
        np.testing.assert_allclose(one, other, **ROUNDING)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotate": True}, r"augment\.rotate=True with data\.image_size=\(8, 9\)"),
        (
            {"color_jitter": (0.1, 1.5, 0.0)},
            r"augment\.color_jitter=\(0\.1, 1\.5, 0\.0\).*\[0, 1\]",
        ),
        ({"color_jitter": (-0.1, 0.0, 0.0)}, r"augment\.color_jitter"),
        ({"color_jitter": (float("nan"), 0.0, 0.0)}, r"augment\.color_jitter"),
        ({"color_jitter": (0.1, 0.1)}, r"augment\.color_jitter.*three"),
        ({"jitter_side": "left"}, r"augment\.jitter_side='left': choose from source, target, both"),
        ({"cutout": 1.0}, r"augment\.cutout=1\.0: must be in \[0, 1\)"),
        ({"cutout": -0.1}, r"augment\.cutout=-0\.1"),
    ],
)
def test_a_value_out_of_range_is_an_error(options, message):
    with pytest.raises(InputError, match=message):
        Augmentation((8, 9), **options)
