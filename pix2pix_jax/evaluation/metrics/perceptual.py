"""LPIPS as a metric (Zhang et al., 2018): how different two images look to a network."""

import dataclasses
import functools
import math

import jax
import numpy as np
from jaxtyping import Array, Float

from pix2pix_jax.evaluation.metrics.pixel import (
    check_pair,
    count_not_finite,
    refuse_not_finite,
)
from pix2pix_jax.models.perceptual import DISTANCES, Variables
from pix2pix_jax.models.perceptual_weights import PerceptualWeights, load_perceptual


class Lpips:
    """Measures LPIPS, one value per image, at least 0; lower is better, identical images have 0.

    Images are RGB in [-1, 1], or gray, which is repeated to RGB. An image's value does not depend
    on its batch.

    Args:
        name: `lpips_alex` or `lpips_vgg`.
        path: Where the weights are, see `load_perceptual`.
    """

    def __init__(self, name: str, path: str = "") -> None:
        self.name, self.path = name, path
        # The default on GPU and TPU has fewer digits, which would show in the scores.
        exact = dataclasses.replace(DISTANCES[name], precision=jax.lax.Precision.HIGHEST)
        self._distance = jax.jit(exact)

    @functools.cached_property
    def weights(self) -> PerceptualWeights:
        """The weights, loaded when they are first asked for."""
        return load_perceptual(self.name, self.path)

    def check_images(self, channels: int, size: tuple[int, ...], classes: int) -> None:
        """Raise InputError if images do not fit the network, see `Distance.check_images`."""
        DISTANCES[self.name].check_images(channels, size, classes, place=f"metric {self.name}")

    @functools.cached_property
    def _variables(self) -> Variables:
        return jax.device_put(self.weights.variables)

    def __call__(
        self, fake: Float[Array | np.ndarray, "..."], target: Float[Array | np.ndarray, "..."]
    ) -> Float[np.ndarray, " n"]:
        """Compare fakes with their targets.

        Raises:
            InputError: The shapes differ, the images do not fit the network, or they have values
                that are not finite.
        """
        check_pair(fake, target)
        for side in (fake, target):
            refuse_not_finite(np.asarray(count_not_finite(side)), (), math.prod(side.shape[1:]))
        found = [
            self._distance(self._variables, fake[place : place + 1], target[place : place + 1])
            for place in range(len(fake))
        ]
        return np.concatenate([np.asarray(value) for value in found])
