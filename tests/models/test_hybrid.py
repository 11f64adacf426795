"""The hybrid generator; `test_generators` has what it shares with the others."""

import itertools
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import draw, trace, variables_of
from support.platforms import pretend

from pix2pix_jax.models.blocks import leaky_relu
from pix2pix_jax.models.convolutions import conv, down_conv, up_conv
from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.initial import abstract_variables


@pytest.mark.parametrize("downsamplings", [1, 3, 4])
@pytest.mark.parametrize("blocks", [1, 6])
def test_hybrid_is_made_of_its_convolutions(blocks, downsamplings, monkeypatch):
    # As on an accelerator, and large enough: otherwise some of them are products of matrices.
    pretend(monkeypatch, "cuda")
    module = Hybrid(base_features=1, blocks=blocks, downsamplings=downsamplings)
    params, _ = abstract_variables(module, (1, 32, 32, 3))
    widths = [1, 2, 4, 8, 8][: downsamplings + 1]
    steps = list(itertools.pairwise(widths))
    expected = {"first": (3, 3, 3, 1), "last": (3, 3, 1, 3)}
    for number, (fine, coarse) in enumerate(steps):
        expected[f"down_{number}"] = (4, 4, fine, coarse)
        expected[f"up_{downsamplings - 1 - number}"] = (4, 4, coarse, fine)
    for number, half in itertools.product(range(blocks), (0, 1)):
        expected[f"block_{number}_{half}"] = (3, 3, widths[-1], widths[-1])
    assert {name: block["conv"]["kernel"].shape for name, block in params.items()} == expected
    traced = [
        e for e in trace(module, 1, 256, 256, 3) if e.primitive.name == "conv_general_dilated"
    ]
    assert len(traced) == len(expected) == 2 + 2 * downsamplings + 2 * blocks
    strides = [equation.params["window_strides"] for equation in traced]
    assert strides.count((2, 2)) == downsamplings


def test_hybrid_has_no_skips_around_its_residual_blocks():
    source = draw(0, 1, 8, 8, 2)
    module = Hybrid(base_features=2, blocks=1, downsamplings=1, norm="none")
    variables = variables_of(module, source)

    @jax.jit
    def gradient(variables):
        return jax.grad(lambda x: module.apply(variables, x, train=True).sum())(source)

    assert gradient(variables).any()
    for block in ("block_0_0", "block_0_1"):
        variables["params"][block]["conv"]["kernel"] *= 0
    assert gradient(variables).any()  # the residual connection
    variables["params"]["down_0"]["conv"]["kernel"] *= 0
    assert not gradient(variables).any()


def test_hybrid_by_its_definition():
    source = draw(0, 1, 8, 8, 3)
    module = Hybrid(base_features=2, blocks=1, downsamplings=2, norm="none", activation="swish")
    variables = jax.tree.map(lambda leaf: 10 * leaf, variables_of(module, source))

    def by_definition(params, x):
        def layer(function, name, x):
            return function(x, params[name]["conv"]["kernel"])

        same = partial(layer, partial(conv, padding=1))
        x = leaky_relu(same("first", x))
        for number in (0, 1):
            x = leaky_relu(layer(down_conv, f"down_{number}", x))
        x = x + same("block_0_1", nn.swish(same("block_0_0", x)))
        for number in (0, 1):
            x = nn.swish(layer(up_conv, f"up_{number}", x))
        return jnp.tanh(same("last", x))

    fake = jax.jit(partial(module.apply, train=True))(variables, source)
    expected = jax.jit(by_definition)(variables["params"], source)
    np.testing.assert_allclose(fake, expected, atol=1e-6)
    assert fake.std() > 0.01
