"""The tiny run of the tests: two epochs of three steps, 32x32 pixels, 4 features, one second.

Tests that need something else change keys of it.
"""

import pathlib
import tempfile

import jax

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import set_value

# Compiled programs of all tests, kept from one session to the next.
CACHE = str(pathlib.Path(tempfile.gettempdir(), "pix2pix_jax_test_cache"))

TINY = {
    "compilation_cache": CACHE,
    "data.image_size": 32,
    "data.synthetic_pairs": (3, 3, 2),
    "data.workers": 2,
    "model.base_features": 4,
    "model.levels": 2,
    "model.discriminator_layers": 1,
    "train.epochs": 2,
    "lr.decay_epochs": 1,
    "checkpoint.every_epochs": 1,
    "eval.batch_size": 2,
    "log.grid_images": 2,
    "log.tensorboard": False,
    "log.report": False,
}


def see_one_device(patch):
    """Make the package see one device only, until the patch is undone."""
    device = jax.devices()[0]
    patch.setattr(jax, "devices", lambda *_: [device])
    patch.setattr(jax, "local_devices", lambda *_: [device])
    patch.setattr(jax, "device_count", lambda *_: 1)
    patch.setattr(jax, "local_device_count", lambda *_: 1)


def tiny_config(changes=None):
    """Return the configuration of a tiny run, with changes by key, such as {"seed": 1}."""
    config = default_config()
    for key, value in {**TINY, **(changes or {})}.items():
        set_value(config, key, value)
    return config
