"""Several processes that train together, through `jax.distributed`."""

import collections
import contextlib
from collections.abc import Iterator

import jax
import numpy as np
from jax import lax
from jax.experimental import multihost_utils

from pix2pix_jax.core.devices import DEVICES
from pix2pix_jax.core.errors import InputError, first_line, shown
from pix2pix_jax.core.whole_numbers import parse_whole

JOINING_SECONDS = 300  # that processes wait for each other at the start
# What JAX connects processes by, on CPUs, on GPUs and at the start.
_CONNECTIONS = ("Gloo", "NCCL", "CoordinationService")
_LAG = 2  # number of calls after which every process has heard of a signal


def initialize(
    coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Join the other processes of a run; before JAX touches a device.

    A process that is still missing after `JOINING_SECONDS` ends all others a little later, by JAX's
    own hand and with a page of its messages, unless they end before.

    Args:
        coordinator: Address and port of process 0, such as `10.0.0.1:12345`. Without any arguments
            JAX recognises the cluster itself: SLURM, TPU pods, Open MPI, Kubernetes.
        num_processes: Number of processes.
        process_id: Number of this process, from 0.

    Raises:
        InputError: Only some arguments are given, one is wrong, or JAX recognises no cluster.
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
        if not (host and colon and 0 < (parse_whole(port) or 0) < 2**16):
            shown_value = shown(coordinator)
            raise InputError(f"--distributed.coordinator={shown_value}: expected <host>:<port>")
        if process_id >= num_processes:
            raise InputError(
                f"--distributed.process_id={process_id}: must be below "
                f"--distributed.num_processes={num_processes}; the first process is 0"
            )
    try:
        # JAX's own handler of SIGTERM would replace the program's; `Agreement` does its work.
        jax.config.update("jax_enable_preemption_service", False)
        patience = JOINING_SECONDS + 30
        jax.distributed.initialize(
            coordinator, num_processes, process_id, initialization_timeout=patience
        )
    except (RuntimeError, ValueError) as error:
        reason = first_line(error, 200)
        raise InputError(
            f"the processes could not be joined ({reason}); --distributed.coordinator=<host>:<port>"
            ", --distributed.num_processes and --distributed.process_id say where they are"
        ) from error


@contextlib.contextmanager
def lost_processes_named() -> Iterator[None]:
    """Say in one line that another process failed, if JAX notices that in this one.

    Raises:
        InputError: The processes cannot reach each other any more.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or not any(name in str(error) for name in _CONNECTIONS):
            raise
        reason = first_line(error)
        raise InputError(
            f"another process of the run has failed, or does not answer ({reason}); start all of "
            "them again: the run goes on from its newest checkpoint"
        ) from error


def leave() -> None:
    """Wait for the other processes of a run, which may still write its report, and part from them.

    A process that ended before would look to the others as if it had crashed.
    """
    if jax.distributed.is_initialized():
        jax.distributed.shutdown()


def is_main() -> bool:
    """Return whether this process writes what a run writes once: logs, samples, the record."""
    return jax.process_index() == 0


def wait_for_all(place: str) -> None:
    """Wait until every process has come to the same place of the program.

    Args:
        place: Name of the place; every process must come there in the same order.
    """
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(place)


def from_main(values: np.ndarray) -> np.ndarray:
    """Return what the first process has, in every process; all must call this at the same place."""
    if jax.process_count() == 1:
        return values
    return np.array(multihost_utils.broadcast_one_to_all(values))


class Agreement:
    """Tells all processes, at the same call of the step, that one of them was asked to stop.

    Before each call, all devices compute a sum of the processes' answers. It is read two calls
    later, so that no device waits for it.
    """

    def __init__(self) -> None:
        self._pending: collections.deque[jax.Array] = collections.deque()
        self._sum = jax.pmap(lambda flag: lax.psum(flag, DEVICES), axis_name=DEVICES, out_axes=None)

    def reached(self, asked: bool) -> bool:
        """Return whether to stop before the next call. All processes must ask before each call.

        Args:
            asked: Whether this process was asked to stop.
        """
        if jax.process_count() == 1:
            return asked
        self._pending.append(self._sum(np.full(jax.local_device_count(), asked, np.int32)))
        return len(self._pending) > _LAG and bool(self._pending.popleft())
