"""Layers shared by the networks: norms and dropout.

Large images are translated in tiles, which must not differ in what a layer takes from the whole
image. So norms can keep the statistics of a first call for further ones, and dropout masks can
belong to places of the image: see `STATISTICS` and `PlacedKeys`.

Arrays are NHWC. Parameters and norm statistics are float32; `dtype` is the dtype of computation.
"""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from pix2pix_jax.core.choices import NORMS
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.models.initial import ONES, SCALE, ZEROS
from pix2pix_jax.models.normalization import (
    EPSILON,
    by_channel,
    normalize,
    normalize_by,
    statistics,
    widen,
)

Dtype = Any
# A norm that adds an offset makes the bias of the convolution before it redundant.
NORMS_WITH_OFFSET = ("batch", "group", "instance_affine")
# These remove whatever is added to a whole channel of an image, in training and in inference.
# (Batch norm does so only in training; group norm does not if a group has several channels.)
NORMS_WITHOUT_CONSTANTS = ("instance", "instance_affine")
_GROUPS = 32  # Wu & He, 2018
# The collection in which norms write the statistics of their features when it is mutable, and which
# they normalise by when it is given. Only those norms take part that use an image's own statistics.
STATISTICS = "statistics"

Statistics = tuple[Array, Array]  # mean and biased variance


def _kept_statistics(layer: nn.Module, measure: Callable[[], Statistics]) -> Statistics | None:
    """Return the statistics that a norm writes or is given; None in ordinary calls."""
    names = ("mean", "variance")
    if layer.is_mutable_collection(STATISTICS) and not layer.is_initializing():
        for name, values in zip(names, measure(), strict=True):
            layer.put_variable(STATISTICS, name, values)
    elif not layer.has_variable(STATISTICS, names[0]):
        return None
    return layer.get_variable(STATISTICS, "mean"), layer.get_variable(STATISTICS, "variance")


class InstanceNorm(nn.Module):
    """Instance norm without running statistics (Ulyanov et al., 2016).

    Attributes:
        affine: Whether a learnt scale and offset follow. The reference has none.
        dtype: Dtype of the result; statistics are always float32.
    """

    affine: bool = False
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"], *, train: bool) -> Float[Array, "n h w c"]:
        """Give each channel of each image mean 0 and variance 1; `train` changes nothing."""
        scale = bias = None
        if self.affine:
            scale = self.param("scale", SCALE, (x.shape[-1],))
            bias = self.param("bias", ZEROS, (x.shape[-1],))
        kept = _kept_statistics(self, lambda: statistics(x, (1, 2)))
        if kept is not None:
            return normalize_by(x, *kept, self.dtype, scale, bias)
        y, _, _ = normalize((1, 2), None, self.dtype, x, scale, bias)
        return y


def group_count(channels: int) -> int:
    """Return the groups of group norm: 32, or fewer if 32 does not divide the channels."""
    return math.gcd(channels, _GROUPS)


class GroupNorm(nn.Module):
    """Group norm (Wu & He, 2018) with 32 groups, or fewer if 32 does not divide the channels.

    Attributes:
        dtype: Dtype of the result; statistics are always float32.
    """

    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"], *, train: bool) -> Float[Array, "n h w c"]:
        """Normalise each group of channels of each image; `train` changes nothing."""
        layer = nn.GroupNorm(
            group_count(x.shape[-1]),
            epsilon=EPSILON,
            use_fast_variance=False,
            scale_init=SCALE,
            bias_init=ZEROS,
        )
        kept = _kept_statistics(self, lambda: _group_statistics(x))
        if kept is not None:
            params = layer.variables["params"]
            return normalize_by(x, *kept, self.dtype, params["scale"], params["bias"])
        return layer(widen(x)).astype(self.dtype)


def _group_statistics(x: Float[Array, "n h w c"]) -> Statistics:
    """Return the statistics of groups of channels, for each of their channels."""
    groups = group_count(x.shape[-1])
    of_groups = statistics(x.reshape(*x.shape[:3], groups, -1), (1, 2, 4))
    each = x.shape[-1] // groups
    mean, variance = (jnp.repeat(part[..., 0], each, axis=-1) for part in of_groups)
    return mean, variance


class BatchNorm(nn.Module):
    """Batch norm over the global batch, with PyTorch's running statistics (Ioffe & Szegedy, 2015).

    It normalises by the statistics of the global batch in training. At test time it uses each
    image's own, as in the paper (train=True under `jax.vmap` over single images, without an axis
    name), or the running ones (train=False). The running variance is the unbiased one, as in the
    reference and its weight files; flax's own layer keeps the biased one.

    Attributes:
        momentum: Share of the running statistics that a step keeps; PyTorch's momentum is 1 - this.
        axis_name: Mapped axis over which the devices share a batch; None on one device.
        dtype: Dtype of the result; statistics are always float32.
    """

    momentum: float = 0.9
    axis_name: str | None = None
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"], *, train: bool) -> Float[Array, "n h w c"]:
        """Normalise each channel; `train`: by the batch, and update the running statistics."""
        channels = (x.shape[-1],)
        scale = self.param("scale", SCALE, channels)
        bias = self.param("bias", ZEROS, channels)
        running_mean = self.variable("batch_stats", "mean", ZEROS, None, channels)
        running_var = self.variable("batch_stats", "var", ONES, None, channels)
        if not train:
            factor = by_channel(lax.rsqrt(running_var.value + EPSILON) * scale)
            y = (widen(x) - by_channel(running_mean.value)) * factor + by_channel(bias)
            return y.astype(self.dtype)
        kept = _kept_statistics(self, lambda: statistics(x, (0, 1, 2), self.axis_name))
        if kept is not None:
            return normalize_by(x, *kept, self.dtype, scale, bias)
        y, mean, var = normalize((0, 1, 2), self.axis_name, self.dtype, x, scale, bias)
        if not self.is_initializing() and self.is_mutable_collection("batch_stats"):
            devices = 1 if self.axis_name is None else lax.axis_size(self.axis_name)
            count = devices * x.size // x.shape[-1]
            unbiased = var.reshape(-1) * (count / max(count - 1, 1))
            keep = self.momentum
            running_mean.value = keep * running_mean.value + (1 - keep) * mean.reshape(-1)
            running_var.value = keep * running_var.value + (1 - keep) * unbiased
        return y


def make_norm(kind: str, *, axis_name: str | None, dtype: Dtype, name: str) -> nn.Module:
    """Build a norm layer.

    Args:
        kind: One of `NORMS`, but not `none`.
        axis_name: Mapped axis over which the devices share a batch, for batch norm.
        dtype: Dtype of the result.
        name: Name of the layer in the parameter tree.

    Returns:
        A module called as `norm(x, train=...)`.

    Raises:
        InputError: `kind` is unknown.
    """
    if kind == "batch":
        return BatchNorm(axis_name=axis_name, dtype=dtype, name=name)
    if kind == "group":
        return GroupNorm(dtype=dtype, name=name)
    if kind in ("instance", "instance_affine"):
        return InstanceNorm(affine=kind == "instance_affine", dtype=dtype, name=name)
    choices = ", ".join(kind for kind in NORMS if kind != "none")
    raise InputError(f"norm {kind!r}: choose from {choices}")


@struct.dataclass
class PlacedKeys:
    """Keys for dropout masks of a tile that agree with those of other tiles of its image.

    Attributes:
        keys: One key per example, the same one for all tiles of an image.
        top: Row of the image, in pixels, at which the tile starts. It is a multiple of what the
            network's sides are multiples of.
        left: Column of the image at which the tile starts, likewise.
        height: Height of the tile in pixels; features of h rows have one for height / h pixels.
    """

    keys: Key[Array, " n"]
    top: Int[Array, ""]
    left: Int[Array, ""]
    height: int = struct.field(pytree_node=False)

    def draw(self, rate: float, layer: int, shape: tuple[int, ...]) -> Bool[Array, "n h w c"]:
        """Return which values are kept: each place of the whole image has a draw of its own.

        Args:
            rate: Share of values that are not kept.
            layer: Number of the layer.
            shape: Height, width and channels of the features.
        """
        stride = self.height // shape[0]
        rows, columns = (
            start // stride + jnp.arange(length)
            for start, length in zip((self.top, self.left), shape, strict=False)
        )

        def draw(key: Key[Array, ""], row: Array, column: Array) -> Array:
            key = jax.random.fold_in(jax.random.fold_in(key, row), column)
            return jax.random.bernoulli(key, 1 - rate, shape[2:])

        keys = jax.vmap(lambda key: jax.random.fold_in(key, layer))(self.keys)
        along_row = jax.vmap(draw, (None, None, 0))
        of_example = jax.vmap(along_row, (None, 0, None))
        return jax.vmap(of_example, (0, None, None))(keys, rows, columns)


DropoutKeys = Key[Array, " n"] | PlacedKeys | None


def dropout(
    x: Float[Array, "n h w c"], rate: float, keys: DropoutKeys, place: int
) -> Float[Array, "n h w c"]:
    """Zero a share of each example's values (Srivastava et al., 2014), drawn by the example's key.

    flax's layer draws one mask for the whole batch, so masks would depend on how a batch is spread
    over devices. Here the mask belongs to the example.

    Args:
        x: Features.
        rate: Share of values set to zero, in [0, 1); the others are scaled by 1 / (1 - rate).
        keys: One random key per example, or those of a tile; None switches dropout off.
        place: Number of the layer in its network, so that no two share a mask.

    Returns:
        Features of the same shape.
    """
    if keys is None or rate == 0:
        return x

    def draw(key: Key[Array, ""]) -> Array:
        return jax.random.bernoulli(jax.random.fold_in(key, place), 1 - rate, x.shape[1:])

    if isinstance(keys, PlacedKeys):
        keep = keys.draw(rate, place, x.shape[1:])
    else:
        keep = jax.vmap(draw)(keys)
    return jnp.where(keep, x / (1 - rate), 0).astype(x.dtype)
