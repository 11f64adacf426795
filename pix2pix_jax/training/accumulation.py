"""The training step over a batch in parts, which needs less memory."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, PyTree

from pix2pix_jax.data.augment import Examples
from pix2pix_jax.training.judging import (
    adapt_share,
    apply_in_training,
    discriminator_loss,
    generator_loss,
    share_of_changes,
)
from pix2pix_jax.training.objectives import Metrics
from pix2pix_jax.training.state import TrainState
from pix2pix_jax.training.step_parts import (
    Batch,
    StepParts,
    TrainStep,
    example_keys,
    examples_of,
    mean_over,
    update_discriminator,
    update_generator,
)


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
        pair = examples_of(parts, keys, part)
        fake, _ = apply_in_training(
            parts.generator,
            params,
            state.g_batch_stats,
            pair.source,
            dropout_keys=keys[:, 1],
            **pair.beside,
        )
        return pair, fake, keys

    def on_discriminator(
        state: TrainState, d_batch_stats: PyTree, part: Batch
    ) -> tuple[PyTree, tuple[PyTree, Metrics]]:
        pair, fake, keys = generate(state.g_params, state, part)
        share = share_of_changes(state, losses)
        (_, (d_batch_stats, metrics)), grads = d_value_and_grad(
            state.d_params, d_batch_stats, pair, fake, keys[:, 2], step=state.step, share=share
        )
        return d_batch_stats, (grads, metrics)

    def on_generator(
        state: TrainState, d_batch_stats: PyTree, part: Batch
    ) -> tuple[PyTree, tuple[PyTree, Metrics]]:
        def loss_fn(params: PyTree) -> tuple[Array, tuple[PyTree, Metrics]]:
            pair, fake, keys = generate(params, state, part)
            judged = discriminator, losses, state.d_params, d_batch_stats, pair, fake, keys[:, 2]
            share = share_of_changes(state, losses)
            return generator_loss(*judged, share=share, perceptual=state.perceptual)

        (_, (stats, metrics)), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.g_params)
        return stats, (grads, metrics)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        split = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), batch)
        d_batch_stats, (grads, d_metrics) = _mean_over_parts(
            partial(on_discriminator, state), state.d_batch_stats, split
        )
        state = update_discriminator(state, parts, grads)
        d_batch_stats, (grads, g_metrics) = _mean_over_parts(
            partial(on_generator, state), d_batch_stats, split
        )
        state = update_generator(state, parts, grads)
        state = state.replace(step=state.step + 1, d_batch_stats=d_batch_stats)
        metrics = mean_over(parts.axis_name, {**g_metrics, **d_metrics})
        examples = len(batch["example"])
        return adapt_share(state, losses, metrics, examples, parts.axis_name), metrics

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
