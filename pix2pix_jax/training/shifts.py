"""Reconstruction of targets that are some pixels off their sources."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from pix2pix_jax.training.losses import Reconstruction, Scalar


def tolerate_shifts(loss: Reconstruction, tolerance: int) -> Reconstruction:
    """Return a loss that takes, for each example, the best shift of its target.

    Where pairs are aligned only to within a few pixels, an ordinary loss is least for the mean of
    all places where a target may lie, which is blurred. This one compares the fake with the target
    where the two fit best.

    Args:
        loss: Maps a fake, its target and a weight of each pixel to one number.
        tolerance: Largest shift up or down and to either side, in pixels, less than the image's
            shorter side.

    Returns:
        A loss of the same arguments: the mean over the examples of the smallest loss. Only pixels
        that a shifted target covers are compared. The gradient is that of the loss at the best
        shift; at equal losses the smallest shift wins.
    """
    both = itertools.product(range(-tolerance, tolerance + 1), repeat=2)
    shifts = np.array(sorted(both, key=lambda shift: (shift[0] ** 2 + shift[1] ** 2, shift)))

    def of_example(fake: Array, target: Array, weight: Array) -> Scalar:
        # What a shift brings in from outside of the target has no weight.
        border = ((tolerance, tolerance), (tolerance, tolerance), (0, 0))
        padded = jnp.pad(target, border), jnp.pad(weight, border)

        def compare(fake: Array, shift: Int[Array, "2"]) -> tuple[Scalar, Scalar]:
            start = (tolerance - shift[0], tolerance - shift[1], 0)
            moved, weights = (
                lax.dynamic_slice(side, start, (*fake.shape[:2], side.shape[-1])) for side in padded
            )
            weights = weights * weight  # of both: what does not count is compared with nothing
            share = jnp.mean(weights)
            value = loss(fake[None], moved[None], weights[None])
            return value / jnp.where(share > 0, share, 1), share

        def score(shift: Int[Array, "2"]) -> Scalar:
            value, share = compare(lax.stop_gradient(fake), shift)
            return jnp.where(share > 0, value, jnp.inf)

        best = jnp.argmin(lax.map(score, jnp.asarray(shifts)))
        # As much as all of the target's weight, not only what overlaps.
        return compare(fake, jnp.asarray(shifts)[best])[0] * jnp.mean(weight)

    def tolerant(
        fake: Float[Array, "n h w c"],
        target: Float[Array, "n h w c"],
        weight: Float[Array, "n h w 1"] | None = None,
    ) -> Scalar:
        weight = jnp.ones_like(fake[..., :1]) if weight is None else weight
        return jnp.mean(jax.vmap(of_example)(fake, target, weight))

    return tolerant
