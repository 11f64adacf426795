"""Numbers beside the image, and how they change the features of a network.

A small network of its own embeds the numbers of an example. A generator scales and shifts features
by what is embedded (FiLM: Perez et al., 2018). A discriminator adds to its logits the inner product
with its last features (projection: Miyato & Koyama, 2018).
"""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from pix2pix_jax.models.initial import ZEROS, Initializer
from pix2pix_jax.models.normalization import widen

_WIDTH = 64  # features of an embedding


class Embedding(nn.Module):
    """Two layers of 64 features, each with SiLU, from the numbers of an example."""

    @nn.compact
    def __call__(self, condition: Float[Array, "n k"]) -> Float[Array, "n 64"]:
        """Embed numbers.

        Args:
            condition: Normalised numbers: those of the training pairs have mean 0 and variance 1.

        Returns:
            Features, float32.
        """
        x = condition
        for number in range(2):
            kernel = Initializer(0.0, 1 / math.sqrt(x.shape[-1]))
            layer = nn.Dense(_WIDTH, kernel_init=kernel, bias_init=ZEROS, name=f"dense_{number}")
            x = nn.silu(layer(x))
        return x


class Film(nn.Module):
    """Feature-wise linear modulation (Perez et al., 2018): a scale and a shift for each channel.

    It begins as the identity, so that a new network is the one without numbers.
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, "n h w c"], embedded: Float[Array, "n e"]
    ) -> Float[Array, "n h w c"]:
        """Scale and shift features.

        Args:
            x: Features.
            embedded: From `Embedding`, for each example.

        Returns:
            x * (1 + scale) + shift, in the dtype of x.
        """
        layer = nn.Dense(2 * x.shape[-1], kernel_init=ZEROS, bias_init=ZEROS, name="dense")
        scale, shift = jnp.split(layer(embedded)[:, None, None], 2, axis=-1)
        return (widen(x) * (1 + scale) + shift).astype(x.dtype)


def embed(
    count: int, condition: Float[Array, "n k"] | None, examples: Any
) -> Float[Array, "n 64"] | None:
    """Embed the numbers of a batch, inside of a network's `nn.compact` method.

    Args:
        count: How many numbers the network was made for; 0: none, and nothing is added to it.
        condition: Normalised numbers of each example; None: zeros, the means of the training, with
            which a network gets its variables and its trace.
        examples: Number of examples.

    Returns:
        Features; None if there are no numbers.
    """
    if not count:
        return None
    given = jnp.zeros((examples, count)) if condition is None else condition
    embedded: Array = Embedding(name="condition")(given)
    return embedded
