"""The objective of both networks, from the section `loss` of a configuration."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode
from pix2pix_jax.core.own_code_trace import trace_number
from pix2pix_jax.models.build import Networks
from pix2pix_jax.models.perceptual import DISTANCES, Distance
from pix2pix_jax.training.diffaugment import NO_CHANGES, DiffAugment
from pix2pix_jax.training.losses import (
    LABELLED_GAN_LOSSES,
    NO_GAN,
    RECONSTRUCTION_LOSSES,
    UNLABELLED_GAN_LOSSES,
    GanLoss,
    Reconstruction,
    l1_loss,
    with_labels,
)
from pix2pix_jax.training.shifts import tolerate_shifts

Metrics = dict[str, Float[Array, ""]]

# Between the labels of real images and of fakes, where these are the logits themselves.
_HALFWAY = {"lsgan": 0.5}


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
        cross_entropy_weight: Weight of the cross-entropy of classes beside `reconstruction`; 0: it
            is not computed.
        perceptual: A perceptual distance; its network's weights are in the state. None: none.
        perceptual_weight: Its weight.
        r1_weight: Weight of `r1_penalty`; 0: it is not computed.
        r1_every: It is computed every so many steps, and then counts so many times as much.
        diffaugment: Changes of what the discriminator sees.
        extra: Own losses.
    """

    gan: GanLoss
    reconstruction: Reconstruction = l1_loss
    reconstruction_name: str = "l1"
    reconstruction_weight: float = 100.0
    discriminator_weight: float = 0.5
    feature_matching_weight: float = 0.0
    gradient_penalty_weight: float = 10.0
    cross_entropy_weight: float = 0.0
    perceptual: Distance | None = None
    perceptual_weight: float = 0.0
    r1_weight: float = 0.0
    r1_every: int = 16
    diffaugment: DiffAugment = NO_CHANGES
    extra: tuple[ExtraLoss, ...] = ()


def build_losses(
    gan: str,
    reconstruction: str,
    label_smoothing: float,
    extra: Sequence[str] = (),
    extra_weights: Sequence[int | float] = (),
    *,
    perceptual: str = "",
    perceptual_weight: float = 0.0,
    perceptual_file: str = "",
    shift_tolerance: int = 0,
    diffaugment: Sequence[str] = (),
    diffaugment_share: float = 1.0,
    diffaugment_target: float = 0.0,
    diffaugment_images: int = 100_000,
    code: OwnCode = NO_OWN_CODE,
    **weights: Any,
) -> Losses:
    """Build the objective from the section `loss` of a configuration.

    Args:
        gan: `vanilla`, `lsgan`, `hinge` or `wgangp`; `none` for regression alone.
        reconstruction: One of `RECONSTRUCTION_LOSSES`.
        label_smoothing: See `vanilla_gan_loss`; only for `vanilla` and `lsgan`.
        extra: References to own losses.
        extra_weights: A weight for each of them; if empty, all are 1.
        perceptual: One of `DISTANCES`.
        perceptual_weight: Its weight; 0: there is none.
        perceptual_file: Where its weights are; `load_perceptual` reads them for the state.
        shift_tolerance: See `tolerate_shifts`; 0: none.
        diffaugment: Kinds of changes of `DiffAugment`.
        diffaugment_share: Its `share`.
        diffaugment_target: Its `target`.
        diffaugment_images: Its `images`.
        code: What may run of own code.
        **weights: Weights, see `Losses`.

    Raises:
        InputError: A name is unknown or taken, labels are to be smoothed for a loss without labels,
            or own code cannot be loaded.
    """
    labelled = {
        name: with_labels(loss, label_smoothing, _HALFWAY.get(name, 0.0))
        for name, loss in LABELLED_GAN_LOSSES.items()
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
    names = {"gan", "features", "perceptual", reconstruction}
    if weights.get("cross_entropy_weight"):
        names.add("cross_entropy")
    own = _build_extra(extra, extra_weights or [1.0] * len(extra), names, code)
    distance = RECONSTRUCTION_LOSSES[reconstruction]
    if shift_tolerance:
        distance = tolerate_shifts(distance, shift_tolerance)
    return Losses(
        gan_losses[gan],
        distance,
        reconstruction,
        perceptual=DISTANCES[perceptual] if perceptual_weight else None,
        perceptual_weight=perceptual_weight,
        diffaugment=DiffAugment(
            tuple(diffaugment), diffaugment_share, diffaugment_target, diffaugment_images
        ),
        extra=own,
        **weights,
    )


def _build_extra(
    references: Sequence[str], weights: Sequence[int | float], taken: set[str], code: OwnCode
) -> tuple[ExtraLoss, ...]:
    """Load own losses, and check that each has a name that is not taken."""
    found = []
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
