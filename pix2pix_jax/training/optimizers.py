"""Optimisers and learning-rate schedules."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PyTree
from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode, is_own
from pix2pix_jax.core.own_code_trace import trace_number
from pix2pix_jax.data.order import Timeline

Schedule = Callable[[Any], Any]


def linear_factor(epoch: Any, epochs: int, decay_epochs: int) -> Any:
    """Constant, then linear towards zero, changed at the end of each epoch as the reference does.

    In epoch e, counted from 1, the factor is 1 - max(0, e - constant) / (decay + 1) with
    constant = epochs - decay: the last epoch still has 1 / (decay + 1) of the rate.

    Args:
        epoch: Epoch, from 0.
        epochs: Length of the run.
        decay_epochs: Number of epochs at its end in which the rate falls; 0 for none; at most
            `epochs` of them count.

    Returns:
        Factor of the rate, in (0, 1].
    """
    decay = min(decay_epochs, epochs)
    past = epoch + 1 - (epochs - decay)
    return 1 - jnp.clip(past, 0, decay) / (decay + 1)


def cosine_factor(epoch: Any, epochs: int, decay_epochs: int) -> Any:
    """Half a cosine from 1 towards 0 over all epochs (Loshchilov & Hutter, 2017, eq. 5)."""
    return 0.5 * (1 + jnp.cos(math.pi * jnp.float32(epoch) / epochs))


def step_factor(epoch: Any, epochs: int, decay_epochs: int) -> Any:
    """The rate falls to a tenth after every `decay_epochs` epochs; with 0, it never falls."""
    return 0.1 ** jnp.float32(epoch // decay_epochs) if decay_epochs else jnp.float32(1)


def constant_factor(epoch: Any, epochs: int, decay_epochs: int) -> Any:
    """Always 1."""
    return jnp.float32(1)


SCHEDULES = {
    "constant": constant_factor,
    "cosine": cosine_factor,
    "linear": linear_factor,
    "plateau": constant_factor,  # its drops depend on scores, see `watching`
    "step": step_factor,
}


def build_schedule(
    name: str,
    learning_rate: float,
    epoch_of: Callable[[Any], Any],
    epochs: int,
    decay_epochs: int,
    *,
    warmup_steps: int = 0,
    code: OwnCode = NO_OWN_CODE,
) -> Schedule:
    """Build a schedule. After the warm-up, all schedules change between epochs only.

    Args:
        name: One of `SCHEDULES`, or a reference to an own function like them.
        learning_rate: Rate at the start.
        epoch_of: Maps a step to its epoch, from 0.
        epochs: Length of the run.
        decay_epochs: Means something else to each schedule.
        warmup_steps: First steps of the run, over which the rate rises linearly from nearly 0.
        code: What may run of own code.

    Returns:
        A function from step to rate.

    Raises:
        InputError: The name is unknown, or own code does not return one number.
    """
    if is_own(name):
        factor = _own_factor(name, epochs, decay_epochs, code)
    elif name in SCHEDULES:
        factor = SCHEDULES[name]
    else:
        raise InputError(f"lr.schedule={name!r}: choose from {', '.join(sorted(SCHEDULES))}")

    def rate(step: Any) -> Any:
        return learning_rate * factor(epoch_of(step), epochs, decay_epochs)

    if not warmup_steps:
        return rate
    return lambda step: rate(step) * jnp.minimum((jnp.float32(step) + 1) / warmup_steps, 1)


def build_schedules(
    config: ConfigDict, timeline: Timeline, epochs: int, code: OwnCode
) -> tuple[Schedule, Schedule]:
    """Build the schedules of generator and discriminator, which differ in their rates only.

    Args:
        config: A resolved configuration.
        timeline: Maps steps to epochs.
        epochs: Length of the run.
        code: What may run of own code.

    Raises:
        InputError: See `build_schedule`.
    """
    g_schedule, d_schedule = (
        build_schedule(
            config.lr.schedule,
            rate,
            timeline.epoch,
            epochs,
            config.lr.decay_epochs,
            warmup_steps=config.lr.warmup_steps,
            code=code,
        )
        for rate in (
            config.optimizer.learning_rate,
            config.optimizer.discriminator_learning_rate,
        )
    )
    return g_schedule, d_schedule


def _own_factor(
    reference: str, epochs: int, decay_epochs: int, code: OwnCode
) -> Callable[[Any, int, int], Any]:
    """Load an own schedule, and check what it returns."""
    key, names = "lr.schedule", ("epoch", "epochs", "decay_epochs")
    factor = code.function(reference, key, *names)
    call = f"{reference.rpartition(':')[2]}({', '.join(names)})"
    epoch = jax.ShapeDtypeStruct((), jnp.int32)
    trace_number(code, key, reference, call, lambda at: factor(at, epochs, decay_epochs), epoch)
    return factor


def scale_by_adam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """Build Adam's direction (Kingma & Ba, 2015), its mean of gradients as m + (1 - b1) (g - m).

    This is `optax.scale_by_adam`, with the same state, in the form of PyTorch's `lerp`. In optax's
    form, b1 m + (1 - b1) g, XLA's CPU backend computes the mean twice at b1 = 0.5, after a copy of
    the old one.

    Args:
        b1: Decay of the mean of gradients.
        b2: Decay of the mean of squared gradients.
        eps: Added to the root of the latter.

    Returns:
        The transformation.
    """

    def update(grads: Any, state: Any, params: Any = None) -> Any:
        mu = jax.tree.map(lambda m, g: m + (1 - b1) * (g - m), state.mu, grads)
        nu = jax.tree.map(lambda v, g: (1 - b2) * g * g + b2 * v, state.nu, grads)
        count = optax.safe_increment(state.count)
        taken = count.astype(jnp.float32)

        def direction(m: jax.Array, v: jax.Array) -> jax.Array:
            return (m / (1 - b1**taken)) / (jnp.sqrt(v / (1 - b2**taken)) + eps)

        state = optax.ScaleByAdamState(count=count, mu=mu, nu=nu)
        return jax.tree.map(direction, mu, nu), state

    return optax.GradientTransformation(optax.scale_by_adam(b1, b2, eps).init, update)


def build_optimizer(
    schedule: Schedule, b1: float, b2: float, clip_norm: float = 0.0
) -> optax.GradientTransformation:
    """Build Adam (Kingma & Ba, 2015) with the reference's epsilon of 1e-8.

    Args:
        schedule: From step to learning rate.
        b1: Decay of the mean of gradients; 0.5 in the paper.
        b2: Decay of the mean of squared gradients.
        clip_norm: Largest norm of a network's whole gradient; 0 for no clipping.

    Returns:
        The optimiser.
    """
    adam = optax.chain(scale_by_adam(b1, b2, 1e-8), optax.scale_by_learning_rate(schedule))
    if not clip_norm:
        return adam
    clip = optax.clip_by_global_norm(clip_norm)

    def update(grads: Any, state: Any, params: Any = None) -> Any:
        clipped, _ = clip.update(grads, optax.EmptyState())
        return adam.update(clipped, state, params)

    # Not a chain, whose state would have another form: a run may begin to clip when it goes on.
    return optax.GradientTransformation(adam.init, update)


def move_average(average: PyTree, new: PyTree, decay: float, step: Int[Array, ""]) -> PyTree:
    """Move an exponential moving average towards new values.

    The decay is (1 + step) / (10 + step) until that has grown to the wanted one. Otherwise a short
    run would be sampled with what is left of its initial values.

    Args:
        average: The average so far.
        new: The new values.
        decay: Share of the average that is kept, in [0, 1).
        step: Number of steps taken before this one.

    Returns:
        The average.
    """
    return optax.incremental_update(new, average, jnp.maximum(1 - decay, 9 / (10 + step)))
