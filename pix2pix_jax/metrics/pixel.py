"""Pixel metrics, one value per image.

Images are float, NHWC, in [-1, 1]; reducing over images is the caller's, so that a short last batch
counts right.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Images = Float[Array | np.ndarray, "n h w c"]

# Below this mean squared error images are equal but for rounding: PSNR stops at 106 dB.
_LEAST_MSE = 1e-10


def l1(fake: Images, target: Images) -> Float[Array, " n"]:
    """Mean absolute difference of each pair, in [0, 2]; 0 where they are equal."""
    return jnp.mean(jnp.abs(fake - target), axis=(1, 2, 3))


def psnr(fake: Images, target: Images) -> Float[Array, " n"]:
    """Peak signal-to-noise ratio of each pair in dB, the peak being the whole range of 2.

    Higher is better; images that are equal have 106 dB.
    """
    mse = jnp.mean(jnp.square(fake - target), axis=(1, 2, 3))
    return 10 * jnp.log10(4 / jnp.maximum(mse, _LEAST_MSE))
