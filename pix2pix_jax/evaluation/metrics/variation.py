"""How much outputs differ from source to source, in comparison with their targets."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pix2pix_jax.evaluation.metrics.pixel import Images, check_pair
from pix2pix_jax.evaluation.metrics.table import Metric

LEAST_PAIRS = 8  # fewer do not show how much images differ
_SIDE = 8  # of the thumbnails: layout and colour count, not sharpness


def _moments(fake: Images, target: Images) -> Float[Array, "n 5 size"]:
    """Return each image's part of a set's moments: 1, and both thumbnails and their squares."""
    check_pair(fake, target)
    small = [_thumbnails(images) for images in (fake, target)]
    parts = [jnp.ones_like(small[0]), *small, *(jnp.square(images) for images in small)]
    return jnp.stack(parts, axis=1)


def _thumbnails(images: Images) -> Float[Array, "n size"]:
    """Return images of 8x8 pixels, each in one row."""
    count, channels = images.shape[0], images.shape[-1]
    shape = (count, _SIDE, _SIDE, channels)
    return jax.image.resize(jnp.asarray(images), shape, "linear").reshape(count, -1)


def _ratio(moments: Float[np.ndarray, "*n 5 size"]) -> Float[np.ndarray, "*n"]:
    """Return the ratio of the deviations of fakes and targets; nan if targets do not differ."""
    images, fake, target, fake_squares, target_squares = np.moveaxis(
        np.asarray(moments, np.float64), -2, 0
    )
    variances = [
        np.maximum(squares / images - np.square(total / images), 0).mean(axis=-1)
        for total, squares in ((fake, fake_squares), (target, target_squares))
    ]
    found = np.full_like(variances[0], np.nan)
    np.divide(variances[0], variances[1], out=found, where=variances[1] > 0)
    return np.asarray(np.sqrt(found))


# Deviation of outputs over deviation of targets, from image to image: 1 if outputs differ as much
# as targets do, 0 if they are the same for every source. A single image has no value. With the
# target's pixels where they do not count, outputs would differ from image to image by these.
VARIATION = Metric(
    "output_variation", "pixel", "high", "", _moments, _ratio, on_device=True, whole=True
)
