"""Where the time of a step goes, kernel by kernel, from a profile of JAX's."""

import pathlib
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import jax

_MOST = 30  # kernels that are listed, those that take the most time
_LONGEST = 90  # characters of a name
# Lines of a device's part of the profile that hold its kernels, each once: GPUs and TPUs.
_LINES = ("Stream", "XLA Ops")


def time_by_kernel(run: Callable[[], object], steps: int) -> dict[str, Any]:
    """Profile some steps.

    Args:
        run: Takes the steps, and waits for them.
        steps: How many.

    Returns:
        `launches` and `busy_ms` of a step, and `kernels`: `name`, `ms` and `launches` of a step for
        those that take the most time. Numbers at the end of names are left out. On a CPU, what
        several threads do at the same time adds up.
    """
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run()
        (file,) = pathlib.Path(folder).rglob("*.xplane.pb")
        profile = jax.profiler.ProfileData.from_file(str(file))
        found = summarise(list(_events(profile)), steps)
    return found


def _events(profile: Any) -> Iterator[tuple[str, float]]:
    """Yield the name and the nanoseconds of each kernel; without a device, of the CPU's parts."""
    devices = [plane for plane in profile.planes if plane.name.startswith("/device:")]
    for plane in devices or profile.planes:
        for line in plane.lines:
            if devices and not line.name.startswith(_LINES):
                continue
            for event in line.events:
                if devices or any(name == "hlo_op" for name, _ in event.stats):
                    yield event.name, event.duration_ns


def summarise(events: list[tuple[str, float]], steps: int) -> dict[str, Any]:
    """Add up the events of kernels of one name.

    Args:
        events: Name and nanoseconds of each.
        steps: Steps that they belong to.

    Returns:
        See `time_by_kernel`.
    """
    nanoseconds: dict[str, float] = defaultdict(float)
    launches: dict[str, int] = defaultdict(int)
    for name, took in events:
        kind = re.sub(r"([._]\d+|\.clone)*$", "", name)[:_LONGEST]
        nanoseconds[kind] += took
        launches[kind] += 1
    most = sorted(nanoseconds, key=nanoseconds.__getitem__, reverse=True)[:_MOST]
    return {
        "launches": sum(launches.values()) / steps,
        "busy_ms": sum(nanoseconds.values()) / steps / 1e6,
        "kernels": [
            {"name": one, "ms": nanoseconds[one] / steps / 1e6, "launches": launches[one] / steps}
            for one in most
        ],
    }
