"""What each network minimises in a step: the objective, applied to the networks' outputs."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key, PyTree

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode
from pix2pix_jax.core.own_code_trace import trace_number
from pix2pix_jax.models.build import Networks
from pix2pix_jax.training.losses import (
    LABELLED_GAN_LOSSES,
    NO_GAN,
    RECONSTRUCTION_LOSSES,
    UNLABELLED_GAN_LOSSES,
    GanLoss,
    critic_value,
    feature_matching_loss,
    gradient_penalty,
    l1_loss,
    mean_over_scales,
    with_labels,
)

Metrics = dict[str, Float[Array, ""]]


@dataclasses.dataclass(frozen=True)
class ExtraLoss:
    """An own loss, which is added to the generator's (`loss.extra`).

    Attributes:
        name: Name of its metric: `g_loss_<name>`.
        function: Maps `(source, target, fake)`, images in [-1, 1], to one number.
        weight: Its weight.
    """

    name: str
    function: Callable[[Array, Array, Array], Array]
    weight: float = 1.0


@dataclasses.dataclass(frozen=True)
class Losses:
    """The objective of both networks.

    Attributes:
        gan: The GAN's objective; `NO_GAN` for regression alone.
        reconstruction: Distance of fake and target.
        reconstruction_name: Name of its metric: `g_loss_<name>`.
        reconstruction_weight: Its weight beside the GAN loss (lambda in Isola et al., 2017, eq. 4).
        discriminator_weight: Weight of the sum of the discriminator's two losses; 0.5 slows it down
            relative to the generator (section 3.3).
        feature_matching_weight: Weight of `feature_matching_loss`; 0: it is not computed.
        gradient_penalty_weight: Weight of `gradient_penalty`, if the GAN's objective has one.
        extra: Own losses.
    """

    gan: GanLoss
    reconstruction: Callable[[Array, Array], Array] = l1_loss
    reconstruction_name: str = "l1"
    reconstruction_weight: float = 100.0
    discriminator_weight: float = 0.5
    feature_matching_weight: float = 0.0
    gradient_penalty_weight: float = 10.0
    extra: tuple[ExtraLoss, ...] = ()


def build_losses(
    gan: str,
    reconstruction: str,
    label_smoothing: float,
    extra: Sequence[str] = (),
    extra_weights: Sequence[int | float] = (),
    *,
    code: OwnCode = NO_OWN_CODE,
    **weights: float,
) -> Losses:
    """Build the objective from the section `loss` of a configuration.

    Args:
        gan: `vanilla`, `lsgan`, `hinge` or `wgangp`; `none` for regression alone.
        reconstruction: One of `RECONSTRUCTION_LOSSES`.
        label_smoothing: See `vanilla_gan_loss`; only for `vanilla` and `lsgan`.
        extra: References to own losses.
        extra_weights: A weight for each of them; if empty, all are 1.
        code: What may run of own code.
        **weights: Weights, see `Losses`.

    Raises:
        InputError: A name is unknown or taken, labels are to be smoothed for a loss without labels,
            or own code cannot be loaded.
    """
    labelled = {
        name: with_labels(loss, label_smoothing) for name, loss in LABELLED_GAN_LOSSES.items()
    }
    gan_losses = {**labelled, **UNLABELLED_GAN_LOSSES, "none": NO_GAN}
    if gan not in gan_losses:
        raise InputError(f"loss.gan={gan!r}: choose from {', '.join(sorted(gan_losses))}")
    if reconstruction not in RECONSTRUCTION_LOSSES:
        choices = ", ".join(sorted(RECONSTRUCTION_LOSSES))
        raise InputError(f"loss.reconstruction={reconstruction!r}: choose from {choices}")
    if label_smoothing and gan not in labelled:
        raise InputError(
            f"loss.label_smoothing={label_smoothing}: loss.gan={gan!r} has no labels; "
            f"choose {' or '.join(sorted(labelled))}, or 0"
        )
    own = _build_extra(extra, extra_weights or [1.0] * len(extra), reconstruction, code)
    return Losses(
        gan_losses[gan], RECONSTRUCTION_LOSSES[reconstruction], reconstruction, extra=own, **weights
    )


def _build_extra(
    references: Sequence[str], weights: Sequence[int | float], reconstruction: str, code: OwnCode
) -> tuple[ExtraLoss, ...]:
    """Load own losses, and check that each has a name of its own."""
    taken, found = {"gan", "features", reconstruction}, []
    for reference, weight in zip(references, weights, strict=True):
        name = reference.rpartition(":")[2]
        if name in taken:
            raise InputError(
                f"loss.extra={reference!r}: there is a loss g_loss_{name} already; rename it"
            )
        taken.add(name)
        function = code.function(reference, "loss.extra", "source", "target", "fake")
        found.append(ExtraLoss(name, function, float(weight)))
    return tuple(found)


def check_extra(
    losses: Losses, references: Sequence[str], networks: Networks, code: OwnCode
) -> None:
    """Raise InputError unless each own loss returns one number.

    Args:
        losses: The objective.
        references: References to its own losses.
        networks: The networks, which know the shapes of images.
        code: Where the losses were loaded.
    """
    shapes = (networks.source_shape, networks.target_shape, networks.target_shape)
    images = [jax.ShapeDtypeStruct((2, *shape), jnp.float32) for shape in shapes]
    for extra, reference in zip(losses.extra, references, strict=True):
        call = f"{extra.name}(source, target, fake)"
        trace_number(code, "loss.extra", reference, call, extra.function, *images)


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
    pair: tuple[Array, Array],
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
        pair: Source and target in [-1, 1].
        fake: Output of the generator; it is not differentiated.
        keys: One key per example, for the gradient penalty.

    Returns:
        The weighted loss; the new statistics, and the unweighted parts of the loss.
    """
    source, target = pair
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
    pair: tuple[Array, Array],
    fake: Array,
) -> tuple[Array, tuple[PyTree, Metrics]]:
    """Judge a fake by how real it is to the discriminator, and how near it is to the target.

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
        The weighted sum, and each loss, unweighted, by its name.
    """
    source, target = pair
    reconstruction = losses.reconstruction(fake, target)
    metrics = {f"g_loss_{losses.reconstruction_name}": reconstruction}
    loss = losses.reconstruction_weight * reconstruction
    for extra in losses.extra:
        metrics[f"g_loss_{extra.name}"] = value = jnp.asarray(extra.function(source, target, fake))
        loss += extra.weight * value
    return loss, metrics
