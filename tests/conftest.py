"""Settings and small data for all tests."""

import os
import pathlib
import tempfile

# Before JAX starts: eight virtual CPU devices, so that one machine tests data parallelism.
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
os.environ["JAX_PLATFORMS"] = "cpu"
_CACHE = str(pathlib.Path(tempfile.gettempdir(), "pix2pix_jax_test_cache"))

import jax
import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.devices import enable_compilation_cache

enable_compilation_cache(_CACHE)


@pytest.fixture
def one_device(monkeypatch):
    """Make the package see one device only."""
    device = jax.devices()[0]
    monkeypatch.setattr(jax, "devices", lambda *_: [device])
    monkeypatch.setattr(jax, "local_devices", lambda *_: [device])
    monkeypatch.setattr(jax, "device_count", lambda *_: 1)
    monkeypatch.setattr(jax, "local_device_count", lambda *_: 1)


@pytest.fixture
def tiny_config():
    """A run of two epochs of three steps that takes a second: 32x32 pixels, 4 features."""
    config = default_config()
    config.compilation_cache = _CACHE
    config.data.image_size = (32,)
    config.data.synthetic_pairs = (3, 3, 2)
    config.data.workers = 2
    config.model.base_features = 4
    config.model.levels = 2
    config.model.discriminator_layers = 1
    config.train.epochs = 2
    config.lr.decay_epochs = 1
    config.checkpoint.every_epochs = 1
    config.eval.batch_size = 2
    config.log.grid_images = 2
    config.log.tensorboard = False
    return config


@pytest.fixture
def pairs_folder(tmp_path):
    """A data set of side-by-side JPEGs: 4 to train, 2 to validate, 64x32 pixels."""
    root = tmp_path / "pairs"
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        (root / split).mkdir(parents=True)
        for number in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (4, 8, 3), np.uint8))
            coarse.resize((64, 32)).save(root / split / f"{number}.jpg", quality=95)
    return root
