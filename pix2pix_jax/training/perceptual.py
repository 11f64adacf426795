"""The perceptual loss of a run: its network's weights, which are part of no checkpoint."""

from ml_collections import ConfigDict

from pix2pix_jax.models.build import Networks
from pix2pix_jax.models.perceptual import DISTANCES
from pix2pix_jax.models.perceptual_weights import PerceptualWeights, load_perceptual
from pix2pix_jax.training.state import TrainState

PERCEPTUAL_DIGEST = "weights of loss.perceptual"  # in what a checkpoint holds besides the state


def load_weights(loss: ConfigDict, networks: Networks, classes: int) -> PerceptualWeights | None:
    """Load the weights of a run's perceptual loss.

    Args:
        loss: The section `loss` of a configuration.
        networks: The networks, which know the shape of targets.
        classes: Number of classes if targets are class indices, else 0.

    Returns:
        The weights; None if there is no such loss.

    Raises:
        InputError: The targets do not suit its network, or see `load_perceptual`.
    """
    if not loss.perceptual_weight:
        return None
    *size, channels = networks.target_shape
    place = f"loss.perceptual_weight={loss.perceptual_weight:g}"
    DISTANCES[loss.perceptual].check_images(channels, tuple(size), classes, place=place)
    return load_perceptual(loss.perceptual, loss.perceptual_file)


def with_weights(state: TrainState, weights: PerceptualWeights | None) -> TrainState:
    """Return a state that has the weights of the perceptual loss, if there is one."""
    return state if weights is None else state.replace(perceptual=weights.variables)
