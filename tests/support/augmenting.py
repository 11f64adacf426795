"""Augmentation of images in memory, for its tests."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from pix2pix_jax.data.augment import augment

LOADED = (12, 14)
KEYS = jax.random.split(jax.random.key(0), 600)


def as_float(image):
    """Leave the values as they are."""
    return image.astype(jnp.float32)


def in_range(image):
    """Map unsigned integers, or what was interpolated between those of 8 bits, to [-1, 1]."""
    is_whole = jnp.issubdtype(image.dtype, jnp.integer)
    return as_float(image) / ((jnp.iinfo(image.dtype).max if is_whole else 255) / 2) - 1


@functools.partial(jax.jit, static_argnums=(3, 4, 5))
def apply(keys, source, target, options, encode_source=as_float, encode_target=as_float):
    """Augment pairs, compiled."""
    encoders = {"encode_source": encode_source, "encode_target": encode_target}
    return augment(keys, source, target, options=options, **encoders)[:2]


def noise(*shape):
    """Draw an image of 8 bits."""
    return jnp.asarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
