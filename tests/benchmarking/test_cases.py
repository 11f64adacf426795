"""From a case to its configuration and its data."""

import pathlib

import numpy as np
from benchmarking.cases import Case, build_config, gflop_per_image, write_pairs
from PIL import Image


def test_only_the_papers_networks_are_counted():
    resnet = Case(overrides=(("model.generator", "resnet"),))
    assert gflop_per_image(build_config(resnet, pathlib.Path())) is None


def test_pairs_are_files_side_by_side_that_differ(tmp_path):
    write_pairs(tmp_path / "pairs", 32, 3)
    train, val = (sorted((tmp_path / "pairs" / split).iterdir()) for split in ("train", "val"))
    assert (len(train), len(val)) == (3, 2)
    images = [np.asarray(Image.open(path), np.float32) for path in train]
    assert {image.shape for image in images} == {(32, 64, 3)}
    assert np.abs(images[0] - images[1]).mean() > 10


def test_data_paths_are_keys_of_the_config():
    keys = {
        data: (config.data.cache_gigabytes > 0, config.data.device_share)
        for data in ("resident", "cached", "streamed")
        for config in [build_config(Case(data=data), pathlib.Path("x"))]
    }
    assert keys == {"resident": (True, 1.0), "cached": (True, 0.0), "streamed": (False, 0.0)}


def test_the_unet_has_the_papers_depth_at_any_size():
    assert [Case(image_size=size).levels for size in (32, 128, 256, 512)] == [5, 7, 8, 8]


def test_an_own_network_is_taken_without_running_it(tmp_path):
    file = tmp_path / "net.py"
    file.write_text("raise SystemExit('this was run')")
    own = Case(overrides=(("model.generator", f"{file}:Net"),))
    assert gflop_per_image(build_config(own, pathlib.Path())) is None
