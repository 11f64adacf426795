"""Pairs that are kept on the devices, and how a program takes some of them.

Either each device has a copy of all pairs, or the pairs are spread: each device has its share of
them, and they are exchanged when they are needed.

On a TPU, an array of images is laid out anew wherever a program takes rows of it: all of it, at
every call. Rows without a shape need no other layout, so there each image is stored flat and gets
its shape after it was taken.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int, Shaped
from ml_collections import ConfigDict

from pix2pix_jax.core.devices import by_first_axis, everywhere, fits_on_device, hold, on_cpu
from pix2pix_jax.data.pairs import Pairs

Shape = tuple[int, ...]
Storage = Literal["copy", "spread"]  # all pairs on each device, or a share of them


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


def choose_storage(
    asked: str, size: float, count: int, devices: int, fits: Callable[[float], bool]
) -> tuple[Storage | None, float]:
    """Choose how pairs are kept on the devices.

    Args:
        asked: `copy`, `spread`, or `auto` for a copy if it fits, or else spread
            (`data.resident`). On a single device both are the same.
        size: Size of all pairs, in the unit that `fits` takes.
        count: Number of pairs.
        devices: Number of devices.
        fits: Tells whether each device has room for a size.

    Returns:
        How they are kept, and the size of those of each device. None and 0 if they do not fit.
    """
    if devices == 1:
        asked = "copy"
    sizes: dict[Storage, float] = {
        "copy": size,
        "spread": size * pairs_of_each(count, devices) / count,
    }
    for storage, each in sizes.items():
        if asked in (storage, "auto") and fits(each):
            return storage, each
    return None, 0.0


def pairs_of_each(count: int, devices: int) -> int:
    """Return how many pairs each device has if they are spread.

    Args:
        count: Number of pairs.
        devices: Number of devices.
    """
    return -(-count // devices)


def place_sides(
    sides: Sequence[Shaped[np.ndarray, "n *_"]],
    storage: Storage,
    devices: Sequence[jax.Device] | None = None,
) -> list[Shaped[Array, "..."]]:
    """Place images on devices.

    Args:
        sides: Sources, targets and what is beside them, as from `as_stored`; the same in every
            process.
        storage: How they are kept.
        devices: Devices of this process; None means all devices of all processes.

    Returns:
        Copies; or arrays of shape (devices, pairs of each, ...), filled up with zeros.
    """
    if storage == "copy":
        whole = list(sides)
        copies: list[Array] = (
            hold(whole) if devices is None else jax.device_put(whole, everywhere(devices))
        )
        return copies
    return [_spread(side, jax.devices() if devices is None else devices) for side in sides]


def _spread(side: np.ndarray, devices: Sequence[jax.Device]) -> Shaped[Array, "devices n *_"]:
    each = pairs_of_each(len(side), len(devices))

    def of_device(index: Any) -> np.ndarray:
        first = (index[0].start or 0) * each
        some = side[first : first + each]
        missing = np.zeros((each - len(some), *side.shape[1:]), side.dtype)
        return np.concatenate([some, missing])[None] if len(missing) else some[None]

    shape = (len(devices), each, *side.shape[1:])
    return jax.make_array_from_callback(shape, by_first_axis(devices), of_device)


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


def take_spread(
    stored: Sequence[Shaped[Array, "each *_"]],
    rows: Int[Array, " m"],
    shapes: Sequence[Shape],
    axis_name: str,
) -> list[Shaped[Array, "m ..."]]:
    """Take the images that a device wants of those that are spread over all of them.

    Every device sends one image for each that another one wants: its own if it has that one, or
    else one that is left out. Images are moved, not added up, so all kinds of values stay the same
    to the last bit.

    Args:
        stored: This device's sources, its targets, and what is beside them.
        rows: Numbers of the images that it wants, among all; devices may want different ones.
        shapes: Shape of one of each.
        axis_name: Mapped axis of the devices.
    """
    each = len(stored[0])
    wanted = lax.all_gather(rows, axis_name)  # (devices, m)
    here = (wanted - lax.axis_index(axis_name) * each).reshape(-1)

    def exchange(side: Array, shape: Shape) -> Array:
        found = jnp.take(side, here, axis=0, mode="clip")
        by_device = found.reshape(*wanted.shape, *side.shape[1:])
        received = lax.all_to_all(by_device, axis_name, 0, 0)
        return received[rows // each, jnp.arange(len(rows))].reshape(len(rows), *shape)

    return [exchange(side, shape) for side, shape in zip(stored, shapes, strict=True)]


@dataclasses.dataclass(frozen=True)
class ResidentPairs:
    """Pairs that are kept on this process's devices.

    Attributes:
        sides: All sources, flat or not, and all targets, as from `place_sides`; and the numbers
            beside the images, if there are any.
        shapes: Shape of one of each.
        storage: How they are kept.
    """

    sides: tuple[Shaped[Array, "n *_"], ...]
    shapes: tuple[Shape, ...]
    storage: Storage = "copy"


def place_pairs(
    pairs: Pairs, count: int, *, flat: bool, storage: Storage = "copy"
) -> ResidentPairs:
    """Place pairs on this process's devices.

    Args:
        pairs: Pairs in memory, of one size.
        count: How many of them, from the first one on.
        flat: Whether each image is stored flat, see `stored_flat`.
        storage: How they are kept.
    """
    sides = [as_stored(side[:count], flat=flat) for side in pairs.sides.values()]
    placed = place_sides(sides, storage, jax.local_devices())
    shapes = tuple(side.shape[1:] for side in pairs.sides.values())
    return ResidentPairs(tuple(placed), shapes, storage)


def place_those_that_fit(
    wanted: Mapping[str, Pairs], count: int, data: ConfigDict, taken: float
) -> dict[str, ResidentPairs]:
    """Place sets of pairs on this process's devices, as long as there is room for them.

    Args:
        wanted: The sets by name; the first ones have precedence.
        count: Largest number of pairs of a set; 0: all.
        data: The section `data` of a configuration: how they are to be kept (`resident`), and the
            share of a device's memory for all pairs together (`device_share`).
        taken: GB of it that other pairs take.

    Returns:
        The sets that fit. On the CPU there are none: its memory holds the pairs already.
    """
    placed: dict[str, ResidentPairs] = {}

    def fits(gigabytes: float) -> bool:
        return fits_on_device(taken + gigabytes, data.device_share)

    for name, pairs in wanted.items():
        if on_cpu() or pairs.arrays is None:
            continue
        used = min(len(pairs), count or len(pairs))
        gigabytes = pairs.gigabytes * used / len(pairs)
        storage, size = choose_storage(
            data.resident, gigabytes, used, jax.local_device_count(), fits
        )
        if storage is not None:
            placed[name] = place_pairs(pairs, used, flat=stored_flat(), storage=storage)
            taken += size
    return placed
