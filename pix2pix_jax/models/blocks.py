"""The block that all networks are built of, and its variants.

Arrays are NHWC. Parameters are float32; `dtype` is the dtype of computation.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from pix2pix_jax.models.conditioning import Film
from pix2pix_jax.models.convolutions import conv, depth_to_space, up_conv
from pix2pix_jax.models.initial import KERNEL, ONES, ZEROS
from pix2pix_jax.models.layers import (
    NORMS_WITH_OFFSET,
    NORMS_WITHOUT_CONSTANTS,
    Dtype,
    make_norm,
)
from pix2pix_jax.models.normalization import by_channel, widen

Function = Callable[[Array], Array]

leaky_relu = functools.partial(nn.leaky_relu, negative_slope=0.2)


def mish(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """X * tanh(softplus(x)) (Misra, 2019)."""
    return x * jnp.tanh(jax.nn.softplus(x))


def identity(x: Array) -> Array:
    """Return the argument."""
    return x


ACTIVATIONS: dict[str, Function] = {
    "relu": nn.relu,
    "leaky_relu": leaky_relu,
    "swish": nn.swish,
    "mish": mish,
    "gelu": nn.gelu,
}


class Conv(nn.Module):
    """A convolution whose form is an argument.

    Attributes:
        features: Output channels.
        convolve: `down_conv`, `up_conv`, `conv` with stride and padding bound, or similar.
        kernel_size: Side of the kernel.
        expansion: Output channels of the kernel for each channel of the result.
        use_bias: Whether there is a bias.
        inert_bias: Whether the bias is only kept, and not added, as the norm that follows would
            remove it. Its gradient is then 0; otherwise it would be rounding noise, which Adam
            makes steps of the learning rate of. Weight files and checkpoints hold it either way.
        spectral_norm: Whether the kernel is divided by its largest singular value.
        train: Whether the estimate of that value is updated.
        dtype: Dtype of computation.
    """

    features: int
    convolve: Callable[[Array, Array], Array] = conv
    kernel_size: int = 4
    expansion: int = 1
    use_bias: bool = True
    inert_bias: bool = False
    spectral_norm: bool = False
    train: bool = True
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 f"]:
        """Convolve, and add the bias unless it is inert."""
        side, features = self.kernel_size, self.features * self.expansion
        kernel = self.param("kernel", KERNEL, (side, side, x.shape[-1], features))
        if self.spectral_norm:
            vector = self.variable("batch_stats", "u", ONES, None, (features,))
            kernel, new_vector = spectral_normalize(kernel, vector.value)
            updating = self.train and not self.is_initializing()
            if updating and self.is_mutable_collection("batch_stats"):
                vector.value = new_vector
        y = self.convolve(x.astype(self.dtype), kernel.astype(self.dtype))
        if self.use_bias:
            bias = self.param("bias", ZEROS, (self.features,))
            y = y if self.inert_bias else y + by_channel(bias.astype(self.dtype))
        return y


def spectral_normalize(
    kernel: Float[Array, "k k in out"], vector: Float[Array, " out"]
) -> tuple[Float[Array, "k k in out"], Float[Array, " out"]]:
    """Divide a kernel by its largest singular value (Miyato et al., 2018, algorithm 1).

    Args:
        kernel: Weights, seen as a matrix of k * k * in rows and out columns.
        vector: Estimate of the singular vector, of any norm but 0. One step of the power iteration
            improves it.

    Returns:
        The kernel and the improved estimate. No gradient passes through the estimates.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    left = lax.stop_gradient(_unit(matrix @ vector))
    right = lax.stop_gradient(_unit(left @ matrix))
    return kernel / (left @ matrix @ right), right


def _unit(vector: Array) -> Array:
    return vector / (jnp.linalg.norm(vector) + 1e-12)


class ConvBlock(nn.Module):
    """Activation, convolution, norm, FiLM, activation; only the convolution is always there.

    Attributes:
        features: Output channels.
        convolve: The convolution, see `Conv`.
        train: Whether batch norm uses the statistics of the batch.
        before: Activation before the convolution.
        after: Activation after the norm.
        norm: One of `layers.NORMS`.
        kernel_size: Side of the kernel.
        expansion: See `Conv`.
        use_bias: Whether the convolution has a bias.
        spectral_norm: See `Conv`.
        dtype: Dtype of computation.
        axis_name: Mapped axis over which the devices share a batch, for batch norm.
    """

    features: int
    convolve: Callable[[Array, Array], Array]
    train: bool
    before: Function = identity
    after: Function = identity
    norm: str = "instance"
    kernel_size: int = 4
    expansion: int = 1
    use_bias: bool = True
    spectral_norm: bool = False
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "n h w c"], embedded: Float[Array, "n e"] | None = None
    ) -> Float[Array, "n h2 w2 f"]:
        """Apply the block.

        Args:
            x: Features.
            embedded: The numbers of each example, see `conditioning`; None: there is no FiLM.
        """
        layer = Conv(
            features=self.features,
            convolve=self.convolve,
            kernel_size=self.kernel_size,
            expansion=self.expansion,
            use_bias=self.use_bias,
            inert_bias=self.norm in NORMS_WITHOUT_CONSTANTS,
            spectral_norm=self.spectral_norm,
            train=self.train,
            dtype=self.dtype,
            name="conv",
        )
        x = layer(self.before(x))
        if self.norm != "none":
            norm = make_norm(self.norm, axis_name=self.axis_name, dtype=self.dtype, name="norm")
            x = norm(x, train=self.train)
        if embedded is not None:
            x = Film(name="film")(x, embedded)
        return self.after(x)


def block_of(generator: Any, *, train: bool) -> Callable[..., ConvBlock]:
    """Bind what all blocks of a generator share: its norm, dtype, device axis and `remat`.

    Args:
        generator: A module with these attributes.
        train: Whether batch norm uses the statistics of the batch.

    Returns:
        `ConvBlock` with these arguments bound.
    """
    return functools.partial(
        nn.remat(ConvBlock) if generator.remat else ConvBlock,
        train=train,
        norm=generator.norm,
        use_bias=generator.norm not in NORMS_WITH_OFFSET,
        dtype=generator.dtype,
        axis_name=generator.axis_name,
    )


class ClassShares(nn.Module):
    """Shares of classes that add up to 1, on the scale of images: 2 * softmax - 1."""

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """Turn logits into shares in [-1, 1]: -1 for none, 1 for all."""
        return 2 * jax.nn.softmax(x, axis=-1) - 1


def finish(x: Float[Array, "n h w c"], *, of_classes: bool) -> Float[Array, "n h w c"]:
    """Map what a generator's last convolution returns to images in [-1, 1], float32.

    Args:
        x: Its features.
        of_classes: Whether each channel is a class, of which a pixel has one; else tanh.
    """
    return ClassShares(name="shares")(widen(x)) if of_classes else jnp.tanh(widen(x))


@dataclasses.dataclass(frozen=True)
class Upsampling:
    """How a block makes an image larger.

    Attributes:
        convolve: The convolution.
        kernel_size: Side of its kernel.
        expansion: See `Conv`.
    """

    convolve: Callable[[Array, Array], Array]
    kernel_size: int
    expansion: int = 1

    def bind(self, block: Callable[..., ConvBlock]) -> Callable[..., ConvBlock]:
        """Return `block` with this upsampling bound as its convolution."""
        return functools.partial(
            block,
            convolve=self.convolve,
            kernel_size=self.kernel_size,
            expansion=self.expansion,
        )


def nearest_conv(x: Array, kernel: Array, *, factor: int = 2) -> Array:
    """Repeat every pixel, then convolve (Odena et al., 2016): no checkerboard."""
    return conv(jnp.repeat(jnp.repeat(x, factor, axis=1), factor, axis=2), kernel, padding=1)


def shuffled_conv(x: Array, kernel: Array, *, factor: int = 2) -> Array:
    """Convolve to factor^2 times the channels, then shuffle them into pixels (Shi et al., 2016)."""
    return depth_to_space(conv(x, kernel, padding=1), factor)


UPSAMPLINGS = {
    "transposed": Upsampling(up_conv, 4),
    "nearest": Upsampling(nearest_conv, 3),
    "pixel_shuffle": Upsampling(shuffled_conv, 3, expansion=4),
}
_SHUFFLE_BY_3 = Upsampling(functools.partial(shuffled_conv, factor=3), 3, expansion=9)
# A shuffled convolution is a transposed one whose stride is the factor (Shi et al., 2016), here
# with a 9x9 kernel.
_UPSAMPLINGS_BY_3 = {
    "transposed": _SHUFFLE_BY_3,
    "nearest": Upsampling(functools.partial(nearest_conv, factor=3), 3),
    "pixel_shuffle": _SHUFFLE_BY_3,
}


def extra_upsamplings(scale: float, kind: str, doubling: Upsampling) -> tuple[Upsampling, ...]:
    """Return what leads from images of the source's size to those of a larger target.

    Args:
        scale: How many times as large the target is.
        kind: One of `UPSAMPLINGS`.
        doubling: How the network doubles its features.

    Returns:
        The upsamplings in order; none if the target is not larger.
    """
    if scale == 3:
        return (_UPSAMPLINGS_BY_3[kind],)
    return (doubling,) * max(int(scale) // 2, 0)
