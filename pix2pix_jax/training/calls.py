"""Many steps in one call of a compiled program: the host speaks to the device once for all of them.

A call's arguments are a dict: `source` and `target`, the pairs that it draws from, as stored;
`indices`, the pairs of each step it may take; `span`, which of these steps it takes; `example`, as
for a single step.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import lax
from jaxtyping import Array, Float

from pix2pix_jax.training.objectives import Metrics
from pix2pix_jax.training.state import TrainState
from pix2pix_jax.training.step import Batch, TrainStep


class CallMetrics(struct.PyTreeNode):
    """The losses of a call in one array, so that the host fetches once.

    Attributes:
        values: float32: the mean of each loss over the call's steps; then the place in the call of
            the first step with a loss that is not finite, -1 if there is none.
        names: Names of the losses.
    """

    values: Any
    names: tuple[str, ...] = struct.field(pytree_node=False)


# What a call looks like from outside: `(state, arguments) -> (state, metrics)`.
CallStep = Any


def make_single_call(train_step: TrainStep) -> CallStep:
    """Make a call of a single step, whose arguments are a batch."""

    def call(state: TrainState, batch: Batch) -> tuple[TrainState, CallMetrics]:
        state, metrics = train_step(state, batch)
        values, first_bad = _stack(metrics), jnp.float32(-1)
        return state, _pack(metrics, values, _note_bad(first_bad, values, jnp.float32(0)))

    return call


def make_looped_call(train_step: TrainStep) -> CallStep:
    """Make a call of any number of steps.

    The number is an argument: one executable serves all. XLA's CPU backend runs convolutions in
    loops some 50 times slower; there this is for tests.

    Args:
        train_step: As from `make_train_step`.

    Returns:
        `(state, arguments) -> (state, metrics)`; of the arguments `indices` is int32 of (steps,
        examples of this device), `span` is the first row taken and how many.
    """

    def call(state: TrainState, arguments: Batch) -> tuple[TrainState, CallMetrics]:
        pairs = {name: arguments[name] for name in ("source", "target")}

        def take(number: Array) -> Batch:
            rows = lax.dynamic_index_in_dim(arguments["indices"], number, keepdims=False)
            chosen = {
                name: jnp.take(side, rows, axis=0, mode="clip") for name, side in pairs.items()
            }
            return {**chosen, "example": arguments["example"]}

        first, count = arguments["span"]
        names = jax.eval_shape(train_step, state, take(first))[1]

        def body(place: Array, carry: tuple[TrainState, Array, Array]) -> Any:
            state, total, first_bad = carry
            state, metrics = train_step(state, take(first + place))
            values = _stack(metrics)
            return state, total + values, _note_bad(first_bad, values, place.astype(jnp.float32))

        start = (state, jnp.zeros(len(names), jnp.float32), jnp.float32(-1))
        state, total, first_bad = lax.fori_loop(0, count, body, start)
        return state, _pack(names, total / count, first_bad)

    return call


def _stack(metrics: Metrics) -> Float[Array, " losses"]:
    return jnp.stack([metrics[name].astype(jnp.float32) for name in sorted(metrics)])


def _note_bad(first_bad: Array, values: Array, place: Array) -> Float[Array, ""]:
    """Return the place of the first step with a loss that is not finite."""
    is_first = (first_bad < 0) & ~jnp.isfinite(values).all()
    return jnp.where(is_first, place, first_bad)


def _pack(names: Any, values: Array, first_bad: Array) -> CallMetrics:
    return CallMetrics(jnp.append(values, first_bad), tuple(sorted(names)))
