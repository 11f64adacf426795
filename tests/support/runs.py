"""Runs of a second for the tests of what looks at runs."""

import functools
import pathlib
import shutil
import tempfile

import jax
import numpy as np

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import set_value
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.training.run import prepare_run

TINY = {
    "compilation_cache": str(pathlib.Path(tempfile.gettempdir(), "pix2pix_jax_test_cache")),
    "data.image_size": 32,
    "data.synthetic_pairs": (24, 3, 5),  # three steps of eight: the tests see eight devices
    "data.workers": 2,
    "model.base_features": 4,
    "model.levels": 2,
    "model.discriminator_layers": 1,
    "train.epochs": 2,
    "lr.decay_epochs": 1,
    "checkpoint.every_epochs": 1,
    "log.grid_images": 2,
    "log.tensorboard": False,
    "log.report": False,
}
_TRAINED = tempfile.TemporaryDirectory(prefix="tiny_runs_")


def final_state(config, workdir):
    """Restore a run's newest state, as arrays of the host."""
    abstract = jax.eval_shape(prepare_run(config, workdir).create_state)
    with Checkpoints(workdir, read_only=True) as checkpoints:
        state = checkpoints.restore(checkpoints.latest, abstract)
    return jax.tree.map(np.asarray, state.replace(rng=jax.random.key_data(state.rng)))


def assert_bit_equal(ours, theirs):
    """Compare two states to the last bit."""
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


def tiny_run(folder, **changes):
    """Put a run of two epochs of three steps on drawn pairs, with two checkpoints, into a folder.

    `data__image_size=16` changes the key data.image_size. Each kind is trained once and copied.
    """
    return shutil.copytree(_train(**changes), folder, copy_function=shutil.copy2)


@functools.cache
def _train(**changes):
    config = default_config()
    for key, value in {**TINY, **{k.replace("__", "."): v for k, v in changes.items()}}.items():
        set_value(config, key, value)
    folder = pathlib.Path(tempfile.mkdtemp(dir=_TRAINED.name))
    train_and_evaluate(config, folder)
    return folder
