import itertools

import numpy as np
import pytest

from pix2pix_jax.data.mosaic import Mosaic, compose, draw_mosaic

SIZE = (12, 16)


def make_pairs(dtype=np.uint8, size=SIZE):
    """Four pairs that hold (number, row, column) and, as target, one number made of these."""
    rows, columns = np.indices(size)
    for number in range(4):
        source = np.stack([np.full(size, number), rows, columns], axis=-1).astype(dtype)
        target = (number * 48 + rows + columns)[..., None].astype(dtype)
        yield source, target


def test_every_pixel_keeps_its_position():
    rows, columns = np.indices(SIZE)
    for step in range(20):
        mosaic = draw_mosaic(0, step, 0, 4, 1.0)
        source, target = compose(mosaic, list(make_pairs()))
        np.testing.assert_array_equal(source[..., 1], rows)
        np.testing.assert_array_equal(source[..., 2], columns)
        np.testing.assert_array_equal(target[..., 0], source[..., 0] * 48 + rows + columns)


def test_the_four_meet_at_the_centre_in_reading_order():
    source, _ = compose(Mosaic((0, 0, 0), (0.25, 0.75)), list(make_pairs()))
    assert (source[:3, :12, 0] == 0).all()
    assert (source[:3, 12:, 0] == 1).all()
    assert (source[3:, :12, 0] == 2).all()
    assert (source[3:, 12:, 0] == 3).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_values_and_dtype_are_kept_exactly(dtype):
    rng = np.random.default_rng(0)
    pairs = [
        tuple((rng.random((*SIZE, channels)) * 60000).astype(dtype) for channels in (1, 4))
        for _ in range(4)
    ]
    pair = compose(Mosaic((1, 2, 3), (0.5, 0.5)), pairs)
    for side in range(2):
        assert pair[side].dtype == dtype
        quarters = [(slice(6), slice(8)), (slice(6), slice(8, 16))]
        quarters += [(slice(6, 12), columns) for _, columns in quarters]
        for quarter, one in zip(quarters, pairs, strict=True):
            np.testing.assert_array_equal(pair[side][quarter], one[side][quarter])


def test_the_pairs_themselves_are_left_unchanged():
    pairs, untouched = list(make_pairs()), list(make_pairs())
    source, target = compose(Mosaic((1, 2, 3), (0.5, 0.5)), pairs)
    source[:], target[:] = 255, 255
    for pair, before in zip(pairs, untouched, strict=True):
        for image, expected in zip(pair, before, strict=True):
            np.testing.assert_array_equal(image, expected)


def test_four_times_the_same_pair_is_that_pair():
    pair = next(make_pairs())
    for image, expected in zip(
        compose(Mosaic((0, 0, 0), (0.3, 0.6)), [pair] * 4), pair, strict=True
    ):
        np.testing.assert_array_equal(image, expected)


def test_the_draw_is_a_function_of_seed_step_and_place():
    arguments = list(itertools.product(range(4), repeat=3))
    drawn = [draw_mosaic(*each, 1000, 1.0) for each in arguments]
    assert drawn == [draw_mosaic(*each, 1000, 1.0) for each in arguments]
    assert len(set(drawn)) == len(arguments)


def test_the_draw_is_the_same_on_every_machine():
    # As first drawn: resumed runs rely on it.
    mosaic = draw_mosaic(0, 0, 0, 10, 1.0)
    assert mosaic.others == (8, 5, 9)
    assert mosaic.centre == pytest.approx((0.480625, 0.514630), abs=1e-6)


def test_large_numbers_give_different_mosaics():
    drawn = {draw_mosaic(*each, 1000, 1.0) for each in itertools.permutations((0, 1, 2**32))}
    assert len(drawn) == 6


@pytest.mark.parametrize(
    ("probability", "low", "high"), [(0.0, 0, 0), (0.3, 120, 240), (1.0, 600, 600)]
)
def test_mosaics_are_as_frequent_as_the_probability_says(probability, low, high):
    drawn = [draw_mosaic(3, step, 1, 5, probability) for step in range(600)]
    assert low <= sum(each is not None for each in drawn) <= high


def test_the_probability_does_not_change_the_mosaic():
    for step in range(50):
        assert draw_mosaic(0, step, 0, 9, 0.5) in (None, draw_mosaic(0, step, 0, 9, 1.0))


def test_every_pair_is_chosen_and_the_centre_fills_its_range():
    drawn = [draw_mosaic(0, step, 0, 5, 1.0) for step in range(600)]
    for others in zip(*(each.others for each in drawn), strict=True):
        assert set(others) == set(range(5))
    for shares in zip(*(each.centre for each in drawn), strict=True):
        assert 0.25 <= min(shares) < 0.26
        assert 0.74 < max(shares) <= 0.75


def test_a_single_pair_is_chosen_three_times():
    assert draw_mosaic(0, 0, 0, 1, 1.0).others == (0, 0, 0)
