"""The training step over micro-batches: the gradients of a batch that does not fit in memory."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, PyTree

from pix2pix_jax.training.losses import Losses
from pix2pix_jax.training.objectives import (
    Metrics,
    apply_in_training,
    discriminator_loss,
    generator_loss,
)
from pix2pix_jax.training.state import TrainState
from pix2pix_jax.training.step import (
    Augment,
    Batch,
    TrainStep,
    example_keys,
    mean_over,
    update_discriminator,
    update_generator,
)


def make_accumulating_step(
    generator: nn.Module,
    discriminator: nn.Module,
    g_tx: optax.GradientTransformation,
    d_tx: optax.GradientTransformation,
    losses: Losses,
    augment: Augment,
    *,
    parts: int,
    ema_decay: float = 0.0,
    axis_name: str | None = None,
) -> TrainStep:
    """Build a step that sees its batch in parts and takes the step of the whole.

    The discriminator's gradients are summed over all parts, then it is updated; then the generator
    passes over all parts again, against the updated discriminator. That costs one generator pass
    more than `make_train_step`. Batch norm would see the parts instead of the batch: the networks
    must not have any.

    Args:
        generator: The generator.
        discriminator: The discriminator.
        g_tx: Optimiser of the generator.
        d_tx: Optimiser of the discriminator.
        losses: The objective, with a GAN loss.
        augment: `(keys, source, target)` of integers to float32 in [-1, 1].
        parts: Number of parts; it divides the examples of a device.
        ema_decay: See `update_generator`.
        axis_name: Mapped axis over which gradients are averaged; None on one device.

    Returns:
        A step like that of `make_train_step`.
    """
    d_value_and_grad = jax.value_and_grad(
        partial(discriminator_loss, discriminator, losses), has_aux=True
    )

    def generate(params: PyTree, state: TrainState, part: Batch) -> tuple[Any, Array, Array]:
        keys = example_keys(state.rng, state.step, part["example"])
        pair = augment(keys[:, 0], part["source"], part["target"])
        fake, _ = apply_in_training(
            generator, params, state.g_batch_stats, pair[0], dropout_keys=keys[:, 1]
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
        split = jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), batch)
        d_batch_stats, (grads, d_metrics) = _mean_over_parts(
            partial(on_discriminator, state), state.d_batch_stats, split
        )
        state = update_discriminator(state, d_tx, mean_over(axis_name, grads))
        d_batch_stats, (grads, g_metrics) = _mean_over_parts(
            partial(on_generator, state), d_batch_stats, split
        )
        state = update_generator(state, g_tx, mean_over(axis_name, grads), ema_decay)
        state = state.replace(step=state.step + 1, d_batch_stats=d_batch_stats)
        return state, mean_over(axis_name, {**g_metrics, **d_metrics})

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

    # XLA's CPU backend runs convolutions inside of loops some 50 times slower.
    unroll = jax.default_backend() == "cpu"
    (carry, total), _ = lax.scan(add, (carry, zeros), split, unroll=unroll)
    return carry, total
