"""How far a run is, for its user: a bar on a terminal or in a notebook, else a line each minute."""

import logging
import sys
import time
from collections.abc import Mapping

from tqdm.auto import tqdm

from pix2pix_jax.reports.numbers import format_duration
from pix2pix_jax.training.timing import Clock, Minutes, Stopwatch

logger = logging.getLogger(__name__)

_SHOWN = ("g_loss", "d_loss")  # losses that there is room for


class ShownProgress:
    """The bar of a run; and a line each minute if standard output or error is no terminal."""

    def __init__(
        self, first: int, stop: int, global_batch: int, clock: Clock = time.monotonic
    ) -> None:
        """Begin at a step; nothing is shown before `start`.

        Args:
            first: Step that the run goes on from.
            stop: Step at which it is complete.
            global_batch: Images in a step.
            clock: Returns seconds.
        """
        self._first, self._stop, self._global_batch = first, stop, global_batch
        self._clock = clock
        self._bar: tqdm | None = None
        self._whole: Stopwatch | None = None
        self._minutes = Minutes(clock)
        self._mark(first)

    def start(self, step: int) -> None:
        """Show the bar before the first steps; or go on after a halt."""
        if self._bar is None:
            self._bar = tqdm(
                total=self._stop, initial=self._first, unit="step", disable=None, smoothing=0.05
            )
            self._whole = Stopwatch(self._clock)
            self._minutes.restart()
        self._mark(step)

    def told(self) -> None:
        """Start a new minute: a line about the run has just been written."""
        self._minutes.restart()

    def advance(self, step: int, count: int, newest: Mapping[str, float]) -> None:
        """Show that steps were taken.

        Args:
            step: Number of steps taken.
            count: How many of them are new.
            newest: The newest losses that are known; may be empty.
        """
        if self._bar is None:
            return
        self._bar.update(count)
        if step % 10 < count and newest:
            speed = self._global_batch * (self._bar.format_dict["rate"] or 0)
            self._bar.set_postfix_str(f"{speed:.1f} img/s, {_losses(newest)}", refresh=False)
        if self._minutes.due() and not _is_seen(self._bar):
            logger.info("%s", self._line(step, newest))
            self._mark(step)

    def time_left(self, step: int) -> str:
        """Say how long the run will still take, evaluations included; '' if it is not known."""
        if self._whole is None or not self._first < step < self._stop:
            return ""
        per_step = self._whole.seconds / (step - self._first)
        return f"{format_duration(per_step * (self._stop - step))} left"

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def _line(self, step: int, newest: Mapping[str, float]) -> str:
        images = (step - self._marked_step) * self._global_batch
        speed = images / max(self._clock() - self._marked_at, 1e-9)
        parts = [_losses(newest), f"{speed:.1f} img/s", self.time_left(step)]
        return f"step {step:,} of {self._stop:,}: {'; '.join(part for part in parts if part)}"

    def _mark(self, step: int) -> None:
        """Measure the speed from here on."""
        self._marked_step, self._marked_at = step, self._clock()


def _losses(newest: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {newest[name]:.3g}" for name in _SHOWN if name in newest)


def _is_seen(bar: tqdm) -> bool:
    """Return whether whoever follows the output sees the bar: in a notebook, or on a terminal."""
    if bar.disable:
        return False
    return bool(bar.gui) or (sys.stdout is not None and sys.stdout.isatty())
