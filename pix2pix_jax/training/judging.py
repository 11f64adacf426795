"""What each network minimises in a step: the objective, applied to the networks' outputs."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key, PyTree

from pix2pix_jax.data.augment import Examples
from pix2pix_jax.data.numbers import as_arguments
from pix2pix_jax.training.losses import (
    Scales,
    cross_entropy_loss,
    feature_matching_loss,
    mean_over_scales,
)
from pix2pix_jax.training.objectives import Losses, Metrics
from pix2pix_jax.training.penalties import critic_value, gradient_penalty, r1_penalty
from pix2pix_jax.training.state import TrainState


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
    *,
    step: Int[Array, ""] | int = 0,
    share: Float[Array, ""] | float = 1.0,
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
        pair: Sources and targets in [-1, 1]. Pixels that do not count are the same in fakes and
            targets, so that nothing can be told by them.
        fake: Output of the generator; it is not differentiated.
        keys: One key per example, for the gradient penalty and for changes of what is judged.
        step: Number of the step, which decides whether the R1 penalty is due.
        share: Share of images that each change of `losses.diffaugment` is made to.

    Returns:
        The weighted loss; the new statistics, and the unweighted parts of the loss.
    """
    judge = partial(_judge, discriminator, params)
    fake, target = pair.kept(fake), pair.kept(pair.target)
    seen_fake = _seen(losses, _FAKE, keys, share, pair, fake)
    seen_target = _seen(losses, _TARGET, keys, share, pair, target)
    if batch_stats:
        on_fake, batch_stats = judge(batch_stats, seen_fake)
        on_real, batch_stats = judge(batch_stats, seen_target)
    else:
        on_fake, on_real = _judge_both(lambda seen: judge({}, seen)[0], seen_fake, seen_target)
    on_fake_loss = mean_over_scales(losses.gan.on_fake, on_fake)
    on_real_loss = mean_over_scales(losses.gan.on_real, on_real)
    loss = losses.discriminator_weight * (on_fake_loss + on_real_loss)
    metrics = {"d_loss_real": on_real_loss, "d_loss_fake": on_fake_loss}

    def answer(source: Array, image: Array) -> Scales:
        scales: Scales = judge(batch_stats, Seen(source, image, pair.condition))[0]
        return scales

    if losses.gan.gradient_penalty:
        mixture = jax.vmap(jax.random.uniform)(keys)
        # Changed as the target is, so that both have one source.
        like_target = _seen(losses, _TARGET, keys, share, pair, fake)
        penalty = gradient_penalty(
            lambda *images: critic_value(answer(*images)),
            *(seen_target.source, seen_target.image, like_target.image, mixture),
        )
        loss += losses.gradient_penalty_weight * penalty
        metrics["d_loss_penalty"] = penalty
    if losses.r1_weight:
        metrics["d_loss_r1"] = _lazy_r1(answer, seen_target, step, losses.r1_every)
        loss += losses.r1_weight * metrics["d_loss_r1"]
    if losses.diffaugment.adaptive:
        metrics["d_sign_real"] = mean_over_scales(
            lambda logits: jnp.mean(jnp.sign(logits - losses.gan.halfway)), on_real
        )
    return loss, (batch_stats, {"d_loss": loss, **metrics})


# What the discriminator sees, in the order of the draws that change it.
_FAKE, _TARGET, _FAKE_OF_GENERATOR = range(1, 4)


class Seen(NamedTuple):
    """What the discriminator sees.

    Attributes:
        source: Sources.
        image: Targets or fakes, which are judged.
        condition: Numbers beside the images; None: there are none.
    """

    source: Array
    image: Array
    condition: Array | None


def _judge(
    discriminator: nn.Module, params: PyTree, batch_stats: PyTree, seen: Seen
) -> tuple[Any, PyTree]:
    """Return the discriminator's answer, and its new running statistics."""
    beside = as_arguments(seen.condition)
    return apply_in_training(discriminator, params, batch_stats, seen.source, seen.image, **beside)


def _seen(
    losses: Losses,
    number: int,
    keys: Key[Array, " n"],
    share: Float[Array, ""] | float,
    pair: Examples,
    image: Array,
) -> Seen:
    """Return what the discriminator sees of sources and images."""
    source = pair.judged_source
    if losses.diffaugment.kinds:
        draws = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
        source, image = losses.diffaugment.apply(draws, share, source, image)
    return Seen(source, image, pair.condition)


def _lazy_r1(
    answer: Callable[[Array, Array], Scales], seen: Seen, step: Int[Array, ""] | int, every: int
) -> Float[Array, ""]:
    """Return the R1 penalty times `every` in every so many steps, and 0 in those between."""
    if every == 1:
        return r1_penalty(answer, seen.source, seen.image)
    return lax.cond(
        jnp.asarray(step) % every == 0,
        lambda: every * r1_penalty(answer, seen.source, seen.image),
        lambda: jnp.zeros(()),
    )


def _judge_both(judge: Callable[[Seen], Any], fake: Seen, target: Seen) -> tuple[Any, Any]:
    """Judge fakes and targets, in one batch or, on the CPU, one after the other."""

    def apart(fake: Seen, target: Seen) -> tuple[Any, Any]:
        return judge(fake), judge(target)

    def together(fake: Seen, target: Seen) -> tuple[Any, Any]:
        both = judge(jax.tree.map(lambda *sides: jnp.concatenate(sides), fake, target))
        count = len(fake.image)
        return jax.tree.map(lambda x: x[:count], both), jax.tree.map(lambda x: x[count:], both)

    return lax.platform_dependent(fake, target, cpu=apart, default=together)


def generator_loss(
    discriminator: nn.Module,
    losses: Losses,
    params: PyTree,
    batch_stats: PyTree,
    pair: Examples,
    fake: Array,
    keys: Key[Array, " n"],
    *,
    share: Float[Array, ""] | float = 1.0,
    perceptual: PyTree = (),
) -> tuple[Array, tuple[PyTree, Metrics]]:
    """Judge a fake by how real it is to the discriminator, and how near it is to the target.

    Args:
        discriminator: The discriminator.
        losses: The objective.
        params: Parameters of the discriminator, after its own update.
        batch_stats: Its running statistics.
        pair: Sources and targets in [-1, 1].
        fake: Output of the generator.
        keys: One key per example, for changes of what is judged.
        share: As for `discriminator_loss`.
        perceptual: As for `regression_loss`.

    Returns:
        The loss; the discriminator's new statistics, and the unweighted parts of the loss.
    """
    judge = partial(_judge, discriminator, params)
    seen = partial(_seen, losses, _FAKE_OF_GENERATOR, keys, share, pair)
    on_fake, batch_stats = judge(batch_stats, seen(pair.kept(fake)))
    metrics = {"g_loss_gan": mean_over_scales(losses.gan.generator, on_fake)}
    loss, reconstruction = regression_loss(losses, pair, fake, perceptual)
    loss += metrics["g_loss_gan"]
    if losses.feature_matching_weight:
        on_real, batch_stats = judge(batch_stats, seen(pair.kept(pair.target)))
        metrics["g_loss_features"] = feature_matching_loss(on_fake, on_real)
        loss += losses.feature_matching_weight * metrics["g_loss_features"]
    return loss, (batch_stats, {"g_loss": loss, **metrics, **reconstruction})


def share_of_changes(state: TrainState, losses: Losses) -> Float[Array, ""] | float:
    """Return the share of images that each change of what the discriminator sees is made to."""
    changes = losses.diffaugment
    share: Array | float = state.diffaugment_share if changes.adaptive else changes.share
    return share


def adapt_share(
    state: TrainState, losses: Losses, metrics: Metrics, count: int, axis_name: str | None
) -> TrainState:
    """Adapt that share to the discriminator's answers to the targets of a step.

    Args:
        state: The state after the step.
        losses: The objective.
        metrics: Those of the step, over all devices.
        count: Number of examples on each device.
        axis_name: Mapped axis of the devices; None on one device.
    """
    if not losses.diffaugment.adaptive:
        return state
    images = count if axis_name is None else count * lax.axis_size(axis_name)
    share = losses.diffaugment.next_share(state.diffaugment_share, metrics["d_sign_real"], images)
    return state.replace(diffaugment_share=share)


def regression_loss(
    losses: Losses, pair: Examples, fake: Array, perceptual: PyTree = ()
) -> tuple[Array, Metrics]:
    """Compare a fake with its target: reconstruction, cross-entropy, perceptual and own losses.

    Args:
        losses: The objective.
        pair: Sources and targets in [-1, 1].
        fake: Output of the generator.
        perceptual: Weights of the network of `losses.perceptual`.

    Returns:
        The weighted sum, and each loss, unweighted, by its name.
    """
    source, target = pair.source, pair.target
    kept = pair.kept(target), pair.kept(fake)
    reconstruction = losses.reconstruction(fake, target, pair.weight)
    metrics = {f"g_loss_{losses.reconstruction_name}": reconstruction}
    loss = losses.reconstruction_weight * reconstruction
    if losses.cross_entropy_weight:
        entropy = cross_entropy_loss(fake, target, pair.weight)
        metrics["g_loss_cross_entropy"] = entropy
        loss += losses.cross_entropy_weight * entropy
    if losses.perceptual is not None:
        distance = jnp.mean(losses.perceptual(perceptual, *kept[::-1]))
        metrics["g_loss_perceptual"] = distance
        loss += losses.perceptual_weight * distance
    for extra in losses.extra:
        metrics[f"g_loss_{extra.name}"] = value = jnp.asarray(extra.function(source, *kept))
        loss += extra.weight * value
    return loss, metrics
