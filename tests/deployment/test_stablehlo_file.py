"""StableHLO files, by what JAX makes of images with nothing but the file."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
from support.generators import SIDE, draw, drawn_generator, ours

from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.deployment import stablehlo_file
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.resnet import ResNet

SIXTEEN_BITS = PairFormat(Encoding(2, "uint16", 0.0, 65535.0), Encoding(1, "uint16", 0.0, 65535.0))


@pytest.fixture(autouse=True)
def quick(one_device):
    """Compile for one device only."""


def test_a_file_takes_any_batch_and_size_and_does_what_this_package_does(tmp_path):
    # Its last convolution has fewer products than features, for which there is a form of its own.
    module = Hybrid(blocks=1, downsamplings=2, base_features=10, norm="group", out_channels=1)
    generator = drawn_generator(module, form=SIXTEEN_BITS)
    shape = stablehlo_file.write(tmp_path / "file", generator)
    assert shape == "(batch, 4*height, 4*width, 2)"
    sources = draw(SIXTEEN_BITS.source, 2, SIDE, 2 * SIDE)
    fakes, expected = stablehlo_file.load(tmp_path / "file")(sources), ours(generator, sources)
    assert (fakes.dtype, fakes.shape) == (np.uint16, expected.shape)
    assert np.ptp(expected) > 2**13
    # Of 16 bits, the rounding of float32 is some levels.
    assert np.abs(fakes.astype(int) - expected).max() <= 16


def test_padding_by_reflection_is_written_for_any_size(tmp_path):
    generator = drawn_generator(ResNet(blocks=1, base_features=4))
    assert stablehlo_file.write(tmp_path / "file", generator) == "(batch, 4*height, 4*width, 3)"


class OneSize(nn.Module):
    """An own network that computes with its image's height."""

    @nn.compact
    def __call__(self, source, *, train, dropout_keys=None):
        rows = jnp.asarray(np.linspace(-1, 1, source.shape[1]), jnp.float32)
        return nn.tanh(nn.Conv(3, (3, 3))(source) + rows[None, :, None, None])


def test_an_own_network_of_one_size_becomes_a_file_for_that_size(tmp_path):
    generator = drawn_generator(OneSize())
    shape = stablehlo_file.write(tmp_path / "file", generator, own=True)
    assert shape == f"(batch, {SIDE}, {SIDE}, 3)"
    sources = draw(PHOTOS.source, 2, SIDE, SIDE)
    fakes = stablehlo_file.load(tmp_path / "file")(sources)
    assert np.abs(fakes.astype(int) - ours(generator, sources)).max() <= 1
