"""How much memory of the machine is free for this process."""

import pathlib
from collections.abc import Iterator

_PROC = pathlib.Path("/proc")
_CGROUPS = pathlib.Path("/sys/fs/cgroup")
# The kernel's files for the limit, the use, and in memory.stat the cache that it gives up when
# memory is short, of both versions of control groups.
_VERSIONS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available_bytes(proc: pathlib.Path = _PROC, cgroups: pathlib.Path = _CGROUPS) -> int | None:
    """Return how many bytes this process can still take before the system ends it.

    That is the least of what the machine has free and of what each control group that the process
    is in (a container, a batch job) has left of its limit.

    Args:
        proc: Where the kernel describes processes.
        cgroups: Where it describes control groups.

    Returns:
        The number of bytes, 0 or more; None on systems that do not say, such as macOS and Windows.
    """
    free = [*_free_of_machine(proc), *_free_of_groups(proc, cgroups)]
    return max(min(free), 0) if free else None


def _free_of_machine(proc: pathlib.Path) -> Iterator[int]:
    for line in _lines(proc / "meminfo"):
        key, _, value = line.partition(":")
        if key == "MemAvailable":
            yield int(value.split()[0]) * 1024


def _free_of_groups(proc: pathlib.Path, cgroups: pathlib.Path) -> Iterator[int]:
    """Yield what each group of this process, and each group around it, has left."""
    for line in _lines(proc / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory") and "memory" not in controllers.split(","):
            continue
        top = cgroups / "memory" if controllers else cgroups
        # Inside a container the path may be the host's, which does not exist here: the top does.
        inner = top / path.strip().lstrip("/")
        for folder in (inner, *inner.parents):
            yield from _free_of_group(folder)
            if folder == top:
                break


def _free_of_group(folder: pathlib.Path) -> Iterator[int]:
    for limit, use, cache in _VERSIONS:
        numbers = [_number(folder / name) for name in (limit, use)]
        if numbers[0] is not None and numbers[1] is not None:
            stat = dict(line.split(" ", 1) for line in _lines(folder / "memory.stat"))
            yield numbers[0] - numbers[1] + int(stat.get(cache, 0))


def _number(path: pathlib.Path) -> int | None:
    """Return the number in a file; None if there is none, as for `max`: no limit."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _lines(path: pathlib.Path) -> list[str]:
    """Return the lines of one of the kernel's files; none if this system does not have it."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
