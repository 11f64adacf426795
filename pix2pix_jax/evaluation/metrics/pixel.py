"""Pixel metrics, one value per image.

Images are float, NHWC, in [-1, 1], with any number of channels; reducing over images is the
caller's, so that a short last batch counts right. Values that are not finite give nan.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pix2pix_jax.core.errors import InputError, NonFiniteError

Images = Float[Array | np.ndarray, "n h w c"]

# Below this mean squared error images are equal but for rounding: PSNR stops at 106 dB.
_LEAST_MSE = 1e-10


def check_pair(
    fake: Float[Array | np.ndarray, "..."], target: Float[Array | np.ndarray, "..."]
) -> None:
    """Refuse images of different shapes, which broadcasting would compare all the same.

    Raises:
        InputError: The shapes differ.
    """
    if fake.shape != target.shape:
        raise InputError(
            f"fake images of shape {fake.shape} and targets of shape {target.shape}: metrics "
            "compare images of equal shape; resize one side or give it the other's channels"
        )


def check_finite(images: Images, names: Sequence[str] = ()) -> None:
    """Refuse images with nan or infinite values.

    Args:
        images: Images of any range.
        names: What to call each of them; (): by its place in the batch.

    Raises:
        NonFiniteError: An image has such values. The message names the first one.
    """
    wrong = np.asarray(jnp.sum(~jnp.isfinite(images), axis=(1, 2, 3)))
    if wrong.any():
        first = int(np.argmax(wrong > 0))
        name = names[first] if len(names) else f"image {first} of the batch"
        raise NonFiniteError(
            f"{name}: {wrong[first]} of {images[first].size} values are nan or infinite, so it "
            "has no score; take another checkpoint or leave the image out"
        )


def l1(fake: Images, target: Images) -> Float[Array, " n"]:
    """Mean absolute difference of each pair, in [0, 2] (units of [-1, 1]).

    Lower is better; 0 where they are equal (Isola et al., 2017, eq. 3).
    """
    check_pair(fake, target)
    return jnp.mean(jnp.abs(fake - target), axis=(1, 2, 3))


def l2(fake: Images, target: Images) -> Float[Array, " n"]:
    """Mean squared difference of each pair, in [0, 4] (squared units of [-1, 1]).

    Lower is better; 0 where they are equal.
    """
    check_pair(fake, target)
    return jnp.mean(jnp.square(fake - target), axis=(1, 2, 3))


def psnr(fake: Images, target: Images) -> Float[Array, " n"]:
    """Peak signal-to-noise ratio of each pair in dB, the peak being the whole range of 2.

    Higher is better, from 0 for black against white; images that are equal have 106 dB.
    """
    check_pair(fake, target)
    return 10 * jnp.log10(4 / jnp.maximum(l2(fake, target), _LEAST_MSE))
