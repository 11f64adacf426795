"""What is measured while a run trains: losses and speed."""

import contextlib
import math
import pathlib
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import jax
from jaxtyping import PyTree

from pix2pix_jax.core.devices import calls_ahead
from pix2pix_jax.core.errors import NonFiniteError, some_of
from pix2pix_jax.training.calls import CallMetrics
from pix2pix_jax.training.run import Run
from pix2pix_jax.training.shown_progress import ShownProgress

_TRACED_STEPS = 10

Losses = dict[str, float]
T = TypeVar("T")


class MeanLosses:
    """The mean of losses over the steps since it was last taken."""

    def __init__(self, saved: Mapping[str, Any] | None = None) -> None:
        """Begin without steps, or with what `as_json` returned."""
        self._steps = int((saved or {}).get("steps", 0))
        self._sums: Losses = dict((saved or {}).get("sums", {}))

    def add(self, steps: int, losses: Losses) -> None:
        """Add the mean losses of some steps."""
        if self._sums.keys() != losses.keys():  # the run goes on with other losses
            self._steps, self._sums = 0, dict.fromkeys(losses, 0.0)
        self._steps += steps
        for name, value in losses.items():
            self._sums[name] += steps * value

    def take(self) -> Losses:
        """Return the means, empty if there were no steps, and begin anew."""
        means = {name: total / self._steps for name, total in self._sums.items() if self._steps}
        self._steps, self._sums = 0, {}
        return means

    def as_json(self) -> dict[str, Any]:
        """Return what a run that goes on begins with."""
        return {"steps": self._steps, "sums": dict(self._sums)}


class Progress:
    """Collects the losses of steps, and measures speed. A loss that is not finite ends the run.

    Attributes:
        shown: What the user sees of it.
    """

    def __init__(self, run: Run) -> None:
        """Begin at the step that a run goes on from."""
        self._lag = calls_ahead()
        self._global_batch = run.timeline.global_batch
        self.shown = ShownProgress(run.first_step, run.halts.stop, self._global_batch)
        self._step = run.first_step
        self._names_of, self._first = run.names_of, run.timeline.first_step
        self._told = run.callbacks.step
        self._pending: deque[tuple[int, int, CallMetrics]] = deque()
        self._since_row = MeanLosses(run.unfinished.get("row"))
        self._since_epoch = MeanLosses(run.unfinished.get("epoch"))
        self._newest: Losses = {}
        self._owed: dict[str, Any] = {}
        self._begun = time.monotonic()
        self._timed_seconds = 0.0
        self._timed_steps = 0
        self._waited_seconds = 0.0

    def wait_for(self, calls: Iterator[T]) -> T:
        """Return the arguments of the next call, and note how long they took."""
        begun = time.monotonic()
        call = next(calls)
        self._waited_seconds += time.monotonic() - begun
        return call

    def add(self, step: int, count: int, metrics: CallMetrics) -> None:
        """Take the losses of a call, which the device may still be computing.

        Args:
            step: Number of steps taken, this call's included.
            count: Number of steps of the call.
            metrics: Its losses.

        Raises:
            NonFiniteError: A loss of this call or of an earlier one is not finite.
        """
        self._pending.append((step, count, metrics))
        while len(self._pending) > self._lag:
            self._fetch()
        self._timed_steps += count
        self._step = step
        self.shown.advance(step, count, self._newest)

    def start(self) -> None:
        """Start the clock before steps are taken."""
        self.shown.start(self._step)
        self._begun = time.monotonic()

    def pause(self) -> None:
        """Wait for the losses of all steps, and stop the clock: a halt is no training time."""
        self.flush()
        self._timed_seconds += time.monotonic() - self._begun

    def flush(self) -> None:
        """Wait for the losses of all steps; the state is then known to be finite."""
        while self._pending:
            self._fetch()

    def row(self) -> Losses:
        """Return the mean losses of the steps since the last row; empty if there were none."""
        self.flush()
        return self._since_row.take()

    def epoch(self) -> Losses:
        """Return the mean losses of the steps since the last epoch's end."""
        self.flush()
        return self._since_epoch.take()

    @contextlib.contextmanager
    def owing(self, what: str) -> Iterator[None]:
        """Note what the run owes until the block has ended without an error: `row` or `halt`."""
        self.flush()
        self._owed = {"owed": what, **self._losses_so_far()}
        yield
        self._owed = {}

    def unfinished(self) -> dict[str, Any]:
        """Return what a run that is stopped here has not written yet: what it owes, its losses."""
        self.flush()
        return self._owed or self._losses_so_far()

    def _losses_so_far(self) -> dict[str, Any]:
        return {"row": self._since_row.as_json(), "epoch": self._since_epoch.as_json()}

    @property
    def images_per_second(self) -> float:
        """Speed of training alone, over all devices, without compilation; 0 if not yet known."""
        return self._global_batch * self._timed_steps / max(self._timed_seconds, 1e-9)

    @property
    def seconds_per_step(self) -> float:
        """Time of training alone per step; 0 if not yet known."""
        return self._timed_seconds / max(self._timed_steps, 1)

    @property
    def timing(self) -> Losses:
        """Speed and time per 1,000 steps, for tables; empty if no step was timed."""
        if not self._timed_steps:
            return {}
        seconds = self.seconds_per_step * 1e3
        return {"images_per_second": self.images_per_second, "seconds_per_1000_steps": seconds}

    @property
    def data_wait(self) -> float:
        """Share of the time of training that was spent waiting for data, in [0, 1]."""
        return self._waited_seconds / max(self._timed_seconds, 1e-9)

    def close(self) -> None:
        """Show no more."""
        self.shown.close()

    def _fetch(self) -> None:
        step, count, metrics = self._pending.popleft()
        losses, first_bad = metrics.fetch()
        if first_bad is not None:
            step += 1 + first_bad - count
            name = next(name for name, value in losses.items() if not math.isfinite(value))
            # A pair can spoil the networks in its own step, and the losses only in the next one.
            pairs = some_of(self._names_of(step))
            known = step - 1 > self._first  # those before had other pairs
            before = f", after {some_of(self._names_of(step - 1))}" if known else ""
            raise NonFiniteError(
                f"step {step}: {name} is {losses[name]} on {pairs}{before}. "
                "Nothing was saved since the last checkpoint; lower optimizer.learning_rate, or "
                "look at these pairs"
            )
        self._newest = losses
        self._since_row.add(count, losses)
        self._since_epoch.add(count, losses)
        self._told(step, losses)


class Trace:
    """A `jax.profiler` trace of a start's second ten steps, or of its first ten if it is short."""

    def __init__(self, folder: pathlib.Path | None, first: int, stop: int) -> None:
        """Choose the steps.

        Args:
            folder: Where the trace is written; None for no trace.
            first: Step that the run goes on from.
            stop: Step at which it is complete.
        """
        self._folder = folder
        self._begin = first + (_TRACED_STEPS if stop - first >= 2 * _TRACED_STEPS else 0)
        self._running = False

    def end_of_call(self, step: int) -> int:
        """Return the step that a call from `step` on must not go beyond."""
        ends = (self._begin, self._begin + _TRACED_STEPS) if self._folder is not None else ()
        return min((end for end in ends if end > step), default=2**31)

    def before(self, step: int) -> None:
        """Start the trace if its first step comes next, after `step` steps."""
        if self._folder is not None and step == self._begin:
            options = jax.profiler.ProfileOptions()
            # Tracing Python's calls replaces the states of all threads, including those that
            # TensorStore ends while it writes a checkpoint: the process would crash.
            options.python_tracer_level = 0
            jax.profiler.start_trace(str(self._folder), profiler_options=options)
            self._running = True

    def after(self, step: int, state: PyTree) -> None:
        """End the trace if `step` was its last step, once the device has computed `state`."""
        if self._running and step == self._begin + _TRACED_STEPS:
            jax.block_until_ready(state)
            self.close()

    def close(self) -> None:
        """End the trace if it is still running."""
        if self._running:
            jax.profiler.stop_trace()
        self._running = False
