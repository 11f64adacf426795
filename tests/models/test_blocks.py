"""Blocks of activation, convolution and norm; spectral norm; activations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import apply, draw, initial, normalised

from pix2pix_jax.models.blocks import ACTIVATIONS, Conv, ConvBlock, leaky_relu, spectral_normalize
from pix2pix_jax.models.convolutions import conv, down_conv


def test_norm_none_leaves_nothing_but_the_convolution():
    x = draw(0, 1, 8, 8, 2)
    block = ConvBlock(3, down_conv, train=True, norm="none")
    variables = initial(block, x)
    assert variables.keys() == {"params"}
    assert variables["params"].keys() == {"conv"}
    kernel, bias = draw(1, 4, 4, 2, 3), np.array([1, 2, 3], np.float32)
    y = apply(block, {"params": {"conv": {"kernel": kernel, "bias": bias}}}, x)
    np.testing.assert_allclose(y, np.asarray(down_conv(x, kernel)) + bias, rtol=1e-5, atol=1e-6)


def test_block_is_activation_convolution_norm_activation():
    x = draw(0, 1, 6, 6, 2)
    block = ConvBlock(3, conv, train=True, before=jnp.abs, after=jnp.cos, norm="instance")
    variables = initial(block, x)
    kernel = variables["params"]["conv"]["kernel"]
    expected = np.cos(normalised(jax.jit(conv)(jnp.abs(x), kernel), (1, 2)))
    np.testing.assert_allclose(apply(block, variables, x), expected, atol=1e-4)


def block_with_bias(norm, *, train, bias):
    """Return a block's output, given the bias of its convolution, and the bias's gradient."""
    x = draw(0, 2, 6, 6, 4)
    block = ConvBlock(6, down_conv, train=train, norm=norm)  # two groups of three channels
    params = initial(block, x)["params"]
    assert params["conv"]["bias"].shape == (6,)
    stats = {"norm": {"mean": jnp.zeros(6), "var": jnp.ones(6)}} if norm == "batch" else {}
    weights = draw(1, 2, 3, 3, 6)

    def total(bias):
        given = {**params, "conv": {**params["conv"], "bias": bias}}
        variables = {"params": given, "batch_stats": stats}
        y, _ = block.apply(variables, x, mutable=["batch_stats"])
        return jnp.sum(weights * y), y

    return jax.jit(jax.grad(total, has_aux=True))(jnp.asarray(bias, jnp.float32))


BIAS = [1.0, -2.0, 30.0, 0.5, 7.0, -8.0]


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("norm", ["instance", "instance_affine"])
def test_a_bias_that_the_norm_removes_is_kept_but_neither_added_nor_trained(norm, train):
    gradient, y = block_with_bias(norm, train=train, bias=BIAS)
    _, without = block_with_bias(norm, train=train, bias=np.zeros(6))
    np.testing.assert_array_equal(y, without)
    assert not gradient.any()


@pytest.mark.parametrize(("norm", "train"), [("none", True), ("group", True), ("batch", False)])
def test_a_bias_that_a_norm_leaves_is_added(norm, train):
    gradient, y = block_with_bias(norm, train=train, bias=BIAS)
    _, without = block_with_bias(norm, train=train, bias=np.zeros(6))
    assert np.abs(y - without).max() > 0.1
    assert gradient.any()


def test_adding_such_a_bias_would_change_nothing_but_rounding():
    x, bias = draw(0, 2, 6, 6, 4), np.asarray(BIAS, np.float32)
    kernel = draw(1, 4, 4, 4, 6)
    block = ConvBlock(6, down_conv, train=False, norm="instance")
    y = apply(block, {"params": {"conv": {"kernel": kernel, "bias": bias}}}, x)
    added = normalised(np.asarray(down_conv(x, kernel), np.float64) + bias, (1, 2))
    np.testing.assert_allclose(y, added, atol=1e-5)


def largest_singular_value(kernel):
    return np.linalg.svd(np.asarray(kernel).reshape(-1, kernel.shape[-1]), compute_uv=False)[0]


@pytest.mark.parametrize("shape", [(4, 4, 3, 8), (1, 1, 2, 5), (3, 3, 4, 1)])
def test_spectral_normalize_converges_to_the_largest_singular_value(shape):
    kernel, vector, step = draw(0, *shape), jnp.ones(shape[-1:]), jax.jit(spectral_normalize)
    sigma = largest_singular_value(kernel)
    for _ in range(200):
        normal, vector = step(kernel, vector)
        # A power iteration comes from below: the kernel is never made too small.
        assert largest_singular_value(normal) > 1 - 1e-5
    np.testing.assert_allclose(normal * sigma, kernel, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vector), 1, rtol=1e-5)
    seen = np.linalg.norm(kernel.reshape(-1, shape[-1]) @ vector)
    np.testing.assert_allclose(seen, sigma, rtol=1e-5)


def test_spectral_normalize_forgets_the_scale_of_the_kernel():
    kernel, vector = draw(0, 3, 3, 2, 4), draw(1, 4)
    step = jax.jit(spectral_normalize)
    normal, new = step(kernel, vector)
    for scaled in step(100 * kernel, vector), step(kernel, 7 * vector):
        np.testing.assert_allclose(scaled[0], normal, rtol=1e-5)
        np.testing.assert_allclose(scaled[1], new, rtol=1e-5)


def test_no_gradient_passes_through_the_singular_vectors():
    kernel, vector, weights = draw(0, 2, 2, 3, 4), draw(1, 4), draw(2, 2, 2, 3, 4)

    def loss(kernel):
        return (spectral_normalize(kernel, vector)[0] * weights).sum()

    matrix = np.asarray(kernel).reshape(-1, 4)
    left = matrix @ np.asarray(vector)
    left /= np.linalg.norm(left)
    right = left @ matrix
    right /= np.linalg.norm(right)
    sigma = left @ matrix @ right
    slope = float((weights * kernel).sum()) / sigma**2
    expected = weights / sigma - slope * np.outer(left, right).reshape(kernel.shape)
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(kernel), expected, atol=1e-5)
    by_estimate = jax.jit(jax.grad(lambda v: (spectral_normalize(kernel, v)[0] * weights).sum()))
    assert not by_estimate(vector).any()
    of_estimate = jax.jit(jax.grad(lambda k: spectral_normalize(k, vector)[1].sum()))
    assert not of_estimate(kernel).any()


def test_spectral_norm_keeps_its_estimate_unless_batch_stats_may_change():
    x = draw(0, 1, 4, 4, 2)
    layer = Conv(3, conv, kernel_size=3, spectral_norm=True, use_bias=False)
    variables = jax.jit(layer.init)(jax.random.key(1), x)
    assert variables["batch_stats"]["u"].tolist() == [1, 1, 1]  # init is no step
    still = apply(layer, variables, x)
    y, updates = apply(layer, variables, x, mutable=["batch_stats"])
    np.testing.assert_allclose(y, still, rtol=1e-6)
    kernel, expected = jax.jit(spectral_normalize)(variables["params"]["kernel"], jnp.ones(3))
    np.testing.assert_allclose(updates["batch_stats"]["u"], expected, rtol=1e-6)
    np.testing.assert_allclose(y, conv(x, kernel), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "at_minus_one", "at_two"),
    [
        ("relu", 0, 2),
        ("leaky_relu", -0.2, 2),
        ("swish", -1 / (1 + np.e), 2 / (1 + np.exp(-2))),
        ("mish", -np.tanh(np.log1p(np.exp(-1))), 2 * np.tanh(np.log1p(np.exp(2)))),
        ("gelu", -0.158655, 1.954500),  # -Phi(-1) and 2 * Phi(2)
    ],
)
def test_activations_by_hand(name, at_minus_one, at_two):
    y = ACTIVATIONS[name](jnp.array([-1.0, 0.0, 2.0]))
    # flax's GELU is the tanh approximation, right to some 2e-4.
    tolerance = 5e-4 if name == "gelu" else 1e-6
    np.testing.assert_allclose(y, [at_minus_one, 0, at_two], atol=tolerance)


def test_every_activation_is_tested():
    assert ACTIVATIONS.keys() == {"relu", "leaky_relu", "swish", "mish", "gelu"}
    assert ACTIVATIONS["leaky_relu"] is leaky_relu
