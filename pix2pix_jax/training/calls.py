"""Calls of the compiled step: one step, or many in a loop on the device.

A single step is called with a batch. A call of many steps takes a dict of `source` and `target`,
the pairs that it draws from, as stored, and `condition` if they have one; `indices`, the pairs of
each step that it may take; `span`, which of these steps it takes; and `example`, as in a batch.

A loop has one of two forms. On a GPU, a loop whose length only the device knows makes the host wait
after every step, to learn whether there is another one. There, the length is part of the program.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import lax
from jaxtyping import Array, Float

from pix2pix_jax.core.devices import DEVICES
from pix2pix_jax.data.resident import Shape, Storage, take, take_spread
from pix2pix_jax.training.objectives import Metrics
from pix2pix_jax.training.state import TrainState
from pix2pix_jax.training.step_parts import Batch, TrainStep

_SIDES = ("source", "target", "condition")


class CallMetrics(struct.PyTreeNode):
    """The losses of a call in one array, so that the host fetches once.

    Attributes:
        values: float32: the mean of each loss over the call's steps; and last, the place in the
            call of the first step with a loss that is not finite, or -1.
        names: Names of the losses.
    """

    values: Any
    names: tuple[str, ...] = struct.field(pytree_node=False)

    def fetch(self) -> tuple[dict[str, float], int | None]:
        """Wait for the call, and copy its losses to the host.

        Returns:
            The mean of each loss over the call's steps; and the place in the call of the first step
            with a loss that is not finite, or None.
        """
        *values, first_bad = jax.device_get(self.values).tolist()
        losses = dict(zip(self.names, values, strict=True))
        return losses, int(first_bad) if first_bad >= 0 else None


CallStep = Callable[[TrainState, Batch], tuple[TrainState, CallMetrics]]


def make_single_call(train_step: TrainStep) -> CallStep:
    """Make a call of a single step; its arguments are a batch."""

    def call(state: TrainState, batch: Batch) -> tuple[TrainState, CallMetrics]:
        state, metrics = train_step(state, batch)
        values, first_bad = _stack(metrics), jnp.float32(-1)
        return state, _pack(metrics, values, _note_bad(first_bad, values, jnp.float32(0)))

    return call


def make_looped_call(
    train_step: TrainStep,
    *,
    steps: int | None = None,
    shapes: Mapping[str, Shape] | None = None,
    spread_over: str | None = None,
) -> CallStep:
    """Make a call of many steps.

    On the CPU this is for tests only: XLA's backend runs convolutions about 50 times slower inside
    a loop.

    Args:
        train_step: As from `make_step`.
        steps: Number of steps of every call. None: `span` says how many, so that one executable
            serves all.
        shapes: Shape of a source, of a target and of what is beside them, by their names, if they
            are stored flat.
        spread_over: Mapped axis of the devices over which the pairs are spread; None: this device
            has all that it takes.

    Returns:
        `(state, arguments) -> (state, metrics)`. `indices` is int32 of shape (steps, examples of
        this device); `span` is the first row to take, and the number of rows.
    """

    def call(state: TrainState, arguments: Batch) -> tuple[TrainState, CallMetrics]:
        sides = {name: arguments[name] for name in _SIDES if name in arguments}
        form = [shapes[name] if shapes else sides[name].shape[1:] for name in sides]

        def batch_of(number: Array) -> Batch:
            rows = lax.dynamic_index_in_dim(arguments["indices"], number, keepdims=False)
            if spread_over is None:
                taken = [
                    take(side, rows, shape)
                    for side, shape in zip(sides.values(), form, strict=True)
                ]
            else:
                taken = take_spread([*sides.values()], rows, form, spread_over)
            return {**dict(zip(sides, taken, strict=True)), "example": arguments["example"]}

        first, count = arguments["span"]
        names = jax.eval_shape(train_step, state, batch_of(first))[1]  # known before the loop

        def body(place: Array, carry: tuple[TrainState, Array, Array]) -> Any:
            state, total, first_bad = carry
            state, metrics = train_step(state, batch_of(first + place))
            values = _stack(metrics)
            return state, total + values, _note_bad(first_bad, values, place.astype(jnp.float32))

        start = (state, jnp.zeros(len(names), jnp.float32), jnp.float32(-1))
        length = count if steps is None else steps
        state, total, first_bad = lax.fori_loop(0, length, body, start)
        return state, _pack(names, total / count.astype(jnp.float32), first_bad)

    return call


def argument_axes(storage: Storage | None, beside: Collection[str] = ()) -> dict[str, int | None]:
    """Return the axis of the devices in each argument of a call of many steps.

    Args:
        storage: How the pairs are kept on the devices; None: those of a call are copied there.
        beside: Names of what the pairs have, at least of what is beside their images.
    """
    of_pairs = dict.fromkeys(("source", "target", *beside), None if storage == "copy" else 0)
    return {**of_pairs, "indices": 0, "example": 0, "span": None}


def _stack(metrics: Metrics) -> Float[Array, " losses"]:
    return jnp.stack([metrics[name].astype(jnp.float32) for name in sorted(metrics)])


def _note_bad(first_bad: Array, values: Array, place: Array) -> Float[Array, ""]:
    """Return the place of the first step with a loss that is not finite."""
    is_first = (first_bad < 0) & ~jnp.isfinite(values).all()
    return jnp.where(is_first, place, first_bad)


def _pack(names: Any, values: Array, first_bad: Array) -> CallMetrics:
    return CallMetrics(jnp.append(values, first_bad), tuple(sorted(names)))


def compile_train_step(
    train_step: Callable[..., Any], devices: Sequence[jax.Device], batch_axes: Any = 0
) -> Any:
    """Compile a step for one or several devices. The new state takes over the old one's buffers.

    Args:
        train_step: As from `make_step` or a `make_*_call`; made with `axis_name=DEVICES` if there
            are several devices.
        devices: This process's devices.
        batch_axes: Axis of the devices in the arrays of a batch, as `in_axes` of `jax.pmap`.

    Returns:
        The step, compiled at its first call or by `.lower(...).compile()`. On several devices it
        takes batches of shape (devices, examples per device, ...) and one logical state, of which
        each device holds a copy. A state from `devices.hold` is used as it is; any other costs
        another compilation.
    """
    if len(devices) == 1 and jax.process_count() == 1:
        return jax.jit(train_step, donate_argnums=0)
    return jax.pmap(
        train_step,
        axis_name=DEVICES,
        in_axes=(None, batch_axes),
        out_axes=(None, None),
        donate_argnums=0,
        devices=None if jax.process_count() > 1 else devices,
    )
