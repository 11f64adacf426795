"""Where the sides of pairs are: what people's folders are called."""

import logging

import pytest
from support.image_files import LAYOUTS, save, save_folders, save_pair

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import override
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.layouts import find_sides, find_split_folders
from pix2pix_jax.data.names import Names, build_names
from pix2pix_jax.data.pairing import find_files, find_folder_pairs
from pix2pix_jax.data.preparation.layout import find_layout
from pix2pix_jax.data.sides import Sides

COMMON = [
    *((layout, "train") for layout in LAYOUTS),
    ("{}_A|{}_B", "train"),
    ("A_{}|B_{}", "train"),
    ("a/{}|b/{}", "Train"),
    ("{}_label|{}_img", "train"),  # pix2pixHD
    ("{}/input|{}/target", "train"),
    ("input/{}|target/{}", "training"),
    ("source/{}|target/{}", "train"),
    ("{}/Images|{}/Masks", "TRAIN"),
    ("images/{}|annotations/{}", "training"),  # ADE20K
    ("{}/labels|{}/photos", "train"),
    ("{} X|{} Y", "train"),
]


@pytest.mark.parametrize(("layout", "split"), COMMON)
def test_usual_names_of_folders_are_known(tmp_path, layout, split):
    save_folders(tmp_path, layout, split, ["a", "b"])
    first, second = (tmp_path / part.format(split) for part in layout.split("|"))
    assert find_sides(tmp_path) == {"train": Sides((first, second))}
    assert list(find_folder_pairs(str(tmp_path), ("train",), "fail")) == ["a.png", "b.png"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_split_needs_both_of_its_folders_and_an_image(tmp_path, layout):
    first, second = (tmp_path / part.format("train") for part in layout.split("|"))
    for folder in (first, second):
        assert find_sides(tmp_path) == {}
        folder.mkdir(parents=True)
    assert find_sides(tmp_path) == {}
    save(first / "0.png")
    assert find_sides(tmp_path) == {"train": Sides((first, second))}


@pytest.mark.parametrize(
    ("name", "split"),
    [("valid", "val"), ("Validation", "val"), ("dev", "val"), ("testing", "test")],
)
def test_usual_names_of_splits_are_known(tmp_path, name, split):
    save_pair(tmp_path / name / "0.png")
    assert find_split_folders(tmp_path) == {split: tmp_path / name}
    assert find_files(str(tmp_path), (split,), "pairs")[0] == tmp_path / name


def test_two_folders_for_one_split_are_an_error_unless_one_is_empty(tmp_path):
    save_pair(tmp_path / "valid" / "0.png")
    (tmp_path / "val").mkdir()
    assert find_split_folders(tmp_path) == {"val": tmp_path / "valid"}
    save_pair(tmp_path / "val" / "0.png")
    with pytest.raises(InputError, match=r"val and valid could both .*split_names=train,val,test"):
        find_split_folders(tmp_path)
    names = Names(splits=("train", "valid", "test"))
    assert find_split_folders(tmp_path, names) == {"val": tmp_path / "valid"}


def test_names_of_splits_and_folders_can_be_given(tmp_path):
    save_folders(tmp_path, "{}/street/jpg|{}/aerial", "fold0", ["a"])
    save_folders(tmp_path, "{}/street/jpg|{}/aerial", "train", ["b"])
    assert find_sides(tmp_path) == {}
    names = Names(folders=("street/jpg", "aerial"), splits=("fold0", "", ""))
    first, second = tmp_path / "fold0" / "street" / "jpg", tmp_path / "fold0" / "aerial"
    assert find_sides(tmp_path, names) == {"train": Sides((first, second))}


def test_two_pairs_of_folders_are_an_error_that_names_both_and_the_keys(tmp_path):
    for folder in ("images", "masks", "labels"):
        save(tmp_path / "train" / folder / "0.png")
    message = (
        r"train/images and .*train/masks, or in .*train/images and .*train/labels; say which, "
        r"such as data\.folder_a=images data\.folder_b=masks"
    )
    with pytest.raises(InputError, match=message):
        find_sides(tmp_path)
    assert find_sides(tmp_path, Names(("images", "labels")))


def test_a_split_in_two_places_is_an_error_that_names_both(tmp_path):
    save_folders(tmp_path, LAYOUTS[0], "train", ["a"])
    save_folders(tmp_path, LAYOUTS[1], "train", ["a"])
    with pytest.raises(InputError, match=r"train pairs could be in .*A/train.* or in .*trainA and"):
        find_sides(tmp_path)


def test_two_flat_folders_are_divided_by_data_split_as_the_error_says(tmp_path):
    save_folders(tmp_path, "A|B", "", ["a"])
    with pytest.raises(InputError, match=r"A and .*B hold pairs, .*set data\.split=0\.8,0\.1,0\.1"):
        find_folder_pairs(str(tmp_path), ("train",), "fail")


@pytest.mark.parametrize(
    ("first", "second", "suffixes"),
    [
        ("0_A.png", "0_B.png", ("_a", "_b")),
        ("x_input.png", "x_target.jpg", ("_input", "_target")),
        ("img.jpg", "img_mask.png", ("", "_mask")),
        ("my photo.label.PNG", "my photo.image.png", (".label", ".image")),
    ],
)
@pytest.mark.parametrize("split", ["", "train"])
def test_pairs_in_one_folder_are_told_apart_by_how_names_end(
    tmp_path, caplog, first, second, suffixes, split
):
    ours, theirs = save(tmp_path / split / first), save(tmp_path / split / second)
    folder = tmp_path / split
    caplog.set_level(logging.INFO)
    assert find_sides(tmp_path) == {split: Sides((folder, folder), suffixes)}
    assert f"paired by how names end (data.pair_by={','.join(suffixes)})" in caplog.text
    place = "train" if split else "."
    (pair,) = find_folder_pairs(str(tmp_path), (place,), "fail").values()
    assert pair == (ours, theirs)


def test_single_images_and_side_by_side_pairs_have_no_sides(tmp_path):
    for name in ("1_AB.png", "2_AB.png", "a.png", "tulip_m.png", "tulip_n.png", "the_mask.png"):
        save(tmp_path / "train" / name)
    assert find_sides(tmp_path) == {}


def test_two_ways_of_telling_apart_are_an_error_and_data_pair_by_decides(tmp_path):
    for end in ("image", "mask", "depth"):
        save(tmp_path / f"x_{end}.png")
    with pytest.raises(InputError, match=r"\*_image.* with \*_mask.* or|data\.pair_by=_image,_mas"):
        find_sides(tmp_path)
    (sides,) = find_sides(tmp_path, Names(suffixes=("_image", "_depth"))).values()
    assert sides.suffixes == ("_image", "_depth")
    message = r"x_mask\.png: no partner of the same stem \(\*_image\.\* with \*_depth\.\*\); add it"
    with pytest.raises(InputError, match=message):
        find_folder_pairs(str(tmp_path), (".",), "fail", Names(suffixes=("_image", "_depth")))


def test_names_may_differ_in_two_folders_too(tmp_path):
    ours = save(tmp_path / "images" / "x.jpg")
    theirs = save(tmp_path / "masks" / "x_mask.png")
    assert find_folder_pairs(str(tmp_path), (".",), "fail") == {"x.jpg": (ours, theirs)}


def test_the_names_come_from_keys_which_a_command_line_can_set():
    config = default_config()
    override(config, "data.pair_by", "-in,")
    override(config, "data.split_names", "training set,valid,")
    names = build_names(config.data)
    assert names == Names((), ("training set", "valid", ""), ("-in", ""))
    override(config, "data.folder_b", "aerial")
    with pytest.raises(InputError, match=r"data\.folder_b='aerial': set data\.folder_a as well"):
        build_names(config.data)
    override(config, "data.folder_a", "street")
    assert build_names(config.data).folders == ("street", "aerial")


def test_folders_of_single_images_may_have_the_names_of_sides(tmp_path):
    for name in ("day/0.png", "night/1.png", "before/2.png", "after/3.png"):
        save(tmp_path / name)
    with pytest.raises(InputError, match="say which, such as"):
        find_layout(str(tmp_path))
    assert len(find_layout(str(tmp_path), "single").items) == 4
