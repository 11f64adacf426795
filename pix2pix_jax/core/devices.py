"""Devices: which there are, what they are called, and how programs for them are cached."""

import ctypes
import pathlib
import platform
import resource
import sys
from importlib import metadata

import jax

_RECORDED_PACKAGES = ("pix2pix_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def enable_compilation_cache(folder: str) -> None:
    """Keep compiled programs on disk, so that only the first run of a kind waits for the compiler.

    Args:
        folder: Where; `~` is the user's home. An empty string switches the cache off.
    """
    if not folder:
        return
    jax.config.update("jax_compilation_cache_dir", str(pathlib.Path(folder).expanduser()))
    # A start is made of many small programs, too: together a second.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def describe_hardware() -> dict[str, str | int]:
    """Name the hardware that this process runs on.

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
            # Run from a checkout without installing it: that is the package itself.
            versions[name] = "not installed"
    return versions


def release_free_memory() -> None:
    """Hand memory that is free back to the system, where the C library is glibc.

    glibc keeps what the compiler has freed: 0.35 GB after a full-size step was compiled.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def peak_resident_gigabytes() -> float:
    """Return the largest resident memory of this process so far, in GB of 10^9 bytes."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # getrusage counts the process that started this one as well
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
