"""How many pairs are held in memory, and what happens to those that do not fit."""

import logging
import math

import numpy as np
import pytest
from support.image_files import save
from support.made_sources import make_source

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data import loading
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.configured_format import build_format
from pix2pix_jax.data.loading import load_pairs
from pix2pix_jax.data.pair_format import PHOTOS
from pix2pix_jax.data.shaping import Shaping
from pix2pix_jax.data.sources import SideBySide
from pix2pix_jax.images import files as image_files

CROPPED = Shaping("crop", (8, 8), (8, 8), training=True)
RESIZED = Shaping("resize", (8, 8), (8, 8), training=True)


def load(source, shaping, gigabytes, on_error="fail"):
    return load_pairs(
        source,
        PHOTOS,
        shaping,
        cache_gigabytes=float(gigabytes),
        workers=2,
        on_error=on_error,
        label="pairs",
    )


def weight(sizes):
    """Return how many bytes pairs of these sizes take."""
    return sum(2 * 3 * math.prod(size) for size in sizes)


@pytest.mark.parametrize("first_is", ["the smallest", "the largest"])
@pytest.mark.parametrize(("spare", "held"), [(0, True), (-1, False)])
def test_pairs_of_all_sizes_count_for_the_memory_budget(first_is, spare, held):
    sizes = [(8, 8), (30, 40), (16, 9), (64, 64)]
    sizes = sizes if first_is == "the smallest" else sizes[::-1]
    pairs = load(make_source(sizes), CROPPED, (weight(sizes) + spare + 0.5) / 1e9)
    assert (pairs.cached is not None) == held
    assert pairs.gigabytes == pytest.approx(weight(sizes) / 1e9 if held else 0)
    assert [pair[0].shape[:2] for pair in map(pairs.__getitem__, range(4))] == sizes


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_large_pairs_that_no_sample_shows_never_exceed_the_budget(on_error, caplog):
    """One of 200 sizes is not among the 64 that are looked at."""
    caplog.set_level(logging.INFO)
    sizes = [(8, 8)] * 200
    sizes[2] = (400, 400)
    source = make_source(sizes, broken=frozenset([5] if on_error == "skip" else []))
    pairs = load(source, CROPPED, 2 * weight([(8, 8)] * 200) / 1e9, on_error)
    assert pairs.cached is None
    assert pairs.gigabytes == 0
    assert "more than fit in data.cache_gigabytes; they are streamed" in caplog.text
    assert len(pairs) == (199 if on_error == "skip" else 200)
    assert pairs[2][0].shape == (400, 400, 3)


def test_halves_of_an_image_do_not_keep_the_whole_one_in_memory():
    source = make_source([(8, 8)])
    whole = np.concatenate(source.pairs[0], axis=1)
    source.pairs = [(whole[:, :8], whole[:, 8:])]
    pairs = load(source, CROPPED, 1)
    for side, expected in zip(pairs[0], source.pairs[0], strict=True):
        assert side.base is None
        np.testing.assert_array_equal(side, expected)


@pytest.mark.parametrize("shaping", [RESIZED, CROPPED])
def test_pairs_that_the_free_memory_cannot_hold_are_streamed_with_a_warning(
    shaping, caplog, monkeypatch
):
    needed = weight([(8, 8)] * 5)
    for free, held in ((2 * needed, True), (needed, False), (None, True)):
        caplog.clear()
        monkeypatch.setattr(loading, "available_bytes", lambda free=free: free)
        pairs = load(make_source([(8, 8)] * 5), shaping, 1)
        assert (pairs.gigabytes > 0) == held
        assert ("memory free: they are streamed" in caplog.text) != held
    caplog.clear()
    assert load(make_source([(8, 8)] * 5), shaping, 0).gigabytes == 0  # asked for: no warning
    assert not caplog.text


def test_skipped_pairs_leave_no_second_copy_of_the_others():
    source = make_source([(8, 8)] * 6, broken=frozenset([0, 3]))
    pairs = load(source, RESIZED, 1, "skip")
    assert pairs.names == ("1.png", "2.png", "4.png", "5.png")
    for place, index in enumerate((1, 2, 4, 5)):
        np.testing.assert_array_equal(pairs[place][0], source.pairs[index][0])
    assert pairs.arrays[0].base.shape[0] == 6


def test_a_pair_that_is_gone_when_it_is_read_is_one_line(tmp_path):
    source = SideBySide((tmp_path / "gone.png",), ("gone.png",))
    for shaping in (RESIZED, CROPPED):
        with pytest.raises(InputError, match=r"gone\.png: .*No such file"):
            load(source, shaping, 1)


def test_a_streamed_pair_that_breaks_later_is_not_called_one_to_skip():
    source = make_source([(8, 8)] * 3)
    for on_error, hint in (
        ("fail", r"data\.on_error=skip"),
        ("skip", "could be read when the run"),
    ):
        source.broken = frozenset()
        pairs = load(source, RESIZED, 0, on_error)
        source.broken = frozenset([1])
        with pytest.raises(InputError, match=hint):
            pairs[1]


def test_a_side_of_another_dtype_is_an_error_that_names_its_two_keys(tmp_path):
    data = default_config().data
    data.source, data.root, data.image_size = "folders", str(tmp_path), (8, 8)
    data.load_size = (8, 8)
    for number in range(3):
        save(tmp_path / "A" / "train" / f"{number}.png")
        (tmp_path / "B" / "train").mkdir(parents=True, exist_ok=True)
        deep = np.full((4, 6, 1), 60000, np.uint16)
        image_files.write(tmp_path / "B" / "train" / f"{number}.png", deep)
    form = build_format(data, default_config().derive)
    source = build_source(data, form, "train", seed=0)
    options = {"cache_gigabytes": 1.0, "workers": 1, "label": "pairs"}
    message = (
        r"0\.png, and other files of the target: hold uint16 values, expected uint8; set "
        r"data\.target_dtype=uint16, and data\.target_range to the values"
    )
    with pytest.raises(InputError, match=message) as error:
        load_pairs(source, form, RESIZED, on_error="fail", **options)
    assert "skip" not in str(error.value)
    with pytest.raises(
        InputError, match=r"none of the 3 pairs could be read, as in .*0\.png: holds"
    ):
        load_pairs(source, form, RESIZED, on_error="skip", **options)
    save(tmp_path / "B" / "train" / "1.png")  # only some: those can be left out
    with pytest.raises(InputError, match=r"0\.png: holds uint16 .*data\.on_error=skip leaves"):
        load_pairs(source, form, RESIZED, on_error="fail", **options)
