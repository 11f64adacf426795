"""The run that a config would make on a target, as shapes."""

import dataclasses
import math
from functools import partial
from typing import Any

import jax
from ml_collections import ConfigDict

from compiling.shapes import StoredPairs, stored_pairs
from compiling.targets import Target
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import OwnCode, own_keys
from pix2pix_jax.data.augment import build_augment
from pix2pix_jax.data.configured_format import format_of
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.data.resident import Storage, choose_storage, pairs_of_each
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.training.combinations import choose_global_batch, refuse_impossible
from pix2pix_jax.training.feeding import STEPS_PER_CALL
from pix2pix_jax.training.objectives import build_losses
from pix2pix_jax.training.optimizers import build_schedules
from pix2pix_jax.training.run import build_parts, create_state
from pix2pix_jax.training.state import TrainState
from pix2pix_jax.training.step import make_step
from pix2pix_jax.training.step_parts import TrainStep


@dataclasses.dataclass(frozen=True)
class Planned:
    """A run on a target, as shapes.

    Attributes:
        config: Resolved configuration.
        target: The device.
        devices: Number of devices.
        pairs: Its training pairs.
        timeline: Order of the pairs.
        step: The step on `devices` devices.
        lone_step: The step on one device, for counting its arithmetic.
        state: Its abstract state.
    """

    config: ConfigDict
    target: Target
    devices: int
    pairs: StoredPairs
    timeline: Timeline
    step: TrainStep
    lone_step: TrainStep
    state: TrainState

    @property
    def device_batch(self) -> int:
        """Pairs of a step on each device."""
        return self.timeline.global_batch // self.devices

    @property
    def steps_per_call(self) -> int:
        """Steps of a call."""
        steps: int = self.config.train.steps_per_call or STEPS_PER_CALL
        return steps

    @property
    def resident_bytes(self) -> int:
        """What all training pairs would take on a device."""
        return self.pairs.count * self.pairs.bytes_of_pair

    @property
    def storage(self) -> Storage | None:
        """How the pairs would be kept on the devices; None: those of a call are copied there."""
        data, pairs = self.config.data, self.pairs
        room = data.device_share * self.target.usable_bytes
        size = float(self.resident_bytes) if pairs.one_size else math.inf
        fits = lambda size: size <= room  # noqa: E731
        return choose_storage(data.resident, size, pairs.count, self.devices, fits)[0]

    @property
    def pairs_on_device(self) -> int:
        """Number of pairs that a device holds during a call."""
        return {
            "copy": self.pairs.count,
            "spread": pairs_of_each(self.pairs.count, self.devices),
            None: self.steps_per_call * self.device_batch,
        }[self.storage]


def plan(config: ConfigDict, target: Target, devices: int, count: int | None) -> Planned:
    """Build a run's step and its shapes.

    Args:
        config: A resolved configuration.
        target: The device.
        devices: Number of devices.
        count: Number of training pairs; None: see `shapes.stored_pairs`.

    Raises:
        InputError: The settings do not go together.
    """
    if config.data.condition and not config.data.condition_names:
        raise InputError(
            "data.condition_names=(): no table is read here; name the columns of data.condition, "
            "or give a run's config.json, which has them"
        )
    code = OwnCode(given=own_keys(config))
    form = format_of(config)
    losses = build_losses(**config.loss, code=code)
    augment = build_augment(config.augment, form, config.data.image_size, code=code)
    adversarial = config.loss.gan != "none"
    networks = build_networks(config.model, config.data, adversarial=adversarial, code=code)
    global_batch = choose_global_batch(config.train, devices)
    refuse_impossible(config, global_batch // devices)
    pairs = stored_pairs(config, form, code, count)
    timeline = Timeline(pairs.count, global_batch, config.seed)
    schedules = build_schedules(config, timeline, config.train.epochs, code)
    parts, lone = (
        build_parts(config, augment, losses, networks, schedules, code, number)
        for number in (devices, 1)
    )
    accumulate = config.train.accumulate
    return Planned(
        config=config,
        target=target,
        devices=devices,
        pairs=pairs,
        timeline=timeline,
        step=make_step(parts, accumulate=accumulate),
        lone_step=make_step(lone, accumulate=accumulate),
        state=jax.eval_shape(partial(create_state, config, networks, parts)),
    )


def describe(planned: Planned) -> dict[str, Any]:
    """Return what was asked for, and the bytes of its arguments on a device."""
    config, pairs = planned.config, planned.pairs
    return {
        "image_size": config.data.image_size,
        "device_batch": planned.device_batch,
        "dtype": config.model.dtype,
        "deterministic": config.train.deterministic,
        "devices": planned.devices,
        "steps_per_call": planned.steps_per_call,
        "pairs": pairs.count,
        "pairs_known": pairs.known,
        "path": {"copy": "resident", "spread": "spread", None: "streamed"}[planned.storage],
        "pairs_on_device": planned.pairs_on_device,
        "pairs_bytes": planned.pairs_on_device * pairs.bytes_of_pair,
        "resident_bytes": planned.resident_bytes,
        "state_bytes": sum(
            math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(planned.state)
        ),
    }
