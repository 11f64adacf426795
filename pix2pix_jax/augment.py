"""Augmentation on the device: one geometric draw for source and target.

Inputs are integer images as they are kept in memory, NHWC; results are float32 in [-1, 1].
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Integer, Key

from pix2pix_jax.images import to_float


def random_crop_and_flip(
    keys: Key[Array, " n"],
    source: Integer[Array, "n h w c"],
    target: Integer[Array, "n h w d"],
    *,
    image_size: tuple[int, int],
    flip: bool,
) -> tuple[Float[Array, "n h2 w2 c"], Float[Array, "n h2 w2 d"]]:
    """Cut one random window out of each pair and mirror half of the pairs, as the reference does.

    Args:
        keys: One random key per pair: the draw belongs to the example, not to its place.
        source: Images at the size they were loaded with.
        target: Their partners.
        image_size: Height and width of the window; where equal to the images', there is no crop.
        flip: Whether pairs are mirrored left to right with probability 1/2.

    Returns:
        Source and target windows in [-1, 1].
    """

    def augment_pair(key: Array, source: Array, target: Array) -> tuple[Array, Array]:
        crop_key, flip_key = jax.random.split(key)
        spare = jnp.array(source.shape[:2]) - jnp.array(image_size)
        top, left = jax.random.randint(crop_key, (2,), 0, spare + 1)
        mirror = jax.random.bernoulli(flip_key) if flip else jnp.bool_(False)

        def cut(image: Array) -> Array:
            window = lax.dynamic_slice(image, (top, left, 0), (*image_size, image.shape[-1]))
            return jnp.where(mirror, window[:, ::-1], window)

        return cut(source), cut(target)

    source, target = jax.vmap(augment_pair)(keys, source, target)
    return to_float(source), to_float(target)
