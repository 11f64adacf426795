"""The compilers: JAX's plugins for CUDA and TPUs, which need no device to compile."""

import os
import re
from importlib import metadata

from pix2pix_jax.core.errors import InputError

_WAY_OUT = "pip install -e '.[aot]' (Linux)"
_CUDA = (12, 13)  # major versions that JAX has plugins for


def set_environment() -> None:
    """Keep JAX on the CPU, and libtpu from looking for a TPU that would be its own.

    This must come before JAX is imported.
    """
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")


def find_compiler(platform: str, target: str) -> tuple[str, str]:
    """Return the package that compiles for a platform, and its version.

    Args:
        platform: `cuda` or `tpu`.
        target: Name of the target, for messages.

    Raises:
        InputError: It is not installed, or does not belong to this version of JAX.
    """
    jax = metadata.version("jax")
    names = ["libtpu"] if platform == "tpu" else [f"jax-cuda{major}-plugin" for major in _CUDA]
    found = {name: version for name in names if (version := _version(name))}
    if not found:
        raise InputError(
            f"--target {target}: its compiler ({' or '.join(names)}) is not installed; {_WAY_OUT}"
        )
    name, version = next(iter(found.items()))
    wanted = _libtpu_of_jax() if platform == "tpu" else _release(jax)
    if wanted and _release(version) != wanted:
        raise InputError(
            f"--target {target}: {name} {version} does not belong to jax {jax}, which needs "
            f"{wanted}.*; {_WAY_OUT}"
        )
    return name, version


def cuda_major(package: str) -> int:
    """Return the major version of CUDA that a plugin is for."""
    return int(re.findall(r"\d+", package)[0])


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _release(version: str) -> str:
    """Return the first three numbers of a version."""
    return ".".join(version.split(".")[:3])


def _libtpu_of_jax() -> str:
    """Return the release of libtpu that JAX asks for in its extra `tpu`; '' if it asks for none."""
    for line in metadata.requires("jax") or []:
        if found := re.match(r"libtpu\s*==\s*(\d+\.\d+\.\d+)", line):
            return found[1]
    return ""
