"""Every config is found, is what it is known for, and takes a shrunk step on made-up files."""

import pathlib

import numpy as np
import pytest
from support.networks import small_alexnet

from pix2pix_jax import InputError, train_and_evaluate
from pix2pix_jax.core.config_files import load_config
from pix2pix_jax.core.validation import validate
from pix2pix_jax.images import files as image_files

CONFIGS = sorted((pathlib.Path(__file__).parent.parent / "configs").glob("*.py"))
# The settings that define each config.
KNOWN_BY = {
    "best": {"loss.perceptual_weight": 10.0, "train.ema_decay": 0.999},
    "cityscapes": {
        "data.split": (400, 50, 50),
        "train.steps": 60_000,
        "data.direction": "BtoA",
        "eval.every_steps": 1000,
    },
    "cityscapes_labels": {"data.direction": "AtoB", "train.epochs": 200},
    "dayton_aerial2street": {"data.direction": "BtoA", "optimizer.learning_rate": 2e-3},
    "dayton_street2aerial": {"data.direction": "AtoB", "data.resize": "resize"},
    "demo": {"data.source": "synthetic", "data.image_size": (128, 128)},
    "edges2handbags": {"train.batch_size": 4, "train.epochs": 15},
    "edges2shoes": {"train.batch_size": 4, "train.epochs": 15},
    "facades": {"data.direction": "BtoA", "train.epochs": 200, "train.batch_size": 1},
    "faces_colorization": {"train.batch_size": 32, "derive.kind": "gray"},
    "flowers_colorization": {"train.batch_size": 32, "derive.kind": "gray"},
    "highres_512": {"data.image_size": (512, 512), "model.remat": True},
    "maps": {"data.direction": "AtoB", "train.epochs": 200, "lr.decay_epochs": 100},
    "maps_split": {"data.split": (0.7, 0.15, 0.15), "model.levels": 7},
    "maps_to_satellite": {
        "data.patch_size": (256, 256),
        "model.norm": "batch",
        "loss.discriminator_weight": 1.0,
        "lr.schedule": "constant",
        "checkpoint.every_epochs": 10,
        "data.direction": "BtoA",
    },
    "night2day": {"train.batch_size": 4, "train.epochs": 17},
}


def value_of(config, key):
    for part in key.split("."):
        config = config[part]
    return config


def write_files(config, root):
    """Write six training and two test images in the form that the config expects."""
    rng = np.random.default_rng(0)
    folders = {
        "folders": ["A/{}", "B/{}"],
        "single": ["{}"],
        "pix2pix": ["{}"],
        "side_by_side": ["{}"],
    }[config.data.source.partition(":")[0]]
    width = 64 if len(folders) == 2 or config.data.source == "single" else 128
    for split, count in (("train", 6), ("test", 2)):
        for pattern in folders:
            folder = root / pattern.format(split)
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (64, width, 3), np.uint8)
                image_files.write(folder / f"{number}.png", pixels)


def shrink(config, cache, root):
    config.compilation_cache = cache
    config.data.root = str(root)
    config.data.image_size = (32,)
    if config.data.patch_size:
        config.data.patch_size = (32,)
    if config.data.split:
        config.data.split = (4, 2, 2)
    config.data.synthetic_pairs = (8, 2, 2)
    config.data.workers = 2
    config.model.base_features = 4
    config.model.levels = 2
    config.model.discriminator_layers = 1
    config.train.batch_size = 1
    config.train.steps = 1
    config.lr.decay_epochs = 0  # the schedule is a part of the compiled step
    config.eval.batch_size = 2


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("one_device")
def test_a_config_takes_a_step(path, tmp_path, tiny_config, monkeypatch):
    config = load_config(str(path))
    if config.loss.perceptual_weight:
        config.loss.perceptual_file = str(small_alexnet(monkeypatch, tmp_path / "alex.npz"))
    validate(config)
    if config.data.source != "synthetic":
        write_files(config, tmp_path / "data")
    shrink(config, tiny_config.compilation_cache, tmp_path / "data")
    result = train_and_evaluate(config, tmp_path / "run")
    assert result.step == 1
    assert result.summary["val"]["l1"] > 0


@pytest.mark.parametrize("name", ["maps", "maps.py", "configs/maps.py"])
def test_a_config_of_the_package_is_found_by_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maps").mkdir()  # a data set may have the same name
    assert load_config(name).data.source == "pix2pix:maps"


def test_a_file_comes_before_a_config_of_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    text = (CONFIGS[0].parent / "maps.py").read_text().replace("pix2pix:maps", "pix2pix:facades")
    (tmp_path / "configs" / "maps.py").write_text(text)
    assert load_config("configs/maps.py").data.source == "pix2pix:facades"
    assert load_config("maps").data.source == "pix2pix:maps"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "mops",
            r"config mops: there is no such file; choose best, .*, or the path of a",
        ),
        ("mine/maps.py", r"config mine/maps.py: there is no such file; choose mine/other.py$"),
        ("none/maps.py", r"config none/maps.py: there is no such file; choose best, "),
    ],
)
def test_a_missing_config_is_refused_with_the_choices(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "other.py").write_text("")
    with pytest.raises(InputError, match=message):
        load_config(name)


def test_every_config_is_known():
    assert {path.stem for path in CONFIGS} == set(KNOWN_BY)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_has_the_settings_it_is_known_by(path):
    config = load_config(str(path))
    for key, value in KNOWN_BY[path.stem].items():
        assert value_of(config, key) == value
    assert config.model.norm == ("batch" if path.stem == "maps_to_satellite" else "instance")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_says_what_it_is_and_how_it_is_run(path):
    text = path.read_text()
    assert text.startswith(('"""', 'r"""'))
    assert f"python scripts/train.py --config configs/{path.name}" in text
