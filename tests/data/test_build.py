import itertools
import logging

import numpy as np
import pytest
from PIL import Image
from support.image_files import BLUE, LAYOUTS, RED, save, save_folders, save_pair
from support.sources import source_of

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.sources import SPLITS, Single, Source
from pix2pix_jax.images import files as image_files


@pytest.fixture
def config(tiny_config, tmp_path):
    """A config for a folder of side-by-side pairs: 3 in train, 2 in val."""
    for split, count in (("train", 3), ("val", 2)):
        for number in range(count):
            save_pair(tmp_path / "set" / split / f"{number}.png", left=(number, 0, 0))
    tiny_config.data.source = "side_by_side"
    tiny_config.data.root = str(tmp_path / "set")
    return tiny_config


@pytest.fixture
def folders_config(tiny_config, tmp_path):
    """A config for pairs in two folders."""
    tiny_config.data.source = "folders"
    tiny_config.data.root = str(tmp_path / "f")
    return tiny_config


def test_names_are_file_names_in_order(config):
    source = source_of(config, "train")
    assert source.names == ("0.png", "1.png", "2.png")
    assert len(source) == 3
    assert [int(source[index][0][0, 0, 0]) for index in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_without_images_is_an_error_that_shows_what_is_expected(config, tmp_path, make):
    root = tmp_path / "elsewhere"
    if make:
        (root / "train").mkdir(parents=True)
        (root / "train" / "notes.txt").write_text("")
    config.data.root = str(root)
    with pytest.raises(InputError, match="no images found") as error:
        source_of(config, "train")
    for part in (
        f"data.root='{root}'",
        f"{root}/train/*.jpg",
        "A left, B right",
        "configs/demo.py",
    ):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_the_error_shows_both_folders_that_could_hold_the_split(config, tmp_path):
    config.data.root = str(tmp_path)
    with pytest.raises(InputError, match=r"/val/\*\.jpg or .*/test/\*\.jpg"):
        source_of(config, "val")


def test_a_single_held_out_split_serves_for_val_and_test(config, tmp_path):
    assert source_of(config, "test").names == source_of(config, "val").names
    (tmp_path / "set" / "val").rename(tmp_path / "set" / "test")
    assert source_of(config, "val").names == ("0.png", "1.png")


def test_a_split_of_its_own_is_preferred_to_a_stand_in(config, tmp_path):
    save_pair(tmp_path / "set" / "test" / "own.png")
    assert source_of(config, "test").names == ("own.png",)
    assert source_of(config, "val").names == ("0.png", "1.png")


@pytest.mark.parametrize("source", ["side_by_side", "synthetic"])
@pytest.mark.parametrize(("most", "counts"), [(0, (3, 2)), (2, (2, 2)), (1, (1, 1)), (9, (3, 2))])
def test_max_pairs_limits_each_split(config, source, most, counts):
    config.data.source = source
    config.data.synthetic_pairs = (3, 2, 2)
    config.data.max_pairs = most
    assert tuple(len(source_of(config, split)) for split in ("train", "val")) == counts


def test_a_single_image_is_a_pair_of_itself_twice(config, tmp_path):
    for name in ("rose/1.png", "tulip/1.png"):
        save(tmp_path / "flowers" / "train" / name, RED if "rose" in name else BLUE)
    config.data.source, config.data.root = "single", str(tmp_path / "flowers")
    config.derive.kind = "gray"
    source = source_of(config, "train")
    assert isinstance(source, Source)
    assert isinstance(source, Single)
    assert source.names == ("rose/1.png", "tulip/1.png")
    first, second = source[1]
    assert first is second
    np.testing.assert_array_equal(first, np.full((4, 6, 3), BLUE))
    assert source.size(1) == (4, 6)


def test_single_images_without_a_derivation_are_an_error(config):
    config.data.source = "single"
    with pytest.raises(InputError, match=r"data\.source='single' .* set derive\.kind"):
        source_of(config, "train")


@pytest.mark.parametrize("source", ["side_by_side", "folders", "synthetic"])
def test_pairs_with_a_derivation_are_an_error(config, source):
    config.data.source, config.derive.kind = source, "edges"
    with pytest.raises(InputError, match=r"derive\.kind='edges' with data\.source=.* need no der"):
        source_of(config, "train")


@pytest.mark.parametrize("name", ["side-by-side", "tfds", "pix2pix:", ""])
def test_an_unknown_source_is_an_error_that_lists_the_choices(config, name):
    config.data.source = name
    with pytest.raises(
        InputError,
        match=rf"data\.source='{name}': choose from folders, pix2pix:<name>, side_by_side, single",
    ):
        source_of(config, "train")


def test_an_unknown_split_is_an_error_that_lists_the_choices(config):
    with pytest.raises(InputError, match="split 'valid': choose from train, val, test"):
        source_of(config, "valid")


def test_the_synthetic_source_takes_size_seed_and_direction_from_the_config(tiny_config):
    tiny_config.data.image_size, tiny_config.seed = (16, 24), 5
    photo, plan = source_of(tiny_config, "train")[0]
    assert photo.shape == plan.shape == (24, 24, 3)
    tiny_config.data.direction = "BtoA"
    np.testing.assert_array_equal(source_of(tiny_config, "train")[0][0], plan)
    tiny_config.seed = 6
    assert (source_of(tiny_config, "train")[0][0] != plan).any()
    tiny_config.data.load_size = (32, 24)
    assert source_of(tiny_config, "train")[0][0].shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("key", "value"), [("target_channels", 1), ("source_dtype", "uint16"), ("source_classes", 4)]
)
def test_the_synthetic_source_has_8_bit_rgb_only(tiny_config, key, value):
    tiny_config.data[key] = value
    with pytest.raises(
        InputError, match=r"data\.source='synthetic': has 3 channels of uint8 on both"
    ):
        source_of(tiny_config, "train")


def test_the_synthetic_source_cannot_be_split(tiny_config):
    tiny_config.data.split = (0.5, 0.25, 0.25)
    with pytest.raises(InputError, match=r"data\.split=.* set data\.synthetic_pairs"):
        source_of(tiny_config, "train")


def test_a_split_without_pairs_is_an_error(tiny_config):
    tiny_config.data.synthetic_pairs = (3, 0, 2)
    with pytest.raises(InputError, match=r"data\.source='synthetic': the val split has no pairs"):
        source_of(tiny_config, "val")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("direction", "colours"), [("AtoB", (RED, BLUE)), ("BtoA", (BLUE, RED))])
def test_files_of_two_folders_are_paired_by_stem(
    folders_config, tmp_path, layout, direction, colours
):
    root = tmp_path / "f"
    save_folders(root, layout, "train", ["b", "a", "more/deep/c"], (".png", ".tif"))
    save_folders(root, layout, "test", ["d"])
    folders_config.data.direction = direction
    source = source_of(folders_config, "train")
    assert isinstance(source, Source)
    assert source.names == ("a.png", "b.png", "more/deep/c.png")
    for index, number in enumerate((1, 0, 2)):
        for side, colour in zip(source[index], colours, strict=True):
            expected = (colour[0], number, colour[2])
            np.testing.assert_array_equal(side, np.full((4, 6, 3), expected))
        assert source.size(index) == (4, 6)
    for split in ("val", "test"):
        assert source_of(folders_config, split).names == ("d.png",)


def test_the_two_folders_may_hold_different_kinds_of_image(folders_config, tmp_path):
    save(tmp_path / "f" / "A" / "train" / "0.jpg")
    deep = np.array([[[1, 2, 3, 60000, 5]]], np.uint16)
    (tmp_path / "f" / "B" / "train").mkdir(parents=True)
    image_files.write(tmp_path / "f" / "B" / "train" / "0.tif", deep)
    folders_config.data.target_channels, folders_config.data.target_dtype = 5, "uint16"
    first, second = source_of(folders_config, "train")[0]
    assert (first.shape, first.dtype) == ((4, 6, 3), np.uint8)
    np.testing.assert_array_equal(second, deep)


def test_label_maps_are_read_as_class_indices(folders_config, tmp_path):
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    for folder in "AB":
        (tmp_path / "f" / folder / "train").mkdir(parents=True)
        Image.fromarray(labels).save(tmp_path / "f" / folder / "train" / "0.png")
    folders_config.data.source_classes = 3
    first, second = source_of(folders_config, "train")[0]
    np.testing.assert_array_equal(first[..., 0], labels)
    assert second.shape == (2, 2, 3)
    folders_config.data.source_classes = 2
    with pytest.raises(InputError, match=r"0\.png: holds class 2; data\.source_classes=2"):
        source_of(folders_config, "train")[0]
    folders_config.data.source = "side_by_side"
    with pytest.raises(InputError, match=r"source_classes=2: .* choose data\.source=folders"):
        source_of(folders_config, "train")


@pytest.mark.parametrize("alone", ["A", "B"])
def test_a_file_without_a_partner_is_an_error_or_left_out_with_a_count(
    folders_config, tmp_path, caplog, alone
):
    caplog.set_level(logging.INFO)
    save_folders(tmp_path / "f", LAYOUTS[0], "train", ["a", "b"])
    lonely = save(tmp_path / "f" / alone / "train" / "more" / "c.png")
    with pytest.raises(InputError, match=r"no partner of the same stem .*data\.unpaired=skip") as e:
        source_of(folders_config, "train")
    assert str(e.value).startswith(f"{lonely}: ")
    folders_config.data.unpaired = "skip"
    assert source_of(folders_config, "train").names == ("a.png", "b.png")
    assert "left out 1 files without a partner" in caplog.text


def test_patches_are_cut_as_the_config_says(tiny_config, tmp_path):
    (tmp_path / "train").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 80, 3), np.uint8)
    image_files.write(tmp_path / "train" / "1.png", pixels)
    tiny_config.data.source, tiny_config.data.root = "side_by_side", str(tmp_path)
    tiny_config.data.patch_size = (20, 10)
    source = source_of(tiny_config, "train")
    assert len(source) == 2 * 4
    assert source.names[5] == "1_20_10.png"
    np.testing.assert_array_equal(source[5][0], pixels[20:, 10:20])
    np.testing.assert_array_equal(source[5][1], pixels[20:, 50:60])
    tiny_config.data.max_pairs = 3
    assert source_of(tiny_config, "train").names == source.names[:3]


@pytest.mark.parametrize("parts", [(0.5, 0.25, 0.25), (6, 2, 2)])
def test_data_split_pools_the_files_of_all_folders(tiny_config, tmp_path, parts):
    for number in range(10):
        folder = tmp_path / ("train" if number < 7 else "test")
        save_pair(folder / f"{number}.png", left=(number, 0, 0))
    tiny_config.data.source, tiny_config.data.root = "side_by_side", str(tmp_path)
    tiny_config.data.split = parts
    sources = [source_of(tiny_config, split) for split in SPLITS]
    numbers = [int(source[index][0][0, 0, 0]) for source in sources for index in range(len(source))]
    assert sorted(numbers) == list(range(10))
    names = set(itertools.chain(*(source.names for source in sources)))
    assert names == {f"{'train' if n < 7 else 'test'}/{n}.png" for n in range(10)}
    if parts[0] == 6:
        assert [len(source) for source in sources] == [6, 2, 2]


def test_too_small_pairs_for_patches_are_skipped_as_broken_ones_are(config, tmp_path):
    save_pair(tmp_path / "set" / "train" / "9.png", size=(2, 2))
    config.data.patch_size = (4,)
    with pytest.raises(InputError, match=r"9\.png: 2 x 2 pixels .*data\.on_error=skip"):
        source_of(config, "train")
    config.data.on_error = "skip"
    assert not any(name.startswith("9") for name in source_of(config, "train").names)
