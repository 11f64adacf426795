"""Where arrays lie: whole on every device, or spread over all devices of all processes."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

# Name of the mapped axis of devices.
DEVICES = "devices"


def _sharding(devices: Sequence[jax.Device], *axes: str) -> NamedSharding:
    return NamedSharding(Mesh(np.array(devices), (DEVICES,)), PartitionSpec(*axes))


def everywhere(devices: Sequence[jax.Device] | None = None) -> NamedSharding:
    """Return the sharding of arrays that lie whole on each device; None: on all there are."""
    return _sharding(jax.devices() if devices is None else devices)


def hold(tree: PyTree, devices: Sequence[jax.Device] | None = None) -> PyTree:
    """Place arrays whole on each device.

    Args:
        tree: Arrays of the host or of this process's devices, random keys included; the same ones
            in every process.
        devices: The devices; None: all of all processes.

    Returns:
        The tree. Its buffers may be those of `tree`, which is not to be used any more.
    """
    sharding = everywhere(devices)
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)
    return jax.tree.map(lambda leaf: _hold_leaf(leaf, sharding), tree)


def _hold_leaf(leaf: Any, sharding: NamedSharding) -> jax.Array:
    """Place an array whole on each device of several processes, which `device_put` cannot."""
    if isinstance(leaf, jax.Array) and leaf.sharding == sharding:
        return leaf
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_hold_leaf(jax.random.key_data(leaf), sharding))
    values = np.asarray(leaf)
    return jax.make_array_from_process_local_data(sharding, values, values.shape)


def spread(tree: PyTree) -> PyTree:
    """Spread arrays over all devices by their first axis.

    Args:
        tree: Arrays of the host whose first axis is this process's devices.

    Returns:
        Arrays whose first axis is the devices of all processes, one row on each.
    """
    sharding = _sharding(jax.devices(), DEVICES)
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)
    return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, leaf), tree)


def held_here(tree: PyTree) -> PyTree:
    """Return arrays that lie whole on the devices of all processes as they lie on this process's.

    Nothing is copied: buffers are shared with `tree`.
    """
    if jax.process_count() == 1:
        return tree
    sharding = everywhere(jax.local_devices())

    def restrict(leaf: jax.Array) -> jax.Array:
        shards = [shard.data for shard in leaf.addressable_shards]
        return jax.make_array_from_single_device_arrays(leaf.shape, sharding, shards)

    return jax.tree.map(restrict, tree)
