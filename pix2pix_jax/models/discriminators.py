"""Discriminators: PatchGAN, PixelGAN, and PatchGANs at several scales."""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from pix2pix_jax.models.blocks import Conv, ConvBlock, leaky_relu
from pix2pix_jax.models.conditioning import embed
from pix2pix_jax.models.convolutions import conv, down_conv
from pix2pix_jax.models.layers import NORMS_WITH_OFFSET, Dtype
from pix2pix_jax.models.normalization import widen

# What a discriminator returns for one scale: logits, and the features of its hidden layers.
Scale = tuple[Float[Array, "n _ _ 1"], tuple[Array, ...]]


class PatchGAN(nn.Module):
    """Real or fake for each overlapping patch (Isola et al., 2017, section 3.2.2).

    It has `layers` 4x4 convolutions of stride 2 and two of stride 1, all with padding 1. With three
    layers it judges patches of 70x70 pixels, has 2,767,809 parameters with instance norm and 6
    input channels (2,768,705 with batch norm), and gives 30x30 logits at 256x256 pixels. One to six
    layers judge patches of 16, 34, 70, 142, 286 and 574 pixels.

    Attributes:
        base_features: Features of the first layer; they double per layer, up to eightfold.
        layers: Number of stride-2 layers.
        norm: One of `layers.NORMS`, after all convolutions but the first and the last.
        conditional: Whether it sees the source besides the image.
        spectral_norm: Whether every kernel is divided by its largest singular value.
        dtype: Dtype of computation; logits are float32.
        axis_name: Mapped axis over which the devices share a batch, for batch norm.
        numbers: How many numbers beside the image it takes, see `_project`.
    """

    base_features: int = 64
    layers: int = 3
    norm: str = "instance"
    conditional: bool = True
    spectral_norm: bool = False
    dtype: Dtype = jnp.float32
    axis_name: str | None = None
    numbers: int = 0

    @nn.compact
    def __call__(
        self,
        source: Float[Array, "n h w c"],
        image: Float[Array, "n h w d"],
        *,
        train: bool,
        condition: Float[Array, "n k"] | None = None,
    ) -> tuple[Scale, ...]:
        """Judge images, given the sources they should belong to.

        Args:
            source: Input of the generator, in [-1, 1].
            image: Target or fake, in [-1, 1].
            train: Whether batch norm uses the statistics of the batch (True) or running ones.
            condition: Normalised numbers of each example; None: see `conditioning.embed`.

        Returns:
            A tuple of one scale: the logits of the patches, above 0 for real, and the features of
            the hidden layers.
        """
        block = _block_of(self, train=train)
        hidden = partial(
            block, after=leaky_relu, norm=self.norm, use_bias=self.norm not in NORMS_WITH_OFFSET
        )
        same = partial(conv, padding=1)  # with stride 1 each side shrinks by one pixel
        x = jnp.concatenate([source, image], axis=-1) if self.conditional else image
        first = block(self.base_features, down_conv, after=leaky_relu, norm="none", name="conv_0")
        features = [first(x)]
        for layer in range(1, self.layers + 1):
            width = self.base_features * min(2**layer, 8)
            convolve = down_conv if layer < self.layers else same
            features.append(hidden(width, convolve, name=f"conv_{layer}")(features[-1]))
        last = block(1, same, norm="none", name=f"conv_{self.layers + 1}")
        logits = widen(last(features[-1]))
        embedded = embed(self.numbers, condition, len(image))
        if embedded is not None:
            logits += _project(self, embedded, features[-1], train=train)
        return ((logits, tuple(features)),)


class PixelGAN(nn.Module):
    """Real or fake for each single pixel, by 1x1 convolutions (Isola et al., 2017, section 4.4).

    It has 8,897 parameters with instance norm and 6 input channels, 9,024 with batch norm.

    Attributes:
        base_features: Features of the first layer; the second has twice as many.
        norm: One of `layers.NORMS`, for the second layer.
        conditional: Whether it sees the source besides the image.
        spectral_norm: Whether every kernel is divided by its largest singular value.
        dtype: Dtype of computation; logits are float32.
        axis_name: Mapped axis over which the devices share a batch, for batch norm.
        numbers: How many numbers beside the image it takes, see `_project`.
    """

    base_features: int = 64
    norm: str = "instance"
    conditional: bool = True
    spectral_norm: bool = False
    dtype: Dtype = jnp.float32
    axis_name: str | None = None
    numbers: int = 0

    @nn.compact
    def __call__(
        self,
        source: Float[Array, "n h w c"],
        image: Float[Array, "n h w d"],
        *,
        train: bool,
        condition: Float[Array, "n k"] | None = None,
    ) -> tuple[Scale, ...]:
        """Judge each pixel; arguments and result as in `PatchGAN`."""
        use_bias = self.norm not in NORMS_WITH_OFFSET
        block = partial(_block_of(self, train=train), convolve=conv, kernel_size=1)
        x = jnp.concatenate([source, image], axis=-1) if self.conditional else image
        hidden = partial(block, after=leaky_relu)
        first = hidden(self.base_features, norm="none", name="conv_0")(x)
        second = hidden(2 * self.base_features, norm=self.norm, use_bias=use_bias, name="conv_1")(
            first
        )
        # As in the reference, this bias depends on the norm too.
        logits = widen(block(1, norm="none", use_bias=use_bias, name="conv_2")(second))
        embedded = embed(self.numbers, condition, len(image))
        if embedded is not None:
            logits += _project(self, embedded, second, train=train)
        return ((logits, (first, second)),)


def _block_of(discriminator: PatchGAN | PixelGAN, *, train: bool) -> Callable[..., ConvBlock]:
    """Bind what all blocks of a discriminator share."""
    return partial(
        ConvBlock,
        train=train,
        spectral_norm=discriminator.spectral_norm,
        dtype=discriminator.dtype,
        axis_name=discriminator.axis_name,
    )


def _project(
    discriminator: PatchGAN | PixelGAN,
    embedded: Float[Array, "n e"],
    features: Float[Array, "n h w c"],
    *,
    train: bool,
) -> Float[Array, "n _ _ 1"]:
    """Return what numbers add to the logits (Miyato & Koyama, 2018, section 3).

    That is the inner product of the last features at each place and of a projection of the embedded
    numbers. A PatchGAN has one logit in the middle of each four places, which gets their mean.
    """
    layer = Conv(
        features.shape[-1],
        conv,
        kernel_size=1,
        use_bias=False,
        spectral_norm=discriminator.spectral_norm,
        train=train,
        name="projection",
    )
    products = jnp.sum(widen(features) * layer(embedded[:, None, None]), axis=-1, keepdims=True)
    if isinstance(discriminator, PixelGAN):
        return products
    rows = products[:, 1:] + products[:, :-1]
    return (rows[:, :, 1:] + rows[:, :, :-1]) / 4


class MultiscaleGAN(nn.Module):
    """The same PatchGAN at several scales of the image (Wang et al., 2018, pix2pixHD, section 3.2).

    Attributes:
        scales: Number of scales; each one sees the image at half the size of the one before.
        patch: Builds the PatchGAN of a scale, given its `name`.
    """

    scales: int = 2
    patch: partial[PatchGAN] = partial(PatchGAN)

    @nn.compact
    def __call__(
        self,
        source: Float[Array, "n h w c"],
        image: Float[Array, "n h w d"],
        *,
        train: bool,
        condition: Float[Array, "n k"] | None = None,
    ) -> tuple[Scale, ...]:
        """Judge the image at each scale, the finest first; arguments as in `PatchGAN`."""
        outputs: tuple[Scale, ...] = ()
        for scale in range(self.scales):
            patch = self.patch(name=f"scale_{scale}")
            outputs += patch(source, image, train=train, condition=condition)
            source, image = halve(source), halve(image)
        return outputs


def halve(x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    """Average 3x3 windows with stride 2; at the edges, over the pixels inside the image only."""
    padding = ((1, 1), (1, 1))
    halved: Array = nn.avg_pool(x, (3, 3), (2, 2), padding, count_include_pad=False)
    return halved
