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
        `seconds_least` and `seconds` of a step, and `model`, which says in words what they are.
        If the compiler writes cycles (TPU), both are these.
    """
    if target.clock_hertz and counts.cycles:
        seconds = counts.cycles / target.clock_hertz
        return {
            "seconds_least": seconds,
            "seconds": seconds,
            "model": f"the compiler's own estimate of {counts.cycles / 1e6:.1f} million cycles, at "
            f"{target.clock_hertz / 1e9:.2f} GHz; sums over devices are not part of it",
        }
    peak = target.peak(dtype)
    moved = counts.bytes / target.bytes_per_second
    computed = flop / peak if flop and peak else 0.0
    launched = counts.kernels * _LAUNCH_SECONDS
    link = target.link_bytes_per_second
    summed = 2 * (devices - 1) / devices * counts.all_reduce_bytes / link if link else 0.0
    model = (
        f"at least: the largest of bytes / {target.bytes_per_second / 1e12:.2f} TB/s "
        f"({_ms(moved)}), FLOP / {(peak or 0) / 1e12:.0f} TFLOP/s ({_ms(computed)}), "
        f"{_LAUNCH_SECONDS * 1e6:.0f} us a kernel ({_ms(launched)})"
    )
    if devices > 1 and link:
        model += f", all-reduces over links of {link / 1e9:.0f} GB/s ({_ms(summed)})"
    model += (
        f"; without overlap: their sum, at {_BANDWIDTH_SHARE:.0%} of that bandwidth and "
        f"{_PEAK_SHARE:.0%} of that rate"
    )
    return {
        "seconds_least": max(moved, computed, launched, summed),
        "seconds": moved / _BANDWIDTH_SHARE + computed / _PEAK_SHARE + launched + summed,
        "model": model,
    }


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.2f} ms"


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
