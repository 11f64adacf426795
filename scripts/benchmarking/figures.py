"""The figures of a table, from repeated measurements."""

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarking.cases import MAPS_EPOCHS, MAPS_PAIRS


def order(count: int, repetition: int) -> list[int]:
    """Return the order in which programs take turns, there and back to cancel drift."""
    forth = list(range(count))
    return forth[::-1] if repetition % 2 else forth


def quartiles(values: Sequence[float]) -> list[float]:
    """Return the lower and the upper quartile, by the inclusive method."""
    if len(values) < 2:
        return [values[0], values[0]]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return [low, high]


def summarise(milliseconds: Sequence[float], batch: int) -> dict[str, Any]:
    """Summarise how long a step takes.

    Args:
        milliseconds: Time of a step, by repetition.
        batch: Images in a step, over all devices.

    Returns:
        `ms` (the median), `ms_quartiles`, `ms_min`, `ms_values`, `images_per_second`, and
        `maps_run_seconds`, the time of the paper's maps run: computed, not measured.
    """
    median = statistics.median(milliseconds)
    return {
        "ms": median,
        "ms_quartiles": quartiles(milliseconds),
        "ms_min": min(milliseconds),
        "ms_values": list(milliseconds),
        "images_per_second": 1000 * batch / median,
        "maps_run_seconds": MAPS_PAIRS // batch * MAPS_EPOCHS * median / 1000,
    }


def rate(gflop: float | None, milliseconds: float, devices: int, peaks: dict[str, Any]) -> Any:
    """Relate the arithmetic of a step to the peak rate of the devices.

    Args:
        gflop: 10^9 operations of a step on all devices; None if unknown.
        milliseconds: Time of a step.
        devices: Number of devices.
        peaks: `measured` and `known` TFLOP/s of one device, or None.

    Returns:
        `tflops` (10^12 operations per second), and its shares of both peaks.
    """
    if gflop is None:
        return {"tflops": None, "share_of_measured_peak": None, "share_of_known_peak": None}
    tflops = gflop / milliseconds
    shares = {name: tflops / devices / peak if peak else None for name, peak in peaks.items()}
    return {
        "tflops": tflops,
        "share_of_measured_peak": shares["measured"],
        "share_of_known_peak": shares["known"],
    }


def compare(ours: Sequence[float], peer: Sequence[float]) -> dict[str, Any]:
    """Compare the times of two programs, repetition by repetition.

    Args:
        ours: Milliseconds of a step of this package, by repetition.
        peer: Milliseconds of a step of the peer, in the same repetitions.

    Returns:
        `ours_ms` and `peer_ms` (medians), their `ratio`, `ratio_quartiles` over the ratios of
        single repetitions, and `ratio_of_fastest`: on a machine with other work the shortest times
        are disturbed least.
    """
    medians = statistics.median(ours), statistics.median(peer)
    single = [one / other for one, other in zip(ours, peer, strict=True)]
    return {
        "ours_ms": medians[0],
        "peer_ms": medians[1],
        "ratio": medians[0] / medians[1],
        "ratio_quartiles": quartiles(single),
        "ratio_of_fastest": min(ours) / min(peer),
    }
