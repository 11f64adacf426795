import math

import numpy as np
import pytest

from pix2pix_jax.evaluation.paired import NO_DIFFERENCE, bootstrap_interval, compare_paired


def named(*values):
    return {f"image {number}": value for number, value in enumerate(values)}


def drawn(seed, seeds=1, images=20, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, (seeds, images))


def test_mean_images_won_and_equal_ones_are_counted():
    a, b = named(0.5, 0.5, 0.5, 0.5), named(0.25, 0.5, 0.75, 0.0)
    low = compare_paired([a], [b], "low")
    high = compare_paired([a], [b], "high")
    assert (low.mean, low.won, low.equal, low.count) == (-0.125, 2, 1, 4)
    assert (high.mean, high.won, high.equal) == (-0.125, 1, 1)
    assert compare_paired([a], [b], None).won is None


def test_two_images_give_the_interval_made_by_hand():
    """Of two drawn differences 0 and 2, a quarter of the means is 0 and a quarter is 2.

    So the interval has both as its ends, enlarged by the t distribution with one degree of
    freedom: 12.7062 / 1.95996 * sqrt(2).
    """
    low, high = bootstrap_interval(np.zeros((1, 2)), np.asarray([[0.0, 2.0]]))
    wider = 12.7062 / 1.95996 * math.sqrt(2)
    assert (low, high) == pytest.approx((1 - wider, 1 + wider), rel=1e-4)


def test_two_seeds_enlarge_the_interval_as_made_by_hand():
    """The images do not differ, so only two seeds with means 0 and 2 are drawn."""
    low, high = bootstrap_interval(np.zeros((1, 3)), np.asarray([[0.0] * 3, [2.0] * 3]))
    wider = 12.7062 / 1.95996 * math.sqrt(2)
    assert (low, high) == pytest.approx((1 - wider, 1 + wider), rel=1e-4)


def test_many_images_give_the_interval_of_the_normal_distribution():
    values = drawn(0, images=400, shift=0.5)
    error = values.std(ddof=1) / math.sqrt(400)
    expected = values.mean() + np.asarray([-1.966, 1.966]) * error  # t with 399 degrees of freedom
    # The ends are quantiles of 10,000 draws, each off by about 0.03 errors.
    found = bootstrap_interval(np.zeros((1, 400)), values)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.12 * error)


@pytest.mark.parametrize("seeds", [(1, 1), (3, 3), (1, 2)])
def test_swapping_the_settings_mirrors_the_interval(seeds):
    a, b = drawn(1, seeds[0]), drawn(2, seeds[1], shift=0.3)
    low, high = bootstrap_interval(a, b)
    assert bootstrap_interval(b, a) == (-high, -low)
    assert bootstrap_interval(a, b) == (low, high)


def test_the_order_of_the_images_does_not_matter():
    a, b = named(*drawn(1)[0]), named(*drawn(2)[0])
    backwards = dict(reversed(a.items()))
    assert compare_paired([a], [b], "low") == compare_paired([backwards], [b], "low")


@pytest.mark.parametrize(("shift", "best", "verdict"), [
    (1.0, "high", "better"),
    (1.0, "low", "worse"),
    (-1.0, "low", "better"),
    (-1.0, "high", "worse"),
    (1.0, None, "higher"),
    (-1.0, None, "lower"),
    (0.0, "low", NO_DIFFERENCE),
])  # fmt: skip
def test_the_verdict_goes_by_the_metrics_direction(shift, best, verdict):
    a = drawn(1)[0]
    b = a + shift + 0.1 * np.where(np.arange(20) % 2, 1, -1)
    assert compare_paired([named(*a)], [named(*b)], best).verdict == verdict


def test_equal_runs_show_no_difference():
    a = named(*drawn(1)[0])
    found = compare_paired([a], [a], "low")
    assert (found.low, found.high, found.won, found.equal) == (0, 0, 0, 20)
    assert found.verdict == NO_DIFFERENCE


def test_only_images_with_a_value_in_every_run_are_compared():
    a = [named(1.0, 2.0, math.nan, 4.0), named(1.0, 2.0, 3.0, 4.0)]
    b = [{"image 1": 1.0, "image 2": 1.0, "image 3": 1.0, "other": 9.0}]
    found = compare_paired(a, b, "low")
    assert (found.count, found.mean) == (2, -2.0)
    assert compare_paired(a[:1], [{"image 0": 1.0}], "low") is None
    assert compare_paired(a, [{"other": 1.0}], "low") is None


def test_the_luck_of_a_seed_is_no_difference():
    """Seeds move all images alike: one seed each seems certain, three each do not."""
    noise = 0.1 * drawn(3, 6, 30)
    shifts = np.asarray([0.0, 1.0, 2.0, 1.0, 2.0, 0.5])[:, None]
    runs = [named(*row) for row in noise + shifts]
    assert compare_paired(runs[:1], runs[3:4], "high").verdict == "better"
    assert compare_paired(runs[:3], runs[3:], "high").verdict == NO_DIFFERENCE


@pytest.mark.parametrize(("seeds", "images"), [(1, 3), (1, 10), (3, 10)])
def test_intervals_hold_the_true_difference_about_19_times_in_20(seeds, images):
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(100):
        sides = []
        for _ in range(2):
            luck = rng.normal(size=(seeds, 1)) if seeds > 1 else 0
            sides.append(rng.normal(size=(seeds, images)) + luck)
        low, high = bootstrap_interval(*sides)
        inside += low <= 0 <= high
    # Of 100 draws at 0.95, fewer than 88 have a chance of 1 in 400. Without enlargement: 72 to 92.
    assert inside >= 88


def test_few_seeds_are_not_made_certain_by_the_many_of_the_other():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(100):
        sides = [rng.normal(size=(n, 10)) + 10 * rng.normal(size=(n, 1)) for n in (2, 10)]
        low, high = bootstrap_interval(*sides)
        inside += low <= 0 <= high
    assert inside >= 88  # 84 with the deviations of each setting alone
