"""`train --data`: what is found in people's folders, and the configuration that comes of it."""

import pathlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.image_files import save, save_folders, save_pair
from support.scripts import refused, run_script

from pix2pix_jax.commands import found_config
from pix2pix_jax.commands.found_config import find_config, find_or_resume
from pix2pix_jax.core.config_files import load_config, save_json
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files

pytestmark = pytest.mark.usefixtures("one_device")


def find(root, **given):
    """Return the configuration, and the lines by topic; `data__split="1,0,0"` gives a key."""
    config, lines = find_config(
        str(root), [(key.replace("__", "."), value) for key, value in given.items()]
    )
    return config, dict(line.split(": ", 1) for line in lines)


def noise(path, *shape, most=256, dtype=np.uint8):
    """Write an image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(path)))
    if dtype == np.float32:
        image_files.write(path, rng.normal(20, 15, shape).astype(dtype))
    else:
        image_files.write(path, rng.integers(0, most, shape).astype(dtype))
    return path


@pytest.fixture
def pairs(tmp_path):
    """Twelve pairs side by side: ten in train, two in test."""
    for number in range(12):
        noise(tmp_path / "set" / ("train" if number < 10 else "test") / f"{number}.png", 64, 128, 3)
    return tmp_path / "set"


def test_pairs_side_by_side_are_found_with_a_reason_for_each_line(pairs):
    config, lines = find(pairs)
    assert (config.data.source, config.data.root) == ("side_by_side", str(pairs))
    assert config.data.image_size == (64, 64)
    assert lines["layout"].startswith("12 pairs side by side in one file, as 100% of 12 images are")
    assert "from A, the left half, to B, the right half; --direction BtoA" in lines["direction"]
    assert lines["source"] == "A, 3 x uint8, values 0 to 255"
    assert lines["size"].startswith("64 x 64 pixels (height x width); training resizes to 72 x 72")
    assert lines["splits"].startswith(
        "train 10, val 2, test 2; as the folders are, and test serves"
    )
    assert "10 training pairs, so the row 'under 100 pairs': 1000 epochs of 10" in lines["recipe"]
    assert "random crops and flips; DiffAugment, which" in lines["recipe"]
    assert config.train.epochs == 1000
    assert config.loss.diffaugment == ("color", "translation", "cutout")


def test_what_the_discriminator_sees_is_not_changed_where_there_is_none(pairs):
    for given in ({"loss__gan": "none"}, {"loss__diffaugment": "()"}):
        config, lines = find(pairs, **given)
        assert config.loss.diffaugment == ()
        assert "DiffAugment" not in lines["recipe"]


@pytest.mark.parametrize(("direction", "scale"), [("AtoB", 2), ("BtoA", 0.5)])
def test_targets_of_exactly_twice_the_size_or_half_set_the_scale(tmp_path, direction, scale):
    for number in range(10):
        noise(tmp_path / "A" / f"{number}.png", 40, 30 + number, 3)
        noise(tmp_path / "B" / f"{number}.png", 80, 60 + 2 * number, 3)
    config, lines = find(tmp_path, data__direction=direction)
    assert config.data.target_scale == scale
    assert config.data.image_size == ((32, 32) if scale == 2 else (64, 64))
    assert lines["scale"].startswith(
        f"all targets are exactly {'2 times' if scale == 2 else 'half'} as large as their sources"
    )
    assert "sides of different size" not in lines["size"]
    config, lines = find(tmp_path, data__target_scale="1")
    assert config.data.target_scale == 1
    assert lines["scale"].endswith("(given: data.target_scale)")
    assert lines["size"].endswith("sides of different size, each resized")


def test_targets_of_which_only_most_have_a_scale_leave_it_and_say_so(tmp_path):
    for number in range(10):
        noise(tmp_path / "A" / f"{number}.png", 32, 32, 3)
        noise(tmp_path / "B" / f"{number}.png", 64, 64 + (number == 3), 3)
    config, lines = find(tmp_path)
    assert config.data.target_scale == 1
    assert lines["scale"].startswith("9 of 10 targets looked at are exactly 2 times as large")
    assert "--config.data.target_scale=2 trains for that scale" in lines["scale"]
    assert "scale" not in find(tmp_path, data__target_scale="2")[1]


@pytest.mark.parametrize(("second", "scale"), [(32, 2), (64, 1)])
def test_targets_of_twice_the_size_of_all_of_several_sources_set_the_scale(tmp_path, second, scale):
    for number in range(10):
        noise(tmp_path / "A1" / f"{number}.png", 32, 32, 3)
        noise(tmp_path / "A2" / f"{number}.png", second, second, 3)
        noise(tmp_path / "B" / f"{number}.png", 64, 64, 3)
    config, _ = find(tmp_path)
    assert config.data.target_scale == scale
    assert config.data.image_size == (32, 32)


@pytest.mark.parametrize(("width", "source"), [(64, "single"), (128, "side_by_side")])
def test_both_sides_of_one_image_make_the_size_that_of_the_smaller_one(tmp_path, width, source):
    for number in range(10):
        noise(tmp_path / f"{number}.png", 64, width, 3)
    kind = {"derive__kind": "small"} if source == "single" else {}
    config, _ = find(tmp_path, data__target_scale="2", **kind)
    assert (config.data.source, config.data.image_size) == (source, (32, 32))


def test_sides_of_different_size_are_told_and_each_is_resized(tmp_path):
    for number in range(10):
        noise(tmp_path / "A" / f"{number}.png", 32, 32, 3)
        noise(tmp_path / "B" / f"{number}.png", 64, 48, 3)
    _, lines = find(tmp_path)
    assert lines["size"].endswith(
        "; 10 of those looked at have sides of different size, each resized"
    )


def test_several_sources_are_found_with_the_kind_of_each(tmp_path):
    for number in range(10):
        noise(tmp_path / "A1" / f"{number}.png", 32, 32, 3)
        noise(tmp_path / "A2" / f"{number}.png", 32, 32, 1, most=5)
        noise(tmp_path / "A3" / f"{number}.tif", 32, 32, 1, dtype=np.float32)
        noise(tmp_path / "B" / f"{number}.png", 32, 32, 1)
    config, lines = find(tmp_path)
    data = config.data
    assert (data.folder_a, data.folder_b, data.direction) == (("A1", "A2", "A3"), "B", "AtoB")
    assert (data.source_channels, data.target_channels) == ((3, 1, 1), 1)
    assert data.source_dtype == ("uint8", "uint8", "float32")
    assert data.source_classes == (0, 5, 0)
    assert data.source_range[:4] == (0, 255, 0, 255)
    assert data.source_range[4] < 0 < data.source_range[5]
    assert "10 pairs of 4 files" in lines["layout"]
    assert "from A1, A2, A3, stacked in this order, to B" in lines["direction"]
    with pytest.raises(InputError, match="--direction BtoA: A1 and A2 and A3 would be targets"):
        find(tmp_path, data__direction="BtoA")


def test_everything_that_is_found_can_be_overridden(pairs):
    given = {
        "data__direction": "BtoA",
        "data__image_size": "32",
        "data__source_channels": "1",
        "data__split": "8,2,2",
        "train__epochs": "3",
        "train__ema_decay": "0.5",
    }
    config, lines = find(pairs, **given)
    assert (config.data.image_size, config.data.source_channels) == ((32,), 1)
    assert (config.data.split, config.train.epochs, config.train.ema_decay) == ((8, 2, 2), 3, 0.5)
    assert lines["direction"].startswith("BtoA: from B, the right half, to A, the left half")
    assert lines["splits"].startswith("train 8, val 2, test 2; by a hash of the names (8,2,2)")
    assert "3 epochs of 8 steps" in lines["recipe"]
    assert config.lr.decay_epochs == 1  # half of what the user chose
    assert "(given: train.epochs, train.ema_decay)" in lines["recipe"]


def test_a_table_of_numbers_is_found_by_its_name_alone(pairs):
    (pairs / "numbers.csv").write_text("name,dose\n0,1\n")
    assert "numbers" not in find(pairs)[1]
    (pairs / "conditions.csv").write_text("name,dose,age\n0,1,2\n1,1,3\n")
    message = "has no row for 8 of the train pairs.*condition='' trains without it"
    with pytest.raises(InputError, match=message):
        find(pairs)
    rows = (f"{number},1,{number}\n" for number in range(12))
    (pairs / "conditions.csv").write_text("".join(["name,dose,age\n", *rows]))
    config, lines = find(pairs)
    assert config.data.condition == "conditions.csv"
    assert config.loss.diffaugment == ()  # a number may say how bright a picture is
    assert lines["numbers"].startswith("conditions.csv has dose, age for 12 names; --config.data")
    config, lines = find(pairs, data__condition="")
    assert (config.data.condition, "numbers" in lines) == ("", False)
    (pairs / "conditions.csv").write_text("name,weather\n0,sunny\n")
    with pytest.raises(
        InputError, match=r"'sunny' is not a finite number; --config.data.condition=''"
    ):
        find(pairs)
    (pairs / "conditions.json").write_text("{}")
    with pytest.raises(InputError, match=r"conditions.csv and conditions.json; say which"):
        find(pairs)


def test_16_bit_gray_to_float_has_dtypes_and_ranges(tmp_path):
    for number in range(3):
        noise(tmp_path / "trainA" / f"{number}.png", 40, 32, 1, most=4096, dtype=np.uint16)
        noise(tmp_path / "trainB" / f"{number}.tif", 40, 32, 1, dtype=np.float32)
    config = find(tmp_path)[0]
    assert config.loss.diffaugment == ()  # these are no colours
    data = config.data
    assert (data.source, data.source_channels, data.target_channels) == ("folders", 1, 1)
    assert (data.source_dtype, data.source_range) == ("uint16", (0, 4095))
    assert data.target_dtype == "float32"
    assert data.target_range[0] < 0 < 40 < data.target_range[1]


def test_pixels_without_data_and_masks_are_found(tmp_path):
    heights = np.random.default_rng(0).normal(20, 15, (32, 32)).astype(np.float32)
    marked = np.where(heights > 30, -9999, heights)
    for number in range(10):
        source = noise(tmp_path / "A" / f"{number}.tif", 32, 32, 1, dtype=np.float32)
        image_files.write(source, np.where(heights > 30, np.nan, heights)[..., None])
        mask = noise(tmp_path / "masks" / f"{number}.png", 32, 32, 1)
        counts = np.arange(32)[:, None, None] < 28
        image_files.write(mask, np.repeat(counts, 32, axis=1).astype(np.uint8) * 255)
        marked[28:] = 1e9 if number else np.inf
        target = tmp_path / "B" / f"{number}.tif"
        target.parent.mkdir(exist_ok=True)
        tifffile.imwrite(target, marked, extratags=[(42113, "s", 0, "-9999 ", True)])
    config, lines = find(tmp_path)
    data = config.data
    assert (data.source_no_data, data.target_no_data, data.mask) == ("nan", "-9999", "masks")
    assert data.source_range == data.target_range
    assert -40 < data.target_range[0] < 0 < data.target_range[1] <= 30
    share = (heights > 30).mean()
    assert f"{share:.2%} of the pixels without data (nan), not counted" in lines["source"]
    assert "of the pixels without data (-9999), not counted" in lines["target"]
    assert "the folder masks has one for each pair" in lines["masks"]
    assert "not used" not in lines["layout"]
    (tmp_path / "masks" / "3.png").unlink()
    with pytest.raises(InputError, match="10 pairs of two files, and 9 images that belong to none"):
        find(tmp_path)


def test_classes_under_black_are_none(tmp_path):
    rows = np.arange(32)[:, None, None]
    labels = np.where(rows < 28, np.arange(32)[None, :, None] // 8, 77)
    for number in range(3):
        noise(tmp_path / "A" / f"{number}.png", 32, 32, 3)
        for folder, image in (("B", labels), ("mask", 255 * (rows < 28).repeat(32, axis=1))):
            path = noise(tmp_path / folder / f"{number}.png", 32, 32, 1)
            image_files.write(path, image.astype(np.uint8))
    assert find(tmp_path)[0].data.target_classes == 4


def test_few_whole_values_are_class_indices(tmp_path):
    for number in range(3):
        noise(tmp_path / "images" / f"{number}.png", 32, 32, 3)
        noise(tmp_path / "masks" / f"{number}.png", 32, 32, 1, most=7)
    config, lines = find(tmp_path)
    assert (config.data.target_classes, config.loss.reconstruction) == (7, "cross_entropy")
    assert config.checkpoint.best_metric == "class_iou"
    assert config.loss.diffaugment == ()  # there are no colours to change
    beside = find(tmp_path, loss__cross_entropy_weight="10")[0]
    assert beside.loss.reconstruction == "l1"
    assert "class indices, 7 classes" in lines["target"]
    config, lines = find(tmp_path, data__direction="BtoA")
    assert config.data.source_classes == 7
    assert "class indices, 7 classes" in lines["source"]


def test_black_and_white_masks_are_no_class_indices(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.jpg")
        mask = np.zeros((4, 6), np.uint8)
        mask[0] = 255
        Image.fromarray(mask).save(tmp_path / f"{number}_mask.png")
    config, lines = find(tmp_path)
    assert (config.data.source, config.data.target_channels) == ("folders", 1)
    assert (config.data.source_classes, config.data.target_range) == (0, ())
    assert "from A, files such as 0.jpg, to B, files such as 0_mask.png" in lines["direction"]


def test_palettes_that_differ_are_no_classes(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (4, 3), np.uint8)
    for differ in (False, True):
        root = tmp_path / str(differ)
        for number in range(3):
            noise(root / "B" / f"{number}.png", 32, 32, 3)
            (root / "A").mkdir(exist_ok=True)
            order = np.roll(np.arange(4), number if differ else 0)
            indices = np.random.default_rng(number).integers(0, 4, (32, 32), np.uint8)
            image = Image.fromarray(np.argsort(order).astype(np.uint8)[indices])
            image.putpalette(colours[order].tobytes())
            image.save(root / "A" / f"{number}.png")
        config, _ = find(root)
        assert config.data.source_classes == (0 if differ else 4)
        assert config.data.source_channels == 3
        first = image_files.read_picture(root / "A" / "1.png").pixels
        indices = np.random.default_rng(1).integers(0, 4, (32, 32), np.uint8)
        np.testing.assert_array_equal(first, colours[indices])


def test_a_dark_photo_has_no_classes_and_a_label_map_of_many_has(tmp_path):
    rows, columns = np.indices((64, 64))
    images = {"photo": rows * 25 // 64 + columns % 16, "labels": rows // 16 * 8 + columns // 8}
    for name, image in images.items():
        for number in range(3):
            noise(tmp_path / name / "A" / f"{number}.png", 64, 64, 3)
            path = noise(tmp_path / name / "B" / f"{number}.png", 64, 64, 1)
            image_files.write(path, image.astype(np.uint8)[..., None])
    assert find(tmp_path / "photo")[0].data.target_classes == 0
    assert find(tmp_path / "labels")[0].data.target_classes == 32


def test_of_large_images_fewer_are_held_in_memory(pairs, monkeypatch):
    read = []
    plain = image_files.read_picture
    monkeypatch.setattr(
        image_files, "read_picture", lambda path, **more: read.append(path) or plain(path, **more)
    )
    monkeypatch.setattr("pix2pix_jax.data.preparation.survey._PIXELS", 5 * 64 * 128)
    assert find(pairs)[0].data.source == "side_by_side"
    assert len(read) == 5


def test_a_file_that_is_no_pair_is_named_and_changes_no_proportions(tmp_path):
    for number in range(19):
        noise(tmp_path / f"{number}.png", 64, 256, 3)
    noise(tmp_path / "preview.png", 64, 64, 3)
    config, lines = find(tmp_path)
    assert "as 95% of 20 images are at least twice as wide as high; preview.png: cut" in (
        lines["layout"].replace(f"{tmp_path}/", "")
    )
    assert config.data.image_size == (64, 128)


def test_steps_and_decay_follow_the_global_batch(pairs):
    given = {"train__steps": "1000", "train__global_batch_size": "5", "data__load_size": "64"}
    config, lines = find(pairs, **given)
    # Two steps in an epoch of ten pairs.
    assert (config.train.epochs, config.lr.decay_epochs) == (500, 250)
    assert "batch size 5 over all devices" in lines["recipe"]


def test_bands_keep_their_number(tmp_path):
    for number in range(2):
        noise(tmp_path / "A" / f"{number}.tif", 16, 16, 5, most=60000, dtype=np.uint16)
        noise(tmp_path / "B" / f"{number}.png", 16, 16, 3)
    config, _ = find(tmp_path)
    assert (config.data.source_channels, config.data.source_dtype) == (5, "uint16")
    assert config.model.discriminator_layers == 2  # three leave no patch of 16 pixels


@pytest.mark.parametrize(
    ("count", "parts", "counts"),
    [(30, (0.8, 0.1, 0.1), None), (10, None, "train 8, val 1, test 1"), (3, (1, 0, 0), "train 3")],
)
def test_files_without_splits_are_divided_if_there_are_ten(tmp_path, count, parts, counts):
    for number in range(count):
        save_pair(tmp_path / f"{number}.png", size=(16, 16))
    config, lines = find(tmp_path)
    assert parts is None or config.data.split == parts
    assert "by a hash of the names" in lines["splits"]
    assert lines["splits"].startswith(counts or "train ")
    if count == 3:
        assert "so there are no validation scores" in lines["splits"]


@pytest.mark.parametrize("kind", ["gray", "lab", "edges", "blur"])
def test_single_images_ask_for_derive(tmp_path, kind):
    noise(tmp_path / "a.png", 32, 40, 3)
    with pytest.raises(
        InputError, match=r"1 single image, .*; say how to make .* --derive gray, lab"
    ):
        find(tmp_path)
    config, lines = find(tmp_path, derive__kind=kind)
    assert config.data.source == "single"
    assert config.data.source_channels == (3 if kind == "blur" else 1)
    assert "direction" not in lines


def test_wide_photos_are_single_images_if_their_other_side_is_derived(tmp_path):
    for number in range(3):
        noise(tmp_path / f"{number}.png", 32, 64, 3)
    config, lines = find(tmp_path, derive__kind="gray")
    assert (config.data.source, config.data.image_size) == ("single", (32, 64))
    assert "as derive.kind makes the other side" in lines["layout"]


def test_what_no_side_can_be_derived_from_is_refused_before_training(tmp_path):
    noise(tmp_path / "deep" / "a.png", 32, 32, 1, dtype=np.uint16)
    noise(tmp_path / "bands" / "a.npy", 32, 32, 5)
    noise(tmp_path / "clear" / "a.png", 32, 32, 4)
    for name, kind, message in (
        ("deep", "edges", "1 x uint16, .*: --derive edges needs 8 bits"),
        ("deep", "lab", "--derive lab needs 8 bits"),
        ("bands", "gray", "5 x uint8, .*: --derive gray needs gray or RGB"),
    ):
        with pytest.raises(InputError, match=message):
            find(tmp_path / name, derive__kind=kind)
    config, _ = find(tmp_path / "clear", derive__kind="edges")
    assert (config.data.source_channels, config.data.target_channels) == (1, 3)


def test_one_side_only_is_named_with_what_is_missing(tmp_path):
    save(tmp_path / "trainA" / "0.png")
    with pytest.raises(InputError, match=r"trainA could be one side, but there is no trainB\)"):
        find(tmp_path)
    (tmp_path / "trainB").mkdir()
    with pytest.raises(InputError, match=r"1 files have no partner .*trainA/0\.png"):
        find(tmp_path)


def test_two_layouts_in_one_folder_are_an_error_that_names_both_and_the_key(tmp_path):
    save_folders(tmp_path, "{}A|{}B", "train", ["a", "b"])
    for number in range(2):
        save_pair(tmp_path / "train" / f"{number}.png")
    with pytest.raises(
        InputError, match=r"2 pairs of two files, and 2 images .*data\.source=folders"
    ):
        find(tmp_path)
    assert find(tmp_path, data__source="folders")[0].data.source == "folders"


def test_wide_and_other_images_are_an_error_that_says_how_many(tmp_path):
    for number in range(2):
        save_pair(tmp_path / f"{number}.png", size=(8, 8))
        save(tmp_path / f"{number}b.png", size=(8, 8))
    with pytest.raises(InputError, match=r"50% of 4 images .*data\.source=side_by_side or single"):
        find(tmp_path)


def test_two_folders_of_unknown_names_are_asked_about(tmp_path):
    save_folders(tmp_path, "aerial|street", "", ["a", "b"])
    with pytest.raises(InputError, match=r"data\.folder_a=aerial --config\.data\.folder_b=street"):
        find(tmp_path)
    config, lines = find(tmp_path, data__folder_a="street", data__folder_b="aerial")
    assert config.data.source == "folders"
    assert lines["direction"].startswith(f"AtoB: from A, {tmp_path}/street, to B")


def test_alpha_in_some_files_is_said(tmp_path):
    for number in range(3):
        noise(tmp_path / "A" / f"{number}.png", 16, 16, 3)
        noise(tmp_path / "B" / f"{number}.png", 16, 16, 4 if number else 3)
    config, lines = find(tmp_path)
    assert config.data.target_channels == 3
    assert "4 x uint8 in 2, 3 x uint8 in 1 of 3 files" in lines["target"]
    assert "what is transparent becomes white" in lines["target"]
    assert find(tmp_path, data__target_channels="4")[0].data.target_channels == 4


def test_two_dtypes_on_one_side_are_an_error_that_counts_them(tmp_path):
    for number in range(3):
        noise(tmp_path / "A" / f"{number}.png", 16, 16, 3)
        dtype = np.uint16 if number else np.uint8
        noise(tmp_path / "B" / f"{number}.png", 16, 16, 1, dtype=dtype)
    with pytest.raises(InputError, match="B: 1 x uint16 in 2, 1 x uint8 in 1 of 3 files looked at"):
        find(tmp_path)
    assert find(tmp_path, data__on_error="skip")[0].data.target_dtype == "uint16"


def test_files_of_several_kinds_that_no_name_puts_together_may_be_pairs(tmp_path):
    for number in range(3):
        noise(tmp_path / f"{number}_rgb.png", 16, 16, 3)
        noise(tmp_path / f"{number}_height.png", 16, 16, 1, dtype=np.uint16)
        noise(tmp_path / f"{number}_map.png", 16, 16, 3)
    with pytest.raises(InputError, match=r"1 x uint16 in 3 .* if they are pairs, say how with .*"):
        find(tmp_path)
    config, _ = find(tmp_path, data__pair_by="_rgb,_height,_map")
    assert config.data.source_dtype == ("uint8", "uint16")


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_without_images_is_an_error(tmp_path, make):
    root = tmp_path / "set"
    if make:
        root.mkdir()
        (root / "Thumbs.db").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"no images \(\.jpg" if make else "there is no such folder"
    ):
        find(root)


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"photo\.jpg: is a file, not a folder"):
        find(tmp_path / "photo.jpg")


def test_what_people_and_their_systems_leave_in_folders_does_not_matter(tmp_path):
    root = tmp_path / "my data.v2 ü"
    for number in range(3):
        noise(root / "train A" / f"photo {number}.of é.PNG", 16, 16, 3)
        target = noise(tmp_path / "elsewhere" / f"{number}.png", 16, 16, 3)
        link = root / "train B" / f"photo {number}.of é.png"  # another suffix, and a link
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(target)
    jpeg = root / "train B" / "photo 0.of é.png"
    jpeg.unlink()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(jpeg, format="JPEG")
    for name in (".DS_Store", "._photo 0.png", "Thumbs.db"):
        (root / "train A" / name).write_bytes(b"\0" * 8)
    for folder in (root, *root.iterdir()):
        folder.chmod(0o555)
    config, lines = find(root)
    for folder in (root, *root.iterdir()):
        folder.chmod(0o755)
    assert config.data.source == "folders"
    assert lines["splits"].startswith("train 3, val 0, test 0")


def test_a_run_goes_on_with_what_was_found_before(pairs, tmp_path):
    workdir = tmp_path / "runs" / "set"
    config, lines = find_or_resume(str(pairs), workdir, [("train.epochs", "5")])
    assert lines[-1].startswith("config: ")
    assert "train.epochs=5" in lines[-1]
    workdir.mkdir(parents=True)
    save_json(config, workdir / "config.json")
    for number in range(30):  # other files since then
        save_pair(pairs / "train" / f"new{number}.png", size=(300, 300))
    again, (line,) = find_or_resume(str(pairs), workdir, [("train.epochs", "5")])
    assert again == config
    assert "from the first start is used" in line
    assert load_config(workdir / "config.json") == config
    with pytest.raises(InputError, match=r"--data elsewhere: the run in .* is on other data"):
        find_or_resume("elsewhere", workdir, [])
    with pytest.raises(InputError, match=r"--workdir .* is inside the data set"):
        find_or_resume(str(pairs), pairs / "runs", [])


def test_a_dry_run_prints_what_is_found_and_writes_nothing(pairs, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    status, out, error = run_script(
        "train", "--data", "set", "--dry_run", "--direction", "BtoA", folder=tmp_path
    )
    assert (status, error) == (0, "")
    topics = [line.partition(": ")[0] for line in out.splitlines()]
    expected = ["layout", "direction", "source", "target", "size", "splits", "recipe", "config"]
    assert topics == expected
    assert "data.direction=BtoA" in out
    assert "runs/set/config.json" in out
    assert sorted(tmp_path.rglob("*")) == before


def test_the_printed_config_of_a_folder_is_one_that_config_takes(pairs, tmp_path):
    status, out, _ = run_script("train", "--data", pairs, "--print_config")
    assert status == 0
    file = pathlib.Path(tmp_path, "found.py")
    file.write_text(out)
    assert load_config(file) == find(pairs)[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --data and a folder of pairs, or --config"),
        (["--config", "maps", "--data", "x"], "or --config; one of the two"),
        (["--config", "maps", "--dry_run"], "--dry_run goes with --data"),
        (["--data", "x", "--config.data.root=y"], "--data x says it already"),
        (["--data", "x", "--config.data.source=synthetic"], "choose from side_by_side, folders"),
        (["--data", "x", "--config.data.folder_a=y"], "set data.folder_b as well"),
    ],
)
def test_flags_that_do_not_go_together_are_one_line(arguments, message):
    assert refused(run_script("train", *arguments), message)


def test_the_run_is_named_after_the_folder(tmp_path, monkeypatch):
    assert found_config.default_workdir("my/pairs/") == pathlib.Path("runs", "pairs")
    (tmp_path / "2026-11").mkdir()
    (tmp_path / "streets").symlink_to(tmp_path / "2026-11")  # a link has the name that was typed
    assert found_config.default_workdir(f"{tmp_path}/streets") == pathlib.Path("runs", "streets")
    monkeypatch.chdir(tmp_path / "2026-11")
    assert found_config.default_workdir(".") == pathlib.Path("runs", "2026-11")
