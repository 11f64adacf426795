"""The ResNet generator (Johnson et al., 2016), in the reference's form."""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from pix2pix_jax.models.blocks import (
    ACTIVATIONS,
    UPSAMPLINGS,
    Upsampling,
    block_of,
    extra_upsamplings,
    finish,
)
from pix2pix_jax.models.conditioning import embed
from pix2pix_jax.models.convolutions import conv, up_conv
from pix2pix_jax.models.layers import DropoutKeys, Dtype, dropout


def reflect_conv(x: Array, kernel: Array) -> Array:
    """Convolve with reflection padding, which keeps the size."""
    pad = kernel.shape[0] // 2
    return conv(jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect"), kernel)


class ResNet(nn.Module):
    """A 7x7 convolution, two of stride 2, residual blocks, two upsamplings, a 7x7 convolution.

    It has the layers of the reference's `resnet_9blocks` (at 64 features, 11,378,179 parameters
    with instance norm, 11,383,427 with batch norm) and `resnet_6blocks` (7,837,699 and 7,841,411).
    The input's sides must be multiples of 4, and at least 8.

    Attributes:
        out_channels: Channels of the output image.
        base_features: Features of the first layer; the residual blocks have four times as many.
        blocks: Number of residual blocks.
        norm: One of `layers.NORMS`.
        activation: One of `blocks.ACTIVATIONS`.
        upsample: One of `blocks.UPSAMPLINGS`.
        dropout: Dropout rate between the two convolutions of a residual block.
        remat: Whether blocks are recomputed in the backward pass to save memory.
        dtype: Dtype of computation; the result is float32.
        axis_name: Mapped axis over which the devices share a batch, for batch norm.
        of_classes: Whether the output's channels are classes: their shares add up to 1.
        numbers: How many numbers beside the image it takes; they scale and shift the
            features of residual blocks and decoder (FiLM).
        scale: How many times as large as the source the result is, one of
            `core.scales.TARGET_SCALES`: by one or two upsamplings more, or by one less.
    """

    out_channels: int = 3
    base_features: int = 64
    blocks: int = 9
    norm: str = "instance"
    activation: str = "relu"
    upsample: str = "transposed"
    dropout: float = 0.5
    remat: bool = False
    dtype: Dtype = jnp.float32
    axis_name: str | None = None
    of_classes: bool = False
    numbers: int = 0
    scale: float = 1.0

    @nn.compact
    def __call__(
        self,
        source: Float[Array, "n h w c"],
        *,
        train: bool,
        dropout_keys: DropoutKeys = None,
        condition: Float[Array, "n k"] | None = None,
    ) -> Float[Array, "n h2 w2 out"]:
        """Translate images; arguments and result as in `UNet`."""
        width, activation = self.base_features, ACTIVATIONS[self.activation]
        block = block_of(self, train=train)
        down = partial(block, convolve=partial(conv, stride=2, padding=1), kernel_size=3)
        same = partial(block, convolve=reflect_conv, kernel_size=3)
        # In the reference, transposed kernels are 3x3 here, but 4x4 in the U-Net.
        doubling = UPSAMPLINGS[self.upsample]
        doubling = Upsampling(up_conv, 3) if doubling.convolve is up_conv else doubling
        decode = partial(block, after=activation)
        up = doubling.bind(decode)

        embedded = embed(self.numbers, condition, source.shape[0])
        x = same(width, kernel_size=7, after=activation, name="first")(source)
        x = down(2 * width, after=activation, name="down_0")(x)
        x = down(4 * width, after=activation, name="down_1")(x)
        for number in range(self.blocks):
            y = same(4 * width, after=activation, name=f"block_{number}_0")(x, embedded)
            y = dropout(y, self.dropout, dropout_keys, number)
            x = x + same(4 * width, name=f"block_{number}_1")(y, embedded)
        x = up(2 * width, name="up_0")(x, embedded)
        if self.scale >= 1:
            x = up(width, name="up_1")(x, embedded)
        for number, further in enumerate(extra_upsamplings(self.scale, self.upsample, doubling)):
            x = further.bind(decode)(width, name=f"extra_{number}")(x, embedded)
        x = same(self.out_channels, kernel_size=7, norm="none", use_bias=True, name="last")(x)
        return finish(x, of_classes=self.of_classes)
