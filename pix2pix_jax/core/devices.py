"""Devices: their description, their memory, how arrays are placed on them, compiled programs."""

import contextlib
import ctypes
import logging
import os
import pathlib
import platform
import stat
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import expand
from pix2pix_jax.core.training_keys import COMPILATION_CACHE

logger = logging.getLogger(__name__)

_CACHE_SETTING = "jax_compilation_cache_dir"
_CALLS_AHEAD = 2

try:
    import resource
except ModuleNotFoundError:  # Windows has none
    resource = None  # type: ignore[assignment]

_RECORDED_PACKAGES = ("pix2pix_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def enable_compilation_cache(folder: str | None = None) -> None:
    """Keep compiled programs on disk, so that only the first run of a kind waits for the compiler.

    JAX executes what is in this folder. It is thus the user's own choice, and never comes from the
    folder of a run, which may be a stranger's. A folder in which other users can write is not used,
    nor is one that cannot be written; a warning says so.

    Args:
        folder: The folder; `~` is the user's home. An empty string switches the cache off. None,
            like the default of `compilation_cache`, means the folder that JAX is set to already, as
            by JAX_COMPILATION_CACHE_DIR, or else that default.
    """
    if folder is None or folder == COMPILATION_CACHE:
        folder = getattr(jax.config, _CACHE_SETTING) or COMPILATION_CACHE
    try:
        usable = _usable_cache(folder) if folder else None
    except InputError as error:
        logger.warning("compiled programs are not kept: %s", error)
        usable = None
    jax.config.update(_CACHE_SETTING, usable)
    # A start also compiles many small programs, which take a second together.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def keep_no_more_programs() -> None:
    """Write no more compiled programs to disk, as when strangers decide what is compiled."""
    from jax.experimental.compilation_cache import compilation_cache

    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # it looks at the setting once


def _usable_cache(folder: str) -> str:
    """Return the folder, which is created; raise InputError if it cannot be used."""
    path = pathlib.Path(expand(folder))
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise InputError(f"{path}: cannot be written")
    # JAX executes what it finds there. Windows has permissions of another kind.
    if hasattr(os, "getuid") and found.st_uid not in (os.getuid(), 0):
        raise InputError(f"{path}: belongs to another user; choose a folder of your own")
    if os.name == "posix" and found.st_mode & stat.S_IWOTH:
        raise InputError(f"{path}: all users can write there; chmod o-w, or choose another folder")
    return str(path)


@contextlib.contextmanager
def out_of_memory_as(hint: str) -> Iterator[None]:
    """Turn running out of memory into one line that says what to do.

    Args:
        hint: What needs less memory, such as `lower --batch_size`.

    Raises:
        InputError: The memory of a device, or that of the machine, was too small.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(f"out of device memory: {hint}") from error
    except MemoryError as error:
        raise InputError(f"out of memory: {hint}") from error


def on_cpu() -> bool:
    """Return whether JAX computes on the CPU, whose compiler needs other forms of some programs."""
    return jax.default_backend() == "cpu"


def calls_ahead() -> int:
    """Return after how many further calls of a program the results of a call are read.

    An accelerator thus never waits for the host. XLA's CPU backend allocates the temporary memory
    of every call in its queue: there, no call may wait.
    """
    return 0 if on_cpu() else _CALLS_AHEAD


def fits_on_device(gigabytes: float, share: float) -> bool:
    """Return whether arrays fit into a share of a device's memory.

    A CPU device reports no memory: it uses the host's, which holds the arrays already.

    Args:
        gigabytes: Size of the arrays, in GB of 10^9 bytes.
        share: Share of the memory, from 0 to 1; 0: nothing fits.
    """
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    return share > 0 and (limit is None or gigabytes * 1e9 <= share * limit)


def describe_hardware() -> dict[str, str | int]:
    """Describe the hardware that this process runs on.

    Returns:
        `platform` (cpu, gpu, tpu), `device` (the vendor's name), `devices` and `processes`
        (counts over all hosts) and `machine`.
    """
    device = jax.devices()[0]
    return {
        "platform": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def describe_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a run's numbers."""
    versions = {"python": platform.python_version()}
    for name in _RECORDED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"  # this package, in a checkout
    return versions


def release_free_memory() -> None:
    """Return free memory to the system, if the C library is glibc.

    glibc keeps what the compiler has freed: 0.35 GB after compiling a full-size step.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def peak_resident_gigabytes() -> float:
    """Return the largest resident memory of this process so far, in GB of 10^9 bytes.

    Where the system does not tell, as on Windows, it is 0.
    """
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # getrusage also counts the process that started this one
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024 / 1e9
    if resource is None:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


# Name of the mapped axis of the devices.
DEVICES = "devices"


def _sharding(devices: Sequence[jax.Device], *axes: str) -> NamedSharding:
    return NamedSharding(Mesh(np.array(devices), (DEVICES,)), PartitionSpec(*axes))


def everywhere(devices: Sequence[jax.Device] | None = None) -> NamedSharding:
    """Return the sharding of arrays that each device has a copy of; None means all devices."""
    return _sharding(jax.devices() if devices is None else devices)


def by_first_axis(devices: Sequence[jax.Device] | None = None) -> NamedSharding:
    """Return the sharding that divides a first axis among devices; None means all devices."""
    return _sharding(jax.devices() if devices is None else devices, DEVICES)


def hold(tree: PyTree, devices: Sequence[jax.Device] | None = None) -> PyTree:
    """Place a copy of arrays on each device.

    Args:
        tree: Arrays of the host or of this process's devices, random keys included; the same ones
            in every process.
        devices: The devices; None means all devices of all processes.

    Returns:
        The tree. It may share buffers with `tree`, which must not be used any more.
    """
    sharding = everywhere(devices)
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)
    return jax.tree.map(lambda leaf: _hold_leaf(leaf, sharding), tree)


def _hold_leaf(leaf: Any, sharding: NamedSharding) -> jax.Array:
    """Place a copy of an array on each device of several processes, which `device_put` cannot."""
    if isinstance(leaf, jax.Array) and leaf.sharding == sharding:
        return leaf
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_hold_leaf(jax.random.key_data(leaf), sharding))
    values = np.asarray(leaf)
    return jax.make_array_from_process_local_data(sharding, values, values.shape)


def spread(tree: PyTree) -> PyTree:
    """Divide arrays among all devices by their first axis.

    Args:
        tree: Arrays of the host; their first axis is that of this process's devices.

    Returns:
        Arrays whose first axis is that of the devices of all processes, with a row on each.
    """
    sharding = by_first_axis()
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)
    return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, leaf), tree)


def held_here(tree: PyTree) -> PyTree:
    """Return this process's view of arrays that are held whole on every device of all processes.

    Nothing is copied: buffers are shared with `tree`.
    """
    if jax.process_count() == 1:
        return tree
    sharding = everywhere(jax.local_devices())

    def restrict(leaf: jax.Array) -> jax.Array:
        shards = [shard.data for shard in leaf.addressable_shards]
        return jax.make_array_from_single_device_arrays(leaf.shape, sharding, shards)

    return jax.tree.map(restrict, tree)
