import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.sources import Source
from pix2pix_jax.data.synthetic import SyntheticPairs, draw_pair


def test_the_same_numbers_give_the_same_bytes():
    for one, other in zip(draw_pair(3, 5, 32), draw_pair(3, 5, 32), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("seed", "index"), [(4, 5), (3, 6), (5, 3)])
def test_another_seed_or_index_gives_another_pair(seed, index):
    for one, other in zip(draw_pair(3, 5, 32), draw_pair(seed, index, 32), strict=True):
        assert (one != other).mean() > 0.05


@pytest.mark.parametrize("size", [16, 33, 64])
def test_pictures_have_the_given_size(size):
    for picture in draw_pair(0, 0, size):
        assert picture.shape == (size, size, 3)
        assert picture.dtype == np.uint8


@pytest.mark.parametrize("index", range(3))
def test_a_larger_map_shows_the_same_place(index):
    small, large = draw_pair(0, index, 32)[1], draw_pair(0, index, 64)[1]
    shrunk = np.asarray(Image.fromarray(large).reduce(2), float)
    other = np.asarray(Image.fromarray(draw_pair(0, index + 1, 64)[1]).reduce(2), float)
    same, different = (np.abs(picture - small).mean() for picture in (shrunk, other))
    assert same < different / 4


def test_each_split_has_its_own_pairs():
    pictures = [
        SyntheticPairs(2, 16, 0, split)[i][1] for split in ("train", "val", "test") for i in (0, 1)
    ]
    assert len({picture.tobytes() for picture in pictures}) == 6


@pytest.mark.parametrize("index", [0, 2])
def test_the_direction_only_swaps_the_sides(index):
    forth, back = (SyntheticPairs(3, 16, 7, "val", way)[index] for way in ("AtoB", "BtoA"))
    np.testing.assert_array_equal(forth[0], back[1])
    np.testing.assert_array_equal(forth[1], back[0])
    assert (forth[0] != forth[1]).any()


def test_a_training_pair_is_the_drawn_pair_of_its_index():
    np.testing.assert_array_equal(SyntheticPairs(3, 16, 7, "train")[2][0], draw_pair(7, 2, 16)[0])


def test_source_has_names_and_a_length():
    source = SyntheticPairs(2, 16, 0, "val")
    assert isinstance(source, Source)
    assert len(source) == 2
    assert source.names == ("val_00000", "val_00001")


@pytest.mark.parametrize("index", [-1, 2, 100])
def test_an_index_outside_the_source_is_an_error(index):
    with pytest.raises(IndexError, match=f"index {index} is outside 0 to 1"):
        SyntheticPairs(2, 16, 0, "train")[index]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "valid"}, "split='valid': choose from train, val"),
        ({"direction": "AtoC"}, "direction='AtoC': choose from AtoB, BtoA"),
        ({"count": -1}, "count=-1: must be from 0 to"),
        ({"side": 15}, "side=15: must be from 16 to"),
        ({"seed": -1}, "seed=-1: must be from 0 to"),
        ({"seed": 2**64}, "seed=18446744073709551616: must be from 0"),
    ],
)
def test_a_bad_argument_of_the_source_is_an_error_that_gives_its_name(change, message):
    with pytest.raises(InputError, match=message):
        SyntheticPairs(**({"count": 2, "side": 16, "seed": 0, "split": "train"} | change))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((-1, 0, 16), "seed=-1"), ((0, 2**64, 16), "index=1844"), ((0, 0, 8), "size=8")],
)
def test_a_bad_argument_of_a_drawing_is_an_error_that_gives_its_name(arguments, message):
    with pytest.raises(InputError, match=message):
        draw_pair(*arguments)


def test_maps_differ_enough_from_their_mean_to_be_worth_learning():
    maps = np.stack([draw_pair(0, index, 32)[1] for index in range(24)]) / 127.5 - 1
    contrast = np.abs(maps - maps.mean(axis=0)).mean()
    assert 0.2 < contrast < 0.6


def test_the_photo_is_not_a_copy_of_the_map():
    photos, maps = map(np.stack, zip(*(draw_pair(0, i, 32) for i in range(8)), strict=True))
    assert 0.3 < np.abs(photos / 127.5 - maps / 127.5).mean() < 1.2
