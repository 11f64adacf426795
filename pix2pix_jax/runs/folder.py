"""A run's folder: what may go on in it, and the record of what was started there."""

import dataclasses
import datetime
import json
import pathlib
from typing import Any

from ml_collections import ConfigDict

from pix2pix_jax.core import config as config_lib
from pix2pix_jax.core import config_files, devices
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import write_json
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.training.state import abstract_variables

CONFIG_FILE = "config.json"


def network_shapes(config: ConfigDict) -> dict[str, Any]:
    """Return the shapes of all that a checkpoint holds of the networks."""
    size = config_lib.pair_of(config.data.image_size)
    source = (1, *size, config_lib.source_depth(config))
    target = (1, *size, config.data.target_channels)
    generator, discriminator = build_networks(config)
    return {
        "generator": abstract_variables(generator, source),
        "discriminator": discriminator and abstract_variables(discriminator, source, target),
        "ema": config.train.ema_decay > 0,
    }


def network_keys() -> tuple[str, ...]:
    """Return the config keys that decide the shapes of the networks."""
    sizes = ("data.image_size", "data.source_channels", "data.source_classes")
    return ("model.", *sizes, "data.target_channels", "loss.gan", "train.ema_decay")


def refuse_other_network(old: ConfigDict, new: ConfigDict) -> None:
    """Raise InputError where two configs mean networks of different shapes, naming the keys."""
    if network_shapes(old) == network_shapes(new):
        return
    raise InputError(
        "the workdir holds another network: "
        + "; ".join(config_files.differences(old, new, network_keys()))
        + ". Choose another --workdir, or the same network"
    )


def resume_timeline(
    timeline: Timeline, meta: dict[str, Any], step: int, data: dict[str, Any], allow_change: bool
) -> Timeline:
    """Go on with the timeline of a checkpoint, or start a new one there if changes are allowed.

    Args:
        timeline: As the config would have it for a new run.
        meta: As saved with the checkpoint.
        step: Step of the checkpoint.
        data: What else must not change, by name; `meta` has the same names.
        allow_change: Whether the timelines may differ.

    Returns:
        The timeline to go on with.

    Raises:
        InputError: They differ and may not; the message names what changed.
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
        f"{name}: {meta[name]} -> {value}" for name, value in data.items() if meta[name] != value
    ]
    if changed and not allow_change:
        raise InputError(
            f"the workdir's run was made otherwise: {'; '.join(changed)}. "
            "Restore that, choose another --workdir, or go on with --allow-change"
        )
    old = Timeline(**{field.name: meta[field.name] for field in dataclasses.fields(Timeline)})
    if not changed:
        return old
    return dataclasses.replace(timeline, first_step=step, first_epoch=old.epoch(step))


def record_start(
    workdir: pathlib.Path, config: ConfigDict, *, first_step: int, command: str
) -> None:
    """Write a run's config, and add this start's command, versions and hardware to `run.json`.

    Args:
        workdir: The run's folder, made where missing.
        config: The whole configuration.
        first_step: Step that the run starts or goes on from.
        command: Command line.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    path = workdir / "run.json"
    try:
        starts = json.loads(path.read_text())["starts"] if path.exists() else []
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: not the record of a run; move it away to go on") from None
    changed = []
    if (workdir / CONFIG_FILE).exists():
        old = config_files.load_json(workdir / CONFIG_FILE)
        changed = config_files.differences(old, config, config_lib.flatten(config))
    if changed:
        print(f"{workdir}: changed since the last start: {'; '.join(changed)}")
    config_files.save_json(config, workdir / CONFIG_FILE)
    starts.append(
        {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "first_step": first_step,
            "command": command,
            "changed": changed,
            "versions": devices.describe_versions(),
            "hardware": devices.describe_hardware(),
        }
    )
    write_json(path, {"starts": starts})
