import jax
import numpy as np
import pytest
from ml_collections import ConfigDict
from support.made_sources import make_source

from pix2pix_jax.data import resident
from pix2pix_jax.data.pair_format import PHOTOS
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.data.resident import (
    choose_storage,
    place_pairs,
    place_sides,
    place_those_that_fit,
    take,
    take_spread,
)
from pix2pix_jax.data.shaping import Shaping


def keeping(how, share):
    """Return the part of a configuration that says how pairs are kept on the devices."""
    return ConfigDict({"resident": how, "device_share": share})


SHAPING = Shaping("none", (8, 8), (8, 8), training=False)


def pairs_of(count):
    source = make_source([(8, 8)] * count)
    sides = tuple(np.stack(side) for side in zip(*source, strict=True))
    return Pairs(source, PHOTOS, SHAPING, tuple(range(count)), sides)


@pytest.mark.parametrize("flat", [False, True])
def test_rows_are_taken_from_pairs_on_the_devices_in_their_shape(flat):
    pairs = pairs_of(6)
    placed = place_pairs(pairs, 5, flat=flat)
    assert placed.sides[0].shape == ((5, 192) if flat else (5, 8, 8, 3))
    assert placed.sides[0].is_fully_replicated
    rows = np.array([4, 0, 0], np.int32)
    found = jax.jit(take, static_argnums=2)(placed.sides[1], rows, placed.shapes[1])
    np.testing.assert_array_equal(found, pairs.arrays[1][rows])


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_each_device_gets_the_rows_that_it_wants_of_spread_images(dtype, flat):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2**32, (13, 2, 2, 3), np.uint32)  # any bits, those of nan and -0 too
    images = images.view(np.float32) if dtype == "float32" else images.astype(dtype)
    images[:2] = -0.0
    side = images.reshape(13, -1) if flat else images
    (placed,) = place_sides([side], "spread")
    assert placed.shape == (8, 2, *side.shape[1:])
    assert [shard.data.shape[:2] for shard in placed.addressable_shards] == [(1, 2)] * 8
    wanted = np.concatenate([np.arange(13), [12, 0, 7]]).astype(np.int32)
    rng.shuffle(wanted)
    wanted = wanted.reshape(8, 2)
    shape = images.shape[1:]

    def take_here(side, rows):
        return take_spread([side], rows, [shape], "devices")[0]

    found = np.asarray(jax.pmap(take_here, axis_name="devices")(placed, wanted))
    assert found.dtype == images.dtype
    assert found.tobytes() == images[wanted].tobytes()


@pytest.mark.parametrize(
    ("room", "auto", "copy", "spread"),
    [(13, "copy", "copy", "spread"), (12, "spread", None, "spread"), (1, None, None, None)],
)
def test_pairs_are_spread_if_a_copy_does_not_fit(room, auto, copy, spread):
    # 13 pairs of 1 GB: two on each of eight devices.
    sizes = {"copy": 13, "spread": 2, None: 0}
    fits = float(room).__ge__
    for asked, chosen in (("auto", auto), ("copy", copy), ("spread", spread)):
        assert choose_storage(asked, 13.0, 13, 8, fits) == (chosen, sizes[chosen])
        assert choose_storage(asked, 13.0, 13, 1, fits) == (copy, sizes[copy])


def test_on_the_cpu_pairs_are_not_copied():
    assert place_those_that_fit({"val": pairs_of(2)}, 0, keeping("auto", 1.0), 0.0) == {}


def test_the_first_sets_that_fit_into_the_share_are_placed(monkeypatch):
    monkeypatch.setattr(resident, "on_cpu", lambda: False)
    device = type(jax.devices()[0])
    monkeypatch.setattr(device, "memory_stats", lambda _: {"bytes_limit": 10_000})
    # A pair has 384 bytes; the share has room for 13 of them.
    sets = {"val": pairs_of(6), "large": pairs_of(20), "train": pairs_of(4)}
    placed = place_those_that_fit(sets, 0, keeping("copy", 0.5), 0.0)
    assert {name: len(each.sides[0]) for name, each in placed.items()} == {"val": 6, "train": 4}
    placed = place_those_that_fit(sets, 0, keeping("copy", 0.5), 3000e-9)
    assert list(placed) == ["train"]
    placed = place_those_that_fit(sets, 3, keeping("copy", 0.5), 3000e-9)
    assert {name: len(each.sides[0]) for name, each in placed.items()} == {"val": 3}
    placed = place_those_that_fit(sets, 0, keeping("auto", 0.5), 0.0)
    storages = {name: (each.storage, len(each.sides[0])) for name, each in placed.items()}
    # Of 20, three on each of eight devices; then there is room for three more.
    assert storages == {"val": ("copy", 6), "large": ("spread", 8), "train": ("copy", 4)}
    assert place_those_that_fit(sets, 0, keeping("auto", 0.0), 0.0) == {}
