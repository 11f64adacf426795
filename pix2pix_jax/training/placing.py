"""How the arguments of a call are divided among the devices, and copied there."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.devices import hold, spread
from pix2pix_jax.data.batches import HostBatch
from pix2pix_jax.training.step_parts import Batch

_HELD = ("span",)  # arguments that each device gets a copy of; the others are divided


def _many() -> bool:
    return jax.device_count() > 1


def by_device(array: Shaped[np.ndarray, "..."], axis: int) -> Shaped[np.ndarray, "..."]:
    """Divide an axis of examples among this process's devices; their axis becomes the first.

    With a single device there is no such axis.
    """
    if not _many():
        return array
    shape = array.shape
    divided = array.reshape(*shape[:axis], jax.local_device_count(), -1, *shape[axis + 1 :])
    return np.moveaxis(divided, axis, 0)


def place_batch(batch: HostBatch) -> Batch:
    """Start to copy a batch to the devices, divided among them."""
    return place({name: by_device(array, 0) for name, array in batch.items()})


def place(arguments: HostBatch) -> Batch:
    """Start to copy arguments to the devices."""
    if not _many():
        return jax.device_put(arguments)
    return {
        name: hold(array) if name in _HELD else spread(array) for name, array in arguments.items()
    }


def as_lowered(arguments: Batch) -> Batch:
    """Return arguments with the shapes that `jax.pmap` expects from one of several processes."""
    if jax.process_count() == 1:
        return arguments

    def of_this_process(array: jax.Array) -> Any:
        if array.is_fully_replicated:
            return array
        local = (jax.local_device_count(), *array.shape[1:])
        return np.broadcast_to(np.zeros((), array.dtype), local)

    return jax.tree.map(of_this_process, arguments)
