import numpy as np
import pytest
from support.image_files import save_pair
from support.sources import format_of

from pix2pix_jax import default_config
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.splits import load_splits
from pix2pix_jax.images import files as image_files


@pytest.mark.parametrize("resize", ["resize_and_crop", "crop"])
def test_a_warning_tells_of_held_out_pairs_that_look_like_training_pairs(tmp_path, caplog, resize):
    for split, seeds in (("train", (1, 2, 3)), ("val", (3, 4))):
        (tmp_path / split).mkdir()
        for seed in seeds:
            rng = np.random.default_rng(seed)
            coarse = rng.integers(0, 256, (4, 8, 3), np.uint8)
            pixels = np.repeat(np.repeat(coarse, 16, axis=0), 16, axis=1)
            image_files.write(tmp_path / split / f"{seed}.png", pixels)
    config = default_config()
    config.data.source, config.data.root = "side_by_side", str(tmp_path)
    config.data.image_size = (32,)
    config.data.resize = resize
    data = resolve(config).data
    splits = load_splits(data, format_of(config), seed=0, scored_train=2, shown=1)
    assert (len(splits.train), len(splits.val)) == (3, 2)
    assert splits.scored_train.names == ("1.png", "3.png")
    assert splits.test.names == ("3.png",)
    if resize == "resize_and_crop":
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert record.getMessage().startswith("1 of 2 held-out images look like a training image")
        assert "3.png ~ 3.png" in record.getMessage()


def test_a_set_without_held_out_pairs_shows_training_pairs_and_says_what_is_missing(
    tmp_path, caplog
):
    for number in range(2):
        save_pair(tmp_path / "train" / f"{number}.png")
    config = default_config()
    config.data.source, config.data.root = "side_by_side", str(tmp_path)
    config.data.image_size = (32,)
    data = resolve(config).data
    splits = load_splits(data, format_of(config), seed=0, scored_train=0, shown=4)
    assert (splits.val, splits.test) == (None, None)
    assert splits.shown.names == ("0.png", "1.png")
    assert "there are no scores of held-out pairs" in caplog.text


@pytest.mark.parametrize(
    ("source", "target", "warned"),
    [
        ((32, 40), (32, 40), True),
        ((32, 40), (60, 80), False),
        ((32, 40), (96, 120), False),
        ((128, 128), (128, 128), False),  # large enough: nothing is enlarged
    ],
)
def test_targets_too_small_for_their_scale_are_a_warning_as_resizing_blurs_them(
    tmp_path, caplog, source, target, warned
):
    for folder, size in (("A", source), ("B", target)):
        (tmp_path / folder / "train").mkdir(parents=True)
        image_files.write(tmp_path / folder / "train" / "0.png", np.zeros((*size, 3), np.uint8))
    config = default_config()
    config.data.source, config.data.root = "folders", str(tmp_path)
    config.data.image_size, config.data.target_scale = (32,), 2
    load_splits(resolve(config).data, format_of(config), seed=0, scored_train=0, shown=1)
    message = "the source of 0.png has 32 x 40 pixels (height, width), its target 32 x 40; targets"
    assert (message in caplog.text) == ("targets are enlarged" in caplog.text) == warned
    assert ("data.target_scale=3 fits the files" in caplog.text) == (target == (96, 120))


def test_a_source_that_is_made_smaller_needs_no_warning_of_its_scale(tmp_path, caplog):
    (tmp_path / "train").mkdir(parents=True)
    image_files.write(tmp_path / "train" / "0.png", np.zeros((64, 64, 3), np.uint8))
    config = default_config()
    config.data.source, config.data.root = "single", str(tmp_path)
    config.derive.kind = "small"
    config.data.image_size, config.data.target_scale = (32,), 2
    load_splits(resolve(config).data, format_of(config), seed=0, scored_train=0, shown=1)
    assert "targets are enlarged" not in caplog.text
