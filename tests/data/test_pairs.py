import logging

import numpy as np
import pytest
from support.made_sources import make_source

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.batches import eval_batches, mean_target, stream, train_batches
from pix2pix_jax.data.loading import load_pairs
from pix2pix_jax.data.order import Timeline, TrainingOrder
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.data.pairs import Chosen
from pix2pix_jax.data.shaping import Shaping
from pix2pix_jax.data.sources import SideBySide
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import listing
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.encoding import PHOTO, Encoding

SIZE = (20, 18)
RESIZED = Shaping("resize", SIZE, SIZE, training=True)
CROPPED = Shaping("crop", (8, 8), (8, 8), training=True)
GRAY_TARGET = PairFormat(PHOTO, Encoding(1))
CACHED, STREAMED = 1.0, 0.0
both_forms = pytest.mark.parametrize("cache", [CACHED, STREAMED], ids=["cached", "streamed"])


@pytest.fixture
def source(tmp_path):
    """Five different pairs of 16x16 pixels, as files."""
    rng = np.random.default_rng(0)
    for number in range(5):
        image_files.write(tmp_path / f"{number}.png", rng.integers(0, 256, (16, 32, 3), np.uint8))
    paths = tuple(listing.find(tmp_path))
    return SideBySide(paths, tuple(path.name for path in paths), target=GRAY_TARGET.target)


def load(source, cache, *, on_error="fail", form=GRAY_TARGET, shaping=RESIZED):
    pairs = load_pairs(
        source,
        form,
        shaping,
        cache_gigabytes=cache,
        workers=2,
        on_error=on_error,
        label="pairs",
    )
    assert (pairs.arrays is None and pairs.cached is None) == (cache == STREAMED)
    return pairs


def train(pairs, timeline, first, stop):
    order = TrainingOrder(pairs, timeline, range(timeline.global_batch))
    return list(train_batches(order, first, stop, workers=2))


def break_file(source, index):
    source.paths[index].write_text("no pixels")


@both_forms
def test_a_pair_is_read_and_resized(source, cache):
    pairs = load(source, cache)
    assert len(pairs) == 5
    assert pairs.size == SIZE
    assert pairs.names == tuple(f"{number}.png" for number in range(5))
    for index in range(5):
        for side, expected in zip(pairs[index], source[index], strict=True):
            np.testing.assert_array_equal(side, images.resize(expected, SIZE))


@pytest.mark.parametrize(("spare", "cached"), [(0, True), (-1, False)])
@pytest.mark.parametrize("shaping", [RESIZED, CROPPED])
def test_pairs_are_cached_if_they_fit_the_budget_to_the_byte(source, spare, cached, shaping):
    size = SIZE if shaping is RESIZED else (16, 16)
    needed = 5 * size[0] * size[1] * (3 + 1)
    pairs = load_pairs(
        source,
        GRAY_TARGET,
        shaping,
        cache_gigabytes=(needed + spare + 0.5) / 1e9,
        workers=2,
        on_error="fail",
        label="pairs",
    )
    held = pairs.arrays if shaping is RESIZED else pairs.cached
    assert (held is not None) == cached
    assert pairs.gigabytes == pytest.approx(needed / 1e9 if cached else 0)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@both_forms
def test_pairs_keep_their_dtype(cache, dtype):
    source = make_source([(6, 4)] * 3)
    source.pairs = [tuple(side.astype(dtype) for side in pair) for pair in source.pairs]
    form = PairFormat(Encoding(3, dtype), Encoding(3, dtype))
    shaping = Shaping("resize", (6, 4), (6, 4), training=True)
    pairs = load(source, cache, form=form, shaping=shaping)
    for index in range(3):
        for side, expected in zip(pairs[index], source.pairs[index], strict=True):
            assert side.dtype == dtype
            np.testing.assert_array_equal(side, expected)


@both_forms
def test_pairs_of_different_sizes_stay_whole_for_their_crops(cache):
    sizes = [(8, 8), (16, 9), (12, 30)]
    pairs = load(make_source(sizes), cache, form=PHOTOS, shaping=CROPPED)
    assert pairs.size == (8, 8)
    assert [pairs[index][0].shape[:2] for index in range(3)] == sizes


@both_forms
def test_held_out_pairs_of_different_sizes_are_centre_cropped(cache):
    source = make_source([(8, 8), (16, 9), (12, 30)])
    pairs = load(source, cache, form=PHOTOS, shaping=Shaping("crop", (8, 8), (8, 8), False))
    assert (pairs.arrays is not None) == (cache == CACHED)
    for index, (top, left) in enumerate([(0, 0), (4, 0), (2, 11)]):
        for side, whole in zip(pairs[index], source.pairs[index], strict=True):
            np.testing.assert_array_equal(side, whole[top : top + 8, left : left + 8])


@both_forms
@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_pair_that_does_not_fit_is_an_error_or_skipped(cache, on_error):
    source = make_source([(8, 8), (7, 9), (9, 9)])
    if on_error == "skip":
        pairs = load(source, cache, form=PHOTOS, shaping=CROPPED, on_error=on_error)
        assert pairs.names == ("0.png", "2.png")
        return
    with pytest.raises(InputError, match=r"1\.png: 7 x 9 pixels .* too small for a crop"):
        load(source, cache, form=PHOTOS, shaping=CROPPED)[1]


@both_forms
@pytest.mark.parametrize("bad", [[0], [2, 4]])
@pytest.mark.parametrize("shaping", [RESIZED, CROPPED])
def test_skip_leaves_out_unreadable_files_and_counts_them(source, cache, bad, shaping, caplog):
    caplog.set_level(logging.INFO)
    good = [index for index in range(5) if index not in bad]
    whole = load(source, CACHED, shaping=shaping)
    for index in bad:
        break_file(source, index)
    pairs = load(source, cache, on_error="skip", shaping=shaping)
    assert f"pairs: skipped {len(bad)} of 5 pairs" in caplog.text
    for index in bad:
        assert f"{source.paths[index]}: not an image file" in caplog.text
    assert pairs.names == tuple(f"{index}.png" for index in good)
    for place, index in enumerate(good):
        for side, expected in zip(pairs[place], whole[index], strict=True):
            np.testing.assert_array_equal(side, expected)
    assert len(train(pairs, Timeline(len(pairs), 1, 0), 0, len(pairs))) == len(good)


@both_forms
def test_nothing_is_logged_if_all_files_can_be_read(source, cache, caplog):
    caplog.set_level(logging.INFO)
    assert len(load(source, cache, on_error="skip")) == 5
    assert not caplog.records


@both_forms
def test_skip_is_an_error_if_no_file_can_be_read(source, cache):
    for index in range(5):
        break_file(source, index)
    with pytest.raises(InputError, match=r"data\.on_error=skip: none of the 5 pairs"):
        load(source, cache, on_error="skip")


@pytest.mark.parametrize("bad", [0, 3])
@pytest.mark.parametrize("shaping", [RESIZED, CROPPED])
def test_an_unreadable_file_is_an_error_when_cached_pairs_are_loaded(source, bad, shaping):
    break_file(source, bad)
    with pytest.raises(InputError, match=rf"{bad}\.png: not an image file"):
        load(source, CACHED, shaping=shaping)


def test_an_unreadable_file_is_an_error_when_streamed_pairs_reach_it(source):
    pairs = load(source, STREAMED)
    break_file(source, 3)
    message = r"3\.png: not an image file; data\.on_error=skip leaves such files out"
    with pytest.raises(InputError, match=message):
        train(pairs, Timeline(5, 1, seed=0), 0, 5)
    with pytest.raises(InputError, match=message):
        list(eval_batches(pairs, 5, 2, workers=2))


def test_streamed_pairs_are_read_only_when_needed():
    source = make_source([(8, 8)] * 5)
    pairs = load(source, STREAMED, form=PHOTOS)
    assert source.reads == [0]  # the first stands for all
    pairs[3]
    assert source.reads == [0, 3]


def test_cached_pairs_are_read_once():
    source = make_source([(8, 8)] * 5)
    pairs = load(source, CACHED, form=PHOTOS)
    for index in [0, 4, 4]:
        pairs[index]
    assert sorted(source.reads) == [0, 0, 1, 2, 3, 4]


@pytest.mark.parametrize(("batch_size", "lengths"), [(2, [2, 2]), (3, [3, 1]), (9, [4])])
def test_a_stream_is_in_order_and_its_last_batch_may_be_smaller(batch_size, lengths):
    pairs = load(make_source([(8, 8)] * 6), STREAMED, form=PHOTOS, shaping=CROPPED)
    batches = list(stream(Chosen(pairs, [5, 0, 3, 3]), batch_size, workers=3))
    assert [len(sources) for sources, _ in batches] == lengths
    sources, targets = (np.concatenate(sides) for sides in zip(*batches, strict=True))
    assert sources[:, 0, 0, 0].tolist() == [5, 0, 3, 3]
    np.testing.assert_array_equal(targets, 255 - sources)


@both_forms
def test_mean_target_by_hand(tmp_path, cache):
    levels = [(0, 255), (51, 255), (102, 0)]  # of the target's upper and lower half
    for number, (upper, lower) in enumerate(levels):
        both = np.full((4, 8, 3), 77, np.uint8)
        both[:2, 4:], both[2:, 4:] = upper, lower
        image_files.write(tmp_path / f"{number}.png", both)
    paths = tuple(listing.find(tmp_path))
    shaping = Shaping("resize", (4, 4), (4, 4), training=True)
    pairs = load(SideBySide(paths, ("a", "b", "c")), cache, form=PHOTOS, shaping=shaping)
    mean = mean_target(pairs)
    assert mean.shape == (4, 4, 3)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean[:2], 51 / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(mean[2:], 170 / 127.5 - 1, atol=1e-6)


@both_forms
def test_the_mean_target_is_resized_to_what_the_networks_see(source, cache):
    shaping = Shaping("resize_and_crop", (10, 9), SIZE, training=True)
    pairs = load(source, cache, shaping=shaping)
    assert pairs[0][1].shape == (*SIZE, 1)
    mean = np.mean([pairs[i][1].astype(np.float64) for i in range(5)], axis=0)
    found = mean_target(pairs)
    assert found.shape == (10, 9, 1)
    shrunk = images.resize(mean.astype(np.float32), (10, 9)) / 127.5 - 1
    np.testing.assert_allclose(found, shrunk, atol=1e-6)


@both_forms
def test_the_mean_target_of_different_sizes_is_that_of_the_centre_crops(cache):
    source = make_source([(8, 8), (16, 9), (12, 30)])
    pairs = load(source, cache, form=PHOTOS, shaping=CROPPED)
    middles = [images.centre_crop(target, (8, 8)) for _, target in source.pairs]
    expected = np.mean(np.stack(middles).astype(float), axis=0) / 127.5 - 1
    np.testing.assert_allclose(mean_target(pairs), expected, atol=1e-6)


def test_the_mean_target_of_streamed_pairs_reads_some_evenly_spread(source):
    pairs = load(source, STREAMED)
    expected = np.mean([pairs[i][1].astype(np.float64) for i in (0, 2, 4)], axis=0) / 127.5 - 1
    np.testing.assert_allclose(mean_target(pairs, most=3), expected, atol=1e-6)


def test_the_mean_target_has_the_range_of_the_target():
    kind = Encoding(1, "uint16", 0.0, 1000.0)
    source = make_source([(4, 4)] * 2)
    values = [np.full((4, 4, 1), value, np.uint16) for value in (0, 500)]
    source.pairs = [(value, value) for value in values]
    shaping = Shaping("none", (4, 4), (4, 4), training=True)
    pairs = load(source, CACHED, form=PairFormat(kind, kind), shaping=shaping)
    np.testing.assert_allclose(mean_target(pairs), np.full((4, 4, 1), -0.5), atol=1e-6)
