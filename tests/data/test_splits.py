import numpy as np
import pytest

from pix2pix_jax import InputError, default_config
from pix2pix_jax.data.augment import build_augment
from pix2pix_jax.data.pair_format import build_format
from pix2pix_jax.data.splits import load_splits
from pix2pix_jax.images import files as image_files


def test_jitter_of_lab_or_of_classes_is_refused():
    config = default_config()
    config.augment.color_jitter = (0.5, 0.0, 0.0)
    config.derive.kind = "lab"
    config.data.source_channels, config.data.target_channels = 1, 2
    with pytest.raises(InputError, match=r"color_jitter=\(0.5, 0.0, 0.0\) with derive.kind='lab'"):
        build_augment(config, build_format(config))
    config = default_config()
    config.augment.color_jitter = (0.5, 0.0, 0.0)
    config.data.source_classes = 3
    with pytest.raises(InputError, match=r"data\.source_classes=3"):
        build_augment(config, build_format(config))


@pytest.mark.parametrize("resize", ["resize_and_crop", "crop"])
def test_held_out_pairs_that_stand_among_those_to_train_are_warned_of(tmp_path, capsys, resize):
    rng = np.random.default_rng(0)
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
    splits = load_splits(config, build_format(config))
    assert (len(splits.train), len(splits.val)) == (3, 2)
    assert splits.test is not None
    printed = capsys.readouterr().out
    if resize == "resize_and_crop":
        assert "warning: 1 of 2 held-out images look like one to train" in printed
        assert "3.png ~ 3.png" in printed
