import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.pairing import find_files
from pix2pix_jax.data.sources import SideBySide, Single, Source
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import PHOTO, Encoding

RED, BLUE = (255, 0, 0), (0, 0, 255)
GRAY = Encoding(1)


def save(path, colour=RED, size=(4, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), colour, np.uint8)).save(path)
    return path


def save_pair(path, left=RED, right=BLUE, size=(4, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = [np.full((*size, 3), colour, np.uint8) for colour in (left, right)]
    image_files.write(path, np.hstack(halves))
    return path


@pytest.fixture
def config(tiny_config, tmp_path):
    """A config for a folder with train and val, of 3 and 2 pairs."""
    for split, count in (("train", 3), ("val", 2)):
        for number in range(count):
            save_pair(tmp_path / "set" / split / f"{number}.png", left=(number, 0, 0))
    tiny_config.data.source = "side_by_side"
    tiny_config.data.root = str(tmp_path / "set")
    return tiny_config


@pytest.mark.parametrize(("direction", "colours"), [("AtoB", (RED, BLUE)), ("BtoA", (BLUE, RED))])
def test_direction_says_which_half_is_the_source(tmp_path, direction, colours):
    source = SideBySide((save_pair(tmp_path / "pair.png"),), ("pair.png",), direction)
    assert isinstance(source, Source)
    for half, colour in zip(source[0], colours, strict=True):
        np.testing.assert_array_equal(half, np.full((4, 6, 3), colour))
    assert source.size(0) == (4, 6)


@pytest.mark.parametrize(
    ("direction", "kinds", "levels"),
    [
        # ITU-R 601: red is 76, blue 29.
        ("AtoB", (GRAY, PHOTO), (76, BLUE)),
        ("AtoB", (PHOTO, GRAY), (RED, 29)),
        ("AtoB", (GRAY, GRAY), (76, 29)),
        ("BtoA", (GRAY, PHOTO), (29, RED)),
        ("AtoB", (Encoding(4), PHOTO), ((*RED, 255), BLUE)),
    ],
)
def test_each_side_has_its_own_number_of_channels(tmp_path, direction, kinds, levels):
    source = SideBySide((save_pair(tmp_path / "pair.png"),), ("pair.png",), direction, *kinds)
    for half, kind, level in zip(source[0], kinds, levels, strict=True):
        np.testing.assert_array_equal(half, np.full((4, 6, kind.channels), level))


def test_odd_width_is_refused_by_name(tmp_path):
    save(tmp_path / "odd.png", size=(4, 7))
    with pytest.raises(InputError, match=r"odd\.png: 7 pixels wide"):
        SideBySide((tmp_path / "odd.png",), ("odd.png",))[0]


def test_16_bits_beside_8_are_refused_by_name(tmp_path):
    save_pair(tmp_path / "0.png")
    Image.fromarray(np.zeros((4, 12), np.uint16)).save(tmp_path / "1.png")
    source = SideBySide(tuple(image_files.find(tmp_path)), ("0.png", "1.png"))
    assert source[0][0].dtype == np.uint8
    with pytest.raises(InputError, match=r"1\.png: holds uint16 values, expected uint8"):
        source[1]


def test_names_are_file_names_in_order(config):
    source = build_source(config, "train")
    assert source.names == ("0.png", "1.png", "2.png")
    assert len(source) == 3
    assert [int(source[index][0][0, 0, 0]) for index in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("make", [False, True])
def test_folder_without_images_is_told_what_is_expected(config, tmp_path, make):
    root = tmp_path / "elsewhere"
    if make:
        (root / "train").mkdir(parents=True)
        (root / "train" / "notes.txt").write_text("")
    config.data.root = str(root)
    with pytest.raises(InputError, match="no images found") as error:
        build_source(config, "train")
    for part in (
        f"data.root='{root}'",
        f"{root}/train/*.jpg",
        "A left, B right",
        "configs/demo.py",
    ):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_message_names_both_folders_that_could_hold_the_split(config, tmp_path):
    config.data.root = str(tmp_path)
    with pytest.raises(InputError, match=r"/val/\*\.jpg or .*/test/\*\.jpg"):
        build_source(config, "val")


def test_set_with_one_held_out_split_has_it_for_both(config, tmp_path):
    assert build_source(config, "test").names == build_source(config, "val").names
    (tmp_path / "set" / "val").rename(tmp_path / "set" / "test")
    assert build_source(config, "val").names == ("0.png", "1.png")


def test_own_split_is_preferred_to_its_stand_in(config, tmp_path):
    save_pair(tmp_path / "set" / "test" / "own.png")
    assert build_source(config, "test").names == ("own.png",)
    assert build_source(config, "val").names == ("0.png", "1.png")


def test_first_split_with_images_is_taken(pairs_folder):
    folder, paths = find_files(str(pairs_folder), ("nowhere", "val", "train"), "pairs")
    assert folder == pairs_folder / "val"
    assert paths == (folder / "0.jpg", folder / "1.jpg")


@pytest.mark.parametrize("source", ["side_by_side", "synthetic"])
@pytest.mark.parametrize(("most", "counts"), [(0, (3, 2)), (2, (2, 2)), (1, (1, 1)), (9, (3, 2))])
def test_max_pairs_bounds_each_split(config, source, most, counts):
    config.data.source = source
    config.data.synthetic_pairs = (3, 2, 2)
    config.data.max_pairs = most
    assert tuple(len(build_source(config, split)) for split in ("train", "val")) == counts


def test_single_images_are_pairs_of_one_image_twice(config, tmp_path):
    for name in ("rose/1.png", "tulip/1.png"):
        save(tmp_path / "flowers" / "train" / name, RED if "rose" in name else BLUE)
    config.data.source, config.data.root = "single", str(tmp_path / "flowers")
    config.derive.kind = "gray"
    source = build_source(config, "train")
    assert isinstance(source, Source)
    assert isinstance(source, Single)
    assert source.names == ("rose/1.png", "tulip/1.png")
    first, second = source[1]
    assert first is second
    np.testing.assert_array_equal(first, np.full((4, 6, 3), BLUE))
    assert source.size(1) == (4, 6)


def test_single_images_need_to_know_what_the_other_side_is(config):
    config.data.source = "single"
    with pytest.raises(InputError, match=r"data\.source='single' .* set derive\.kind"):
        build_source(config, "train")


@pytest.mark.parametrize("source", ["side_by_side", "folders", "synthetic"])
def test_pairs_need_nothing_derived(config, source):
    config.data.source, config.derive.kind = source, "edges"
    with pytest.raises(InputError, match=r"derive\.kind='edges' with data\.source=.* nothing der"):
        build_source(config, "train")


@pytest.mark.parametrize("name", ["side-by-side", "tfds", "pix2pix:", "folders:x", ""])
def test_unknown_source_names_the_choices(config, name):
    config.data.source = name
    with pytest.raises(
        InputError,
        match=rf"data\.source='{name}': choose from folders, pix2pix:<name>, side_by_side, single",
    ):
        build_source(config, "train")


def test_unknown_split_names_the_choices(config):
    with pytest.raises(InputError, match="split 'valid': choose from train, val, test"):
        build_source(config, "valid")


def test_synthetic_source_takes_size_seed_and_direction_from_the_config(tiny_config):
    tiny_config.data.image_size, tiny_config.seed = (16, 24), 5
    photo, plan = build_source(tiny_config, "train")[0]
    assert photo.shape == plan.shape == (24, 24, 3)
    tiny_config.data.direction = "BtoA"
    np.testing.assert_array_equal(build_source(tiny_config, "train")[0][0], plan)
    tiny_config.seed = 6
    assert (build_source(tiny_config, "train")[0][0] != plan).any()
    tiny_config.data.load_size = (32, 20)
    assert build_source(tiny_config, "train")[0][0].shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("key", "value"), [("target_channels", 1), ("source_dtype", "uint16"), ("source_classes", 4)]
)
def test_synthetic_source_has_rgb_of_8_bits_alone(tiny_config, key, value):
    tiny_config.data[key] = value
    with pytest.raises(InputError, match=r"target_channels=.*: data\.source='synthetic' has 3 of"):
        build_source(tiny_config, "train")


def test_synthetic_source_has_splits_of_its_own(tiny_config):
    tiny_config.data.split = (0.5, 0.25, 0.25)
    with pytest.raises(InputError, match=r"data\.split=.* set data\.synthetic_pairs"):
        build_source(tiny_config, "train")


def test_split_without_pairs_is_refused(tiny_config):
    tiny_config.data.synthetic_pairs = (3, 0, 2)
    with pytest.raises(InputError, match=r"data\.source='synthetic': the val split has no pairs"):
        build_source(tiny_config, "val")
