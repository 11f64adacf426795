"""What each network minimises in a step: the losses applied to the networks' outputs."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from pix2pix_jax.core.devices import on_cpu
from pix2pix_jax.training.losses import (
    Losses,
    critic_value,
    feature_matching_loss,
    gradient_penalty,
    mean_over_scales,
)

Metrics = dict[str, Float[Array, ""]]


def apply_in_training(
    module: nn.Module, params: PyTree, batch_stats: PyTree, *inputs: Array, **options: Any
) -> tuple[Any, PyTree]:
    """Apply a network in training mode.

    Args:
        module: Generator or discriminator.
        params: Its parameters.
        batch_stats: Its running statistics; empty where it has none.
        *inputs: Image arguments.
        **options: Further keyword arguments of the network.

    Returns:
        Its output and the new running statistics.
    """
    variables = {"params": params, "batch_stats": batch_stats}
    output, updates = module.apply(
        variables, *inputs, train=True, mutable=["batch_stats"], **options
    )
    return output, updates.get("batch_stats", {})


def discriminator_loss(
    discriminator: nn.Module,
    losses: Losses,
    params: PyTree,
    batch_stats: PyTree,
    pair: tuple[Array, Array],
    fake: Array,
    keys: Key[Array, " n"],
) -> tuple[Array, tuple[PyTree, Metrics]]:
    """Judge a fake and a target.

    In one batch where the network has no statistics of batches: each example is then judged by
    itself anyway. Else each in a pass of its own, the fake first, as the reference does; so on the
    CPU, where one batch of both takes a tenth longer.

    Args:
        discriminator: The discriminator.
        losses: The objective.
        params: Parameters of the discriminator.
        batch_stats: Its running statistics.
        pair: Source and target in [-1, 1].
        fake: Output of the generator; no gradient is wanted through it.
        keys: One key per example, for the gradient penalty.

    Returns:
        The weighted loss; the new statistics, and the unweighted parts of the loss.
    """
    source, target = pair
    judge = partial(apply_in_training, discriminator, params)
    if batch_stats or on_cpu():
        on_fake, batch_stats = judge(batch_stats, source, fake)
        on_real, batch_stats = judge(batch_stats, source, target)
    else:
        images = jnp.concatenate([fake, target])
        on_both, batch_stats = judge(batch_stats, jnp.concatenate([source, source]), images)
        on_fake = jax.tree.map(lambda x: x[: len(fake)], on_both)
        on_real = jax.tree.map(lambda x: x[len(fake) :], on_both)
    on_fake_loss = mean_over_scales(losses.gan.on_fake, on_fake)
    on_real_loss = mean_over_scales(losses.gan.on_real, on_real)
    loss = losses.discriminator_weight * (on_fake_loss + on_real_loss)
    metrics = {"d_loss_real": on_real_loss, "d_loss_fake": on_fake_loss}
    if losses.gan.gradient_penalty:
        share = jax.vmap(jax.random.uniform)(keys)
        penalty = gradient_penalty(
            lambda *images: critic_value(judge(batch_stats, *images)[0]),
            source,
            target,
            fake,
            share,
        )
        loss += losses.gradient_penalty_weight * penalty
        metrics["d_loss_penalty"] = penalty
    return loss, (batch_stats, {"d_loss": loss, **metrics})


def generator_loss(
    discriminator: nn.Module,
    losses: Losses,
    params: PyTree,
    batch_stats: PyTree,
    pair: tuple[Array, Array],
    fake: Array,
) -> tuple[Array, tuple[PyTree, Metrics]]:
    """Judge a fake by how real the discriminator calls it and how near it is to the target.

    Args:
        discriminator: The discriminator.
        losses: The objective.
        params: Parameters of the discriminator, after its own update.
        batch_stats: Its running statistics.
        pair: Source and target in [-1, 1].
        fake: Output of the generator.

    Returns:
        The loss; the discriminator's new statistics, and the unweighted parts of the loss.
    """
    source, target = pair
    judge = partial(apply_in_training, discriminator, params)
    on_fake, batch_stats = judge(batch_stats, source, fake)
    metrics = {"g_loss_gan": mean_over_scales(losses.gan.generator, on_fake)}
    loss, reconstruction = regression_loss(losses, pair, fake)
    loss += metrics["g_loss_gan"]
    if losses.feature_matching_weight:
        on_real, batch_stats = judge(batch_stats, source, target)
        metrics["g_loss_features"] = feature_matching_loss(on_fake, on_real)
        loss += losses.feature_matching_weight * metrics["g_loss_features"]
    return loss, (batch_stats, {"g_loss": loss, **metrics, **reconstruction})


def regression_loss(
    losses: Losses, pair: tuple[Array, Array], fake: Array
) -> tuple[Array, Metrics]:
    """Compare a fake with its target: the reconstruction loss and the extra losses.

    Args:
        losses: The objective.
        pair: Source and target in [-1, 1].
        fake: Output of the generator.

    Returns:
        The weighted sum, and each loss unweighted by its name.
    """
    source, target = pair
    reconstruction = losses.reconstruction(fake, target)
    metrics = {f"g_loss_{losses.reconstruction_name}": reconstruction}
    loss = losses.reconstruction_weight * reconstruction
    for extra in losses.extra:
        metrics[f"g_loss_{extra.name}"] = value = extra.function(source, target, fake)
        loss += extra.weight * value
    return loss, metrics
