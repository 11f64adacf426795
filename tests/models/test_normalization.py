"""The norms' closed-form gradient against plain differentiation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.platforms import pretend

from pix2pix_jax.models.normalization import EPSILON, normalize

PER_IMAGE, PER_BATCH = (1, 2), (0, 1, 2)


def draw(number, *shape):
    return jnp.asarray(np.random.default_rng(number).standard_normal(shape))


def plain(axes, x, scale=None, bias=None):
    """Normalise as the definition says; JAX differentiates."""
    mean = jnp.mean(x, axis=axes, keepdims=True)
    variance = jnp.mean(jnp.square(x - mean), axis=axes, keepdims=True)
    y = (x - mean) / jnp.sqrt(variance + EPSILON)
    return y if scale is None else y * scale.reshape(1, 1, 1, -1) + bias.reshape(1, 1, 1, -1)


def ours(axes, x, *affine):
    return normalize(axes, None, x.dtype, x, *affine)[0]


def derivatives(function, *arguments):
    """Return value, gradients, and gradients of a function of these gradients."""
    weights = draw(9, *arguments[0].shape)
    places = tuple(range(len(arguments)))

    def gradients(*arguments):
        # Not linear in the result, or the second derivatives would see one path only.
        return jax.grad(lambda *at: jnp.sum(weights * jnp.sin(function(*at))), places)(*arguments)

    def squares(*arguments):
        return sum(jnp.sum(jnp.square(part)) for part in gradients(*arguments))

    second = jax.grad(squares, places)(*arguments)
    return function(*arguments), gradients(*arguments), second


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("axes", [PER_IMAGE, PER_BATCH])
@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (3, 4, 4, 2), (1, 1, 1, 2)])
def test_value_gradients_and_second_derivatives_are_those_of_the_definition(shape, axes, affine):
    with jax.enable_x64(True):
        x = 3 + 2 * draw(0, *shape)
        arguments = (x, draw(1, shape[-1]), draw(2, shape[-1])) if affine else (x,)
        see = jax.jit(lambda *at: [derivatives(partial(f, axes), *at) for f in (ours, plain)])
        found, expected = (jax.tree.leaves(tree) for tree in see(*arguments))
        for one, other in zip(found, expected, strict=True):
            # A single pixel has deviation 0, and 1 / sqrt(EPSILON) in every derivative.
            size = max(float(abs(other).max()), 1)
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * size)


def test_mean_and_variance_are_returned_and_pass_no_gradient():
    x = draw(0, 3, 4, 5, 2).astype(jnp.float32)
    _, mean, variance = normalize(PER_BATCH, None, jnp.float32, x)
    np.testing.assert_allclose(mean.ravel(), np.mean(x, PER_BATCH), atol=1e-6)
    np.testing.assert_allclose(variance.ravel(), np.var(x, PER_BATCH), rtol=1e-5)

    def of_statistics(x):
        return sum(jnp.sum(part) for part in normalize(PER_BATCH, None, jnp.float32, x)[1:])

    assert not jax.grad(of_statistics)(x).any()


def test_over_devices_value_and_gradients_are_those_of_the_whole_batch():
    # Means that differ from device to device: each one's own variance is then not the batch's.
    x = (draw(0, 8, 2, 3, 5, 4) + 2 * draw(1, 8, 1, 1, 1, 4)).astype(jnp.float32)
    scale, bias = (draw(number, 4).astype(jnp.float32) for number in (2, 3))
    weights = draw(4, *x.shape).astype(jnp.float32)

    def value_and_gradients(axis_name, x, weights, scale, bias):
        def call(*arguments):
            return normalize(PER_BATCH, axis_name, jnp.float32, *arguments)[0]

        y, pull = jax.vjp(call, x, scale, bias)
        return y, *pull(weights * jnp.cos(y))

    over = jax.pmap(partial(value_and_gradients, "i"), axis_name="i", in_axes=(0, 0, None, None))
    y, dx, *of_affine = over(x, weights, scale, bias)
    merged = [part.reshape(16, 3, 5, 4) for part in (x, weights)]
    expected = jax.jit(partial(value_and_gradients, None))(*merged, scale, bias)
    found = [y.reshape(16, 3, 5, 4), dx.reshape(16, 3, 5, 4), *(part.sum(0) for part in of_affine)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)  # float32 sums of 240


@pytest.mark.parametrize("platform", ["cpu", "cuda"])
def test_a_deviation_small_beside_the_mean_keeps_its_digits_in_float32(platform, monkeypatch):
    pretend(monkeypatch, platform)
    x = np.asarray(1000 + draw(0, 1, 64, 64, 3), np.float32)
    y = jax.jit(partial(ours, PER_IMAGE))(x)
    exact = np.asarray(x, np.float64)
    exact = (exact - exact.mean(PER_IMAGE)) / np.sqrt(exact.var(PER_IMAGE) + EPSILON)
    # The mean is rounded by up to 1000 * 2**-24, and a sum has a few such errors.
    np.testing.assert_allclose(y, exact, atol=4 * 1000 * 2**-24)


@pytest.mark.parametrize("mean", [0, 3, 30, 100])
def test_the_quick_variance_of_16_bits_loses_less_than_their_rounding_did(mean, monkeypatch):
    exact = np.asarray(mean + draw(0, 1, 64, 64, 8), np.float64)
    x = jnp.asarray(exact, jnp.bfloat16)
    exact = (exact - exact.mean(PER_IMAGE)) / np.sqrt(exact.var(PER_IMAGE) + EPSILON)
    errors = []
    for platform in ("cpu", "cuda"):
        pretend(monkeypatch, platform)
        # In float32, so that no rounding of the result hides the difference.
        y, *_ = jax.jit(lambda x: normalize(PER_IMAGE, None, jnp.float32, x))(x)
        errors.append(np.linalg.norm(y - exact))
    careful, quick = errors
    assert quick < 1.05 * careful
    assert quick != careful  # the two forms were seen


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_gradients_of_16_bits_are_those_of_float32_rounded(platform, monkeypatch):
    pretend(monkeypatch, platform)
    x, dy = (draw(number, 2, 8, 8, 4).astype(jnp.bfloat16) for number in (0, 1))

    def gradient(x, dy, dtype):
        return jax.vjp(lambda x: normalize(PER_IMAGE, None, dtype, x)[0], x)[1](dy)[0]

    rounded = jax.jit(partial(gradient, dtype=jnp.bfloat16))(x, dy)
    wide = [part.astype(jnp.float32) for part in (x, dy)]
    exact = jax.jit(partial(gradient, dtype=jnp.float32))(*wide)
    assert rounded.dtype == jnp.bfloat16
    np.testing.assert_allclose(rounded.astype(jnp.float32), exact, rtol=2**-8, atol=1e-4)


def test_vmap_remat_and_loops_change_nothing():
    with jax.enable_x64(True):
        x = draw(0, 3, 2, 4, 6, 3)

        def gradient(function, x):
            return jax.grad(lambda x: jnp.sum(jnp.sin(function(x))))(x)

        @jax.jit
        def see(x):
            remat = partial(gradient, jax.checkpoint(partial(ours, PER_BATCH)))
            looped = lax.fori_loop(0, 3, lambda i, total: total + remat(x[i]), 0 * x[0])
            return jax.vmap(remat)(x), looped

        mapped, looped = see(x)
        expected = jnp.stack([gradient(partial(plain, PER_BATCH), one) for one in x])
        np.testing.assert_allclose(mapped, expected, atol=1e-12)
        np.testing.assert_allclose(looped, expected.sum(0), atol=1e-12)
