import numpy as np
import pytest

from pix2pix_jax import images
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.data.pipeline import (
    eval_batches,
    load_pairs,
    mean_target,
    prefetch,
    read_pair,
    train_batches,
)
from pix2pix_jax.data.sources import SideBySide
from pix2pix_jax.errors import InputError

SIZE = (20, 18)
CACHED, STREAMED = 1.0, 0.0
both_forms = pytest.mark.parametrize("cache", [CACHED, STREAMED], ids=["cached", "streamed"])


@pytest.fixture
def source(tmp_path):
    """Five different pairs of 16x16 pixels, as files."""
    rng = np.random.default_rng(0)
    for number in range(5):
        images.write(tmp_path / f"{number}.png", rng.integers(0, 256, (16, 32, 3), np.uint8))
    return SideBySide(tuple(images.find(tmp_path)), target_channels=1)


def load(source, cache, *, on_error="fail", size=SIZE):
    pairs = load_pairs(
        source, size, cache_gigabytes=cache, workers=2, on_error=on_error, label="pairs"
    )
    assert (pairs.arrays is None) == (cache == STREAMED)
    return pairs


def train(pairs, timeline, first, stop, places=None):
    places = places or range(timeline.global_batch)
    return list(train_batches(pairs, timeline, first, stop, places, workers=2))


def assert_same_batches(found, expected):
    assert len(found) == len(expected)
    for batch, other in zip(found, expected, strict=True):
        assert batch.keys() == other.keys() == {"source", "target", "example"}
        for name in batch:
            assert batch[name].dtype == other[name].dtype
            np.testing.assert_array_equal(batch[name], other[name])


def break_file(source, index):
    source.paths[index].write_text("no pixels")


@both_forms
def test_pair_is_read_and_resized(source, cache):
    pairs = load(source, cache)
    assert len(pairs) == 5
    assert pairs.names == tuple(f"{number}.png" for number in range(5))
    for index in range(5):
        for side, other, expected in zip(
            pairs[index], read_pair(source, index, SIZE), source[index], strict=True
        ):
            np.testing.assert_array_equal(side, images.resize(expected, SIZE))
            np.testing.assert_array_equal(side, other)


@pytest.mark.parametrize(("spare", "cached"), [(0, True), (-1, False)])
def test_pairs_are_cached_where_they_fit_the_budget_to_the_byte(source, spare, cached):
    needed = 5 * SIZE[0] * SIZE[1] * (3 + 1)
    pairs = load_pairs(
        source,
        SIZE,
        cache_gigabytes=(needed + spare + 0.5) / 1e9,
        workers=2,
        on_error="fail",
        label="pairs",
    )
    assert (pairs.arrays is not None) == cached


@both_forms
def test_batches_are_the_pairs_of_the_timeline(source, cache):
    timeline = Timeline(5, 2, seed=0)
    batches = train(load(source, cache), timeline, 0, 4)
    for step, batch in enumerate(batches):
        expected = [read_pair(source, int(i), SIZE) for i in timeline.indices(step)]
        np.testing.assert_array_equal(batch["source"], [pair[0] for pair in expected])
        np.testing.assert_array_equal(batch["target"], [pair[1] for pair in expected])
        assert batch["source"].dtype == np.uint8
        assert batch["example"].dtype == np.int32
        assert batch["example"].tolist() == [0, 1]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_cached_and_streamed_batches_are_bit_equal_over_epochs(source, batch):
    timeline = Timeline(5, batch, seed=1)
    stop = timeline.end_of(3)
    cached = train(load(source, CACHED), timeline, 0, stop)
    assert len(cached) == stop
    assert_same_batches(train(load(source, STREAMED), timeline, 0, stop), cached)


@both_forms
def test_batches_from_a_later_step_are_the_tail_of_the_whole_run(source, cache):
    timeline, pairs = Timeline(5, 2, seed=0), load(source, cache)
    whole = train(pairs, timeline, 0, 7)
    assert_same_batches(train(pairs, timeline, 3, 7), whole[3:])
    assert train(pairs, timeline, 7, 7) == []


@both_forms
def test_shares_of_processes_concatenate_to_the_whole_batch(source, cache):
    timeline, pairs = Timeline(5, 4, seed=0), load(source, cache)
    whole = train(pairs, timeline, 0, 3)
    shares = [train(pairs, timeline, 0, 3, places) for places in (range(2), range(2, 4))]
    joined = [
        {name: np.concatenate([share[name] for share in step]) for name in step[0]}
        for step in zip(*shares, strict=True)
    ]
    assert_same_batches(joined, whole)


@both_forms
@pytest.mark.parametrize("bad", [[0], [2, 4]])
def test_unreadable_files_are_counted_and_dropped_on_skip(source, cache, bad, capsys):
    good = [index for index in range(5) if index not in bad]
    kept = [read_pair(source, index, SIZE) for index in good]
    for index in bad:
        break_file(source, index)
    pairs = load(source, cache, on_error="skip")
    printed = capsys.readouterr()
    assert f"pairs: skipped {len(bad)} of 5 pairs" in printed.out + printed.err
    for index in bad:
        assert f"{source.paths[index]}: not an image file" in printed.out + printed.err
    assert pairs.names == tuple(f"{index}.png" for index in good)
    for pair, expected in zip([pairs[i] for i in range(len(pairs))], kept, strict=True):
        np.testing.assert_array_equal(pair[0], expected[0])
        np.testing.assert_array_equal(pair[1], expected[1])
    assert len(train(pairs, Timeline(len(pairs), 1, 0), 0, len(pairs))) == len(good)


@both_forms
def test_nothing_is_said_of_skipping_where_all_can_be_read(source, cache, capsys):
    assert len(load(source, cache, on_error="skip")) == 5
    assert "skipped" not in "".join(capsys.readouterr())


@both_forms
def test_skip_is_refused_where_no_file_can_be_read(source, cache):
    for index in range(5):
        break_file(source, index)
    with pytest.raises(InputError, match=r"data\.on_error=skip: none of the 5 pairs"):
        load(source, cache, on_error="skip")


@pytest.mark.parametrize("bad", [0, 3])
def test_unreadable_file_is_named_when_cached_pairs_are_loaded(source, bad):
    break_file(source, bad)
    with pytest.raises(InputError, match=rf"{bad}\.png: not an image file"):
        load(source, CACHED)


def test_unreadable_file_is_named_while_streamed_pairs_are_iterated(source):
    pairs = load(source, STREAMED)
    break_file(source, 3)
    with pytest.raises(InputError, match=r"3\.png: not an image file"):
        train(pairs, Timeline(5, 1, seed=0), 0, 5)
    with pytest.raises(InputError, match=r"3\.png: not an image file"):
        list(eval_batches(pairs, 5, 2, workers=2))


@both_forms
@pytest.mark.parametrize(
    ("count", "batch_size", "lengths"),
    [(5, 2, [2, 2, 1]), (4, 2, [2, 2]), (3, 8, [3]), (1, 1, [1]), (0, 2, [])],
)
def test_eval_batches_are_in_order_named_and_bounded(source, cache, count, batch_size, lengths):
    batches = list(eval_batches(load(source, cache), count, batch_size, workers=2))
    assert [len(names) for _, names in batches] == lengths
    assert [name for _, names in batches for name in names] == list(source.names[:count])
    for (sources, targets), names in batches:
        assert sources.shape == (len(names), *SIZE, 3)
        assert targets.shape == (len(names), *SIZE, 1)
        for name, first, second in zip(names, sources, targets, strict=True):
            expected = read_pair(source, source.names.index(name), SIZE)
            np.testing.assert_array_equal(first, expected[0])
            np.testing.assert_array_equal(second, expected[1])


@pytest.mark.parametrize("depth", [0, 1, 2, 9])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_prefetch_yields_everything_in_order(count, depth):
    assert list(prefetch(range(count), lambda x: 10 * x, depth)) == [10 * i for i in range(count)]


def test_prefetch_is_ahead_by_its_depth_and_no_more():
    placed = []
    batches = prefetch(range(9), placed.append, depth=2)
    assert placed == []
    next(batches)
    assert placed == [0, 1, 2]
    next(batches)
    assert placed == [0, 1, 2, 3]


@both_forms
def test_mean_target_by_hand(tmp_path, cache):
    levels = [(0, 255), (51, 255), (102, 0)]  # of the target's upper and lower half
    for number, (upper, lower) in enumerate(levels):
        both = np.full((4, 8, 3), 77, np.uint8)
        both[:2, 4:], both[2:, 4:] = upper, lower
        images.write(tmp_path / f"{number}.png", both)
    pairs = load(SideBySide(tuple(images.find(tmp_path))), cache, size=(4, 4))
    mean = mean_target(pairs, (4, 4))
    assert mean.shape == (4, 4, 3)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean[:2], 51 / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(mean[2:], 170 / 127.5 - 1, atol=1e-6)


@both_forms
def test_mean_target_is_resized(source, cache):
    pairs = load(source, cache)
    expected = np.mean([pairs[i][1].astype(np.float64) for i in range(5)], axis=0) / 127.5 - 1
    found = mean_target(pairs, (10, 9))
    assert found.shape == (10, 9, 1)
    shrunk = images.resize_float(expected.astype(np.float32), (10, 9))
    np.testing.assert_allclose(found, shrunk, atol=1e-6)


def test_mean_target_of_streamed_pairs_reads_a_spread_of_them(source):
    pairs = load(source, STREAMED)
    expected = np.mean([pairs[i][1].astype(np.float64) for i in (0, 2, 4)], axis=0) / 127.5 - 1
    np.testing.assert_allclose(mean_target(pairs, SIZE, most=3), expected, atol=1e-6)
