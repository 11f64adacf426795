"""The convolutions of all networks, as plain functions.

Arrays are NHWC; kernels are (height, width, in, out). All compute in the dtype of their arguments.
Images are padded before the convolutions, not inside: there, XLA's CPU backend takes up to 50 times
longer for the gradient of the kernel. On the CPU, `cpu_convolutions` has faster forms.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from pix2pix_jax.core.devices import on_cpu
from pix2pix_jax.models import cpu_convolutions

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


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
    if stride == 1 and on_cpu():
        if cpu_convolutions.is_narrow(kernel):
            return cpu_convolutions.narrow_conv(x, kernel, padding)
        if cpu_convolutions.pays_off(x, kernel):
            return cpu_convolutions.product_conv(x, kernel, padding)
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
    if on_cpu() and cpu_convolutions.pays_off(x, kernel):
        return cpu_convolutions.product_down_conv(x, kernel)
    return conv(x, kernel, stride=2, padding=1)


def up_conv(
    x: Float[Array, "n h w in"], kernel: Float[Array, "k k in out"]
) -> Float[Array, "n h2 w2 out"]:
    """Double both sides: transposed convolution of stride 2 with a 4x4 or 3x3 kernel.

    It equals `flax.linen.ConvTranspose(out, (4, 4), (2, 2), 'SAME')` with the same kernel, but has
    the sub-pixel form (Shi et al., 2016, "Is the deconvolution layer the same as a convolutional
    layer?"): one 2x2 convolution to four times the channels, whose output is spread over a grid
    twice as fine. On a CPU the library's form takes some ten times longer for the gradient of the
    kernel; there this is `cpu_convolutions.product_up_conv`.
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
    if on_cpu():
        return cpu_convolutions.product_up_conv(x, kernel)
    features_in, features_out = kernel.shape[2:]
    # Tap 2 * a + b of the kernel belongs to offset a of the 2x2 kernel and to output phase 1 - b.
    taps = kernel.reshape(2, 2, 2, 2, features_in, features_out)[:, ::-1, :, ::-1]
    small_kernel = taps.transpose(0, 2, 4, 1, 3, 5).reshape(2, 2, features_in, 4 * features_out)
    return depth_to_space(conv(x, small_kernel, padding=1))[:, 1:-1, 1:-1]


def depth_to_space(x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 d"]:
    """Spread four channels over the pixels of a grid twice as fine (Shi et al., 2016).

    Args:
        x: Features; channel (2 * i + j) * d + k belongs to row i and column j of a 2x2 block.

    Returns:
        Features of (2 * h) x (2 * w) with a quarter of the channels.
    """
    n, h, w, c = x.shape
    blocks = x.reshape(n, h, w, 2, 2, c // 4)
    return jnp.swapaxes(blocks, 2, 3).reshape(n, 2 * h, 2 * w, c // 4)
