"""Start a run with the networks of another one (`train.init_from`)."""

import pathlib

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from pix2pix_jax.core import config_files
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import CONFIG_FILE, network_keys, network_shapes
from pix2pix_jax.training.state import TrainState


def check_init_from(config: ConfigDict) -> None:
    """Raise InputError where `train.init_from` is no run, or its generator is another one."""
    folder = pathlib.Path(config.train.init_from)
    old = config_files.load_json(folder / CONFIG_FILE)
    if network_shapes(old)["generator"] != network_shapes(config)["generator"]:
        changes = "; ".join(config_files.differences(old, config, network_keys()))
        raise InputError(f"train.init_from={str(folder)!r}: holds another generator: {changes}")
    with Checkpoints(folder, read_only=True) as checkpoints:
        checkpoints.choose("best")


def with_networks_of(state: TrainState, config: ConfigDict) -> TrainState:
    """Replace a fresh state's networks by those of the run in `train.init_from`.

    Args:
        state: State of step 0.
        config: Configuration of the new run, checked by `check_init_from`.

    Returns:
        The state with the generator of the old run's best checkpoint, and with its discriminator
        where it is of the same shape; optimisers, step and seed stay fresh.
    """
    folder = pathlib.Path(config.train.init_from)
    old = config_files.load_json(folder / CONFIG_FILE)
    ours, theirs = network_shapes(config), network_shapes(old)
    with Checkpoints(folder, read_only=True) as checkpoints:
        step = checkpoints.choose("best")
        generator = checkpoints.restore_generator(
            step, *theirs["generator"], with_ema=theirs["ema"]
        )
        discriminator = None
        if ours["discriminator"] and ours["discriminator"] == theirs["discriminator"]:
            discriminator = checkpoints.restore_discriminator(step, *theirs["discriminator"])
    print(
        f"starts with the generator {'and discriminator ' if discriminator else ''}of step {step} "
        f"in {folder}"
    )
    params = generator["params"]
    state = state.replace(
        g_params=params,
        g_batch_stats=generator["batch_stats"],
        g_ema=jax.tree.map(jnp.copy, params) if state.g_ema else {},
    )
    if discriminator is None:
        return state
    return state.replace(
        d_params=discriminator["params"], d_batch_stats=discriminator["batch_stats"]
    )
