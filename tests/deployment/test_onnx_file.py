"""ONNX files of all networks and all their variants, by what onnxruntime makes of images."""

import dataclasses

import flax.linen as nn
import numpy as np
import pytest
from support.generators import SIDE, draw, drawn_generator, ours

from pix2pix_jax import InputError
from pix2pix_jax.core.choices import ACTIVATIONS, NORMS, UPSAMPLINGS
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.deployment import onnx_file
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.models.blocks import ConvBlock
from pix2pix_jax.models.convolutions import conv
from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.resnet import ResNet
from pix2pix_jax.models.unet import UNet

# Values as the network gives them, so that rounding to levels hides nothing.
FLOATS = PairFormat(Encoding(2, "float32", -1.0, 3.0), Encoding(1, "float32", 0.0, 1.0))
UNET = UNet(levels=2, base_features=4)
HYBRID = Hybrid(blocks=1, downsamplings=1, base_features=6)
# Every norm, activation and upsampling; a shuffle with a bias, which only `none` has.
VARIANTS = [
    (UNET, "instance", "relu", "transposed"),
    (UNET.clone(unet_skips=False), "none", "mish", "pixel_shuffle"),
    (ResNet(blocks=1, base_features=4), "instance_affine", "gelu", "transposed"),
    (HYBRID, "batch", "swish", "nearest"),
    (HYBRID, "group", "leaky_relu", "pixel_shuffle"),
]


class OneBlock(nn.Module):
    """An own network that is made of the package's blocks."""

    out_channels: int = 3

    @nn.compact
    def __call__(self, source, *, train, dropout_keys=None):
        layer = ConvBlock(self.out_channels, conv, train, kernel_size=1, spectral_norm=True)
        return nn.tanh(layer(source))


class OneLayer(nn.Module):
    """An own network with a layer of flax."""

    @nn.compact
    def __call__(self, source, *, train, dropout_keys=None):
        return nn.tanh(nn.Conv(3, (3, 3))(source))


def written(generator, folder, **options):
    """Write a file; return what runs it."""
    onnx_file.write(folder / "generator.onnx", generator, {}, **options)
    return onnx_file.load(folder / "generator.onnx")


@pytest.fixture(autouse=True)
def quick(one_device):
    """Compile for one device only."""


@pytest.mark.parametrize(("module", "norm", "activation", "upsample"), VARIANTS)
def test_a_file_computes_what_the_network_does(tmp_path, module, norm, activation, upsample):
    changes = {"norm": norm, "activation": activation, "upsample": upsample, "out_channels": 1}
    generator = drawn_generator(module.clone(**changes), form=FLOATS)
    sources = draw(FLOATS.source, 2, SIDE, 2 * SIDE)
    expected = ours(generator, sources)
    assert np.ptp(expected) > 0.1  # of a range of 1
    # Both round float32 sums of some hundred terms, in another order.
    np.testing.assert_allclose(written(generator, tmp_path)(sources), expected, atol=2e-5)


@pytest.mark.parametrize(
    "module",
    [
        UNET.clone(scale=3.0, norm="none", upsample="pixel_shuffle"),
        UNET.clone(scale=3.0, upsample="nearest"),
    ],
    ids=["shuffled", "nearest"],
)
def test_a_file_of_a_network_whose_results_have_another_scale(tmp_path, module):
    form = dataclasses.replace(FLOATS, scale=module.scale)
    generator = drawn_generator(module.clone(out_channels=1), form=form)
    sources = draw(FLOATS.source, 1, SIDE, 2 * SIDE)
    expected = ours(generator, sources)
    assert expected.shape == (1, *scaled((SIDE, 2 * SIDE), module.scale), 1)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(written(generator, tmp_path)(sources), expected, atol=2e-5)


def test_the_variants_are_all_that_there_are():
    _, *columns = zip(*VARIANTS, strict=True)
    for choices, column in zip((NORMS, ACTIVATIONS, UPSAMPLINGS), columns, strict=True):
        assert set(column) == set(choices)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Encoding(), Encoding()),
        (Encoding(1), Encoding()),  # gray to RGB
        (Encoding(4, "uint16", 100.0, 5000.0), Encoding(2, "uint16", 0.0, 65535.0)),
        (Encoding(1, classes=5), Encoding()),
        (Encoding(1, "uint16", classes=300), Encoding(1, "uint8", 0.0, 100.0)),
        (Encoding(2, "float32", 0.0, 10.0, no_data="nan"), Encoding()),
        (Encoding(2, "float32", 0.0, 10.0, no_data="-9999"), Encoding()),
        (Encoding(no_data="0"), Encoding()),
    ],
)
def test_pixels_are_read_and_written_as_stored(tmp_path, source, target):
    form = PairFormat(source, target)
    generator = drawn_generator(OneBlock(target.channels), form=form)
    sources = draw(source, 3, SIDE, SIDE)
    if source.classes == 5:
        sources[0, :4] = 255  # pixels without a class
    if source.no_data is not None:
        sources[0, :4] = sources[1, :4, :, 1] = float(source.no_data)
    fakes = written(generator, tmp_path)(sources)
    expected = ours(generator, sources)
    assert (fakes.dtype, fakes.shape) == (target.dtype, expected.shape)
    # A value may lie between two levels; in 16 bits, float32 itself is some levels off.
    allowed = 4 if target.dtype == "uint16" else 1
    difference = np.abs(fakes.astype(int) - expected)
    assert difference.max() <= allowed
    assert np.mean(difference == 0) > 0.7
    assert np.ptp(expected) > 50


def test_half_the_digits_of_kernels_make_half_a_file(tmp_path):
    generator = drawn_generator(UNET.clone(base_features=16))
    sources = draw(generator.form.source, 1, SIDE, SIDE)
    whole = written(generator, tmp_path)(sources).astype(int)
    bytes_of_whole = (tmp_path / "generator.onnx").stat().st_size
    half = written(generator, tmp_path, weights="float16")(sources)
    assert (tmp_path / "generator.onnx").stat().st_size < 0.6 * bytes_of_whole
    assert 0 < np.abs(half - whole).max() <= 2


def test_an_own_network_that_onnx_cannot_hold_is_told_what_can(tmp_path):
    with pytest.raises(InputError, match=r"^conv_general_dilated: .*--format stablehlo"):
        written(drawn_generator(OneLayer()), tmp_path)
    assert not list(tmp_path.iterdir())
