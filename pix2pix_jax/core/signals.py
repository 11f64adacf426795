"""Signals that ask a program to stop, and a run's answer to them.

Nothing here imports JAX.
"""

import os
import signal
import threading
from types import FrameType

# Windows has no SIGHUP.
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def is_heeded(number: signal.Signals) -> bool:
    """Return whether a signal is to be heeded: nohup lets a program ignore SIGHUP."""
    return number.name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN


class StopRequest:
    """A context in which a signal that asks to stop can be noted, instead of ending the program.

    Outside the main thread, where Python cannot handle signals, none is noted.

    Attributes:
        signal: The signal that came first since `listen`; None until then.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._old: dict[signal.Signals, object] = {}

    def listen(self) -> None:
        """From now on note the first SIGTERM, SIGINT or SIGHUP; a second one ends the process."""
        if threading.current_thread() is threading.main_thread() and not self._old:
            heeded = filter(is_heeded, STOP_SIGNALS)
            self._old = {number: signal.signal(number, self._note) for number in heeded}

    def __enter__(self) -> "StopRequest":
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            # Without clean-up, as the user asked twice. The next start ignores what is unfinished.
            os._exit(128 + number)
        self.signal = signal.Signals(number)
