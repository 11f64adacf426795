"""Several processes that train together, through `jax.distributed`."""

import collections

import jax
import numpy as np
from jax import lax

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.placement import DEVICES

_LAG = 2  # so many calls after it was noted, all processes have heard of a signal


def initialize(
    coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Join the other processes of a run; before JAX touches a device.

    Args:
        coordinator: Address and port of process 0, such as `10.0.0.1:12345`. Without any argument
            JAX recognises the cluster by itself: SLURM, TPU pods, Open MPI, Kubernetes.
        num_processes: Number of processes.
        process_id: Number of this process, from 0.

    Raises:
        InputError: Some arguments are given and others not, one is wrong, or there is no cluster to
            be recognised.
    """
    given = {
        "--distributed.coordinator": coordinator,
        "--distributed.num_processes": num_processes,
        "--distributed.process_id": process_id,
    }
    missing = [flag for flag, value in given.items() if value is None]
    if 0 < len(missing) < len(given):
        raise InputError(f"{', '.join(missing)}: missing; the three flags are given together")
    if coordinator is not None and process_id is not None and num_processes is not None:
        host, colon, port = coordinator.rpartition(":")
        if not (host and colon and port.isdecimal() and 0 < int(port) < 2**16):
            raise InputError(f"--distributed.coordinator={coordinator!r}: expected <host>:<port>")
        if process_id >= num_processes:
            raise InputError(
                f"--distributed.process_id={process_id}: must be below "
                f"--distributed.num_processes={num_processes}; the first process is 0"
            )
    try:
        jax.distributed.initialize(coordinator, num_processes, process_id)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise InputError(
            f"the processes could not be joined ({reason}); --distributed.coordinator=<host>:<port>"
            ", --distributed.num_processes and --distributed.process_id say where they are"
        ) from error


def is_main() -> bool:
    """Return whether this process writes what a run writes once: logs, samples, the record."""
    return jax.process_index() == 0


class Agreement:
    """Lets all processes see, at the same call of the step, that one of them was asked to stop.

    Each call adds a sum over all devices to what they compute anyway; its result is looked at two
    calls later, so that no device waits for it.
    """

    def __init__(self) -> None:
        self._pending: collections.deque[jax.Array] = collections.deque()
        self._sum = jax.pmap(lambda flag: lax.psum(flag, DEVICES), axis_name=DEVICES, out_axes=None)

    def reached(self, asked: bool) -> bool:
        """Return whether to stop before the next call; to be asked before each, by all processes.

        Args:
            asked: Whether this process was asked to.
        """
        if jax.process_count() == 1:
            return asked
        self._pending.append(self._sum(np.full(jax.local_device_count(), asked, np.int32)))
        return len(self._pending) > _LAG and bool(self._pending.popleft())
