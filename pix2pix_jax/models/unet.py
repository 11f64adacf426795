"""The U-Net generator (Isola et al., 2017, section 3.2.1 and appendix 6.1.1)."""

from functools import partial
from typing import Any

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

DROPOUT_PLACEMENTS = ("paper", "reference")


def dropout_levels(placement: str, levels: int) -> range:
    """Return the decoder levels that have dropout, counted from the outermost, 0.

    Args:
        placement: `reference`: all but the innermost and the four outermost levels; `paper` (its
            Torch code): the innermost level and the two next to it.
        levels: Depth of the U-Net.

    Returns:
        The levels.
    """
    if placement == "reference":
        return range(4, levels - 1)
    return range(max(levels - 3, 1), levels)


class UNet(nn.Module):
    """Encoder and decoder of `levels` stride-2 4x4 convolutions with skip connections.

    It has the layers of the reference's `unet_256` (8 levels) and `unet_128` (7 levels). With 8
    levels and 64 features it has 54,409,603 parameters with instance norm, 54,413,955 with batch
    norm. The input's sides must be multiples of 2 ** levels.

    Attributes:
        out_channels: Channels of the output image.
        base_features: Features of the outermost level; they double per level, up to eightfold.
        levels: How often the sides are halved, at least 2.
        unet_skips: Whether skip connections lead from encoder to decoder; without them it is the
            paper's encoder-decoder (section 4.2).
        norm: One of `layers.NORMS`.
        activation: Activation of the decoder, one of `blocks.ACTIVATIONS`. The encoder has the
            same one, but LeakyReLU(0.2) if this is `relu`.
        upsample: One of `blocks.UPSAMPLINGS`.
        dropout: Dropout rate of the decoder levels that have dropout.
        dropout_placement: See `dropout_levels`.
        remat: Whether blocks are recomputed in the backward pass to save memory.
        dtype: Dtype of computation; the result is float32.
        axis_name: Mapped axis over which the devices share a batch, for batch norm.
        of_classes: Whether the output's channels are classes: their shares add up to 1.
        numbers: How many numbers beside the image it takes; they scale and shift the
            decoder's features (FiLM).
        scale: How many times as large as the source the result is, one of
            `core.scales.TARGET_SCALES`. For a larger one, the decoder has one or two levels more,
            the first of which has a skip connection from a 3x3 convolution of the source; for a
            smaller one, its last level does not double the sides.
    """

    out_channels: int = 3
    base_features: int = 64
    levels: int = 8
    unet_skips: bool = True
    norm: str = "instance"
    activation: str = "relu"
    upsample: str = "transposed"
    dropout: float = 0.5
    dropout_placement: str = "reference"
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
        """Translate images.

        Args:
            source: Images in [-1, 1].
            train: Whether batch norm uses the statistics of the batch (True) or running ones.
            dropout_keys: One key per example, or those of a tile; None switches dropout off.
            condition: Normalised numbers of each example; None: see `conditioning.embed`.

        Returns:
            Images in [-1, 1], float32, `scale` times as large.
        """
        widths = [self.base_features * min(2**level, 8) for level in range(self.levels)]
        innermost = self.levels - 1
        decoder_activation = ACTIVATIONS[self.activation]
        encoder_activation = leaky_relu if self.activation == "relu" else decoder_activation
        block = block_of(self, train=train)
        down = partial(block, convolve=down_conv)
        decode = partial(block, before=decoder_activation)
        doubling = UPSAMPLINGS[self.upsample]
        up = doubling.bind(decode)
        last: dict[str, Any] = {"features": self.out_channels, "norm": "none", "use_bias": True}

        embedded = embed(self.numbers, condition, source.shape[0])
        x = down(widths[0], norm="none", name="down_0")(source)
        skips = [x]
        for level in range(1, self.levels):
            norm = self.norm if level < innermost else "none"
            x = down(widths[level], norm=norm, before=encoder_activation, name=f"down_{level}")(x)
            skips.append(x)
        dropping = dropout_levels(self.dropout_placement, self.levels)
        for level in range(innermost, 0, -1):
            x = up(widths[level - 1], name=f"up_{level}")(x, embedded)
            x = dropout(x, self.dropout, dropout_keys, level) if level in dropping else x
            x = jnp.concatenate([skips[level - 1], x], axis=-1) if self.unet_skips else x
        same = {"convolve": partial(conv, padding=1), "kernel_size": 3}
        if self.scale < 1:
            x = decode(**last, **same, name="up_0")(x)
        elif extra := extra_upsamplings(self.scale, self.upsample, doubling):
            x = up(widths[0], name="up_0")(x, embedded)
            if self.unet_skips:
                skip = block(widths[0], norm="none", name="extra_skip", **same)(source)
                x = jnp.concatenate([skip, x], axis=-1)
            for number, further in enumerate(extra[:-1]):
                x = further.bind(decode)(widths[0], name=f"extra_{number}")(x, embedded)
            x = extra[-1].bind(decode)(**last, name=f"extra_{len(extra) - 1}")(x)
        else:
            x = up(**last, name="up_0")(x)
        return finish(x, of_classes=self.of_classes)
