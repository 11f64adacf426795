"""Whole runs on data of many forms: trained, scored, and used to translate such an image."""

import logging

import jax
import numpy as np
import pytest
from PIL import Image

from pix2pix_jax import load_generator, train_and_evaluate
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.image_folders import translate_folder
from pix2pix_jax.training.run import prepare_run

pytestmark = pytest.mark.usefixtures("one_device")
SIZES = [(16, 32), (20, 40), (30, 33), (16, 50)]


def noise(seed, size, channels, dtype="uint8"):
    values = np.random.default_rng(seed).random((*size, channels), np.float32)
    return values if dtype == "float32" else (values * np.iinfo(dtype).max).astype(dtype)


def save_folders(root, kinds, sizes):
    """Save four pairs to train and two to validate in two folders."""
    for split, count in (("train", 4), ("val", 2)):
        for folder, (channels, dtype) in zip("AB", kinds, strict=True):
            (root / folder / split).mkdir(parents=True)
            for number in range(count):
                suffix = image_files.suffix_of(dtype, channels)
                image = noise(number, sizes[number], channels, dtype)
                image_files.write(root / folder / split / f"{number}{suffix}", image)


@pytest.fixture
def config(tiny_config, tmp_path):
    tiny_config.data.root = str(tmp_path / "data")
    tiny_config.data.source = "folders"
    tiny_config.data.resize = "crop"
    tiny_config.data.image_size = (16, 32)
    tiny_config.train.steps = 3
    tiny_config.model.update(levels=2, discriminator_layers=1)
    return tiny_config


def assert_same_generator(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rectangular_crops_of_many_bands_train_the_same_from_memory_and_from_files(
    config, tmp_path
):
    save_folders(tmp_path / "data", [(5, "uint16"), (1, "float32")], SIZES)
    data = config.data
    data.source_channels, data.source_dtype = 5, "uint16"
    data.target_channels, data.target_dtype = 1, "float32"
    config.log.bands = (4, 2, 0)
    generators = []
    for gigabytes in (1.0, 0.0):
        data.cache_gigabytes = gigabytes
        result = train_and_evaluate(config, tmp_path / f"run{gigabytes}")
        assert result.summary["val"]["l1"] > 0
        generators.append(load_generator(tmp_path / f"run{gigabytes}", "latest"))
    assert_same_generator(*(generator.variables for generator in generators))
    assert generators[0].fit == "pad"
    (path,) = translate_folder(
        generators[0], tmp_path / "data" / "A" / "train" / "2.tif", tmp_path / "out"
    )
    found = image_files.read_stored(path)
    assert (found.shape, found.dtype) == ((30, 33, 1), np.float32)
    with Image.open(tmp_path / "run1.0" / "samples" / "step_00000003.png") as grid:
        assert grid.size == (3 * 32 + 8, 2 * 16 + 4)


def test_label_maps_in_mosaics_train_the_same_from_memory_and_from_files(config, tmp_path):
    save_folders(tmp_path / "data", [(1, "uint8"), (3, "uint8")], SIZES)
    for path in (tmp_path / "data" / "A").rglob("*.png"):
        image_files.write(path, image_files.read_stored(path) % 4)
    config.data.source_classes = 4
    config.augment.mosaic = 0.5
    generators = []
    for gigabytes in (1.0, 0.0):
        config.data.cache_gigabytes = gigabytes
        result = train_and_evaluate(config, tmp_path / f"run{gigabytes}")
        assert "copy_source_l1" not in result.summary["baseline"]
        generators.append(load_generator(tmp_path / f"run{gigabytes}", "latest"))
    assert_same_generator(*(generator.variables for generator in generators))


def test_runs_train_on_patches_of_single_images_split_by_the_config(config, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "data" / "flowers").mkdir(parents=True)
    for number in range(6):
        path = tmp_path / "data" / "flowers" / f"{number}.png"
        image_files.write(path, noise(number, (40, 70), 3))
    (tmp_path / "data" / "flowers" / "5.png").write_text("no pixels")
    config.data.source, config.derive.kind = "single", "gray"
    config.data.patch_size, config.data.resize = (16, 32), "none"
    config.data.source_channels, config.data.on_error = 1, "skip"
    config.data.split = (3, 2, 1)
    result = train_and_evaluate(config, tmp_path / "run")
    assert result.step == 3
    # Each image has four patches; the broken one counts as one, which is skipped.
    assert "train pairs: skipped 1 of 9 pairs" in caplog.text
    run = prepare_run(config, tmp_path / "other")
    assert run.splits.train.names[0].startswith("flowers/")
    assert [len(pairs) for pairs in (run.splits.train, run.splits.val)] == [8, 8]


@pytest.mark.parametrize("resize", ["resize", "scale_width", "scale_width_and_crop", "none"])
def test_runs_train_with_every_other_resize_mode(config, tmp_path, resize):
    save_folders(tmp_path / "data", [(3, "uint8"), (3, "uint8")], [(16, 32)] * 4)
    config.data.resize, config.train.steps = resize, 1
    result = train_and_evaluate(config, tmp_path / "run")
    assert result.summary["val"]["l1"] > 0
