"""The training step: the method itself, as a pure function of state and batch.

It has three forms of the same parts: the step of the paper (`make_train_step`; read it first), that
step over a batch in parts, and regression without a discriminator. Pairs come in as stored;
augmentation and conversion are part of the step.
"""

from functools import partial

import jax
from jaxtyping import Array, PyTree

from pix2pix_jax.data.augment import Examples
from pix2pix_jax.training.accumulation import make_accumulating_step
from pix2pix_jax.training.judging import (
    adapt_share,
    apply_in_training,
    discriminator_loss,
    generator_loss,
    regression_loss,
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


def make_step(parts: StepParts, *, accumulate: int = 1) -> TrainStep:
    """Make the step that a run takes.

    Args:
        parts: What it is made of.
        accumulate: Number of parts in which a device's examples are processed.

    Returns:
        `(state, batch) -> (state, metrics)`. A batch has `source` and `target` (as stored, NHWC),
        `condition` (float32) if the networks take numbers beside the images, and `example` (int32),
        the place of each pair in the global batch. Metrics are means over
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
        pair = examples_of(parts, keys, batch)

        # 1. One forward pass, kept for step 4.
        generate = partial(apply_in_training, parts.generator, dropout_keys=keys[:, 1])
        fake, g_vjp, g_batch_stats = jax.vjp(
            lambda params: generate(params, state.g_batch_stats, pair.source, **pair.beside),
            state.g_params,
            has_aux=True,
        )

        # 2. The discriminator. No gradient flows from here into the generator.
        share = share_of_changes(state, parts.losses)
        (_, (d_batch_stats, d_metrics)), d_grads = d_value_and_grad(
            state.d_params,
            state.d_batch_stats,
            pair,
            fake,
            keys[:, 2],
            step=state.step,
            share=share,
        )
        state = update_discriminator(state, parts, d_grads)

        # 3. and 4. The generator, against the updated discriminator.
        (_, (d_batch_stats, g_metrics)), fake_grad = g_value_and_grad(
            state.d_params,
            d_batch_stats,
            pair,
            fake,
            keys[:, 2],
            share=share,
            perceptual=state.perceptual,
        )
        (g_grads,) = g_vjp(fake_grad)
        state = update_generator(state, parts, g_grads)

        state = state.replace(
            step=state.step + 1, g_batch_stats=g_batch_stats, d_batch_stats=d_batch_stats
        )
        metrics = mean_over(parts.axis_name, {**g_metrics, **d_metrics})
        return adapt_share(state, parts.losses, metrics, len(fake), parts.axis_name), metrics

    return train_step


def make_regression_step(parts: StepParts) -> TrainStep:
    """Make the step without a discriminator: reconstruction and own losses only.

    Args:
        parts: What it is made of.

    Returns:
        A step, see `make_step`; its metrics are `g_loss` and the unweighted losses.
    """

    def loss_fn(
        params: PyTree, state: TrainState, pair: Examples, keys: Array
    ) -> tuple[Array, tuple[PyTree, Metrics]]:
        fake, batch_stats = apply_in_training(
            parts.generator,
            params,
            state.g_batch_stats,
            pair.source,
            dropout_keys=keys,
            **pair.beside,
        )
        loss, metrics = regression_loss(parts.losses, pair, fake, state.perceptual)
        return loss, (batch_stats, {"g_loss": loss, **metrics})

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        keys = example_keys(state.rng, state.step, batch["example"])
        pair = examples_of(parts, keys, batch)
        (_, (g_batch_stats, metrics)), grads = jax.value_and_grad(loss_fn, has_aux=True)(
            state.g_params, state, pair, keys[:, 1]
        )
        state = update_generator(state, parts, grads)
        state = state.replace(step=state.step + 1, g_batch_stats=g_batch_stats)
        return state, mean_over(parts.axis_name, metrics)

    return train_step
