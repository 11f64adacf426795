"""Pairs in two folders."""

import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.pairing import by_stem, find_folder_pairs, two_folders
from pix2pix_jax.data.sources import Source
from pix2pix_jax.images import files as image_files

RED, BLUE = (255, 0, 0), (0, 0, 255)
LAYOUTS = ["A/{}|B/{}", "{}A|{}B", "{}/A|{}/B"]


def save(path, colour=RED, size=(4, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), colour, np.uint8)).save(path)
    return path


def save_folders(root, layout, split, names, suffixes=(".png", ".png")):
    """Save pairs in two folders: red in A and blue in B, their green the number of the pair."""
    for folder, suffix, colour in zip(layout.split("|"), suffixes, (RED, BLUE), strict=True):
        for number, name in enumerate(names):
            colour = (colour[0], number, colour[2])
            save(root / folder.format(split) / f"{name}{suffix}", colour)


@pytest.fixture
def config(tiny_config, tmp_path):
    """A config for pairs in two folders."""
    tiny_config.data.source = "folders"
    tiny_config.data.root = str(tmp_path / "f")
    return tiny_config


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("direction", "colours"), [("AtoB", (RED, BLUE)), ("BtoA", (BLUE, RED))])
def test_folders_are_paired_by_stem(config, tmp_path, layout, direction, colours):
    root = tmp_path / "f"
    save_folders(root, layout, "train", ["b", "a", "more/deep/c"], (".png", ".tif"))
    save_folders(root, layout, "test", ["d"])
    config.data.direction = direction
    source = build_source(config, "train")
    assert isinstance(source, Source)
    assert source.names == ("a.png", "b.png", "more/deep/c.png")
    for index, number in enumerate((1, 0, 2)):
        for side, colour in zip(source[index], colours, strict=True):
            expected = (colour[0], number, colour[2])
            np.testing.assert_array_equal(side, np.full((4, 6, 3), expected))
        assert source.size(index) == (4, 6)
    assert build_source(config, "val").names == build_source(config, "test").names == ("d.png",)


def test_folders_may_differ_in_kind(config, tmp_path):
    save(tmp_path / "f" / "A" / "train" / "0.jpg")
    deep = np.array([[[1, 2, 3, 60000, 5]]], np.uint16)
    (tmp_path / "f" / "B" / "train").mkdir(parents=True)
    image_files.write(tmp_path / "f" / "B" / "train" / "0.tif", deep)
    config.data.target_channels, config.data.target_dtype = 5, "uint16"
    first, second = build_source(config, "train")[0]
    assert (first.shape, first.dtype) == ((4, 6, 3), np.uint8)
    np.testing.assert_array_equal(second, deep)


def test_label_maps_are_read_as_class_indices(config, tmp_path):
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    for folder, image in (("A", labels), ("B", labels)):
        (tmp_path / "f" / folder / "train").mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "f" / folder / "train" / "0.png")
    config.data.source_classes = 3
    first, second = build_source(config, "train")[0]
    np.testing.assert_array_equal(first[..., 0], labels)
    assert second.shape == (2, 2, 3)
    config.data.source_classes = 2
    with pytest.raises(InputError, match=r"0\.png: holds class 2; data\.source_classes=2"):
        build_source(config, "train")[0]
    config.data.source = "side_by_side"
    with pytest.raises(InputError, match=r"source_classes=2: .* choose data\.source=folders"):
        build_source(config, "train")


@pytest.mark.parametrize("alone", ["A", "B"])
def test_a_file_without_its_partner_is_named_or_left_out_with_a_count(
    config, tmp_path, capsys, alone
):
    save_folders(tmp_path / "f", LAYOUTS[0], "train", ["a", "b"])
    lonely = save(tmp_path / "f" / alone / "train" / "more" / "c.png")
    with pytest.raises(InputError, match=r"no partner of the same stem .*data\.unpaired=skip") as e:
        build_source(config, "train")
    assert str(e.value).startswith(f"{lonely}: ")
    config.data.unpaired = "skip"
    assert build_source(config, "train").names == ("a.png", "b.png")
    assert "left out 1 files without a partner" in capsys.readouterr().out


def test_of_many_files_without_a_partner_three_are_named(tmp_path):
    save_folders(tmp_path, LAYOUTS[0], "train", ["a"])
    for number in range(5):
        save(tmp_path / "A" / "train" / f"x{number}.png")
    with pytest.raises(InputError, match=r"x0\.png, .*x1\.png, .*x2\.png and 2 more: no partner"):
        find_folder_pairs(str(tmp_path), ("train",), "fail")


def test_nothing_is_said_where_every_file_has_its_partner(tmp_path, capsys):
    save_folders(tmp_path, LAYOUTS[0], "train", ["a"])
    assert list(find_folder_pairs(str(tmp_path), ("train",), "skip")) == ["a.png"]
    assert capsys.readouterr().out == ""


def test_two_files_of_one_stem_are_refused_by_name(tmp_path):
    first, second = save(tmp_path / "more" / "a.jpg"), save(tmp_path / "more" / "a.png")
    save(tmp_path / "a.png")
    with pytest.raises(InputError, match=f"{first} and {second} have one stem: which"):
        by_stem(tmp_path)
    first.unlink()
    assert by_stem(tmp_path) == {"a": tmp_path / "a.png", "more/a": second}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_folders_of_a_split_are_wanted(tmp_path, layout):
    assert two_folders(str(tmp_path), "train") is None
    first, second = (tmp_path / part.format("train") for part in layout.split("|"))
    first.mkdir(parents=True)
    assert two_folders(str(tmp_path), "train") is None
    second.mkdir(parents=True)
    assert two_folders(str(tmp_path), "train") == (first, second)


@pytest.mark.parametrize("root", ["", "nowhere"])
@pytest.mark.parametrize("splits", [("train",), (".",)])
def test_missing_folders_are_told_what_is_expected(root, splits):
    message = (
        rf"data\.root='{root}': no pairs found\. Expected {root}/A/train/x\.png with "
        rf"{root}/B/train/x\.png, or the folders trainA and trainB; set data\.root"
    )
    with pytest.raises(InputError, match=message):
        find_folder_pairs(root, splits, "fail")


def test_all_splits_together_have_the_splits_in_their_names(tmp_path):
    save_folders(tmp_path, LAYOUTS[0], "train", ["a", "b"])
    save_folders(tmp_path, LAYOUTS[1], "test", ["a"])
    pairs = find_folder_pairs(str(tmp_path), (".",), "fail")
    assert list(pairs) == ["train/a.png", "train/b.png", "test/a.png"]


def test_folders_without_splits_can_be_split(tmp_path):
    save_folders(tmp_path, "A|B", "", ["a", "b"])
    assert list(find_folder_pairs(str(tmp_path), (".",), "fail")) == ["a.png", "b.png"]
