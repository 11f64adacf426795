"""Let glibc keep the memory that a training step gives back; to be imported before JAX.

A step's temporaries are large: glibc maps each of them anew and gives it back, and the kernel
clears every page again at every step. docs/performance.md has what that costs.
"""

import ctypes
import platform

# Numbers and limits of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_SETTINGS = {
    _M_MMAP_MAX: 0,  # no mapping of its own for a large block
    _M_TRIM_THRESHOLD: 2**31 - 1,  # nothing is given back until malloc_trim is called
    _M_ARENA_MAX: 1,  # one heap for all threads: glibc unmaps those of other threads when empty
}

if platform.libc_ver()[0] == "glibc":
    for number, value in _SETTINGS.items():
        ctypes.CDLL(None).mallopt(number, value)
