"""How glibc's malloc treats the memory that a training step frees.

A step's temporaries are large. By default glibc maps each of them separately and unmaps it again,
and the kernel clears every page at every step. docs/performance.md has the cost.
"""

import ctypes
import logging
import platform
import sys

logger = logging.getLogger(__name__)

# Parameters of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_SETTINGS = {
    _M_MMAP_MAX: 0,  # no separate mapping for a large block
    _M_TRIM_THRESHOLD: 2**31 - 1,  # nothing is given back until malloc_trim is called
    _M_ARENA_MAX: 1,  # one heap for all threads: glibc unmaps the others' heaps when empty
}


def keep_memory() -> None:
    """Keep freed memory in the process, so that training on a CPU is faster.

    To be called once, before JAX is imported: `import pix2pix_jax` does not import it. The commands
    that train do so by themselves. With another C library than glibc this does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    if "jax" in sys.modules:  # its threads may have heaps of their own already
        logger.warning("keep_memory() does little after JAX is imported: call it before")
    libc = ctypes.CDLL(None)
    for parameter, value in _SETTINGS.items():
        libc.mallopt(parameter, value)
