"""The training step: pure, one for one device and for many.

Pairs come in as the integers they are kept as; augmentation and conversion happen inside the step.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import optax
from jax import lax
from jaxtyping import Array, Int, Key, PyTree

from pix2pix_jax.core.placement import DEVICES
from pix2pix_jax.training.losses import Losses
from pix2pix_jax.training.objectives import (
    Metrics,
    apply_in_training,
    discriminator_loss,
    generator_loss,
    reconstruction_loss,
)
from pix2pix_jax.training.state import TrainState

Batch = dict[str, Any]
Augment = Callable[[Array, Array, Array], tuple[Array, Array]]
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


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
        loss. They do not depend on the number of devices.
    """
    step_key = jax.random.fold_in(rng, step)
    return jax.vmap(lambda place: jax.random.split(jax.random.fold_in(step_key, place), 3))(example)


def make_train_step(
    generator: nn.Module,
    discriminator: nn.Module,
    g_tx: optax.GradientTransformation,
    d_tx: optax.GradientTransformation,
    losses: Losses,
    augment: Augment,
    *,
    ema_decay: float = 0.0,
    axis_name: str | None = None,
) -> TrainStep:
    """Build the step of Isola et al., 2017, section 3.3, in the reference's order.

    The generator runs once. The discriminator is updated on the detached fake and the target; the
    generator then against the *updated* discriminator, through the vector-Jacobian product of its
    one forward pass.

    Args:
        generator: Called as `(source, train=, dropout_keys=)`.
        discriminator: Called as `(source, image, train=)`; returns a tuple of scales.
        g_tx: Optimiser of the generator.
        d_tx: Optimiser of the discriminator.
        losses: The objective, with a GAN loss.
        augment: `(keys, source, target)` of integers to float32 in [-1, 1].
        ema_decay: See `update_generator`.
        axis_name: Mapped axis over which gradients are averaged; None on one device. The networks
            must have been built with the same.

    Returns:
        `(state, batch) -> (state, metrics)`. A batch has `source` and `target` (integers, NHWC)
        and `example` (int32): the place of each pair in the global batch. Metrics are means over
        the global batch: `g_loss`, `g_loss_gan`, `g_loss_l1` (unweighted), `d_loss`,
        `d_loss_real`, `d_loss_fake` (unweighted), and those of other objectives.
    """
    d_value_and_grad = jax.value_and_grad(
        partial(discriminator_loss, discriminator, losses), has_aux=True
    )
    g_value_and_grad = jax.value_and_grad(
        partial(generator_loss, discriminator, losses), argnums=3, has_aux=True
    )

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        keys = example_keys(state.rng, state.step, batch["example"])
        pair = augment(keys[:, 0], batch["source"], batch["target"])
        generate = partial(apply_in_training, generator, dropout_keys=keys[:, 1])
        fake, g_vjp, g_batch_stats = jax.vjp(
            lambda params: generate(params, state.g_batch_stats, pair[0]),
            state.g_params,
            has_aux=True,
        )
        (_, (d_batch_stats, d_metrics)), d_grads = d_value_and_grad(
            state.d_params, state.d_batch_stats, pair, fake, keys[:, 2]
        )
        state = update_discriminator(state, d_tx, mean_over(axis_name, d_grads))
        (_, (d_batch_stats, g_metrics)), fake_grad = g_value_and_grad(
            state.d_params, d_batch_stats, pair, fake
        )
        (g_grads,) = g_vjp(fake_grad)
        state = update_generator(state, g_tx, mean_over(axis_name, g_grads), ema_decay)
        state = state.replace(
            step=state.step + 1, g_batch_stats=g_batch_stats, d_batch_stats=d_batch_stats
        )
        return state, mean_over(axis_name, {**g_metrics, **d_metrics})

    return train_step


def make_regression_step(
    generator: nn.Module,
    g_tx: optax.GradientTransformation,
    losses: Losses,
    augment: Augment,
    *,
    ema_decay: float = 0.0,
    axis_name: str | None = None,
) -> TrainStep:
    """Build the step without a discriminator: the reconstruction loss alone.

    Args:
        generator: Called as `(source, train=, dropout_keys=)`.
        g_tx: Optimiser of the generator.
        losses: The objective; of its parts the reconstruction loss counts.
        augment: `(keys, source, target)` of integers to float32 in [-1, 1].
        ema_decay: See `update_generator`.
        axis_name: Mapped axis over which gradients are averaged; None on one device.

    Returns:
        A step like that of `make_train_step`, with the metrics `g_loss` and, unweighted, the
        reconstruction loss.
    """

    def loss_fn(
        params: PyTree, batch_stats: PyTree, pair: tuple[Array, Array], keys: Array
    ) -> tuple[Array, tuple[PyTree, Metrics]]:
        source, target = pair
        fake, batch_stats = apply_in_training(
            generator, params, batch_stats, source, dropout_keys=keys
        )
        loss, metrics = reconstruction_loss(losses, target, fake)
        return loss, (batch_stats, {"g_loss": loss, **metrics})

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        keys = example_keys(state.rng, state.step, batch["example"])
        pair = augment(keys[:, 0], batch["source"], batch["target"])
        (_, (g_batch_stats, metrics)), grads = jax.value_and_grad(loss_fn, has_aux=True)(
            state.g_params, state.g_batch_stats, pair, keys[:, 1]
        )
        state = update_generator(state, g_tx, mean_over(axis_name, grads), ema_decay)
        state = state.replace(step=state.step + 1, g_batch_stats=g_batch_stats)
        return state, mean_over(axis_name, metrics)

    return train_step


def mean_over(axis_name: str | None, tree: PyTree) -> PyTree:
    """Average arrays over the devices; None: there is one device."""
    return tree if axis_name is None else lax.pmean(tree, axis_name)


def update_discriminator(
    state: TrainState, tx: optax.GradientTransformation, grads: PyTree
) -> TrainState:
    """Apply gradients to the discriminator."""
    updates, opt_state = tx.update(grads, state.d_opt_state, state.d_params)
    return state.replace(
        d_params=optax.apply_updates(state.d_params, updates), d_opt_state=opt_state
    )


def update_generator(
    state: TrainState, tx: optax.GradientTransformation, grads: PyTree, ema_decay: float
) -> TrainState:
    """Apply gradients to the generator.

    Args:
        state: The state.
        tx: Optimiser of the generator.
        grads: Gradients of its parameters.
        ema_decay: Share of the old average that a step keeps; 0: no average is kept.

    Returns:
        The state with new parameters, and their moving average if there is one.
    """
    updates, opt_state = tx.update(grads, state.g_opt_state, state.g_params)
    params = optax.apply_updates(state.g_params, updates)
    ema = optax.incremental_update(params, state.g_ema, 1 - ema_decay) if ema_decay else {}
    return state.replace(g_params=params, g_opt_state=opt_state, g_ema=ema)


def compile_train_step(train_step: Any, devices: Sequence[jax.Device], batch_axes: Any = 0) -> Any:
    """Compile a step for one device or for many; the state's buffers are given up to the new state.

    Args:
        train_step: As from `make_train_step`, with `axis_name=DEVICES` for many devices.
        devices: This process's devices.
        batch_axes: Which axis of a batch's arrays is that of the devices, as for `jax.pmap`.

    Returns:
        The compiled step. On many devices it takes batches of shape (devices, examples a device,
        ...) and keeps one logical state, held whole on each device; a state from `placement.hold`
        is taken as it is, any other costs a compilation of its own.
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
