"""What each network minimises in a step: the objective, applied to the networks' outputs."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Key, PyTree

from pix2pix_jax.data.augment import Examples
from pix2pix_jax.training.losses import (
    critic_value,
    feature_matching_loss,
    gradient_penalty,
    mean_over_scales,
)
from pix2pix_jax.training.objectives import Losses, Metrics


def apply_in_training(
    module: nn.Module, params: PyTree, batch_stats: PyTree, *inputs: Array, **options: Any
) -> tuple[Any, PyTree]:
    """Apply a network in training mode.

    Args:
        module: Generator or discriminator.
        params: Its parameters.
        batch_stats: Its running statistics; may be empty.
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
    pair: Examples,
    fake: Array,
    keys: Key[Array, " n"],
) -> tuple[Array, tuple[PyTree, Metrics]]:
    """Judge a fake and a target.

    They are judged in one batch if the network has no batch statistics, as each example is then
    judged by itself anyway. Otherwise each has its own pass, the fake first, as in the reference;
    on the CPU too, where one batch of both takes a tenth longer.

    Args:
        discriminator: The discriminator.
        losses: The objective.
        params: Parameters of the discriminator.
        batch_stats: Its running statistics.
        pair: Sources and targets in [-1, 1].
        fake: Output of the generator; it is not differentiated.
        keys: One key per example, for the gradient penalty.

    Returns:
        The weighted loss; the new statistics, and the unweighted parts of the loss.
    """
    source, target = pair.source, pair.target
    judge = partial(apply_in_training, discriminator, params)
    if batch_stats:
        on_fake, batch_stats = judge(batch_stats, source, fake)
        on_real, batch_stats = judge(batch_stats, source, target)
    else:
        on_fake, on_real = _judge_both(lambda *images: judge({}, *images)[0], source, fake, target)
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


def _judge_both(
    judge: Callable[[Array, Array], Any], source: Array, fake: Array, target: Array
) -> tuple[Any, Any]:
    """Judge two images for each source, in one batch or, on the CPU, one after the other."""

    def apart(source: Array, fake: Array, target: Array) -> tuple[Any, Any]:
        return judge(source, fake), judge(source, target)

    def together(source: Array, fake: Array, target: Array) -> tuple[Any, Any]:
        both = judge(jnp.concatenate([source, source]), jnp.concatenate([fake, target]))
        count = len(fake)
        return jax.tree.map(lambda x: x[:count], both), jax.tree.map(lambda x: x[count:], both)

    return lax.platform_dependent(source, fake, target, cpu=apart, default=together)


def generator_loss(
    discriminator: nn.Module,
    losses: Losses,
    params: PyTree,
    batch_stats: PyTree,
    pair: Examples,
    fake: Array,
) -> tuple[Array, tuple[PyTree, Metrics]]:
    """Judge a fake by how real it is to the discriminator, and how near it is to the target.

    Args:
        discriminator: The discriminator.
        losses: The objective.
        params: Parameters of the discriminator, after its own update.
        batch_stats: Its running statistics.
        pair: Sources and targets in [-1, 1].
        fake: Output of the generator.

    Returns:
        The loss; the discriminator's new statistics, and the unweighted parts of the loss.
    """
    source, target = pair.source, pair.target
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


def regression_loss(losses: Losses, pair: Examples, fake: Array) -> tuple[Array, Metrics]:
    """Compare a fake with its target: the reconstruction loss and the extra losses.

    Args:
        losses: The objective.
        pair: Sources and targets in [-1, 1].
        fake: Output of the generator.

    Returns:
        The weighted sum, and each loss, unweighted, by its name.
    """
    source, target = pair.source, pair.target
    reconstruction = losses.reconstruction(fake, target)
    metrics = {f"g_loss_{losses.reconstruction_name}": reconstruction}
    loss = losses.reconstruction_weight * reconstruction
    for extra in losses.extra:
        metrics[f"g_loss_{extra.name}"] = value = jnp.asarray(extra.function(source, target, fake))
        loss += extra.weight * value
    return loss, metrics
