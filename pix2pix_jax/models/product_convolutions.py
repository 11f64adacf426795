"""Convolutions that gather or scatter pixels around one matrix product.

For the gradients of a convolution, XLA's CPU backend copies the kernel into another layout, as
libraries of GPUs do. If kernels are larger than images, as inside a U-Net, that takes longer than
the arithmetic. A product takes the kernel as it is stored, and so do its gradients, which are
products too. `convolutions` chooses: most of these on the CPU, those of tiny images elsewhere.

Arrays are NHWC; kernels are (height, width, in, out). All compute in the dtype of their arguments.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Count = Any  # a whole number; in a program for images of any size, a formula of JAX


def pays_off(shape: tuple[Count, ...], kernel: Float[Array, "k k in out"]) -> bool:
    """Tell whether gathering windows beats other forms on the CPU.

    The cost of gathering grows with the image, that of other layouts with the kernel.

    Args:
        shape: Of what is gathered at once.
        kernel: Weights.

    Returns:
        False if the shape is not known yet, as in a program for images of any size.
    """
    return at_most(math.prod(shape), kernel.size - 1)


def at_most(count: Count, limit: int) -> bool:
    """Tell whether a count is known, and not above a limit.

    Args:
        count: Of pixels or values.
        limit: The largest that is taken for few.
    """
    return isinstance(count, int) and count <= limit


def gathers_less(kernel: Float[Array, "4 4 in out"]) -> bool:
    """Tell whether `product_down_conv` gathers fewer values than `block_down_conv` adds up."""
    return 3 * kernel.shape[2] < kernel.shape[3]


def is_narrow(kernel: Float[Array, "k k in out"]) -> bool:
    """Tell whether a pixel has fewer products with the whole kernel than channels."""
    height, width, features_in, features_out = kernel.shape
    return height * width * features_out < features_in


def product_conv(
    x: Float[Array, "n h w in"], kernel: Float[Array, "k k in out"], padding: int
) -> Float[Array, "n h2 w2 out"]:
    """Convolve with stride 1; arguments and result as in `convolutions.conv`.

    Of a large batch, the windows of some images at a time are gathered: they take memory.
    """
    count = min(len(x), -(-x.size // kernel.size))
    parts = [_windows(part, kernel.shape[0], padding) for part in jnp.array_split(x, count)]
    return jnp.concatenate([_product(windows, kernel) for windows in parts])


def product_down_conv(
    x: Float[Array, "n h w in"], kernel: Float[Array, "4 4 in out"]
) -> Float[Array, "n h2 w2 out"]:
    """Halve both sides; arguments and result as in `convolutions.down_conv`."""
    if x.shape[1:3] == (2, 2):  # the outer taps see nothing but padding
        return _product(_windows(x, 2, 0), kernel[1:3, 1:3])
    return _product(_windows_of_stride_2(x), kernel)


def block_down_conv(
    x: Float[Array, "n h w in"], kernel: Float[Array, "4 4 in out"]
) -> Float[Array, "n h2 w2 out"]:
    """Halve both sides; arguments and result as in `convolutions.down_conv`.

    A window is 2x2 blocks of 2x2 pixels. Each block is multiplied by all four parts of the kernel
    once, and four products are added up for each window. So the image is not gathered, and its
    gradients gather the smaller one. The kernel is copied into another layout: for large images.
    """
    features_in, features_out = kernel.shape[2:]
    blocks = _blocks(x).swapaxes(2, 3)  # now the four pixels of a block lie side by side
    n, rows, columns = blocks.shape[:3]
    # From (row of blocks, row in it, column of blocks, column in it, in, out).
    parts = kernel.reshape(2, 2, 2, 2, features_in, features_out).transpose(1, 3, 4, 0, 2, 5)
    products = blocks.reshape(-1, 4 * features_in) @ parts.reshape(4 * features_in, -1)
    products = products.reshape(n, rows, columns, 2, 2, features_out)
    upper = products[:, :-1, :-1, 0, 0] + products[:, :-1, 1:, 0, 1]
    return upper + products[:, 1:, :-1, 1, 0] + products[:, 1:, 1:, 1, 1]


def narrow_conv(
    x: Float[Array, "n h w in"], kernel: Float[Array, "k k in out"], padding: int
) -> Float[Array, "n h2 w2 out"]:
    """Convolve with stride 1 to few channels; arguments and result as in `product_conv`.

    It multiplies first, then sums over the window, so it does not gather the image.
    """
    side = kernel.shape[0]
    height, width = (length + 2 * padding - side + 1 for length in x.shape[1:3])
    y = jax.ShapeDtypeStruct((x.shape[0], height, width, kernel.shape[3]), x.dtype)
    scatter = jax.linear_transpose(lambda y: _windows(y, side, side - 1 - padding), y)
    return scatter(_reversed_products(x, kernel))[0]


def product_up_conv(
    x: Float[Array, "n h w in"], kernel: Float[Array, "4 4 in out"]
) -> Float[Array, "n h2 w2 out"]:
    """Double both sides; arguments and result as in `convolutions.up_conv`."""
    n, height, width, _ = x.shape
    if (height, width) == (1, 1):  # what the outer taps add is outside of the image
        return _reversed_products(x, kernel[1:3, 1:3]).reshape(n, 2, 2, -1)
    y = jax.ShapeDtypeStruct((n, 2 * height, 2 * width, kernel.shape[3]), x.dtype)
    return jax.linear_transpose(_windows_of_stride_2, y)(_reversed_products(x, kernel))[0]


def _product(
    windows: Float[Array, "n h w taps in"], kernel: Float[Array, "k k in out"]
) -> Float[Array, "n h w out"]:
    # Written as matrices: with more axes XLA would copy the kernel's gradient into another layout.
    *places, taps, features_in = windows.shape
    rows = windows.reshape(-1, taps * features_in)
    return (rows @ kernel.reshape(taps * features_in, -1)).reshape(*places, -1)


def _reversed_products(
    x: Float[Array, "n h w in"], kernel: Float[Array, "k k in out"]
) -> Float[Array, "n h w taps out"]:
    """Multiply each pixel by each tap of the kernel, the last tap first."""
    height, width, features_in, features_out = kernel.shape
    # Moves whole rows of `out` values, which costs no more than a copy.
    matrix = kernel.transpose(2, 0, 1, 3).reshape(features_in, -1)
    products = x.reshape(-1, features_in) @ matrix
    return products.reshape(*x.shape[:3], height * width, features_out)[:, :, :, ::-1]


def _windows(x: Float[Array, "n h w c"], side: int, padding: int) -> Float[Array, "n h2 w2 taps c"]:
    """Gather the pixels at each position of a square window; negative padding crops."""
    around = (padding, padding, 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), around, around, (0, 0, 0)))
    height, width = x.shape[1] - side + 1, x.shape[2] - side + 1
    offsets = [(row, column) for row in range(side) for column in range(side)]
    return jnp.stack([x[:, i : i + height, j : j + width] for i, j in offsets], axis=3)


def _windows_of_stride_2(x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 16 c"]:
    """Gather the pixels at each position of a 4x4 window with stride 2, padding 1.

    A window is 2x2 blocks of 2x2 pixels, which are views of the image instead of strided reads.
    """
    n, height, width, channels = x.shape
    blocks = _blocks(x)
    pairs = jnp.stack([blocks[:, :-1], blocks[:, 1:]], axis=2)
    squares = jnp.stack([pairs[..., :-1, :, :], pairs[..., 1:, :, :]], axis=5)
    return jnp.moveaxis(squares, 4, 2).reshape(n, height // 2, width // 2, 16, channels)


def _blocks(x: Float[Array, "n h w c"]) -> Float[Array, "n h2 2 w2 2 c"]:
    """View an image with one pixel of padding as blocks of 2x2 pixels."""
    n, height, width, channels = x.shape
    # If a side is odd, no window reaches the padding at its end.
    x = jnp.pad(x, ((0, 0), (1, 1 - height % 2), (1, 1 - width % 2), (0, 0)))
    return x.reshape(n, height // 2 + 1, 2, width // 2 + 1, 2, channels)
