"""Environment variables of the measured programs."""

import os
import pathlib
import platform

import pix2pix_jax

# The settings of pix2pix_jax/core/allocator.py as glibc's environment variables.
MALLOC = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "2147483647",
    "MALLOC_ARENA_MAX": "1",
}


def malloc_can_be_set() -> bool:
    """Return whether the C library reads these variables."""
    return platform.libc_ver()[0] == "glibc"


def plain(*, malloc: bool) -> dict[str, str]:
    """Return this process's environment, with these settings of malloc or without any."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MALLOC_")}
    return kept | (MALLOC if malloc else {})


def for_ours(*, malloc: bool, shares_device: bool) -> dict[str, str]:
    """Return the environment of this package's programs.

    Args:
        malloc: Whether malloc is set as for training.
        shares_device: Whether other programs use the same device at the same time. Then only one
            GPU is used, and JAX does not reserve most of its memory.
    """
    environment = plain(malloc=malloc)
    # This package is beside the script; pix2pix_jax is in the checkout, or installed elsewhere.
    roots = [pathlib.Path(__file__).parents[1], pathlib.Path(pix2pix_jax.__file__).parents[1]]
    paths = [*map(str, roots), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    if shares_device:
        environment |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **_first_gpu()}
    return environment


def for_peer(*, malloc: bool, gpu: bool) -> dict[str, str]:
    """Return the environment of the peer, which sees a GPU only if this package runs on it."""
    return plain(malloc=malloc) | (_first_gpu() if gpu else {"CUDA_VISIBLE_DEVICES": ""})


def _first_gpu() -> dict[str, str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    return {"CUDA_VISIBLE_DEVICES": visible.split(",")[0]}
