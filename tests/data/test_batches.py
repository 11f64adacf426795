import numpy as np
import pytest
from support.made_sources import make_source
from support.sources import format_of

from pix2pix_jax.core.config import default_config
from pix2pix_jax.data.batches import eval_batches, prefetch, train_batches
from pix2pix_jax.data.loading import load_pairs
from pix2pix_jax.data.mosaic import compose, draw_mosaic
from pix2pix_jax.data.order import Timeline, TrainingOrder
from pix2pix_jax.data.pair_format import PHOTOS
from pix2pix_jax.data.shaping import Shaping

SIZE = (8, 6)
SIZES = {
    "resize_and_crop": [(9, 9)] * 5,
    "resize": [(9, 9), (20, 4), (8, 6), (5, 5), (30, 31)],
    "none": [SIZE] * 5,
    "scale_width": [(16, 12), (8, 6), (4, 3), (8, 6), (24, 18)],
    "crop": [(8, 6), (9, 9), (20, 7), (8, 30), (12, 12)],
    "scale_width_and_crop": [(10, 8), (9, 7), (20, 8), (40, 30), (12, 12)],
}
MODES = list(SIZES)
CACHED, STREAMED = 1.0, 0.0
both_forms = pytest.mark.parametrize("cache", [CACHED, STREAMED], ids=["cached", "streamed"])


def load(cache, mode="crop", *, sizes=None, form=PHOTOS, training=True):
    pairs = load_pairs(
        make_source(sizes or SIZES[mode]),
        form,
        Shaping(mode, SIZE, (10, 8), training),
        cache_gigabytes=cache,
        workers=2,
        on_error="fail",
        label="pairs",
    )
    assert (pairs.arrays is None and pairs.cached is None) == (cache == STREAMED)
    return pairs


def train(pairs, timeline, first, stop, places=None, mosaic=0.0):
    order = TrainingOrder(pairs, timeline, places or range(timeline.global_batch), mosaic)
    return list(train_batches(order, first, stop, workers=2))


def assert_same_batches(found, expected):
    assert len(found) == len(expected)
    for batch, other in zip(found, expected, strict=True):
        assert batch.keys() == other.keys() == {"source", "target", "example"}
        for name in batch:
            assert batch[name].dtype == other[name].dtype
            np.testing.assert_array_equal(batch[name], other[name])


@both_forms
@pytest.mark.parametrize("mode", MODES)
def test_batches_hold_the_timelines_pairs_at_the_same_size(cache, mode):
    timeline = Timeline(5, 2, seed=0)
    batches = train(load(cache, mode), timeline, 0, 4)
    assert len(batches) == 4
    for step, batch in enumerate(batches):
        assert batch["source"].shape == (2, *((10, 8) if mode == "resize_and_crop" else SIZE), 3)
        assert batch["source"].dtype == np.uint8
        assert batch["example"].tolist() == [0, 1]
        assert batch["example"].dtype == np.int32
        found = batch["source"][:, 0, 0, 0]
        np.testing.assert_array_equal(found, timeline.indices(step))
        # These targets are the complement of the sources; resizing rounds each side separately.
        tolerance = 0 if mode in ("none", "crop") else 1
        difference = batch["target"].astype(int) - (255 - batch["source"].astype(int))
        assert np.abs(difference).max() <= tolerance


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("batch", "mosaic"), [(1, 0.0), (2, 0.0), (5, 0.5)])
def test_cached_and_streamed_batches_are_bit_equal_over_epochs(mode, batch, mosaic):
    timeline = Timeline(5, batch, seed=1)
    stop = timeline.end_of(3)
    cached = train(load(CACHED, mode), timeline, 0, stop, mosaic=mosaic)
    assert len(cached) == stop
    assert_same_batches(train(load(STREAMED, mode), timeline, 0, stop, mosaic=mosaic), cached)


@pytest.mark.parametrize("kind", ["gray", "lab", "mask", "downscale"])
@pytest.mark.parametrize("mode", ["resize", "crop"])
def test_cached_and_streamed_batches_of_derived_pairs_are_bit_equal(kind, mode):
    config = default_config()
    config.derive.kind = kind
    if kind == "lab":
        config.data.source_channels, config.data.target_channels = 1, 2
    timeline = Timeline(5, 2, seed=1)
    cached, streamed = (
        train(load(cache, mode, form=format_of(config)), timeline, 0, 4, mosaic=0.5)
        for cache in (CACHED, STREAMED)
    )
    assert cached[0]["target"].shape == (2, *SIZE, config.data.target_channels)
    assert_same_batches(streamed, cached)


@both_forms
@pytest.mark.parametrize("mode", ["resize", "crop"])
@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_batches_from_a_later_step_equal_those_of_the_whole_run(cache, mode, mosaic):
    timeline, pairs = Timeline(5, 2, seed=0), load(cache, mode)
    whole = train(pairs, timeline, 0, 7, mosaic=mosaic)
    assert_same_batches(train(pairs, timeline, 3, 7, mosaic=mosaic), whole[3:])
    assert train(pairs, timeline, 7, 7, mosaic=mosaic) == []


@both_forms
@pytest.mark.parametrize("mode", ["resize", "crop"])
@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_the_batches_of_all_processes_together_are_the_global_batch(cache, mode, mosaic):
    timeline, pairs = Timeline(5, 4, seed=0), load(cache, mode)
    whole = train(pairs, timeline, 0, 3, mosaic=mosaic)
    shares = [train(pairs, timeline, 0, 3, places, mosaic) for places in (range(2), range(2, 4))]
    joined = [
        {name: np.concatenate([share[name] for share in step]) for name in step[0]}
        for step in zip(*shares, strict=True)
    ]
    assert_same_batches(joined, whole)


def windows(timeline, steps, sizes):
    """Yield the number of each example's pair, and top and left of its crop."""
    for batch in train(load(CACHED, sizes=sizes), timeline, 0, steps):
        for number, top, left in batch["source"][:, 0, 0]:
            yield int(number), (int(top), int(left))


@both_forms
def test_a_crop_is_a_window_of_its_pair(cache):
    batches = train(load(cache), Timeline(5, 5, seed=3), 0, 20)
    expected = np.broadcast_to(np.stack(np.indices(SIZE), axis=-1), (5, *SIZE, 2))
    for batch in batches:
        places = batch["source"][..., 1:].astype(int)
        np.testing.assert_array_equal(places - places[:, :1, :1], expected)
        np.testing.assert_array_equal(batch["target"], 255 - batch["source"])


def test_crops_reach_every_offset_and_no_other():
    found = set(windows(Timeline(2, 2, seed=0), 200, [(10, 9), (8, 7)]))
    first = {(0, (top, left)) for top in range(3) for left in range(4)}
    assert found == first | {(1, (0, 0)), (1, (0, 1))}


def test_crops_are_drawn_from_seed_step_and_place():
    sizes = [(100, 100)] * 2
    first, again, other = (
        [place for _, place in windows(Timeline(2, 2, seed), 20, sizes)] for seed in (0, 0, 1)
    )
    assert first == again
    # There are 93 * 95 offsets: equal ones by chance are rare, between steps and between seeds.
    assert len(set(first)) >= 39
    assert len(set(first) & set(other)) <= 1


def test_a_crop_does_not_depend_on_the_batch_around_it():
    sizes = [(100, 100)] * 4
    pairs = load(CACHED, sizes=sizes)
    large, small = Timeline(4, 4, seed=0), Timeline(4, 2, seed=0)
    ((first, _), (second, _)) = (
        TrainingOrder(pairs, timeline, range(timeline.global_batch)).example(0, 1)
        for timeline in (large, small)
    )
    np.testing.assert_array_equal(first, second)


@both_forms
@pytest.mark.parametrize("mode", ["none", "crop"])
def test_a_mosaic_shows_the_pairs_that_were_drawn(cache, mode):
    timeline, pairs = Timeline(5, 2, seed=7), load(cache, mode)
    order = TrainingOrder(pairs, timeline, range(2), mosaic=1.0)
    for step, batch in enumerate(train_batches(order, 0, 6, workers=2)):
        for place in range(2):
            drawn = draw_mosaic(7, step, place, 5, 1.0)
            numbers = [int(timeline.indices(step)[place]), *drawn.others]
            shown = batch["source"][place][[0, 0, -1, -1], [0, -1, 0, -1], 0]
            assert shown.tolist() == numbers
            np.testing.assert_array_equal(batch["target"][place], 255 - batch["source"][place])
            if mode == "none":
                expected = compose(drawn, [pairs[number] for number in numbers])
                np.testing.assert_array_equal(batch["source"][place], expected[0])


@both_forms
def test_mosaics_work_at_batch_1_and_are_as_frequent_as_configured(cache):
    timeline = Timeline(5, 1, seed=0)
    steps = timeline.end_of(20)
    plain, some = (
        train(load(cache, "none"), timeline, 0, steps, mosaic=share) for share in (0.0, 0.3)
    )
    changed = [
        not np.array_equal(one["source"], other["source"])
        for one, other in zip(plain, some, strict=True)
    ]
    drawn = [draw_mosaic(0, step, 0, 5, 0.3) is not None for step in range(steps)]
    # A mosaic may happen to be made of one pair alone.
    assert all(is_drawn for is_drawn, is_changed in zip(drawn, changed, strict=True) if is_changed)
    assert 0.15 * steps <= sum(changed) <= sum(drawn) <= 0.45 * steps


def test_the_corners_of_a_mosaic_have_separate_crops():
    pairs = load(CACHED, sizes=[(100, 100)])
    order = TrainingOrder(pairs, Timeline(1, 1, seed=0), range(1), mosaic=1.0)
    source, _ = order.example(0, 0)
    corners = [(0, 0), (0, 5), (7, 0), (7, 5)]
    assert len({tuple(source[corner][1:] - corner) for corner in corners}) == 4


@both_forms
@pytest.mark.parametrize("mode", ["resize", "crop"])
@pytest.mark.parametrize(
    ("count", "batch_size", "lengths"),
    [(5, 2, [2, 2, 1]), (4, 2, [2, 2]), (3, 8, [3]), (1, 1, [1]), (0, 2, [])],
)
def test_eval_batches_hold_the_first_pairs_in_order_with_their_names(
    cache, mode, count, batch_size, lengths
):
    pairs = load(cache, mode, training=False)
    batches = list(eval_batches(pairs, count, batch_size, workers=2))
    assert [len(names) for _, names in batches] == lengths
    assert [name for _, names in batches for name in names] == list(pairs.names[:count])
    for (sources, targets), names in batches:
        assert sources.shape == targets.shape == (len(names), *SIZE, 3)
        for name, first, second in zip(names, sources, targets, strict=True):
            expected = pairs[pairs.names.index(name)]
            np.testing.assert_array_equal(first, expected[0])
            np.testing.assert_array_equal(second, expected[1])


@both_forms
def test_training_pairs_are_evaluated_by_their_centre_crop(cache):
    pairs = load(cache, "crop")
    held_out = load(cache, "crop", training=False)
    for found, expected in zip(
        eval_batches(pairs, 5, 2, workers=2), eval_batches(held_out, 5, 2, workers=2), strict=True
    ):
        np.testing.assert_array_equal(found[0][0], expected[0][0])


@pytest.mark.parametrize("depth", [0, 1, 2, 9])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_prefetch_yields_everything_in_order(count, depth):
    assert list(prefetch(range(count), lambda x: 10 * x, depth)) == [10 * i for i in range(count)]


def test_prefetch_stays_ahead_by_its_depth_and_no_more():
    placed = []
    batches = prefetch(range(9), placed.append, depth=2)
    assert placed == []
    next(batches)
    assert placed == [0, 1, 2]
    next(batches)
    assert placed == [0, 1, 2, 3]
