"""The training step: the method itself, as a pure function of state and batch.

It has three forms of the same parts: the step of the paper (`make_train_step`; read it first), that
step over a batch in parts, and regression without a discriminator. Pairs come in as stored;
augmentation and conversion are part of the step.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Int, Key, PyTree

from pix2pix_jax.core.exactness import USUAL, Exactness
from pix2pix_jax.data.augment import Augment, Examples
from pix2pix_jax.training.judging import (
    apply_in_training,
    discriminator_loss,
    generator_loss,
    regression_loss,
)
from pix2pix_jax.training.objectives import Losses, Metrics
from pix2pix_jax.training.optimizers import move_average
from pix2pix_jax.training.state import TrainState

Batch = dict[str, Any]
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


@dataclasses.dataclass(frozen=True)
class StepParts:
    """What a step is made of.

    Attributes:
        generator: Called as `(source, train=, dropout_keys=)`.
        discriminator: Called as `(source, image, train=)`; returns a tuple of scales. None for
            regression alone.
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


def make_step(parts: StepParts, *, accumulate: int = 1) -> TrainStep:
    """Make the step that a run takes.

    Args:
        parts: What it is made of.
        accumulate: Number of parts in which a device's examples are processed.

    Returns:
        `(state, batch) -> (state, metrics)`. A batch has `source` and `target` (as stored, NHWC)
        and `example` (int32), the place of each pair in the global batch. Metrics are means over
        the global batch: `g_loss`, `d_loss`, and unweighted the losses that they are sums of, such
        as `g_loss_gan`, `g_loss_l1`, `d_loss_real` and `d_loss_fake`.
    """
    if parts.discriminator is None:
        step = make_regression_step(parts)
    elif accumulate > 1:
        step = make_accumulating_step(parts, accumulate)
    else:
        step = make_train_step(parts)
    return parts.exactness.applied_to(step)


def make_train_step(parts: StepParts) -> TrainStep:
    """Make the step of Isola et al., 2017, section 3.3, in the order of the reference.

    The order is important:
    1. The generator runs once.
    2. The discriminator is updated on the target and on the detached fake.
    3. The *updated* discriminator judges the fake.
    4. The generator is updated through the vector-Jacobian product of its one forward pass.

    Args:
        parts: What it is made of, with a discriminator.

    Returns:
        A step, see `make_step`.
    """
    assert parts.discriminator is not None
    d_value_and_grad = jax.value_and_grad(
        partial(discriminator_loss, parts.discriminator, parts.losses), has_aux=True
    )
    g_value_and_grad = jax.value_and_grad(
        partial(generator_loss, parts.discriminator, parts.losses), argnums=3, has_aux=True
    )

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        keys = example_keys(state.rng, state.step, batch["example"])
        pair = parts.augment(keys[:, 0], batch["source"], batch["target"])

        # 1. One forward pass, kept for step 4.
        generate = partial(apply_in_training, parts.generator, dropout_keys=keys[:, 1])
        fake, g_vjp, g_batch_stats = jax.vjp(
            lambda params: generate(params, state.g_batch_stats, pair.source),
            state.g_params,
            has_aux=True,
        )

        # 2. The discriminator. No gradient flows from here into the generator.
        (_, (d_batch_stats, d_metrics)), d_grads = d_value_and_grad(
            state.d_params, state.d_batch_stats, pair, fake, keys[:, 2]
        )
        state = _update_discriminator(state, parts, d_grads)

        # 3. and 4. The generator, against the updated discriminator.
        (_, (d_batch_stats, g_metrics)), fake_grad = g_value_and_grad(
            state.d_params, d_batch_stats, pair, fake
        )
        (g_grads,) = g_vjp(fake_grad)
        state = _update_generator(state, parts, g_grads)

        state = state.replace(
            step=state.step + 1, g_batch_stats=g_batch_stats, d_batch_stats=d_batch_stats
        )
        return state, _mean_over(parts.axis_name, {**g_metrics, **d_metrics})

    return train_step


def make_regression_step(parts: StepParts) -> TrainStep:
    """Make the step without a discriminator: reconstruction and own losses only.

    Args:
        parts: What it is made of.

    Returns:
        A step, see `make_step`; its metrics are `g_loss` and the unweighted losses.
    """

    def loss_fn(
        params: PyTree, batch_stats: PyTree, pair: Examples, keys: Array
    ) -> tuple[Array, tuple[PyTree, Metrics]]:
        fake, batch_stats = apply_in_training(
            parts.generator, params, batch_stats, pair.source, dropout_keys=keys
        )
        loss, metrics = regression_loss(parts.losses, pair, fake)
        return loss, (batch_stats, {"g_loss": loss, **metrics})

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        keys = example_keys(state.rng, state.step, batch["example"])
        pair = parts.augment(keys[:, 0], batch["source"], batch["target"])
        (_, (g_batch_stats, metrics)), grads = jax.value_and_grad(loss_fn, has_aux=True)(
            state.g_params, state.g_batch_stats, pair, keys[:, 1]
        )
        state = _update_generator(state, parts, grads)
        state = state.replace(step=state.step + 1, g_batch_stats=g_batch_stats)
        return state, _mean_over(parts.axis_name, metrics)

    return train_step


def make_accumulating_step(parts: StepParts, count: int) -> TrainStep:
    """Make the step of `make_train_step`, which processes its batch in parts to save memory.

    All parts pass once for the discriminator's gradients, and again, against the *updated*
    discriminator, for the generator's: one generator pass more. Batch norm would see single parts.

    Args:
        parts: What it is made of, with a discriminator.
        count: Number of parts; must divide the examples of a device.

    Returns:
        A step, see `make_step`.
    """
    losses, discriminator = parts.losses, parts.discriminator
    assert discriminator is not None
    d_value_and_grad = jax.value_and_grad(
        partial(discriminator_loss, discriminator, losses), has_aux=True
    )

    def generate(params: PyTree, state: TrainState, part: Batch) -> tuple[Examples, Array, Array]:
        keys = example_keys(state.rng, state.step, part["example"])
        pair = parts.augment(keys[:, 0], part["source"], part["target"])
        fake, _ = apply_in_training(
            parts.generator, params, state.g_batch_stats, pair.source, dropout_keys=keys[:, 1]
        )
        return pair, fake, keys

    def on_discriminator(
        state: TrainState, d_batch_stats: PyTree, part: Batch
    ) -> tuple[PyTree, tuple[PyTree, Metrics]]:
        pair, fake, keys = generate(state.g_params, state, part)
        (_, (d_batch_stats, metrics)), grads = d_value_and_grad(
            state.d_params, d_batch_stats, pair, fake, keys[:, 2]
        )
        return d_batch_stats, (grads, metrics)

    def on_generator(
        state: TrainState, d_batch_stats: PyTree, part: Batch
    ) -> tuple[PyTree, tuple[PyTree, Metrics]]:
        def loss_fn(params: PyTree) -> tuple[Array, tuple[PyTree, Metrics]]:
            pair, fake, _ = generate(params, state, part)
            return generator_loss(discriminator, losses, state.d_params, d_batch_stats, pair, fake)

        (_, (stats, metrics)), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.g_params)
        return stats, (grads, metrics)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        split = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), batch)
        d_batch_stats, (grads, d_metrics) = _mean_over_parts(
            partial(on_discriminator, state), state.d_batch_stats, split
        )
        state = _update_discriminator(state, parts, grads)
        d_batch_stats, (grads, g_metrics) = _mean_over_parts(
            partial(on_generator, state), d_batch_stats, split
        )
        state = _update_generator(state, parts, grads)
        state = state.replace(step=state.step + 1, d_batch_stats=d_batch_stats)
        return state, _mean_over(parts.axis_name, {**g_metrics, **d_metrics})

    return train_step


def _mean_over_parts(function: Any, carry: PyTree, split: Batch) -> tuple[PyTree, PyTree]:
    """Apply `function(carry, part) -> (carry, result)` to each part; average the results."""
    count = len(split["example"])
    first = jax.tree.map(lambda x: x[0], split)
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function, carry, first)[1]
    )

    def add(state: tuple[PyTree, PyTree], part: Batch) -> tuple[tuple[PyTree, PyTree], None]:
        carry, total = state
        carry, result = function(carry, part)
        return (carry, jax.tree.map(lambda t, r: t + r / count, total, result)), None

    # Unrolled on the CPU, where XLA runs convolutions about 50 times slower inside a loop.
    unrolled = partial(lax.scan, add, unroll=True)
    looped = partial(lax.scan, add)
    (carry, total), _ = lax.platform_dependent((carry, zeros), split, cpu=unrolled, default=looped)
    return carry, total


# What all three share.


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


def _mean_over(axis_name: str | None, tree: PyTree) -> PyTree:
    """Average arrays over the devices; without an axis name there is one device."""
    return tree if axis_name is None else lax.pmean(tree, axis_name)


def _update_discriminator(state: TrainState, parts: StepParts, grads: PyTree) -> TrainState:
    """Average the discriminator's gradients over the devices, and apply them."""
    grads = _mean_over(parts.axis_name, grads)
    updates, opt_state = parts.d_tx.update(grads, state.d_opt_state, state.d_params)
    return state.replace(
        d_params=optax.apply_updates(state.d_params, state.scaled(updates)), d_opt_state=opt_state
    )


def _update_generator(state: TrainState, parts: StepParts, grads: PyTree) -> TrainState:
    """Average the generator's gradients over the devices, apply them, and move the average."""
    grads = _mean_over(parts.axis_name, grads)
    updates, opt_state = parts.g_tx.update(grads, state.g_opt_state, state.g_params)
    params = optax.apply_updates(state.g_params, state.scaled(updates))
    decay = parts.ema_decay
    ema = move_average(state.g_ema, params, decay, state.step) if decay else {}
    return state.replace(g_params=params, g_opt_state=opt_state, g_ema=ema)
