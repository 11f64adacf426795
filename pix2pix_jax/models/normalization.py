"""Mean 0 and variance 1 along some axes, with the gradient in closed form.

Plain differentiation would follow each operation of the statistics back, and keep several arrays
of the size of the features for it, in float32 even if the features are bfloat16. The closed form
(Ioffe & Szegedy, 2015, section 3) keeps the features as they came in, and two values per channel.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

EPSILON = 1e-5
Axes = tuple[int, ...]
Results = tuple[Array, Array, Array]


def widen(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Convert arrays of fewer bits to float32, which statistics and results need."""
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 else x


def by_channel(values: Float[Array, " c"]) -> Float[Array, "1 1 1 c"]:
    """Give one value per channel the axes of NHWC."""
    return values.reshape(1, 1, 1, -1)


def _two_passes(x: Array, axes: Axes) -> tuple[Array, Array]:
    """Return mean and variance, which is the mean square of what the mean leaves."""
    mean = jnp.mean(x, axis=axes, keepdims=True)
    return mean, jnp.mean(jnp.square(x - mean), axis=axes, keepdims=True)


def _one_pass(x: Array, axes: Axes) -> tuple[Array, Array]:
    """Return mean and variance from two sums, for which a device reads the features once.

    The variance is the difference of two means. If the deviation is small beside the mean, that
    loses digits; but then features of 16 bits have lost more of them before, by being rounded.
    """
    mean = jnp.mean(x, axis=axes, keepdims=True)
    square = jnp.mean(jnp.square(x), axis=axes, keepdims=True)
    return mean, jnp.maximum(square - jnp.square(mean), 0)


def statistics(
    x: Float[Array, "n *shape"], axes: Axes, axis_name: str | None = None
) -> tuple[Float[Array, "m *ones"], Float[Array, "m *ones"]]:
    """Return mean and biased variance of features along some axes, which are kept with length 1.

    Args:
        x: Features.
        axes: The axes.
        axis_name: Mapped axis over which the devices share a batch; None on one device.
    """
    careful, quick = partial(_two_passes, axes=axes), partial(_one_pass, axes=axes)
    wide = widen(x)
    if wide.dtype == x.dtype:
        mean, variance = careful(wide)
    else:
        # XLA's CPU backend adds values one by one, which makes the error of a large sum larger.
        mean, variance = lax.platform_dependent(wide, cpu=careful, default=quick)
    if axis_name is None:
        return mean, variance
    total = lax.pmean(mean, axis_name)
    return total, lax.pmean(variance + jnp.square(mean - total), axis_name)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def normalize(
    axes: Axes,
    axis_name: str | None,
    dtype: Any,
    x: Float[Array, "n h w c"],
    scale: Float[Array, " c"] | None = None,
    bias: Float[Array, " c"] | None = None,
) -> tuple[Float[Array, "n h w c"], Float[Array, "m 1 1 c"], Float[Array, "m 1 1 c"]]:
    """Give features mean 0 and variance 1, then scale and bias.

    Statistics are float32 or wider. The variance takes a second pass over the features, except for
    those of 16 bits on accelerators. Second derivatives exist too.

    Args:
        axes: Axes of the statistics: (1, 2) for each image by itself, (0, 1, 2) for the batch.
        axis_name: Mapped axis over which the devices share a batch; None on one device.
        dtype: Dtype of the result.
        x: Features.
        scale: Factor of each channel; None for 1.
        bias: Offset of each channel; None for 0. Needs a scale.

    Returns:
        The features; mean and biased variance, where m is n or 1. No gradient passes through the
        last two.
    """
    return _forward(axes, axis_name, dtype, x, scale, bias)[0]


def _forward(
    axes: Axes,
    axis_name: str | None,
    dtype: Any,
    x: Array,
    scale: Array | None,
    bias: Array | None,
) -> tuple[Results, tuple[Array | None, ...]]:
    wide = widen(x)
    mean, variance = statistics(x, axes, axis_name)
    inverse = lax.rsqrt(variance + EPSILON)
    y = _scaled(wide - mean, inverse, scale, bias)
    return (y.astype(dtype), mean, variance), (x, scale, mean, inverse)


def _scaled(
    centred: Array, inverse: Array, scale: Array | None, bias: Array | None
) -> Float[Array, "n h w c"]:
    y = centred * (inverse if scale is None else inverse * by_channel(scale))
    return y if bias is None else y + by_channel(bias)


def normalize_by(
    x: Float[Array, "n h w c"],
    mean: Float[Array, "m 1 1 c"],
    variance: Float[Array, "m 1 1 c"],
    dtype: Any,
    scale: Float[Array, " c"] | None = None,
    bias: Float[Array, " c"] | None = None,
) -> Float[Array, "n h w c"]:
    """Do what `normalize` does, by given statistics, which are constants for the gradient too.

    Args:
        x: Features.
        mean: Mean of each channel.
        variance: Biased variance of each channel.
        dtype: Dtype of the result.
        scale: Factor of each channel; None for 1.
        bias: Offset of each channel; None for 0. Needs a scale.
    """
    return _scaled(widen(x) - mean, lax.rsqrt(variance + EPSILON), scale, bias).astype(dtype)


def _backward(
    axes: Axes,
    axis_name: str | None,
    dtype: Any,
    saved: tuple[Any, ...],
    gradients: Results,
) -> tuple[Array | None, ...]:
    x, scale, mean, inverse = saved
    dy = widen(gradients[0])
    normal = (widen(x) - mean) * inverse
    along_one, along_normal = dy, dy * normal
    of_bias, of_scale = (
        None if scale is None else jnp.sum(part, axis=(0, 1, 2))
        for part in (along_one, along_normal)
    )
    means = [jnp.mean(part, axis=axes, keepdims=True) for part in (along_one, along_normal)]
    if axis_name is not None:
        means = lax.pmean(means, axis_name)
    factor = inverse if scale is None else inverse * by_channel(scale)
    dx = factor * (dy - means[0] - normal * means[1])
    return dx.astype(x.dtype), of_scale, of_bias


normalize.defvjp(_forward, _backward)
