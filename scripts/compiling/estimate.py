"""How long a step might take, and whether it fits. Every assumption is in the text it returns."""

from typing import Any

from compiling.counts import StepCounts
from compiling.targets import Target

_LAUNCH_SECONDS = 2e-6  # a kernel's start and end, one after another
_BANDWIDTH_SHARE = 0.8  # of the memory's peak rate, that kernels of this kind reach
_PEAK_SHARE = 0.5  # of the data sheet's rate of products, that convolutions reach


def estimate(
    counts: StepCounts, target: Target, *, flop: float | None, dtype: str, devices: int
) -> dict[str, Any]:
    """Estimate the time of a step.

    Args:
        counts: What the step is.
        target: The device.
        flop: Operations of a step on one device; None if unknown.
        dtype: Dtype of computation.
        devices: Number of devices.

    Returns:
        `seconds_least` and `seconds` of a step; `parts`, the seconds of each term by its name; and
        `model`, which says in words how they go together. If the compiler writes cycles (TPU), both
        are these.
    """
    if target.clock_hertz and counts.cycles:
        seconds = counts.cycles / target.clock_hertz
        name = f"{counts.cycles / 1e6:.1f} million cycles at {target.clock_hertz / 1e9:.2f} GHz"
        return {
            "seconds_least": seconds,
            "seconds": seconds,
            "parts": {name: seconds},
            "model": "the compiler's own count of cycles; sums over devices are not part of it",
        }
    peak, rate, link = target.peak(dtype), target.bytes_per_second, target.link_bytes_per_second
    moved = counts.bytes / rate
    computed = flop / peak if flop and peak else 0.0
    others = {f"{_LAUNCH_SECONDS * 1e6:.0f} us a kernel": counts.kernels * _LAUNCH_SECONDS}
    if devices > 1 and link:
        name = f"all-reduces over links of {link / 1e9:.0f} GB/s"
        others[name] = 2 * (devices - 1) / devices * counts.all_reduce_bytes / link
    parts = {
        f"bytes at {rate / 1e12:.2f} TB/s": moved,
        f"arithmetic at {(peak or 0) / 1e12:.0f} TFLOP/s": computed,
        **others,
    }
    return {
        "seconds_least": max(parts.values()),
        "seconds": moved / _BANDWIDTH_SHARE + computed / _PEAK_SHARE + sum(others.values()),
        "parts": parts,
        "model": "at least the longest of its parts, if all else happens meanwhile; at most their "
        f"sum, if nothing does, at {_BANDWIDTH_SHARE:.0%} of that bandwidth and {_PEAK_SHARE:.0%} "
        "of that arithmetic",
    }


def fit(memory: dict[str, int], target: Target) -> dict[str, Any]:
    """Judge whether a call fits into a device's memory.

    Args:
        memory: As in `program.Compiled`; empty if the compiler refused.
        target: The device.

    Returns:
        `needed_bytes` (None if unknown), `usable_bytes`, `memory_bytes` and `fits`.
    """
    needed = sum(memory.values()) if memory else None
    return {
        "needed_bytes": needed,
        "usable_bytes": target.usable_bytes,
        "memory_bytes": target.memory_bytes,
        "fits": needed is not None and needed <= target.usable_bytes,
    }
