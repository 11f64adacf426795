import jax
import numpy as np
import pytest
from support.made_sources import make_source

from pix2pix_jax.data import resident
from pix2pix_jax.data.pair_format import PHOTOS, Shaping
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.data.resident import place_pairs, place_those_that_fit, take

SHAPING = Shaping("none", (8, 8), (8, 8), training=False)


def pairs_of(count):
    source = make_source([(8, 8)] * count)
    sides = tuple(np.stack(side) for side in zip(*source, strict=True))
    return Pairs(source, PHOTOS, SHAPING, tuple(range(count)), sides)


@pytest.mark.parametrize("flat", [False, True])
def test_rows_are_taken_from_pairs_on_the_devices_in_their_shape(flat):
    pairs = pairs_of(6)
    placed = place_pairs(pairs, 5, flat=flat)
    assert placed.source.shape == ((5, 192) if flat else (5, 8, 8, 3))
    assert placed.source.is_fully_replicated
    rows = np.array([4, 0, 0], np.int32)
    found = jax.jit(take, static_argnums=2)(placed.target, rows, placed.shapes[1])
    np.testing.assert_array_equal(found, pairs.arrays[1][rows])


def test_on_the_cpu_pairs_are_not_copied():
    assert place_those_that_fit({"val": pairs_of(2)}, 0, share=1.0, taken=0.0) == {}


def test_the_first_sets_that_fit_into_the_share_are_placed(monkeypatch):
    monkeypatch.setattr(resident, "on_cpu", lambda: False)
    device = type(jax.devices()[0])
    monkeypatch.setattr(device, "memory_stats", lambda _: {"bytes_limit": 10_000})
    # A pair has 384 bytes; the share has room for 13 of them.
    sets = {"val": pairs_of(6), "large": pairs_of(20), "train": pairs_of(4)}
    placed = place_those_that_fit(sets, 0, share=0.5, taken=0.0)
    assert {name: len(each.source) for name, each in placed.items()} == {"val": 6, "train": 4}
    placed = place_those_that_fit(sets, 0, share=0.5, taken=3000e-9)
    assert list(placed) == ["train"]
    placed = place_those_that_fit(sets, 3, share=0.5, taken=3000e-9)
    assert {name: len(each.source) for name, each in placed.items()} == {"val": 3}
    assert place_those_that_fit(sets, 0, share=0.0, taken=0.0) == {}
