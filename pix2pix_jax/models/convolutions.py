"""The convolutions of all networks, as plain functions.

Arrays are NHWC; kernels are (height, width, in, out). All compute in the dtype of their arguments.
Images are padded before the convolutions, not inside: there, XLA's CPU backend takes up to 50 times
longer for the gradient of the kernel. Where platforms need different forms, the one that a program
is lowered for decides, not the machine that traces it. They agree to rounding.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from pix2pix_jax.models import product_convolutions

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")
_TRANSPOSED = ("NHWC", "HWOI", "NHWC")  # a kernel that leads from its outputs to its inputs
# Up to so many pixels of a batch, in the smaller image, accelerators also multiply matrices: the
# library would copy kernels that are far larger than the image. From compiled programs, not timed.
MOST_PRODUCT_ROWS = 128


def conv(
    x: Float[Array, "n h w in"],
    kernel: Float[Array, "k k in out"],
    *,
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "n h2 w2 out"]:
    """Convolve, with zeros around the image.

    Args:
        x: Images or features.
        kernel: Weights.
        stride: Step of the window.
        padding: Rows and columns of zeros on each side.

    Returns:
        Features of floor((h + 2 * padding - k) / stride) + 1 rows.
    """
    library = partial(_library_conv, stride=stride, padding=padding)
    if stride > 1:
        return library(x, kernel)
    if product_convolutions.is_narrow(kernel):
        on_cpu = partial(product_convolutions.narrow_conv, padding=padding)
    elif product_convolutions.pays_off(x.shape[1:], kernel):
        on_cpu = partial(product_convolutions.product_conv, padding=padding)
    else:
        return library(x, kernel)
    return lax.platform_dependent(x, kernel, cpu=on_cpu, default=library)


def _library_conv(
    x: Float[Array, "n h w in"], kernel: Float[Array, "k k in out"], *, stride: int, padding: int
) -> Float[Array, "n h2 w2 out"]:
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    return lax.conv_general_dilated(x, kernel, (stride, stride), "VALID", None, None, _DIMENSIONS)


def down_conv(
    x: Float[Array, "n h w in"], kernel: Float[Array, "4 4 in out"]
) -> Float[Array, "n h2 w2 out"]:
    """Halve both sides: 4x4 convolution, stride 2, padding 1.

    Args:
        x: Images or features.
        kernel: Weights.

    Returns:
        Features of floor(h / 2) x floor(w / 2).
    """
    product, on_cpu = product_convolutions.product_down_conv, product_convolutions.block_down_conv
    if product_convolutions.pays_off(x.shape, kernel) or product_convolutions.gathers_less(kernel):
        on_cpu = product
    rows = x.shape[0] * (x.shape[1] // 2) * (x.shape[2] // 2)
    if not product_convolutions.at_most(rows, MOST_PRODUCT_ROWS):
        library = partial(_library_conv, stride=2, padding=1)
        return lax.platform_dependent(x, kernel, cpu=on_cpu, default=library)
    if on_cpu is product:
        return product(x, kernel)
    return lax.platform_dependent(x, kernel, cpu=on_cpu, default=product)


def up_conv(
    x: Float[Array, "n h w in"], kernel: Float[Array, "k k in out"]
) -> Float[Array, "n h2 w2 out"]:
    """Double both sides: transposed convolution of stride 2 with a 4x4 or 3x3 kernel.

    It equals `flax.linen.ConvTranspose(out, (4, 4), (2, 2), 'SAME')` with the same kernel. It has
    two forms:

    - On the CPU, where the library takes some ten times longer for the gradient of the kernel, and
      for small images everywhere, it is `product_convolutions.product_up_conv`.
    - On GPUs and TPUs it is the transpose of a strided convolution. For the sub-pixel form (Shi et
      al., 2016) and for flax's layer, XLA computes the gradient of the kernel by a convolution
      whose filter is as large as the image.

    The reference's ResNet has 3x3 kernels (padding 1, output padding 1). Such a kernel is a 4x4 one
    whose first row and column are zero.

    Args:
        x: Features.
        kernel: Weights, in the layout of `flax.linen.ConvTranspose`.

    Returns:
        Features of (2 * h) x (2 * w).
    """
    missing = 4 - kernel.shape[0]
    kernel = jnp.pad(kernel, ((missing, 0), (missing, 0), (0, 0), (0, 0)))
    product = product_convolutions.product_up_conv
    if product_convolutions.at_most(math.prod(x.shape[:3]), MOST_PRODUCT_ROWS):
        return product(x, kernel)
    return lax.platform_dependent(x, kernel, cpu=product, tpu=_up_on_tpu, default=_up_on_gpu)


def _up_on_tpu(
    x: Float[Array, "n h w in"], kernel: Float[Array, "4 4 in out"]
) -> Float[Array, "n h2 w2 out"]:
    return _transposed_conv(x, kernel[::-1, ::-1])


def _up_on_gpu(
    x: Float[Array, "n h w in"], kernel: Float[Array, "4 4 in out"]
) -> Float[Array, "n h2 w2 out"]:
    # Without the barrier, XLA merges the reversal into the convolution, which then matches no
    # routine of cuDNN: the image would be spread out with zeros instead.
    return _transposed_conv(x, lax.optimization_barrier(kernel[::-1, ::-1]))


def _strided_conv(
    y: Float[Array, "n h2 w2 out"], kernel: Float[Array, "4 4 in out"]
) -> Float[Array, "n h w in"]:
    """Convolve from the outputs of `kernel` to its inputs: 4x4, stride 2, padding 1."""
    padding = ((1, 1), (1, 1))
    return lax.conv_general_dilated(y, kernel, (2, 2), padding, None, None, _TRANSPOSED)


@jax.custom_vjp
def _transposed_conv(
    x: Float[Array, "n h w in"], kernel: Float[Array, "4 4 in out"]
) -> Float[Array, "n h2 w2 out"]:
    """The transpose of `_strided_conv`, whose own gradients are written as convolutions again."""
    n, height, width, _ = x.shape
    y = jax.ShapeDtypeStruct((n, 2 * height, 2 * width, kernel.shape[3]), x.dtype)
    return jax.linear_transpose(partial(_strided_conv, kernel=kernel), y)(x)[0]


def _transposed_conv_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _transposed_conv(x, kernel), (x, kernel)


def _transposed_conv_backward(saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = saved
    (kernel_gradient,) = jax.linear_transpose(partial(_strided_conv, dy), kernel)(x)
    return _strided_conv(dy, kernel), kernel_gradient


_transposed_conv.defvjp(_transposed_conv_forward, _transposed_conv_backward)


def depth_to_space(x: Float[Array, "n h w c"], factor: int = 2) -> Float[Array, "n h2 w2 d"]:
    """Spread channels over the pixels of a grid `factor` times as fine (Shi et al., 2016).

    Args:
        x: Features; channel (factor * i + j) * d + k belongs to row i and column j of a block.
        factor: Sides of a block of pixels.

    Returns:
        Features of (factor * h) x (factor * w), with one channel for factor^2 channels.
    """
    n, h, w, c = x.shape
    blocks = x.reshape(n, h, w, factor, factor, c // factor**2)
    return jnp.swapaxes(blocks, 2, 3).reshape(n, factor * h, factor * w, c // factor**2)
