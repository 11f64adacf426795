"""How a command heeds SIGINT (Ctrl-C), SIGTERM and SIGHUP, from its first line to its last.

While modules are imported a signal ends the process at once: there is nothing to clean up, and a
native library that is left half imported may crash. Afterwards it raises `Interrupted`, so that
temporary files are removed on the way out. That alone is not enough: a compilation, or another long
call of native code, lets no exception through, and some code swallows it. So a thread of its own
ends the process if it still lives a moment later.

A training that can save its state takes over, see `core.signals.StopRequest`.

This module is the first that a command imports, and brings nothing that takes time.
"""

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType

from pix2pix_jax.core.signals import STOP_SIGNALS, is_heeded

_GRACE = 2.0  # seconds for cleaning up


class Interrupted(KeyboardInterrupt):
    """A signal asks the command to end.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


_sockets: list[socket.socket] = []  # kept open
_first: list[int] = []  # the signal that this module heeded; at most one
_cleaning: list[bool] = []  # not empty once there may be something to clean up


def heed() -> None:
    """Heed the signals from now on, until the process ends."""
    atexit.register(_exit)
    for number in filter(is_heeded, STOP_SIGNALS):
        signal.signal(number, _end)
    read, write = socket.socketpair()
    write.setblocking(False)
    _sockets.extend((read, write))
    signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(read,), name="signals", daemon=True).start()


def clean_up_first() -> None:
    """From now on, let the command clean up before a signal ends it."""
    _cleaning.append(True)


def status() -> int | None:
    """Return the exit status of a command that was asked to end; None if it was not."""
    return 128 + _first[0] if _first else None


def _end(number: int, frame: FrameType | None) -> None:
    """Say that the command ends, and unwind it."""
    if _first:
        os._exit(128 + number)
    _announce(number)
    if not _cleaning:
        os._exit(128 + number)
    raise Interrupted(number)


def _announce(number: int) -> None:
    """Print the one line. What libraries print while they are torn down is not shown."""
    _first.append(number)
    text = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    # Not by sys.stderr: the signal may have come while that was writing.
    with contextlib.suppress(OSError):
        begin = "\n" if os.isatty(2) else ""  # a progress bar, or ^C, may be in the line
        os.write(2, f"{begin}{text}\n".encode())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)


def _exit() -> None:
    """Give the process that was interrupted its exit status, wherever that was."""
    if _first:
        os._exit(128 + _first[0])


def _watch(signals: socket.socket) -> None:
    """End the process if it outlives a signal; in a thread of its own.

    Whoever handles signals in place of this module, as a training that saves, may take its time
    with the first one.
    """
    numbers = {int(number) for number in STOP_SIGNALS}
    noted = 0
    while received := signals.recv(1):
        number = received[0]
        if number not in numbers or signal.getsignal(number) == signal.SIG_IGN:
            continue
        noted += 1
        if signal.getsignal(number) == _end or noted > 1:
            time.sleep(_GRACE)
            if not _first:  # the main thread has not come to it
                _announce(number)
            os._exit(128 + _first[0])


def open_standard_files() -> None:
    """Give what was closed of standard input, output and errors to the null device.

    Otherwise the next files to be opened would get their numbers, and messages that native code
    writes there would end up in a checkpoint.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
