"""Stop when asked: SIGTERM, SIGINT and SIGHUP end a run after the step under way."""

import os
import signal
import threading
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequest:
    """A context that notes the first such signal; a second ends the process at once.

    Outside of the main thread, where Python cannot catch signals, it never notes any.

    Attributes:
        signal: The signal noted; None until one comes.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._old: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            # No clean-up: the user asked twice. The next start ignores an unfinished checkpoint.
            os._exit(128 + number)
        self.signal = signal.Signals(number)
