"""What holds the gradient of a discriminator, a function of images, in bounds."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pix2pix_jax.training.losses import Scalar, Scales

Judge = Callable[[Array, Array], Scales]  # source and image to a discriminator's output


def critic_value(scales: Scales) -> Float[Array, " n"]:
    """Return a critic's value of each example: the mean of its logits, over all scales."""
    return jnp.mean(jnp.stack([logits.mean(axis=(1, 2, 3)) for logits, _ in scales]), axis=0)


def gradient_penalty(
    critic: Callable[[Array, Array], Array],
    source: Float[Array, "n h w c"],
    real: Float[Array, "n h w d"],
    fake: Float[Array, "n h w d"],
    share: Float[Array, " n"],
) -> Scalar:
    """Hold the critic's gradient at norm 1 between real and fake (Gulrajani et al., 2017, eq. 3).

    As in the reference the gradient is that of source and image together. Unlike there it is that
    of the mean of an example's logits, not of their sum, which would grow with the image.

    Args:
        critic: Source and image to one value for each example.
        source: What both images belong to.
        real: Targets.
        fake: Fakes.
        share: Share of the real image in the mixture, one for each example, in [0, 1].

    Returns:
        Mean over the examples of (norm - 1)^2, at least 0.
    """
    weight = share[:, None, None, None]
    mixed = weight * real + (1 - weight) * fake
    gradients = jax.grad(lambda *images: jnp.sum(critic(*images)), argnums=(0, 1))(source, mixed)
    squares = sum(jnp.sum(jnp.square(part), axis=(1, 2, 3)) for part in gradients)
    return jnp.mean(jnp.square(jnp.sqrt(squares + 1e-12) - 1))


def r1_penalty(
    judge: Judge, source: Float[Array, "n h w c"], real: Float[Array, "n h w d"]
) -> Scalar:
    """Make the discriminator flat at real images (R1: Mescheder et al., 2018, eq. 9).

    There, a discriminator has one logit. Ours has one for each patch: the gradient is that of
    their sum, and its squared norm is divided by their number, so that the penalty grows neither
    with the image nor with the number of patches.

    Args:
        judge: The discriminator.
        source: What the images belong to.
        real: Targets.

    Returns:
        Half the mean over the examples of |gradient|^2 / patches, at least 0; its weight is the
        gamma of the paper.
    """

    def total(real: Array) -> tuple[Array, int]:
        logits = [logits for logits, _ in judge(source, real)]
        patches = sum(scale[0].size for scale in logits)
        return sum((jnp.sum(scale) for scale in logits), start=jnp.zeros(())), patches

    gradient, patches = jax.grad(total, has_aux=True)(real)
    return jnp.sum(jnp.square(gradient)) / (2 * patches * len(real))
