import numpy as np
import pytest
from PIL import Image

from pix2pix_jax import images
from pix2pix_jax.data import build_source
from pix2pix_jax.data.sources import SideBySide, Source, find_side_by_side
from pix2pix_jax.errors import InputError

RED, BLUE = (255, 0, 0), (0, 0, 255)


def save_pair(path, left=RED, right=BLUE, size=(4, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = [np.full((*size, 3), colour, np.uint8) for colour in (left, right)]
    images.write(path, np.hstack(halves))
    return path


@pytest.fixture
def data(tiny_config, tmp_path):
    """The config's section for a folder with train and val, of 3 and 2 pairs."""
    for split, count in (("train", 3), ("val", 2)):
        for number in range(count):
            save_pair(tmp_path / "set" / split / f"{number}.png", left=(number, 0, 0))
    tiny_config.data.source = "side_by_side"
    tiny_config.data.root = str(tmp_path / "set")
    return tiny_config.data


@pytest.mark.parametrize(("direction", "colours"), [("AtoB", (RED, BLUE)), ("BtoA", (BLUE, RED))])
def test_direction_says_which_half_is_the_source(tmp_path, direction, colours):
    source = SideBySide((save_pair(tmp_path / "pair.png"),), direction)
    assert isinstance(source, Source)
    for half, colour in zip(source[0], colours, strict=True):
        np.testing.assert_array_equal(half, np.full((4, 6, 3), colour))


@pytest.mark.parametrize(
    ("direction", "channels", "levels"),
    [
        # ITU-R 601: red is 76, blue 29.
        ("AtoB", (1, 3), (76, BLUE)),
        ("AtoB", (3, 1), (RED, 29)),
        ("AtoB", (1, 1), (76, 29)),
        ("BtoA", (1, 3), (29, RED)),
    ],
)
def test_each_side_has_its_own_number_of_channels(tmp_path, direction, channels, levels):
    source = SideBySide((save_pair(tmp_path / "pair.png"),), direction, *channels)
    for half, count, level in zip(source[0], channels, levels, strict=True):
        np.testing.assert_array_equal(half, np.full((4, 6, count), level))


def test_odd_width_is_refused_by_name(tmp_path):
    path = tmp_path / "odd.png"
    Image.new("RGB", (7, 4)).save(path)
    with pytest.raises(InputError, match=r"odd\.png: 7 pixels wide"):
        SideBySide((path,))[0]


def test_names_are_file_names_in_order(data):
    source = build_source(data, "train", 0)
    assert source.names == ("0.png", "1.png", "2.png")
    assert len(source) == 3
    assert [int(source[index][0][0, 0, 0]) for index in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("make", [False, True])
def test_folder_without_images_is_told_what_is_expected(data, tmp_path, make):
    root = tmp_path / "elsewhere"
    if make:
        (root / "train").mkdir(parents=True)
        (root / "train" / "notes.txt").write_text("")
    data.root = str(root)
    with pytest.raises(InputError, match="no images found") as error:
        build_source(data, "train", 0)
    for part in (
        f"data.root='{root}'",
        f"{root}/train/*.jpg",
        "A left, B right",
        "configs/demo.py",
    ):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_message_names_both_folders_that_could_hold_the_split(data, tmp_path):
    data.root = str(tmp_path)
    with pytest.raises(InputError, match=r"/val/\*\.jpg or .*/test/\*\.jpg"):
        build_source(data, "val", 0)


def test_set_with_one_held_out_split_has_it_for_both(data, tmp_path):
    assert build_source(data, "test", 0).names == build_source(data, "val", 0).names
    (tmp_path / "set" / "val").rename(tmp_path / "set" / "test")
    assert build_source(data, "val", 0).names == ("0.png", "1.png")


def test_own_split_is_preferred_to_its_stand_in(data, tmp_path):
    save_pair(tmp_path / "set" / "test" / "own.png")
    assert build_source(data, "test", 0).names == ("own.png",)
    assert build_source(data, "val", 0).names == ("0.png", "1.png")


def test_first_split_with_images_is_taken(pairs_folder):
    assert len(find_side_by_side(str(pairs_folder), ("nowhere", "val", "train"))) == 2


@pytest.mark.parametrize("source", ["side_by_side", "synthetic"])
@pytest.mark.parametrize(("most", "counts"), [(0, (3, 2)), (2, (2, 2)), (1, (1, 1)), (9, (3, 2))])
def test_max_pairs_bounds_each_split(data, source, most, counts):
    data.source = source
    data.synthetic_pairs = (3, 2, 2)
    data.max_pairs = most
    assert tuple(len(build_source(data, split, 0)) for split in ("train", "val")) == counts


def test_unknown_source_names_the_choices(data):
    data.source = "side-by-side"
    with pytest.raises(
        InputError, match=r"data\.source='side-by-side': choose from .*side_by_side, synthetic"
    ):
        build_source(data, "train", 0)


def test_unknown_split_names_the_choices(data):
    with pytest.raises(InputError, match="split 'valid': choose from train, val, test"):
        build_source(data, "valid", 0)


def test_synthetic_source_takes_size_seed_and_direction_from_the_config(tiny_config):
    tiny_config.data.image_size = (16, 24)
    photo, plan = build_source(tiny_config.data, "train", 5)[0]
    assert photo.shape == plan.shape == (24, 24, 3)
    tiny_config.data.direction = "BtoA"
    np.testing.assert_array_equal(build_source(tiny_config.data, "train", 5)[0][0], plan)
    assert (build_source(tiny_config.data, "train", 6)[0][0] != plan).any()
    tiny_config.data.load_size = (32, 20)
    assert build_source(tiny_config.data, "train", 5)[0][0].shape == (32, 32, 3)


def test_synthetic_source_has_no_gray(tiny_config):
    tiny_config.data.target_channels = 1
    with pytest.raises(InputError, match=r"target_channels=1: data\.source='synthetic' has 3"):
        build_source(tiny_config.data, "train", 0)


def test_split_without_pairs_is_refused(tiny_config):
    tiny_config.data.synthetic_pairs = (3, 0, 2)
    with pytest.raises(InputError, match=r"data\.source='synthetic': the val split has no pairs"):
        build_source(tiny_config.data, "val", 0)
