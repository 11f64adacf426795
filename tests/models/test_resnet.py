"""The ResNet generator; `test_generators` has what it shares with the others."""

import pytest
from support.networks import count

from pix2pix_jax.models.initial import abstract_variables
from pix2pix_jax.models.resnet import ResNet


@pytest.mark.parametrize(
    ("norm", "blocks", "parameters"),
    [
        ("batch", 9, 11_383_427),
        ("instance", 9, 11_378_179),
        ("batch", 6, 7_841_411),
        ("instance", 6, 7_837_699),
    ],
)
def test_resnet_has_the_reference_number_of_parameters(norm, blocks, parameters):
    params, _ = abstract_variables(ResNet(norm=norm, blocks=blocks), (1, 256, 256, 3))
    assert count(params) == parameters


def test_resnet_is_made_of_the_reference_convolutions():
    params, _ = abstract_variables(ResNet(), (1, 256, 256, 3))
    shapes = {name: block["conv"]["kernel"].shape for name, block in params.items()}
    expected = {
        "first": (7, 7, 3, 64),
        "down_0": (3, 3, 64, 128),
        "down_1": (3, 3, 128, 256),
        "up_0": (3, 3, 256, 128),
        "up_1": (3, 3, 128, 64),
        "last": (7, 7, 64, 3),
    }
    blocks = {f"block_{n}_{half}": (3, 3, 256, 256) for n in range(9) for half in (0, 1)}
    assert shapes == expected | blocks
