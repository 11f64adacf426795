"""The losses that an objective is made of.

Logits are unbounded floats of any shape; images are float32 in [-1, 1]. Every loss is a mean over
all its elements, so that its scale depends neither on the image size nor on the batch size.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

Logits = Float[Array, "*shape"]
Scalar = Float[Array, ""]
# One scale of a discriminator: its logits and the features of its hidden layers.
Scales = tuple[tuple[Array, tuple[Array, ...]], ...]


def vanilla_gan_loss(
    logits: Logits, *, target_is_real: bool, label_smoothing: float = 0.0
) -> Scalar:
    """Binary cross-entropy of the original GAN (Goodfellow et al., 2014, eq. 1).

    Args:
        logits: Discriminator output of any shape, unbounded.
        target_is_real: Whether the discriminator should call these images real.
        label_smoothing: How much the label of real images is below 1 (one-sided: Salimans et al.,
            2016, section 3.4).

    Returns:
        Mean cross-entropy in nats, at least 0; log(2) if all logits are 0.
    """
    labels = jnp.full_like(logits, 1 - label_smoothing if target_is_real else 0)
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, labels))


def least_squares_gan_loss(
    logits: Logits, *, target_is_real: bool, label_smoothing: float = 0.0
) -> Scalar:
    """Squared distance to the label (LSGAN: Mao et al., 2017, eq. 9, without its factor 1/2).

    Args:
        logits: Discriminator output of any shape, unbounded.
        target_is_real: Whether the label is 1, for real images, or 0, for fakes.
        label_smoothing: How much the label of real images is below 1.

    Returns:
        Mean squared difference, at least 0.
    """
    return jnp.mean(jnp.square(logits - (1 - label_smoothing if target_is_real else 0)))


def hinge_gan_loss(logits: Logits, *, target_is_real: bool) -> Scalar:
    """Hinge loss of the discriminator (Lim & Ye, 2017, eq. 8), at least 0.

    It is the mean of max(0, 1 - logits) for real images, and of max(0, 1 + logits) for fakes.
    """
    return jnp.mean(jax.nn.relu(1 - logits if target_is_real else 1 + logits))


def wasserstein_gan_loss(logits: Logits, *, target_is_real: bool) -> Scalar:
    """Mean of the critic's logits, negated for real images (Arjovsky et al., 2017, eq. 2)."""
    return jnp.mean(-logits if target_is_real else logits)


@dataclasses.dataclass(frozen=True)
class GanLoss:
    """The three sides of a GAN's objective, each a function of logits.

    Attributes:
        on_real: The discriminator's loss on real images.
        on_fake: The discriminator's loss on fakes.
        generator: The generator's loss on its fakes.
        gradient_penalty: Whether the discriminator's gradient is held at norm 1.
        halfway: Logit of an image that it finds neither real nor fake.
    """

    on_real: Callable[[Array], Array]
    on_fake: Callable[[Array], Array]
    generator: Callable[[Array], Array]
    gradient_penalty: bool = False
    halfway: float = 0.0


def with_labels(
    loss: Callable[..., Array], label_smoothing: float, halfway: float = 0.0
) -> GanLoss:
    """Return the objective of a GAN whose loss compares logits with labels.

    Args:
        loss: One of `LABELLED_GAN_LOSSES`.
        label_smoothing: See `vanilla_gan_loss`.
        halfway: See `GanLoss`.
    """
    # Smoothing is one-sided: the generator still aims at 1.
    return GanLoss(
        partial(loss, target_is_real=True, label_smoothing=label_smoothing),
        partial(loss, target_is_real=False),
        partial(loss, target_is_real=True),
        halfway=halfway,
    )


def _without_labels(loss: Callable[..., Array], *, gradient_penalty: bool) -> GanLoss:
    return GanLoss(
        partial(loss, target_is_real=True),
        partial(loss, target_is_real=False),
        partial(wasserstein_gan_loss, target_is_real=True),
        gradient_penalty,
    )


def _nothing(logits: Array) -> Array:
    return jnp.zeros(())


# For regression alone: there is no discriminator.
NO_GAN = GanLoss(_nothing, _nothing, _nothing)

LABELLED_GAN_LOSSES: dict[str, Callable[..., Array]] = {
    "vanilla": vanilla_gan_loss,
    "lsgan": least_squares_gan_loss,
}
UNLABELLED_GAN_LOSSES = {
    "hinge": _without_labels(hinge_gan_loss, gradient_penalty=False),
    "wgangp": _without_labels(wasserstein_gan_loss, gradient_penalty=True),
}


def l1_loss(
    fake: Float[Array, "*shape"], target: Float[Array, "*shape"], weight: Array | None = None
) -> Scalar:
    """Mean absolute error (Isola et al., 2017, eq. 3).

    Args:
        fake: Output of the generator, in [-1, 1].
        target: Ground truth of the same shape, in [-1, 1].
        weight: How much each pixel counts, in [0, 1], of shape (..., 1); None: 1.

    Returns:
        Mean of the weighted absolute differences, in [0, 2]. The mean is over all pixels, those of
        weight 0 among them, so that a pixel counts as much in an image with few of them as in any.

    Raises:
        ValueError: The shapes differ: broadcasting would hide the mistake.
    """
    return _weighted_mean(jnp.abs(_difference(fake, target)), weight)


def l2_loss(
    fake: Float[Array, "*shape"], target: Float[Array, "*shape"], weight: Array | None = None
) -> Scalar:
    """Mean squared error, in [0, 4]; arguments and errors as those of `l1_loss`."""
    return _weighted_mean(jnp.square(_difference(fake, target)), weight)


def charbonnier_loss(
    fake: Float[Array, "*shape"],
    target: Float[Array, "*shape"],
    weight: Array | None = None,
    *,
    epsilon: float = 1e-3,
) -> Scalar:
    """Mean of sqrt(difference^2 + epsilon^2), an L1 that is smooth at 0 (Charbonnier et al., 1994).

    Args:
        fake: Output of the generator, in [-1, 1].
        target: Ground truth of the same shape, in [-1, 1].
        weight: As for `l1_loss`.
        epsilon: Width of the smooth part.

    Returns:
        A value in [epsilon, 2 + epsilon] where all weights are 1.

    Raises:
        ValueError: The shapes differ.
    """
    squared = jnp.square(_difference(fake, target))
    return _weighted_mean(jnp.sqrt(squared + epsilon**2), weight)


def cross_entropy_loss(
    fake: Float[Array, "*shape"],
    target: Float[Array, "*shape"],
    weight: Array | None = None,
    *,
    epsilon: float = 1e-6,
) -> Scalar:
    """Cross-entropy of classes, whose shares are given on the scale of images.

    Args:
        fake: Share of each class, in the last axis: -1 for none, 1 for all.
        target: 1 for the pixel's class and -1 for all others. A pixel of no class does not count.
        weight: As for `l1_loss`.
        epsilon: Added to the shares, so that the loss of a class that the network rules out is
            finite, at most 14.

    Returns:
        The mean over all pixels, in nats, at least 0.

    Raises:
        ValueError: The shapes differ.
    """
    _difference(fake, target)
    share, label = (fake + 1) / 2, (target + 1) / 2
    entropy = -jnp.sum(label * jnp.log(share + epsilon), axis=-1, keepdims=True)
    return _weighted_mean(jnp.maximum(entropy, 0), weight)


def _difference(fake: Array, target: Array) -> Array:
    if fake.shape != target.shape:
        raise ValueError(f"shapes {fake.shape} and {target.shape} differ")
    return fake - target


def _weighted_mean(values: Array, weight: Array | None) -> Scalar:
    return jnp.mean(values if weight is None else values * weight)


@runtime_checkable
class Reconstruction(Protocol):
    """A distance of fakes from targets, see `l1_loss`."""

    def __call__(self, fake: Array, target: Array, weight: Array | None = None) -> Array:
        """Return one number."""
        ...


RECONSTRUCTION_LOSSES: dict[str, Reconstruction] = {
    "l1": l1_loss,
    "l2": l2_loss,
    "charbonnier": charbonnier_loss,
    "cross_entropy": cross_entropy_loss,
}


def mean_over_scales(loss: Callable[[Array], Array], scales: Scales) -> Scalar:
    """Average a loss of logits over the scales of a discriminator's output."""
    return sum((loss(logits) for logits, _ in scales), start=jnp.zeros(())) / len(scales)


def feature_matching_loss(on_fake: Scales, on_real: Scales) -> Scalar:
    """L1 of the discriminator's features of fake and target (pix2pixHD: Wang et al., 2018).

    Args:
        on_fake: Output of the discriminator on fakes.
        on_real: Output on targets; no gradient passes through it.

    Returns:
        The mean over scales and layers of the mean absolute difference, at least 0.
    """
    losses = [
        jnp.mean(
            jnp.abs(fake.astype(jnp.float32) - jax.lax.stop_gradient(real.astype(jnp.float32)))
        )
        for (_, fakes), (_, reals) in zip(on_fake, on_real, strict=True)
        for fake, real in zip(fakes, reals, strict=True)
    ]
    return jnp.mean(jnp.stack(losses))
