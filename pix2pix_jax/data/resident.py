"""Pairs that are kept on the devices, and how a program takes some of them.

On a TPU, an array of images is laid out anew wherever a program takes rows of it: all of it, at
every call. Rows without a shape need no other layout, so there each image is stored flat and gets
its shape after it was taken.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Shaped

from pix2pix_jax.core.devices import everywhere, fits_on_device, on_cpu
from pix2pix_jax.data.pairs import Pairs

Shape = tuple[int, ...]


def stored_flat() -> bool:
    """Return whether images on the devices are stored flat."""
    return jax.default_backend() == "tpu"


def as_stored(side: Shaped[np.ndarray, "n *shape"], *, flat: bool) -> Shaped[np.ndarray, "n *_"]:
    """Return images as they are to be stored on the devices.

    Args:
        side: Images.
        flat: Whether each one becomes a row of values, see `stored_flat`.
    """
    return side.reshape(len(side), -1) if flat else side


def take(
    stored: Shaped[Array, "n *_"], rows: Int[Array, " m"], shape: Shape
) -> Shaped[Array, "m *shape"]:
    """Take some images on the device; works under `jit`.

    Args:
        stored: Images, flat or not.
        rows: Their numbers.
        shape: Shape of one image.
    """
    return jnp.take(stored, rows, axis=0, mode="clip").reshape(len(rows), *shape)


@dataclasses.dataclass(frozen=True)
class ResidentPairs:
    """Pairs of which each of this process's devices has a copy.

    Attributes:
        source: All sources, flat or not.
        target: All targets.
        shapes: Shape of one source and of one target.
    """

    source: Shaped[Array, "n *_"]
    target: Shaped[Array, "n *_"]
    shapes: tuple[Shape, Shape]


def place_pairs(pairs: Pairs, count: int, *, flat: bool) -> ResidentPairs:
    """Copy pairs to each of this process's devices.

    Args:
        pairs: Pairs in memory, of one size.
        count: How many of them, from the first one on.
        flat: Whether each image is stored flat, see `stored_flat`.
    """
    assert pairs.arrays is not None
    sides = [as_stored(side[:count], flat=flat) for side in pairs.arrays]
    source, target = jax.device_put(sides, everywhere(jax.local_devices()))
    shapes = pairs.arrays[0].shape[1:], pairs.arrays[1].shape[1:]
    return ResidentPairs(source, target, shapes)


def place_those_that_fit(
    wanted: Mapping[str, Pairs], count: int, *, share: float, taken: float
) -> dict[str, ResidentPairs]:
    """Copy sets of pairs to the devices, as long as there is room for them.

    Args:
        wanted: The sets by name; the first ones have precedence.
        count: Largest number of pairs of a set; 0: all.
        share: Share of a device's memory for all pairs together (`data.device_share`).
        taken: GB of it that other pairs take.

    Returns:
        The sets that fit. On the CPU there are none: its memory holds the pairs already.
    """
    placed: dict[str, ResidentPairs] = {}
    for name, pairs in wanted.items():
        if on_cpu() or pairs.arrays is None:
            continue
        used = min(len(pairs), count or len(pairs))
        gigabytes = pairs.gigabytes * used / len(pairs)
        if fits_on_device(taken + gigabytes, share):
            placed[name] = place_pairs(pairs, used, flat=stored_flat())
            taken += gigabytes
    return placed
