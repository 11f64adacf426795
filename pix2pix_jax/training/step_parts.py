"""What all forms of the training step are made of, and share."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import optax
from jax import lax
from jaxtyping import Array, Int, Key, PyTree

from pix2pix_jax.core.exactness import USUAL, Exactness
from pix2pix_jax.data.augment import Augment, Examples
from pix2pix_jax.training.objectives import Losses, Metrics
from pix2pix_jax.training.optimizers import move_average
from pix2pix_jax.training.state import TrainState

Batch = dict[str, Any]
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


@dataclasses.dataclass(frozen=True)
class StepParts:
    """What a step is made of.

    Attributes:
        generator: Called as `(source, train=, dropout_keys=)`, with `condition=` if there are
            numbers beside the images.
        discriminator: Called as `(source, image, train=)`, with `condition=` as well; returns a
            tuple of scales. None for regression alone.
        g_tx: Optimiser of the generator.
        d_tx: Optimiser of the discriminator.
        losses: What the networks minimise.
        augment: Maps `(keys, source, target)`, stored pixels, to what the networks see.
        ema_decay: Decay of the generator's moving average, see `move_average`; 0 for no average.
        axis_name: Mapped axis of the devices over which gradients are averaged; None on one device.
            The networks must have been built with the same name.
        exactness: How exactly the step computes.
    """

    generator: nn.Module
    discriminator: nn.Module | None
    g_tx: optax.GradientTransformation
    d_tx: optax.GradientTransformation
    losses: Losses
    augment: Augment
    ema_decay: float = 0.0
    axis_name: str | None = None
    exactness: Exactness = USUAL


def example_keys(
    rng: Key[Array, ""], step: Int[Array, ""], example: Int[Array, " n"]
) -> Key[Array, "n 3"]:
    """Derive the random keys of a step's examples.

    Args:
        rng: The run's key.
        step: The step's number.
        example: Place of each example in the global batch.

    Returns:
        For each example a key for augmentation, one for dropout and one for the discriminator's
        loss. They do not depend on how the batch is divided among devices.
    """
    step_key = jax.random.fold_in(rng, step)
    return jax.vmap(lambda place: jax.random.split(jax.random.fold_in(step_key, place), 3))(example)


def examples_of(parts: StepParts, keys: Key[Array, "n 3"], batch: Batch) -> Examples:
    """Return the examples of a batch as the networks see them.

    Args:
        parts: What the step is made of.
        keys: From `example_keys`.
        batch: Pairs as stored, see `step.make_step`.
    """
    seen = parts.augment(keys[:, 0], batch["source"], batch["target"])
    return seen._replace(condition=batch.get("condition"))


def mean_over(axis_name: str | None, tree: PyTree) -> PyTree:
    """Average arrays over the devices; without an axis name there is one device."""
    return tree if axis_name is None else lax.pmean(tree, axis_name)


def update_discriminator(state: TrainState, parts: StepParts, grads: PyTree) -> TrainState:
    """Average the discriminator's gradients over the devices, and apply them."""
    grads = mean_over(parts.axis_name, grads)
    updates, opt_state = parts.d_tx.update(grads, state.d_opt_state, state.d_params)
    return state.replace(
        d_params=optax.apply_updates(state.d_params, state.scaled(updates)), d_opt_state=opt_state
    )


def update_generator(state: TrainState, parts: StepParts, grads: PyTree) -> TrainState:
    """Average the generator's gradients over the devices, apply them, and move the average."""
    grads = mean_over(parts.axis_name, grads)
    updates, opt_state = parts.g_tx.update(grads, state.g_opt_state, state.g_params)
    params = optax.apply_updates(state.g_params, state.scaled(updates))
    decay = parts.ema_decay
    ema = move_average(state.g_ema, params, decay, state.step) if decay else {}
    return state.replace(g_params=params, g_opt_state=opt_state, g_ema=ema)
