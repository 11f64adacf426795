"""How far a generator looks: which pixels of a source can change a pixel of its result.

It follows from the layers alone, with norms whose statistics are given: norms that take their
statistics from the image look at all of it.

Intervals (first, last) of rows are followed from the result back to the source. Columns are the
same. What a layer's padding adds is inside the interval, so it is exact in the middle of an image.
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import numpy as np
from jaxtyping import Int

from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.resnet import ResNet
from pix2pix_jax.models.unet import UNet

Rows = Int[np.ndarray, " rows"]
Interval = tuple[Rows, Rows]
Layer = Callable[[Interval], Interval]


def receptive_radius(generator: nn.Module) -> int | None:
    """Return how many pixels away, at most, a source can still change a pixel of the result.

    Args:
        generator: The network.

    Returns:
        The distance in rows or columns of the source, the larger one where the two sides differ;
        None for own networks, of whose layers nothing is known.
    """
    if isinstance(generator, UNet):
        seen, unit = _of_unet(generator), 2**generator.levels
    elif isinstance(generator, ResNet):
        seen, unit = _chain(_of_resnet(generator)), 4
    elif isinstance(generator, Hybrid):
        seen, unit = _chain(_of_hybrid(generator)), 2**generator.downsamplings
    else:
        return None
    rows = np.arange(int(unit * generator.scale))  # the others are the same again
    first, last = seen((rows, rows))
    # The rows of the source that lie where each row of the result does.
    top = rows // generator.scale
    bottom = (rows + 1) / generator.scale - 1
    return int(max((top - first).max(), (last - np.ceil(bottom)).max()))


def _same(size: int) -> Layer:
    """Return a convolution of stride 1 that keeps the size."""
    return lambda rows: (rows[0] - size // 2, rows[1] + size // 2)


def _down_4(rows: Interval) -> Interval:
    """A 4x4 convolution of stride 2, padding 1."""
    return 2 * rows[0] - 1, 2 * rows[1] + 2


def _down_3(rows: Interval) -> Interval:
    """A 3x3 convolution of stride 2, padding 1."""
    return 2 * rows[0] - 1, 2 * rows[1] + 1


def _up(kind: str, size: int = 4) -> Layer:
    """Return a doubling, one of `blocks.UPSAMPLINGS`; `size` is that of a transposed kernel."""
    if kind == "pixel_shuffle":
        return lambda rows: (rows[0] // 2 - 1, rows[1] // 2 + 1)
    if kind == "transposed" and size == 3:
        return lambda rows: (rows[0] // 2, (rows[1] + 1) // 2)
    return lambda rows: ((rows[0] - 1) // 2, (rows[1] + 1) // 2)


def _extra(scale: float, kind: str, doubling: Layer) -> list[Layer]:
    """Return the layers of `blocks.extra_upsamplings`."""
    if scale != 3:
        return [doubling] * (int(scale) // 2)
    if kind == "nearest":
        return [lambda rows: ((rows[0] - 1) // 3, (rows[1] + 1) // 3)]
    return [lambda rows: (rows[0] // 3 - 1, rows[1] // 3 + 1)]


def _chain(layers: Sequence[Layer]) -> Layer:
    """Return all layers as one, the last one first."""

    def seen(rows: Interval) -> Interval:
        for layer in reversed(layers):
            rows = layer(rows)
        return rows

    return seen


def _of_unet(network: UNet) -> Layer:
    up = _up(network.upsample)
    extra = _chain(_extra(network.scale, network.upsample, up))

    def seen(rows: Interval) -> Interval:
        rows = extra(rows)
        found = [_same(3)(rows)] if network.scale > 1 and network.unet_skips else []
        for level in range(1, network.levels + 1):
            rows = _same(3)(rows) if network.scale < 1 and level == 1 else up(rows)
            if network.unet_skips or level == network.levels:
                found.append(_chain([_down_4] * level)(rows))
        firsts, lasts = zip(*found, strict=True)
        return np.min(firsts, axis=0), np.max(lasts, axis=0)

    return seen


def _of_resnet(network: ResNet) -> list[Layer]:
    up = _up(network.upsample, size=3)
    blocks = [_same(3)] * (2 * network.blocks)
    ups = [up] * (1 if network.scale < 1 else 2)
    extra = _extra(network.scale, network.upsample, up)
    return [_same(7), _down_3, _down_3, *blocks, *ups, *extra, _same(7)]


def _of_hybrid(network: Hybrid) -> list[Layer]:
    blocks = [_same(3)] * (2 * network.blocks)
    up, downs = _up(network.upsample), network.downsamplings
    ups = [up] * (downs - 1 if network.scale < 1 else downs)
    extra = _extra(network.scale, network.upsample, up)
    return [_same(3), *[_down_4] * downs, *blocks, *ups, *extra, _same(3)]
