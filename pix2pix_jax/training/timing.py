"""Clocks for the lines of a run: how long something took, and when a minute has gone by."""

import time
from collections.abc import Callable

from pix2pix_jax.reports.numbers import format_duration

Clock = Callable[[], float]

_MINUTE = 60.0
_BRIEF = 10.0  # seconds, below which tenths are shown


class Stopwatch:
    """Runs from its creation; as text, it is the time since then."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """Start.

        Args:
            clock: Returns seconds; only differences count.
        """
        self._clock = clock
        self._begun = clock()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._begun

    def __str__(self) -> str:
        seconds = self.seconds
        return f"{seconds:.1f} s" if seconds < _BRIEF else format_duration(seconds)


class Minutes:
    """Tells when a minute has gone by without a line."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """Start the first minute; `clock` returns seconds."""
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Start a minute: a line has just been written."""
        self._next = self._clock() + _MINUTE

    def due(self) -> bool:
        """Return whether the minute is over; if so, the next one starts."""
        over = self._clock() >= self._next
        if over:
            self.restart()
        return over
