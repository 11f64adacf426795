"""Every config file builds, and takes one shrunk step on made files of the right form."""

import pathlib

import pytest

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.config import validate
from pix2pix_jax.config_files import load_file

CONFIGS = sorted((pathlib.Path(__file__).parent.parent / "configs").glob("*.py"))


def shrink(config, cache, root):
    config.compilation_cache = cache
    config.data.image_size = (32,)
    config.data.load_size = (36,)
    config.data.synthetic_pairs = (8, 2, 2)
    config.data.root = str(root)
    config.data.workers = 2
    config.model.base_features = 4
    config.model.discriminator_layers = 2
    config.train.batch_size = 1
    config.train.global_batch_size = 0
    config.train.steps = 1
    config.eval.batch_size = 2


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("one_device")
def test_a_config_takes_a_step(path, tmp_path, tiny_config, pairs_folder):
    config = load_file(str(path))
    validate(config)
    shrink(config, tiny_config.compilation_cache, pairs_folder)
    result = train_and_evaluate(config, tmp_path / "run")
    assert result.step == 1
    assert result.summary["val"]["l1"] > 0


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_uses_instance_norm_and_says_what_it_is(path):
    assert load_file(str(path)).model.norm == "instance"
    assert path.read_text().startswith('"""')
