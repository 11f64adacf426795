"""Runs of a second for the tests of what looks at runs."""

import functools
import pathlib
import shutil
import tempfile

import jax
import numpy as np
import orbax.checkpoint as ocp
from support import tiny

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.training.state import TrainState

# Three steps of eight pairs: these tests see eight devices.
TINY = tiny.TINY | {"data.synthetic_pairs": (24, 3, 5), "eval.batch_size": 8}
_TRAINED = tempfile.TemporaryDirectory(prefix="tiny_runs_")


def final_state(workdir):
    """Restore a run's newest state as arrays of the host, in the form in which it is stored."""
    with Checkpoints(workdir, read_only=True) as checkpoints:
        folder = RunFolder(workdir).checkpoints.absolute() / str(checkpoints.latest)
    items = ("generator", "discriminator", "training")
    stored = {item: ocp.StandardCheckpointer().restore(folder / item) for item in items}
    state = TrainState.from_items(stored)
    return jax.tree.map(np.asarray, state.replace(rng=jax.random.key_data(state.rng)))


def assert_bit_equal(ours, theirs):
    """Compare two states to the last bit."""
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


def assert_same_but_for_sums(ours, theirs):
    """Compare the generators of two states whose gradients were summed in another order."""
    leaves = (jax.tree.leaves((each.g_params, each.g_ema)) for each in (ours, theirs))
    for a, b in zip(*leaves, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def tiny_run(folder, **changes):
    """Put a run of two epochs of three steps on drawn pairs, with two checkpoints, into a folder.

    `data__image_size=16` changes the key data.image_size. Each kind is trained once and copied.
    """
    return shutil.copytree(_train(**changes), folder, copy_function=shutil.copy2)


@functools.cache
def _train(**changes):
    config = tiny.tiny_config(TINY | {key.replace("__", "."): v for key, v in changes.items()})
    folder = pathlib.Path(tempfile.mkdtemp(dir=_TRAINED.name))
    train_and_evaluate(config, folder)
    return folder
