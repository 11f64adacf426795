"""Folders of masks beside those of pairs, and what becomes of masks on the way to a batch."""

import numpy as np
import pytest
from support.image_files import save

from pix2pix_jax.core.errors import InputError, MissingDataError
from pix2pix_jax.data.names import Names
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.pairing import find_folder_pairs
from pix2pix_jax.data.pairs import read_pair
from pix2pix_jax.data.preparation.layout import find_mask, pool_files
from pix2pix_jax.data.preparation.survey import survey
from pix2pix_jax.data.selection import Patches
from pix2pix_jax.data.shaping import Shaping

MASKS = Names(mask="mask")


def write(root, *folders, stems=("0", "1")):
    for folder in folders:
        for stem in stems:
            save(root / folder / f"{stem}.png")


@pytest.mark.parametrize(
    "folders",
    [
        ("A/train", "B/train", "mask/train"),
        ("train/A", "train/B", "train/mask"),
        ("trainA", "trainB", "trainmask"),
        ("trainA", "trainB", "mask/train"),
        ("photos/train", "maps/train", "Mask/train"),
        ("A1/train", "A2/train", "B/train", "mask/train"),
    ],
)
def test_masks_are_beside_the_sides_and_come_last(tmp_path, folders):
    write(tmp_path, *folders)
    names = MASKS if "photos/train" not in folders else Names(("photos", "maps"), mask="mask")
    pairs = find_folder_pairs(str(tmp_path), ("train",), "fail", names)
    assert list(pairs) == ["0.png", "1.png"]
    assert [path.parent for path in pairs["0.png"]] == [tmp_path / folder for folder in folders]
    assert find_mask(tmp_path, Names(names.folders)) == "mask"


def test_a_folder_of_masks_is_no_side(tmp_path):
    write(tmp_path, "images/train", "labels/train", "masks/train")
    pairs = find_folder_pairs(str(tmp_path), ("train",), "fail", Names(mask="masks"))
    assert [path.parts[-3] for path in pairs["0.png"]] == ["images", "labels", "masks"]


@pytest.mark.parametrize(
    ("folders", "mask"),
    [(("A", "B"), "B"), (("A1", "A2", "B"), "a1"), (("images", "labels", "masks"), "labels")],
)
def test_a_side_is_no_folder_of_masks(tmp_path, folders, mask):
    write(tmp_path, *folders)
    names = Names(("images", "labels") if "labels" in folders else (), mask=mask)
    with pytest.raises(InputError, match=rf"^data\.mask='{mask}': is a side of the pairs in "):
        find_folder_pairs(str(tmp_path), (".",), "fail", names)
    assert find_mask(tmp_path, Names(names.folders)) == ("masks" if "masks" in folders else "")


def test_without_masks_for_all_pairs_none_are_found(tmp_path):
    write(tmp_path, "A/train", "B/train", "A/val", "B/val", "mask/train")
    with pytest.raises(InputError, match=r"no folder of masks for .*A.val.*; expected val/mask"):
        find_folder_pairs(str(tmp_path), ("train",), "fail", MASKS)
    assert find_mask(tmp_path) == ""
    write(tmp_path, "mask/val", stems=("0",))
    assert find_mask(tmp_path) == ""
    with pytest.raises(InputError, match=r"no file 1\.\* in .*mask.val, but in the other folders"):
        find_folder_pairs(str(tmp_path), ("val",), "fail", MASKS)
    assert len(find_folder_pairs(str(tmp_path), ("val",), "skip", MASKS)) == 1


def test_masks_of_some_pairs_are_not_lost_without_a_word(tmp_path):
    write(tmp_path, "A", "B")
    write(tmp_path, "Mask", stems=("0",))
    with pytest.raises(InputError, match=r"the folder Mask has files, but not one for each pair"):
        pool_files(str(tmp_path))
    with pytest.raises(InputError, match=r"if they are masks, --config\.data\.mask=Mask says so$"):
        survey(str(tmp_path), "", Names(), max_pixels=100)
    write(tmp_path, "Mask")
    assert [*pool_files(str(tmp_path))["0.png"]] == ["A/", "B/", "mask/"]


def test_what_is_missing_is_named_with_the_masks(tmp_path):
    save(tmp_path / "x.png")
    with pytest.raises(MissingDataError, match=r"B/train/x\.png with .*mask/train/x\.png"):
        find_folder_pairs(str(tmp_path), ("train",), "fail", MASKS)


class OwnPairs(list):
    """Pairs as own code returns them: a mask is the target's last channel."""

    names = ("a",)

    def size(self, index):
        return self[index][0].shape[:2]


def test_patches_and_crops_have_their_part_of_the_mask():
    source = np.zeros((4, 4, 3), np.uint8)
    target = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
    target[..., 3] = 0
    target[2:, 2:, 3] = 255
    form = PairFormat(masked=True)
    patches = Patches(OwnPairs([(source, target)]), (2, 2), 1)
    shaping = Shaping("none", (2, 2), (2, 2), training=True)
    _, stored = read_pair(patches, 3, form, shaping)
    np.testing.assert_array_equal(stored, target[2:, 2:])
    with pytest.raises(InputError, match="a_0_0: no pixel counts"):
        read_pair(patches, 0, form, shaping)
    with pytest.raises(InputError, match="a_2_2: 4 channels of uint8, expected 3"):
        read_pair(patches, 3, PairFormat(), shaping)
    with pytest.raises(InputError, match="3 channels of uint8, expected 4 of uint8: those of the"):
        read_pair(OwnPairs([(source, source)]), 0, form, Shaping("none", (4, 4), (4, 4), True))
