"""Convolutions against flax and against their definitions."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.platforms import pretend

from pix2pix_jax.models.blocks import nearest_conv, shuffled_conv
from pix2pix_jax.models.convolutions import conv, depth_to_space, down_conv, up_conv
from pix2pix_jax.models.resnet import reflect_conv


@pytest.fixture(autouse=True, params=["cpu", "cuda", "tpu"])
def platform(request, monkeypatch):
    """Run every test in the CPU's forms and in those of other platforms."""
    pretend(monkeypatch, request.param)
    return request.param


def draw(number, *shape):
    return jnp.asarray(np.random.default_rng(number).standard_normal(shape))


def assert_same_value_and_gradient(ours, theirs, x, kernel):
    """Compare two functions of (x, kernel) in float64, gradients under random weights."""
    weights = draw(2, *jax.eval_shape(theirs, x, kernel).shape)

    @jax.jit
    def see(x, kernel):
        values, pullbacks = zip(*(jax.vjp(f, x, kernel) for f in (ours, theirs)), strict=True)
        return [(y, pull(weights)) for y, pull in zip(values, pullbacks, strict=True)]

    a, b = see(x, kernel)
    for ours_leaf, theirs_leaf in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(ours_leaf, theirs_leaf, rtol=1e-12, atol=1e-12)


def transposed_by_definition(x, kernel):
    """Stride 2, padding 1: input i adds tap k, in reverse order, to output 2 * i + k - 1.

    The output is twice as large: that is an output padding of 1 for a 3x3 kernel, of 0 for a 4x4.
    """
    taps = np.arange(kernel.shape[0])[:, None, None]

    def places(side):
        return jnp.asarray(2 * np.arange(side)[:, None] + taps - 1 == np.arange(2 * side), x.dtype)

    rows, columns = places(x.shape[1]), places(x.shape[2])
    return jnp.einsum("nhwi,abio,ahp,bwq->npqo", x, kernel[::-1, ::-1], rows, columns)


@pytest.mark.parametrize(
    ("side", "stride", "padding"),
    [(1, 1, 0), (3, 2, 1), (4, 1, 1), (4, 2, 1), (7, 1, 3)],
)
def test_conv_equals_lax_with_its_own_padding_in_value_and_gradient(side, stride, padding):
    def theirs(x, kernel):
        pads = ((padding, padding), (padding, padding))
        layout = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=layout)

    def ours(x, kernel):
        return conv(x, kernel, stride=stride, padding=padding)

    with jax.enable_x64(True):
        x, kernel = draw(0, 2, 7, 10, 3), draw(1, side, side, 3, 5)
        rows = (7 + 2 * padding - side) // stride + 1
        assert jax.eval_shape(ours, x, kernel).shape[1] == rows
        assert_same_value_and_gradient(ours, theirs, x, kernel)


def test_down_conv_by_hand():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    y = down_conv(x, jnp.ones((4, 4, 1, 1)))
    # The first window reaches one pixel over the edge on two sides: rows and columns 0 to 2.
    assert y[0, :, :, 0].tolist() == [[45.0, 54.0], [81.0, 90.0]]


def test_down_conv_matches_lax_in_any_layout():
    x, kernel = draw(0, 1, 6, 10, 2), draw(1, 4, 4, 2, 3)
    nchw = lax.conv_general_dilated(
        x.transpose(0, 3, 1, 2), kernel.transpose(3, 2, 0, 1), (2, 2), ((1, 1), (1, 1))
    )
    np.testing.assert_allclose(down_conv(x, kernel), nchw.transpose(0, 2, 3, 1), atol=1e-5)


# The first two have more pixels than accelerators multiply matrices for, the others have not.
@pytest.mark.parametrize("shape", [(3, 6, 8, 3), (4, 5, 7, 2), (2, 3, 5, 7), (1, 1, 1, 4)])
def test_up_conv_equals_flax_conv_transpose_in_value_and_gradient(shape):
    layer = nn.ConvTranspose(5, (4, 4), (2, 2), "SAME", use_bias=False)

    def theirs(x, kernel):
        return layer.apply({"params": {"kernel": kernel}}, x)

    with jax.enable_x64(True):
        x, kernel = draw(0, *shape), draw(1, 4, 4, shape[-1], 5)
        assert_same_value_and_gradient(up_conv, theirs, x, kernel)


@pytest.mark.parametrize("sides", [(3, 4), (7, 10)])
@pytest.mark.parametrize("side", [3, 4])
def test_up_conv_is_the_transposed_convolution_of_its_definition(side, sides):
    with jax.enable_x64(True):
        x, kernel = draw(0, 2, *sides, 3), draw(1, side, side, 3, 2)
        assert_same_value_and_gradient(up_conv, transposed_by_definition, x, kernel)


@pytest.mark.parametrize("side", [3, 4])
def test_up_conv_of_a_single_pixel_by_hand(side):
    kernel = jnp.arange(1.0, side**2 + 1).reshape(side, side, 1, 1)
    y = up_conv(jnp.ones((1, 1, 1, 1)), kernel)[0, :, :, 0]
    # Of the taps in reverse order the first row and column fall over the edge.
    expected = {3: [[5.0, 4.0], [2.0, 1.0]], 4: [[11.0, 10.0], [7.0, 6.0]]}
    assert y.tolist() == expected[side]


def test_depth_to_space_by_hand():
    x = jnp.arange(16.0).reshape(1, 1, 2, 8)
    y = depth_to_space(x)
    assert y.shape == (1, 2, 4, 2)
    assert y[0].tolist() == [
        [[0, 1], [2, 3], [8, 9], [10, 11]],
        [[4, 5], [6, 7], [12, 13], [14, 15]],
    ]


def one_tap(row, column, *values):
    """Return a 3x3 kernel of one input channel, zero but for one place."""
    kernel = np.zeros((3, 3, 1, max(len(values), 1)), np.float32)
    kernel[row, column, 0] = values or 1
    return jnp.asarray(kernel)


def test_nearest_conv_repeats_pixels_and_convolves_by_hand():
    x = jnp.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    corner = one_tap(0, 0)  # looks one pixel up and to the left
    assert nearest_conv(x, corner)[0, :, :, 0].tolist() == [[0, 0, 0, 0], [0, 1, 1, 2]]
    ones = nearest_conv(x, jnp.ones((3, 3, 1, 1)))
    assert ones[0, :, :, 0].tolist() == [[4, 8, 10, 8], [4, 8, 10, 8]]


def test_shuffled_conv_gives_each_phase_its_own_kernel_by_hand():
    x = jnp.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    middle = one_tap(1, 1, 1, 10, 100, 1000)
    assert shuffled_conv(x, middle)[0, :, :, 0].tolist() == [[1, 10, 2, 20], [100, 1000, 200, 2000]]
    left = one_tap(1, 0, 1, 1, 1, 1)
    assert shuffled_conv(x, left)[0, :, :, 0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("convolve", "kernel"), [(nearest_conv, (3, 3, 2, 5)), (shuffled_conv, (3, 3, 2, 20))]
)
def test_upsampling_convolutions_double_both_sides(convolve, kernel):
    y = jax.eval_shape(convolve, jnp.zeros((2, 3, 4, 2)), jnp.zeros(kernel))
    assert y.shape == (2, 6, 8, 5)


def test_reflect_conv_mirrors_the_image_without_repeating_its_edge():
    x = jnp.arange(1.0, 17.0).reshape(1, 4, 4, 1)
    corner = one_tap(0, 0)
    y = reflect_conv(x, corner)[0, :, :, 0]
    assert y.shape == (4, 4)
    assert y[0].tolist() == [6.0, 5.0, 6.0, 7.0]
    assert y[:, 0].tolist() == [6.0, 2.0, 6.0, 10.0]
