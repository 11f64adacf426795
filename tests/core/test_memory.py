"""How much memory is free, by the kernel's files of several kinds of machine."""

import pytest

from pix2pix_jax.core.memory import available_bytes

MACHINE = {"proc/meminfo": "MemTotal: 64000 kB\nMemFree: 1 kB\nMemAvailable:   32000 kB\n"}
FREE = 32000 * 1024


def write(root, files):
    """Write the kernel's files, and return its two folders."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "proc", root / "groups"


CASES = {
    "a machine without groups": (MACHINE, FREE),
    "no limit": (
        {
            **MACHINE,
            "proc/self/cgroup": "0::/job\n",
            "groups/job/memory.max": "max\n",
            "groups/job/memory.current": "5\n",
        },
        FREE,
    ),
    "version 2, with cache that can be given up": (
        {
            **MACHINE,
            "proc/self/cgroup": "0::/job/step\n",
            "groups/job/step/memory.max": "9000\n",
            "groups/job/step/memory.current": "8000\n",
            "groups/job/step/memory.stat": "anon 7500\ninactive_file 500\n",
        },
        1500,
    ),
    "a group around it has less": (
        {
            **MACHINE,
            "proc/self/cgroup": "0::/job/step\n",
            "groups/job/memory.max": "8100\n",
            "groups/job/memory.current": "8000\n",
            "groups/job/step/memory.max": "9000\n",
            "groups/job/step/memory.current": "0\n",
        },
        100,
    ),
    "version 1, the host's path inside a container": (
        {
            **MACHINE,
            "proc/self/cgroup": "5:devices:/x\n4:cpu,memory:/host/only/path\n0::/\n",
            "groups/memory/memory.limit_in_bytes": "700\n",
            "groups/memory/memory.usage_in_bytes": "900\n",
        },
        0,
    ),
    "a system that does not say": ({}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_available_memory_is_the_least_that_machine_and_groups_leave(tmp_path, case):
    files, expected = CASES[case]
    assert available_bytes(*write(tmp_path, files)) == expected


def test_this_machine_says_a_plausible_number_or_nothing():
    free = available_bytes()
    assert free is None or 2**20 < free < 2**50
