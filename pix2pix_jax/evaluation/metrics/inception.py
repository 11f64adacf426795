"""The Inception v3 that defines FID, KID and the Inception score.

It is the TensorFlow graph of 2015-12-05 (Szegedy et al., 2015, "Rethinking the Inception
Architecture for Computer Vision") that Heusel et al. (2017) chose for FID. It behaves like
torch-fidelity's extractor: the graph's own resize of 8-bit images, its average pooling, its 1008
classes. Modules are named like the arrays of the published weights. There is no training mode.
"""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped, UInt8

from pix2pix_jax.core.errors import InputError

Variables = dict[str, Any]
Kernel = tuple[int, int]
# Features and kernels of a convolution; several kernels are several convolutions side by side.
Layer = tuple[int, tuple[Kernel, ...]]
Branches = tuple[tuple[str, tuple[Layer, ...]], ...]

SIZE = 299  # pixels
FEATURES = 2048
CLASSES = 1008
# The default on GPU and TPU has fewer digits, which would show in the scores.
_PRECISION = jax.lax.Precision.HIGHEST

_1, _3, _5 = (((side, side),) for side in (1, 3, 5))
_ROW_7, _COLUMN_7 = ((1, 7),), ((7, 1),)
_FORK = (384, ((1, 3), (3, 1)))


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm (epsilon 0.001), ReLU.

    Attributes:
        features: Output channels.
        kernel: Height and width of the kernel.
        stride: Stride of the kernel.
        padding: `SAME` or `VALID`.
    """

    features: int
    kernel: Kernel = (1, 1)
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 f"]:
        """Convolve and normalise."""
        x = nn.Conv(
            self.features,
            self.kernel,
            self.stride,
            self.padding,
            use_bias=False,
            precision=_PRECISION,
            name="conv",
        )(x)
        return nn.relu(nn.BatchNorm(use_running_average=True, epsilon=1e-3, name="bn")(x))


class Block(nn.Module):
    """Inception block: chains of convolutions and a pooling layer, side by side.

    Attributes:
        branches: Name and layers of each chain.
        pooled: Features of the convolution after the pooling; 0: no convolution.
        pool: `avg` or `max`, over 3x3 pixels; the average is over pixels inside the image only.
        stride: Stride of the pooling and of the last layer of each chain; with 2, they have no
            padding.
    """

    branches: Branches
    pooled: int = 0
    pool: str = "avg"
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 f"]:
        """Concatenate the outputs of the branches."""
        outputs = [self._chain(x, name, layers) for name, layers in self.branches]
        stride, padding = self._end()
        if self.pool == "avg":
            pooled = nn.avg_pool(x, (3, 3), (stride, stride), padding, count_include_pad=False)
        else:
            pooled = nn.max_pool(x, (3, 3), (stride, stride), padding)
        if self.pooled:
            pooled = ConvNorm(self.pooled, name="branch_pool")(pooled)
        return jnp.concatenate([*outputs, pooled], axis=-1)

    def _end(self) -> tuple[int, str]:
        """Return stride and padding of the last layer of a branch."""
        return self.stride, "SAME" if self.stride == 1 else "VALID"

    def _chain(self, x: Array, name: str, layers: tuple[Layer, ...]) -> Array:
        for number, (features, kernels) in enumerate(layers, 1):
            end = self._end() if number == len(layers) else (1, "SAME")
            layer = f"{name}_{number}" if len(layers) > 1 else name
            names = [layer] if len(kernels) == 1 else [f"{layer}a", f"{layer}b"]
            parts = [
                ConvNorm(features, kernel, *end, name=part)(x)
                for kernel, part in zip(kernels, names, strict=True)
            ]
            x = jnp.concatenate(parts, axis=-1)
        return x


def _block_a(pooled: int) -> partial[Block]:
    five, double = ((48, _1), (64, _5)), ((64, _1), (96, _3), (96, _3))
    branches = ("branch1x1", ((64, _1),)), ("branch5x5", five), ("branch3x3dbl", double)
    return partial(Block, branches, pooled)


def _block_c(width: int) -> partial[Block]:
    seven = (width, _1), (width, _ROW_7), (192, _COLUMN_7)
    double = (width, _1), *((width, _COLUMN_7), (width, _ROW_7)) * 2
    double = (*double[:-1], (192, _ROW_7))
    branches = ("branch1x1", ((192, _1),)), ("branch7x7", seven), ("branch7x7dbl", double)
    return partial(Block, branches, pooled=192)


def _block_e(pool: str) -> partial[Block]:
    three, double = ((384, _1), _FORK), ((448, _1), (384, _3), _FORK)
    branches = ("branch1x1", ((320, _1),)), ("branch3x3", three), ("branch3x3dbl", double)
    return partial(Block, branches, pooled=192, pool=pool)


def _reduction(*branches: tuple[str, tuple[Layer, ...]]) -> partial[Block]:
    return partial(Block, branches, pool="max", stride=2)


_BLOCKS: dict[str, partial[Block]] = {
    "Mixed_5b": _block_a(32),
    "Mixed_5c": _block_a(64),
    "Mixed_5d": _block_a(64),
    "Mixed_6a": _reduction(
        ("branch3x3", ((384, _3),)), ("branch3x3dbl", ((64, _1), (96, _3), (96, _3)))
    ),
    "Mixed_6b": _block_c(128),
    "Mixed_6c": _block_c(160),
    "Mixed_6d": _block_c(160),
    "Mixed_6e": _block_c(192),
    "Mixed_7a": _reduction(
        ("branch3x3", ((192, _1), (320, _3))),
        ("branch7x7x3", ((192, _1), (192, _ROW_7), (192, _COLUMN_7), (192, _3))),
    ),
    "Mixed_7b": _block_e("avg"),
    # Other versions of Inception average here, too; the scores are defined by this one.
    "Mixed_7c": _block_e("max"),
}


class Classifier(nn.Module):
    """The last layer, with and without its bias."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "n f"]
    ) -> tuple[Float[Array, "n classes"], Float[Array, "n classes"]]:
        """Return the logits without bias, and with it."""
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (x.shape[-1], CLASSES))
        bias = self.param("bias", nn.initializers.zeros, (CLASSES,))
        unbiased = jnp.dot(x, kernel, precision=_PRECISION)
        return unbiased, unbiased + bias[None]


class Activations(NamedTuple):
    """What the network returns for images.

    Attributes:
        pool3: Features after the last pooling, for FID and KID.
        logits_unbiased: Logits without bias, for the Inception score.
        logits: Logits of the classes.
    """

    pool3: Float[Array, "n 2048"]
    logits_unbiased: Float[Array, "n 1008"]
    logits: Float[Array, "n 1008"]


class InceptionV3(nn.Module):
    """The network, for resized images."""

    @nn.compact
    def __call__(self, x: Float[Array, "n 299 299 3"]) -> Activations:
        """Classify images from `resize`, 0 to 255."""
        x = (x - 128) / 128
        x = ConvNorm(32, (3, 3), 2, "VALID", name="Conv2d_1a_3x3")(x)
        x = ConvNorm(32, (3, 3), 1, "VALID", name="Conv2d_2a_3x3")(x)
        x = ConvNorm(64, (3, 3), name="Conv2d_2b_3x3")(x)
        x = nn.max_pool(x, (3, 3), (2, 2))
        x = ConvNorm(80, name="Conv2d_3b_1x1")(x)
        x = ConvNorm(192, (3, 3), 1, "VALID", name="Conv2d_4a_3x3")(x)
        x = nn.max_pool(x, (3, 3), (2, 2))
        for name, block in _BLOCKS.items():
            x = block(name=name)(x)
        pool3 = jnp.mean(x, axis=(1, 2))
        return Activations(pool3, *Classifier(name="fc")(pool3))


def resize(images: UInt8[Array | np.ndarray, "n h w c"]) -> Float[Array, "n 299 299 c"]:
    """Resize as the graph does: TensorFlow 1's bilinear filter, `align_corners=False`.

    Pixel i of the result is at i * (old size / 299) in the image: no half-pixel centres, no
    antialiasing, the last pixel repeated.

    Args:
        images: 8-bit images.

    Returns:
        float32, 0 to 255.
    """
    x = jnp.asarray(images, jnp.float32)
    for axis in (2, 1):
        size = x.shape[axis]
        place = np.arange(SIZE, dtype=np.float32) * np.float32(size / SIZE)
        low = place.astype(np.int32)
        first, second = (
            jnp.take(x, index, axis=axis) for index in (low, np.minimum(low + 1, size - 1))
        )
        share = np.expand_dims(place - low, [other for other in range(4) if other != axis])
        x = first + (second - first) * share
    return x


_resize = jax.jit(resize)
_apply = jax.jit(InceptionV3().apply)  # compiled for 299x299 pixels, whatever the images' size


def features(
    variables: Variables, images: Shaped[np.ndarray, "n h w c"], *, batch_size: int = 32
) -> tuple[Float[np.ndarray, "n 2048"], Float[np.ndarray, "n 1008"]]:
    """Run the network on 8-bit RGB images of any size and number.

    Args:
        variables: From `inception_weights.load_inception`.
        images: uint8, RGB.
        batch_size: Images per batch. A smaller last batch is padded, so that the network is
            compiled once.

    Returns:
        `pool3` and `logits_unbiased` of each image.

    Raises:
        InputError: The images are not 8-bit RGB.
    """
    if images.dtype != np.uint8 or images.shape[-1] != 3:
        raise InputError(
            f"images of {images.shape[-1]} channels and dtype {images.dtype}: FID, KID and the "
            "Inception score need 8-bit RGB (uint8, 3 channels); convert them first"
        )
    pool3 = np.empty((len(images), FEATURES), np.float32)
    logits = np.empty((len(images), CLASSES), np.float32)
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        filled = np.pad(batch, ((0, batch_size - len(batch)), (0, 0), (0, 0), (0, 0)))
        result = _apply(variables, _resize(filled))
        pool3[start : start + batch_size] = result.pool3[: len(batch)]
        logits[start : start + batch_size] = result.logits_unbiased[: len(batch)]
    return pool3, logits
