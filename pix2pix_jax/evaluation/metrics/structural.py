"""Structural similarity, one value per image; on the device, also under `jit`.

Images are float, NHWC, in [-1, 1]. Each channel is compared separately, and an image's value is the
mean over its channels. Values that are not finite give nan.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.pixel import Images, Weight, check_pair

# Wang et al., 2004, section III-C: an 11x11 Gaussian of 1.5 pixels, K1 = 0.01, K2 = 0.03.
_WINDOW = 11
_SIGMA = 1.5
_RANGE = 2.0
_C1, _C2 = (0.01 * _RANGE) ** 2, (0.03 * _RANGE) ** 2
# Wang et al., 2003, section 3.2: from the finest scale to the coarsest.
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@jax.jit
def ssim(fake: Images, target: Images, weight: Weight = None) -> Float[Array, " n"]:
    """Structural similarity of each pair, in [-1, 1], without unit (Wang et al., 2004, eq. 13).

    Higher is better; identical images have 1. It equals `skimage.metrics.structural_similarity` of
    the images as stored in files, from 0 to `data_range`, with `gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, channel_axis=-1`: only windows inside the image count. (That
    function does not fit images in [-1, 1]: luminance would change its sign at mid-gray.)

    Args:
        fake: Images, at least 11 pixels high and wide.
        target: Their ground truth.
        weight: How much the window around each pixel counts; None: all count alike.

    Returns:
        The mean over windows and channels.

    Raises:
        InputError: The shapes differ, or the images are smaller than the window.
    """
    check_pair(fake, target)
    _check_size(fake, _WINDOW, "ssim")
    return jnp.mean(_similarity(fake, target, weight)[0], axis=-1)


@jax.jit
def ms_ssim(fake: Images, target: Images, weight: Weight = None) -> Float[Array, " n"]:
    """Structural similarity over five scales, in [0, 1], without unit (Wang et al., 2003, eq. 7).

    Higher is better; identical images have 1. Each scale halves the one before by 2x2 means; an odd
    last row or column is left out. A negative mean of contrast and structure counts as 0, as its
    power is not real, so one such scale makes the channel's value 0.

    Args:
        fake: Images, at least 176 pixels high and wide: 11 on the coarsest scale.
        target: Their ground truth.
        weight: As for `ssim`.

    Returns:
        The mean over channels.

    Raises:
        InputError: The shapes differ, or the images are too small for five scales.
    """
    check_pair(fake, target)
    _check_size(fake, _WINDOW * 2 ** (len(_SCALE_WEIGHTS) - 1), "ms_ssim")
    product = jnp.ones(())
    for scale, power in enumerate(_SCALE_WEIGHTS):
        if scale:
            fake, target = _halve(fake), _halve(target)
            weight = None if weight is None else _halve(weight)
        whole, contrast_structure = _similarity(fake, target, weight)
        last = scale == len(_SCALE_WEIGHTS) - 1
        product *= jnp.maximum(whole if last else contrast_structure, 0) ** power
    return jnp.mean(product, axis=-1)


def _check_size(images: Images, least: int, name: str) -> None:
    height, width = images.shape[1:3]
    if min(height, width) < least:
        raise InputError(
            f"{name}: images of {height}x{width} pixels; it needs at least {least}x{least}: use "
            "larger images, or leave the metric out"
        )


def _similarity(
    fake: Images, target: Images, weight: Weight
) -> tuple[Float[Array, "n c"], Float[Array, "n c"]]:
    """Return means over windows: of the whole similarity, and of contrast and structure alone."""
    x, y = jnp.asarray(fake, jnp.float32), jnp.asarray(target, jnp.float32)
    mean_x, mean_y = _blur(x), _blur(y)
    variances = _blur(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    contrast_structure = (2 * covariance + _C2) / (variances + _C2)
    # Luminance is the distance from black, which is -1 here.
    light_x, light_y = mean_x + 1, mean_y + 1
    luminance = (2 * light_x * light_y + _C1) / (light_x**2 + light_y**2 + _C1)
    maps = luminance * contrast_structure, contrast_structure
    if weight is None:
        return jnp.mean(maps[0], (1, 2)), jnp.mean(maps[1], (1, 2))
    edge = _WINDOW // 2
    middles = jnp.asarray(weight)[:, edge:-edge, edge:-edge]
    # Where no window's middle counts, all windows do.
    middles = jnp.where(jnp.sum(middles, (1, 2, 3), keepdims=True) > 0, middles, 1.0)
    total = jnp.sum(middles, (1, 2))
    return jnp.sum(maps[0] * middles, (1, 2)) / total, jnp.sum(maps[1] * middles, (1, 2)) / total


def _blur(images: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    """Average over the Gaussian window, at every place where it is inside the image."""
    distance = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-0.5 * (distance / _SIGMA) ** 2)
    rows, columns = (
        sum(w * np.eye(side - _WINDOW + 1, side, k) for k, w in enumerate(weights / weights.sum()))
        for side in images.shape[1:3]
    )
    # Products with band matrices: on the CPU, XLA compiles and runs them ten times faster than
    # convolutions of few channels. The default precision on GPU and TPU is too low.
    return jnp.einsum("Hh,nhwc,Ww->nHWc", rows, images, columns, precision="highest")


def _halve(images: Images) -> Float[Array, "n h2 w2 c"]:
    n, height, width, channels = images.shape
    even = images[:, : height // 2 * 2, : width // 2 * 2]
    blocks = even.reshape(n, height // 2, 2, width // 2, 2, channels)
    return jnp.mean(blocks, axis=(2, 4))
