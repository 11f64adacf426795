"""The devices that a step can be compiled for, described in `targets/`."""

import dataclasses
import difflib
import pathlib
import tomllib
from collections.abc import Mapping
from typing import Any

from benchmarking.arithmetic import known_peak

from pix2pix_jax.core.errors import InputError, shown

_FOLDER = pathlib.Path(__file__).with_name("targets")
# What XLA asks of an NVIDIA card that has been the same since compute capability 7.0.
_COMMON = {
    "threads_per_block_limit": 1024,
    "threads_per_warp": 32,
    "threads_per_core_limit": 2048,
    "shared_memory_per_block": 49152,
    "registers_per_core_limit": 65536,
    "registers_per_block_limit": 65536,
    "block_dim_limit_x": 2**31 - 1,
    "block_dim_limit_y": 65535,
    "block_dim_limit_z": 65535,
}
_CUDNN = (9, 10)  # the oldest that JAX 0.10 to 0.12 take


@dataclasses.dataclass(frozen=True)
class Target:
    """A device that programs are compiled for.

    Attributes:
        name: Name of its file.
        platform: `cuda` or `tpu`.
        device: The name that JAX has for it.
        memory_bytes: Its whole memory.
        bytes_per_second: Peak rate of its memory.
        link_bytes_per_second: Rate to the other devices of a host, each way; None if unknown.
        clock_hertz: What turns the compiler's cycles into seconds; None if it writes no cycles.
        topologies: Names by which the compiler knows some numbers of devices (TPU).
        xla: What XLA has to know about the card (CUDA).
    """

    name: str
    platform: str
    device: str
    memory_bytes: int
    bytes_per_second: float
    link_bytes_per_second: float | None = None
    clock_hertz: float | None = None
    topologies: Mapping[str, str] = dataclasses.field(default_factory=dict)
    xla: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def is_gpu(self) -> bool:
        """Whether it is a card of NVIDIA's."""
        return self.platform == "cuda"

    @property
    def usable_bytes(self) -> float:
        """Memory that JAX takes unless it is told otherwise: three quarters of a GPU's."""
        return self.memory_bytes * (0.75 if self.is_gpu else 1.0)

    def peak(self, dtype: str) -> float | None:
        """Return the operations per second of matrix products, from the data sheet."""
        tera = known_peak(self.device, dtype)
        return None if tera is None else tera * 1e12

    def topology(self, devices: int) -> str:
        """Return the compiler's name for a number of devices of one host.

        Raises:
            InputError: It has none.
        """
        if self.is_gpu:
            return f"1x1x{devices}"
        if str(devices) not in self.topologies:
            known = ", ".join(self.topologies)
            raise InputError(f"--devices {devices} with --target {self.name}: choose from {known}")
        return self.topologies[str(devices)]

    def description(self, cuda: int) -> str:
        """Return the text by which XLA knows the card (a `GpuTargetConfigProto`).

        Args:
            cuda: Major version of CUDA that the installed compiler is for.
        """
        values = {**_COMMON, **self.xla}
        major, _, minor = str(values.pop("cuda_compute_capability")).partition(".")
        values |= {
            "memory_bandwidth": int(self.bytes_per_second),
            "device_memory_size": self.memory_bytes,
        }
        lines = [f"  {key}: {value}" for key, value in values.items()]
        return "\n".join(
            [
                "gpu_device_info {",
                *lines,
                f"  cuda_compute_capability {{ major: {major} minor: {minor} }}",
                "}",
                'platform_name: "CUDA"',
                f"dnn_version_info {{ major: {_CUDNN[0]} minor: {_CUDNN[1]} }}",
                f"runtime_version {{ major: {cuda} minor: {9 if cuda == 12 else 0} }}",
                f'device_description_str: "{self.device}"',
            ]
        )


def target_names() -> list[str]:
    """Return the names of all targets."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_target(name: str) -> Target:
    """Return a target by its name.

    Raises:
        InputError: There is none of this name.
    """
    names = target_names()
    if name not in names:
        near = difflib.get_close_matches(name.lower(), names, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputError(f"--target {shown(name)}: {hint}choose from {', '.join(names)}")
    return Target(name=name, **tomllib.loads((_FOLDER / f"{name}.toml").read_text()))
