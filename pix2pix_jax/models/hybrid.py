"""The hybrid generator: DCGAN downsampling, residual blocks, transposed upsampling."""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from pix2pix_jax.models.blocks import (
    ACTIVATIONS,
    UPSAMPLINGS,
    block_of,
    extra_upsamplings,
    finish,
    leaky_relu,
)
from pix2pix_jax.models.conditioning import embed
from pix2pix_jax.models.convolutions import conv, down_conv
from pix2pix_jax.models.layers import DropoutKeys, Dtype, dropout


class Hybrid(nn.Module):
    """A ResNet whose encoder is that of DCGAN (Radford et al., 2016).

    This is the third model of a course report, which compared it with a U-Net and a ResNet on
    Cityscapes. Its layers: a 3x3 convolution; strided 4x4 convolutions with norm and
    LeakyReLU(0.2), each of which doubles the features, up to eightfold; residual blocks of 3x3
    convolutions; one upsampling for each strided convolution; a 3x3 convolution and tanh. There
    are no skip connections. The input's sides must be multiples of 2 ** downsamplings.

    Attributes:
        out_channels: Channels of the output image.
        base_features: Features of the first layer.
        downsamplings: Number of strided convolutions.
        blocks: Number of residual blocks.
        norm: One of `layers.NORMS`.
        activation: Activation of residual blocks and decoder, one of `blocks.ACTIVATIONS`.
        upsample: One of `blocks.UPSAMPLINGS`.
        dropout: Dropout rate between the two convolutions of a residual block.
        remat: Whether blocks are recomputed in the backward pass to save memory.
        dtype: Dtype of computation; the result is float32.
        axis_name: Mapped axis over which the devices share a batch, for batch norm.
        of_classes: Whether the output's channels are classes: their shares add up to 1.
        numbers: How many numbers beside the image it takes; they scale and shift the
            features of residual blocks and decoder (FiLM).
        scale: As for `ResNet`.
    """

    out_channels: int = 3
    base_features: int = 64
    downsamplings: int = 3
    blocks: int = 6
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
        steps = range(self.downsamplings + 1)
        widths = [self.base_features * min(2**step, 8) for step in steps]
        activation = ACTIVATIONS[self.activation]
        block = block_of(self, train=train)
        same = partial(block, convolve=partial(conv, padding=1), kernel_size=3)
        down = partial(block, convolve=down_conv, after=leaky_relu)
        decode, doubling = partial(block, after=activation), UPSAMPLINGS[self.upsample]
        up = doubling.bind(decode)

        embedded = embed(self.numbers, condition, source.shape[0])
        x = same(widths[0], after=leaky_relu, name="first")(source)
        for number, width in enumerate(widths[1:]):
            x = down(width, name=f"down_{number}")(x)
        for number in range(self.blocks):
            y = same(widths[-1], after=activation, name=f"block_{number}_0")(x, embedded)
            y = dropout(y, self.dropout, dropout_keys, number)
            x = x + same(widths[-1], name=f"block_{number}_1")(y, embedded)
        for number, width in enumerate(widths[-2:0:-1] if self.scale < 1 else widths[-2::-1]):
            x = up(width, name=f"up_{number}")(x, embedded)
        for number, further in enumerate(extra_upsamplings(self.scale, self.upsample, doubling)):
            x = further.bind(decode)(widths[0], name=f"extra_{number}")(x, embedded)
        x = same(self.out_channels, norm="none", use_bias=True, name="last")(x)
        return finish(x, of_classes=self.of_classes)
