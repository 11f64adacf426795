import flax.linen as nn
import jax
import numpy as np
import pytest
from support.networks import apply, draw, variables_of

from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.receptive_field import receptive_radius
from pix2pix_jax.models.resnet import ResNet
from pix2pix_jax.models.unet import UNet

TINY = {"out_channels": 1, "base_features": 2, "norm": "none", "activation": "leaky_relu"}


def farthest_change(module, unit):
    """Change each of some neighbouring rows of an image; return how far off the result changes."""
    side, width = 128, 2 * unit
    image = draw(0, 1, side, width, 1)
    rows = np.arange(side // 2, side // 2 + unit)
    images = np.repeat(np.asarray(image), unit + 1, axis=0)
    images[np.arange(unit), rows] += 100
    variables = jax.tree.map(lambda leaf: 10 * leaf, variables_of(module, image))
    fakes = np.asarray(apply(module, variables, images, train=True))
    changed = (fakes[:-1] != fakes[-1]).any(axis=(2, 3))
    # Each row of the result lies on some rows of the source, or on a part of one.
    places = (np.arange(changed.shape[1])[:, None] + np.array([0, 1])) / module.scale
    places = np.stack([np.floor(places[:, 0]), np.ceil(places[:, 1]) - 1])
    return max(
        np.abs(places[:, each] - row).min(axis=0).max()
        for each, row in zip(changed, rows, strict=True)
    )


@pytest.mark.parametrize(
    ("module", "unit"),
    [
        (UNet(levels=3, **TINY), 8),
        (UNet(levels=2, upsample="pixel_shuffle", unet_skips=False, **TINY), 4),
        (ResNet(blocks=1, **TINY), 4),
        (Hybrid(blocks=1, downsamplings=2, upsample="nearest", **TINY), 4),
        (UNet(levels=2, scale=2.0, **TINY), 4),
        (UNet(levels=2, scale=0.5, **TINY), 4),
        (ResNet(blocks=1, scale=3.0, upsample="nearest", **TINY), 4),
        (Hybrid(blocks=1, downsamplings=1, scale=3.0, **TINY), 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_radius_is_how_far_a_change_of_the_source_is_seen(module, unit):
    assert receptive_radius(module) == farthest_change(module, unit)


def test_the_papers_networks_look_as_far_as_their_layers_say():
    assert [receptive_radius(UNet(levels=levels)) for levels in (8, 7)] == [765, 381]
    assert [receptive_radius(ResNet(blocks=blocks)) for blocks in (9, 6)] == [84, 60]


def test_nothing_is_known_of_own_networks():
    assert receptive_radius(nn.Dense(3)) is None
