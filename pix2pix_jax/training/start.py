"""What a run starts with: its own newest checkpoint, or the networks of another run."""

import dataclasses
import logging
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from pix2pix_jax.core.config_files import differences
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.own_code_files import is_own
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.models.build import Networks
from pix2pix_jax.models.sizes import halvings
from pix2pix_jax.models.unet import UNet
from pix2pix_jax.runs.checkpoint_files import steps_in
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import restore_discriminator, restore_generator
from pix2pix_jax.runs.kept import open_kept
from pix2pix_jax.training.state import TrainState

logger = logging.getLogger(__name__)

# Keys that the shapes of the networks depend on, besides the levels of a U-Net.
_GENERATOR_KEYS = (
    "model.generator",
    "model.base_features",
    "model.norm",
    "model.upsample",
    "model.unet_skips",
    "model.blocks",
    "model.downsamplings",
    "data.source_channels",
    "data.source_classes",
    "data.target_channels",
    "data.condition_names",
    "data.target_scale",
)
_DISCRIMINATOR_KEYS = (
    "model.discriminator",
    "model.discriminator_features",
    "model.discriminator_layers",
    "model.discriminator_scales",
    "model.discriminator_norm",
    "model.conditional",
    "model.spectral_norm",
    "loss.gan",
)
_OWN_KEYS = ("model.", "data.image_size")  # what own networks are built from


def find_start(
    folder: RunFolder, config: ConfigDict, networks: Networks
) -> tuple[int, dict[str, Any] | None]:
    """Find the checkpoint that a run goes on from.

    Args:
        folder: The run's folder.
        config: Its configuration as the user gave it.
        networks: Its networks.

    Returns:
        Step and meta of the newest whole checkpoint; 0 and None for a new run.

    Raises:
        InputError: The folder holds something else or only damaged checkpoints, or the networks do
            not fit those of the checkpoint or of `train.init_from`.
    """
    with Checkpoints(folder.path, read_only=True) as checkpoints:
        step = checkpoints.choose("latest") if checkpoints.steps else None
        meta = None if step is None else checkpoints.restore_meta(step)
    if meta is not None and "imported" in meta:
        raise InputError(
            f"{folder}: holds imported weights, not a run that could go on; choose another "
            f"--workdir, and start from them with --config.train.init_from={folder}"
        )
    if meta is not None:
        refuse_other_networks(folder, config, networks)
    elif config.train.init_from:
        other = RunFolder(config.train.init_from, trust_code=folder.code.trusts)
        check_init_from(other, config, networks)
    return step or 0, meta


_ADAPTIVE_KEYS = ("loss.diffaugment", "loss.diffaugment_target")


def refuse_other_networks(folder: RunFolder, config: ConfigDict, networks: Networks) -> None:
    """Raise InputError if a folder holds a run whose networks have other shapes.

    Args:
        folder: Folder of a run.
        config: The configuration that the run is to go on with, as the user gave it.
        networks: Its networks.
    """
    old = folder.networks
    same = (
        old.generator_shapes == networks.generator_shapes
        and old.discriminator_shapes == networks.discriminator_shapes
        and folder.config.data.target_scale == config.data.target_scale
        and (folder.config.train.ema_decay > 0) == (config.train.ema_decay > 0)
    )
    if not same:
        keys = (*_GENERATOR_KEYS, *_DISCRIMINATOR_KEYS, "train.ema_decay")
        changes = _describe_changes(folder, config, networks, keys)
        raise InputError(
            f"the workdir holds another network: {changes}. Choose another --workdir, or restore "
            "these settings"
        )
    if _adapts(folder.config) != _adapts(config):
        changes = "; ".join(differences(folder.config, config, _ADAPTIVE_KEYS))
        raise InputError(
            f"{changes}: a run cannot begin or end to adapt its share of changes; choose another "
            "--workdir, or restore these settings"
        )


def _adapts(config: ConfigDict) -> bool:
    return bool(config.loss.diffaugment) and config.loss.diffaugment_target > 0


def adopt_levels(folder: RunFolder, config: ConfigDict) -> ConfigDict:
    """Give a U-Net the levels of the one that it starts with: a run at 256 pixels goes on at 512.

    Args:
        folder: The run's own folder, which may hold the run already.
        config: Its configuration, as the user gave it.

    Returns:
        The configuration, or a copy with these levels.

    Raises:
        InputError: `train.init_from` is not a run.
    """
    if not config.train.init_from or config.model.levels or config.model.generator != "unet":
        return config
    if steps_in(folder.checkpoints):
        levels = folder.config.model.levels
    else:
        other = RunFolder(config.train.init_from, trust_code=folder.code.trusts)
        size, theirs = config.data.image_size, other.networks.generator
        possible = halvings((size[0], size[-1]))
        levels = theirs.levels if isinstance(theirs, UNet) else 0
        if levels == possible or not 2 <= levels <= possible:
            return config
        logger.info("model.levels=%d: as in %s", levels, other)
    changed = config.copy_and_resolve_references()
    changed.model.levels = levels
    return changed


def check_init_from(folder: RunFolder, config: ConfigDict, networks: Networks) -> None:
    """Raise InputError if `train.init_from` is not a run, or its generator has other shapes.

    Args:
        folder: That folder.
        config: The configuration of the new run, as the user gave it.
        networks: Its networks.
    """
    if folder.networks.generator_shapes != networks.generator_shapes:
        changes = _describe_changes(folder, config, networks, _GENERATOR_KEYS)
        raise InputError(
            f"train.init_from={shown(str(folder))}: holds another generator: {changes}. Set these "
            "as there, or choose another folder"
        )
    with open_kept(folder) as kept:
        kept.choose("best", ["generator"])


def _describe_changes(
    folder: RunFolder, config: ConfigDict, networks: Networks, keys: tuple[str, ...]
) -> str:
    """Say why the networks of a run and those of a config have other shapes."""
    if is_own(config.model.generator) or is_own(config.model.discriminator):
        keys = (*keys, *_OWN_KEYS)
    changes = differences(folder.config, config, keys)
    old, new = (
        each.generator.levels if isinstance(each.generator, UNet) else None
        for each in (folder.networks, networks)
    )
    if old != new and None not in (old, new):
        reason = "" if config.model.levels else ", which follow from data.image_size"
        changes.append(f"model.levels: {old} -> {new}{reason}")
    return "; ".join(changes) or "the own code has changed"


def with_networks_of(state: TrainState, folder: RunFolder, networks: Networks) -> TrainState:
    """Replace the networks of a fresh state by those of another run.

    Args:
        state: State of step 0.
        folder: The other run, checked by `check_init_from`.
        networks: The networks of the state.

    Returns:
        The state with the generator of the other run's best checkpoint, and with its discriminator
        if it has the same shapes. Optimisers, step and random key stay fresh.
    """
    theirs = folder.networks
    with open_kept(folder) as kept:
        with_ema = folder.settings.train.ema_decay > 0
        step, generator = kept.use(
            "best", lambda step: restore_generator(kept, step, theirs, with_ema=with_ema)
        )
        discriminator, shapes = None, networks.discriminator_shapes
        same = shapes is not None and shapes == theirs.discriminator_shapes
        if same and isinstance(kept, Checkpoints):  # a bundle has none
            discriminator = restore_discriminator(kept, step, theirs)
    which = "generator" if discriminator is None else "generator and discriminator"
    logger.info("starts with the %s of step %d in %s", which, step, folder)
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


def resume_timeline(
    timeline: Timeline,
    meta: dict[str, Any],
    step: int,
    fixed: dict[str, Any],
    pair_names: str,
    *,
    allow_change: bool,
) -> Timeline:
    """Go on with the timeline of a checkpoint, or start a new one there if changes are allowed.

    Args:
        timeline: The timeline of a new run with this config.
        meta: Meta of the checkpoint.
        step: Step of the checkpoint.
        fixed: Other values that must not change, by their names in `meta`.
        pair_names: Digest of the names of the training pairs.
        allow_change: Whether the timeline and these values may differ from those of the checkpoint.

    Returns:
        The timeline to go on with.

    Raises:
        InputError: Something differs that may not; the message says what.
    """
    names = {
        "global_batch": "the global batch (train.batch_size * devices, or train.global_batch_size)",
        "seed": "seed",
        "pairs": "the number of training pairs",
    }
    changed = [
        f"{name}: {meta[key]} -> {getattr(timeline, key)}"
        for key, name in names.items()
        if meta[key] != getattr(timeline, key)
    ]
    changed += [
        f"{name}: {meta[name]} -> {value}"
        for name, value in fixed.items()
        if meta.get(name, value) != value
    ]
    if meta["pairs"] == timeline.pairs and meta.get("names", pair_names) != pair_names:
        changed.append("the training pairs: as many as before, but with other names")
    if changed and not allow_change:
        raise InputError(
            f"this run was started with other settings: {'; '.join(changed)}. "
            "Restore them, choose another --workdir, or go on with --allow_change"
        )
    old = Timeline.from_meta(meta)
    assert old is not None  # imported weights were refused before
    new = dataclasses.replace(timeline, first_step=step, first_epoch=old.epoch(step))
    return new if changed else old


def refuse_going_back(
    folder: RunFolder, config: ConfigDict, timeline: Timeline, step: int, stop: int
) -> None:
    """Raise InputError if a run has gone beyond the end of its config.

    Args:
        folder: The run's folder.
        config: A resolved configuration.
        timeline: Order of its training pairs.
        step: Number of steps taken.
        stop: Step at which the config ends.
    """
    if step <= stop:
        return
    key = "steps" if config.train.steps else "epochs"
    done = step if config.train.steps else timeline.epochs_done(step)
    raise InputError(
        f"train.{key}={config.train[key]}: the run in {folder} has done {done} {key} already; set "
        f"train.{key} to at least that, or choose another --workdir"
    )
