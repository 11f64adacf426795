import itertools
import logging

import numpy as np
import pytest
from support.made_sources import MadeSource, make_source

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.selection import Concatenated, Patches, Subset, choose_split
from pix2pix_jax.data.sources import SPLITS, Source

NAMES = [f"{number}.jpg" for number in range(1000)]
SHARES, COUNTS = (0.7, 0.15, 0.15), (400, 50, 50)


def numbers(source):
    """The numbers of the pairs, out of their pixels."""
    return [int(source[index][0][0, 0, 0]) for index in range(len(source))]


def splits(names, parts, seed=0):
    return [choose_split(names, parts, split, seed) for split in SPLITS]


def test_a_subset_has_the_chosen_pairs_in_their_order():
    subset = Subset(make_source([(4, 5), (6, 7), (8, 9)]), (2, 0))
    assert isinstance(subset, Source)
    assert subset.names == ("2.png", "0.png")
    assert numbers(subset) == [2, 0]
    assert [subset.size(index) for index in range(len(subset))] == [(8, 9), (4, 5)]


def test_a_subset_of_a_subset_is_a_subset_of_the_whole():
    subset = Subset(Subset(make_source([(4, 4)] * 5), (4, 2, 0)), range(2))
    assert subset.names == ("4.png", "2.png")
    assert numbers(subset) == [4, 2]


def test_concatenated_sources_follow_each_other_with_prefixed_names():
    parts = {
        "train": make_source([(4, 4)] * 2),
        "none": make_source([]),
        "val": make_source([(5, 6)]),
    }
    whole = Concatenated(parts)
    assert isinstance(whole, Source)
    assert whole.names == ("train/0.png", "train/1.png", "val/0.png")
    assert len(whole) == 3
    assert numbers(whole) == [0, 1, 0]
    assert whole.size(2) == whole[2][0].shape[:2] == (5, 6)


def test_600_pixels_have_four_patches_of_256_at_the_corners():
    source = make_source([(600, 600)])
    patches = Patches(source, (256, 256), workers=2)
    assert isinstance(patches, Source)
    assert patches.names == ("0_0_0.png", "0_0_344.png", "0_344_0.png", "0_344_344.png")
    whole = source[0]
    for index, (top, left) in enumerate(itertools.product((0, 344), repeat=2)):
        for side, other in zip(patches[index], whole, strict=True):
            assert side.shape == (256, 256, 3)
            np.testing.assert_array_equal(side, other[top : top + 256, left : left + 256])
        assert patches.size(index) == (256, 256)


@pytest.mark.parametrize(
    ("size", "patch", "places"),
    [
        ((8, 8), (4, 4), [(0, 0), (0, 4), (4, 0), (4, 4)]),
        ((4, 4), (4, 4), [(0, 0)]),
        ((7, 4), (4, 4), [(0, 0)]),
        ((13, 4), (4, 4), [(0, 0), (4, 0), (9, 0)]),
        ((15, 4), (4, 4), [(0, 0), (6, 0), (11, 0)]),
        ((4, 11), (2, 5), [(0, 0), (0, 6), (2, 0), (2, 6)]),
    ],
)
def test_as_many_patches_are_cut_as_fit_side_by_side(size, patch, places):
    patches = Patches(make_source([size]), patch, workers=1)
    assert [place[1:] for place in patches.places] == places
    seen = np.zeros(size, int)
    for _, top, left in patches.places:
        seen[top : top + patch[0], left : left + patch[1]] += 1
    assert seen.max() == 1  # they do not overlap
    if len(places) > 1:
        assert seen[-1, -1] == 1  # and reach the border


def test_patches_of_several_pairs_follow_each_other():
    patches = Patches(make_source([(8, 4), (4, 4), (4, 8)]), (4, 4), workers=2)
    assert patches.names == ("0_0_0.png", "0_4_0.png", "1_0_0.png", "2_0_0.png", "2_0_4.png")
    assert numbers(patches) == [0, 0, 1, 2, 2]


def test_patches_are_named_after_files_with_or_without_suffix_and_folder():
    source = MadeSource(make_source([(4, 8)] * 2).pairs, ("train_000001", "a/b.c.tif"))
    assert Patches(source, (4, 4), workers=1).names == (
        "train_000001_0_0",
        "train_000001_0_4",
        "a/b.c_0_0.tif",
        "a/b.c_0_4.tif",
    )


def test_more_patches_than_memory_has_places_for_are_refused():
    source = make_source([(4, 4)] * 3)
    source.size = lambda index: (10_000, 10_000)
    with pytest.raises(InputError, match=r"patch_size=\(1, 1\): 3 pairs would become 300000000"):
        Patches(source, (1, 1), workers=1)


def test_pairs_smaller_than_a_patch_are_skipped_and_counted_if_wanted(caplog):
    caplog.set_level(logging.INFO)
    source = make_source([(8, 8), (7, 9), (8, 16), (1, 1)])
    patches = Patches(source, (8, 8), workers=1, on_error="skip")
    assert numbers(patches) == [0, 2, 2]
    assert "1.png: 7 x 9 pixels" in caplog.text
    assert "skipped 2 of 4 pairs, smaller than a patch" in caplog.text


def test_a_pair_smaller_than_a_patch_is_an_error_that_gives_its_name():
    message = r"1\.png: 7 x 9 pixels \(height, width\), smaller than data\.patch_size=\(8, 8\)"
    with pytest.raises(InputError, match=message):
        Patches(make_source([(8, 8), (7, 9)]), (8, 8), workers=1)


def test_sides_of_different_size_are_an_error():
    small, large = (make_source([size])[0][0] for size in ((8, 8), (16, 16)))
    patches = Patches(MadeSource([(small, large)], ("a.png",)), (4, 4), workers=1)
    with pytest.raises(InputError, match=r"a\.png: the source has 8 x 8 .*the target 16 x 16"):
        patches[0]


def test_a_pair_that_cannot_be_read_is_an_error_only_when_it_is_read():
    patches = Patches(make_source([(4, 8)] * 3, broken=frozenset([1])), (4, 4), workers=2)
    assert len(patches) == 2 + 1 + 2
    assert patches[3][0][0, 0, 0] == 2
    with pytest.raises(InputError, match=r"1\.png: not an image file"):
        patches[2]


@pytest.mark.parametrize("parts", [SHARES, (0.5, 0.5, 0.0), (0, 0, 1), COUNTS, (0, 1, 2)])
def test_splits_are_disjoint_and_in_order(parts):
    found = splits(NAMES, parts)
    together = list(itertools.chain(*found))
    assert len(set(together)) == len(together)
    assert all(split == sorted(split) for split in found)


@pytest.mark.parametrize("parts", [SHARES, (0.5, 0.5, 0.0), (0, 0, 1), (1 / 3, 1 / 3, 1 / 3)])
def test_shares_cover_every_name_and_are_about_right(parts):
    found = splits(NAMES, parts)
    assert sorted(itertools.chain(*found)) == list(range(1000))
    for split, share in zip(found, parts, strict=True):
        # Five standard deviations of a binomial distribution.
        assert abs(len(split) - 1000 * share) <= 5 * (1000 * share * (1 - share)) ** 0.5


def test_adding_or_removing_names_does_not_move_the_others():
    before = splits(NAMES, SHARES)
    names = ["first.jpg", *NAMES[:300], "middle.jpg", *NAMES[500:], "last.jpg"]
    kept = set(names) & set(NAMES)
    for old, new in zip(before, splits(names, SHARES), strict=True):
        assert {names[i] for i in new} & kept == {NAMES[i] for i in old} & kept


def test_the_split_of_a_name_does_not_depend_on_the_order():
    back = NAMES[::-1]
    for parts in (SHARES, COUNTS):
        for forth, found in zip(splits(NAMES, parts), splits(back, parts), strict=True):
            assert {NAMES[i] for i in forth} == {back[i] for i in found}


@pytest.mark.parametrize("parts", [SHARES, COUNTS])
def test_another_seed_gives_another_split(parts):
    assert splits(NAMES, parts, seed=0) == splits(NAMES, parts, seed=0)
    assert splits(NAMES, parts, seed=0) != splits(NAMES, parts, seed=1)


@pytest.mark.parametrize("counts", [COUNTS, (1000, 0, 0), (1, 1, 998), (0, 2, 0)])
def test_counts_are_exact(counts):
    assert tuple(map(len, splits(NAMES, counts))) == counts


def test_counts_beyond_the_number_of_pairs_are_an_error():
    with pytest.raises(InputError, match=r"data\.split=\(900, 100, 1\): asks for 1001 .* are 1000"):
        choose_split(NAMES, (900, 100, 1), "train", 0)


def test_the_split_is_the_same_on_every_machine():
    # As first drawn: runs that are resumed rely on it.
    names = NAMES[:12]
    assert splits(names, (0.5, 0.25, 0.25)) == [[0, 1, 2, 3, 6, 10], [7], [4, 5, 8, 9, 11]]
    assert splits(names, (6, 3, 3)) == [[0, 1, 2, 3, 6, 10], [7, 9, 11], [4, 5, 8]]
    assert choose_split(["größe/\udcff.jpg"], (1, 0, 0), "train", 0) == [0]


def test_the_patches_of_a_pair_need_one_reading_and_do_not_keep_the_whole_pair():
    class Counting:
        names = ("a.png",)
        reads = 0

        def __len__(self):
            return 1

        def __getitem__(self, index):
            self.reads += 1
            return np.zeros((64, 64, 3), np.uint8), np.ones((64, 64, 3), np.uint8)

        def size(self, index):
            return 64, 64

    source = Counting()
    patches = Patches(source, (16, 16), 2)
    pairs = [patches[number] for number in range(len(patches))]
    assert len(pairs) == 16
    assert source.reads == 1
    assert all(side.base is None for pair in pairs for side in pair)
