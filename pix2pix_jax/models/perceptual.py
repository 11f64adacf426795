"""Perceptual distances: LPIPS (Zhang et al., 2018), and the L1 of VGG16's features.

Both compare what a network trained on ImageNet sees in two images. Modules are named like the
arrays of torchvision's weights; these are in `perceptual_weights`. Nothing here is trained.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pix2pix_jax.core.errors import InputError

# Side of the max pooling before a block; and the number in torchvision's `features`, features,
# kernel, stride and padding of each of its convolutions.
Block = tuple[int, tuple[tuple[int, int, int, int, int], ...]]
Variables = dict[str, Any]
Images = Float[Array | np.ndarray, "n h w c"]


def _vgg_block(pool: int, features: int, *numbers: int) -> Block:
    return pool, tuple((number, features, 3, 1, 1) for number in numbers)


BLOCKS: dict[str, tuple[Block, ...]] = {
    "alex": (
        (0, ((0, 64, 11, 4, 2),)),
        (3, ((3, 192, 5, 1, 2),)),
        (3, ((6, 384, 3, 1, 1),)),
        (0, ((8, 256, 3, 1, 1),)),
        (0, ((10, 256, 3, 1, 1),)),
    ),
    "vgg": (
        _vgg_block(0, 64, 0, 2),
        _vgg_block(2, 128, 5, 7),
        _vgg_block(2, 256, 10, 12, 14),
        _vgg_block(2, 512, 17, 19, 21),
        _vgg_block(2, 512, 24, 26, 28),
    ),
}
NAMES = {"alex": "AlexNet", "vgg": "VGG16"}
LEAST_SIZE = {"alex": 31, "vgg": 16}  # pixels, of which the last block sees one

# ImageNet's mean and deviation for images in [-1, 1], rounded as in LPIPS.
_MEAN = (-0.030, -0.088, -0.188)
_DEVIATION = (0.458, 0.448, 0.450)
_LAYER_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
_EPSILON = 1e-10  # of LPIPS, beside the length of a pixel's features


class Features(nn.Module):
    """The convolutions of AlexNet or VGG16.

    Attributes:
        network: `alex` or `vgg`.
        precision: Of the convolutions; None: what the surrounding program asks for.
    """

    network: str
    precision: jax.lax.Precision | None = None

    @nn.compact
    def __call__(
        self, images: Float[Array | np.ndarray, "n h w 3"]
    ) -> tuple[Float[Array, "n _ _ _"], ...]:
        """Return the features at the end of each of the five blocks, for RGB in [-1, 1]."""
        x: Any = (images - np.array([[[_MEAN]]], np.float32)) / np.array(
            [[[_DEVIATION]]], np.float32
        )
        found = []
        for pool, layers in BLOCKS[self.network]:
            if pool:
                x = nn.max_pool(x, (pool, pool), (2, 2))
            for number, features, side, stride, padding in layers:
                x = nn.Conv(
                    features,
                    (side, side),
                    stride,
                    padding,
                    precision=self.precision,
                    name=f"features_{number}",
                )(x)
                x = nn.relu(x)
            found.append(x)
        return tuple(found)


@dataclasses.dataclass(frozen=True)
class Distance:
    """A perceptual distance.

    Attributes:
        name: One of `DISTANCES`.
        network: The network whose features are compared.
        precision: Of its convolutions, see `Features`.
    """

    name: str
    network: str
    precision: jax.lax.Precision | None = None

    @property
    def has_heads(self) -> bool:
        """Whether its weights include LPIPS's own: how much each feature counts."""
        return self.name != "vgg"

    def __call__(self, variables: Variables, fake: Images, target: Images) -> Float[Array, " n"]:
        """Compare images in [-1, 1]; works under `jit`.

        Args:
            variables: From `perceptual_weights.load_perceptual`.
            fake: RGB, or gray, which is repeated to RGB.
            target: Their ground truth.

        Returns:
            One distance per pair, at least 0. LPIPS is that of version 0.1 of its authors. `vgg` is
            the L1 of the last features of each block, as in pix2pixHD (Wang et al., 2018), whose
            weights it has: 1/32, 1/16, 1/8, 1/4 and 1; there, the network is VGG19.

        Raises:
            InputError: The images do not fit, see `check_images`.
        """
        self.check_images(fake.shape[-1], fake.shape[1:3])
        features = Features(self.network, self.precision)
        ours, theirs = (
            features.apply({"params": variables["params"]}, _as_rgb(side))
            for side in (fake, target)
        )
        if not self.has_heads:
            return sum(
                (
                    weight * jnp.mean(jnp.abs(x - y), axis=(1, 2, 3))
                    for weight, x, y in zip(_LAYER_WEIGHTS, ours, theirs, strict=True)
                ),
                start=jnp.zeros(()),
            )
        return sum(
            (
                jnp.mean(
                    jnp.sum(jnp.square(_unit(x) - _unit(y)) * head[None, None, None], axis=-1),
                    axis=(1, 2),
                )
                for head, x, y in zip(variables["heads"], ours, theirs, strict=True)
            ),
            start=jnp.zeros(()),
        )

    def check_images(
        self, channels: int, size: tuple[int, ...], classes: int = 0, *, place: str = ""
    ) -> None:
        """Raise InputError if images do not fit the network.

        Args:
            channels: Their number of channels.
            size: Their height and width.
            classes: Number of classes, if their values are class indices; 0: they are no indices.
            place: What asks for the distance, for the message; '': its name.
        """
        place, least = place or self.name, LEAST_SIZE[self.network]
        if classes:
            raise InputError(
                f"{place}: the targets are indices of {classes} classes, and it compares pictures; "
                "leave it out"
            )
        if channels not in (1, 3):
            raise InputError(
                f"{place}: images of {channels} channels; {NAMES[self.network]} sees RGB, or gray "
                "(1 channel): leave it out"
            )
        if min(size) < least:
            raise InputError(
                f"{place}: images of {size[0]}x{size[-1]} pixels; {NAMES[self.network]} needs at "
                f"least {least}x{least}: use larger images, or leave it out"
            )


DISTANCES = {
    "lpips_alex": Distance("lpips_alex", "alex"),
    "lpips_vgg": Distance("lpips_vgg", "vgg"),
    "vgg": Distance("vgg", "vgg"),
}


def _as_rgb(images: Images) -> Array:
    images = jnp.asarray(images, jnp.float32)
    return jnp.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def _unit(features: Array) -> Array:
    """Divide each pixel's features by their length, as LPIPS does."""
    square = jnp.sum(jnp.square(features), axis=-1, keepdims=True)
    there = square > 0
    # Where all features are 0, the gradient of the root is infinite, and would be nan in the end.
    length = jnp.sqrt(jnp.where(there, square, 1.0))
    return jnp.where(there, features / (length + _EPSILON), 0.0)
