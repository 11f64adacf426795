"""How training pairs reach the compiled step: from the device, from memory, or from files.

A call of the step must find everything on the device already. So calls are made two ahead of their
use, and what they need is on its way while the device still computes.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.devices import fits_on_device, hold, on_cpu, release_free_memory, spread
from pix2pix_jax.data.batches import HostBatch, prefetch, train_batches
from pix2pix_jax.data.order import TrainingOrder
from pix2pix_jax.training.calls import (
    CallStep,
    compile_train_step,
    make_looped_call,
    make_single_call,
)
from pix2pix_jax.training.run import Run
from pix2pix_jax.training.state import TrainState
from pix2pix_jax.training.step import Batch

# Steps in a call unless the config asks for another number: enough to hide the host's work, few
# enough to react to a signal soon (some tens of milliseconds at 256 pixels on an accelerator). All
# processes must make the same calls.
_STEPS_PER_CALL = 20
_MOST_BYTES_PER_CALL = 2**28  # fewer steps if streamed pairs are large

Call = tuple[int, Batch]
_HELD = ("span",)  # arguments that each device gets a copy of; the others are divided


@dataclasses.dataclass(frozen=True)
class Feed:
    """The calls of a run's step.

    Attributes:
        examples: The training examples that this process makes.
        path: Where the pairs are: `resident`, a copy on each device; `cached`, in host memory;
            `streamed`, in files.
        steps_per_call: Largest number of steps in a call.
        step: The call, not compiled yet.
        workers: Threads that decode streamed pairs.
    """

    examples: TrainingOrder
    path: str
    steps_per_call: int
    step: Any
    workers: int

    def calls(self, first: int, stop: int, end_of: Callable[[int], int]) -> Iterator[Call]:
        """Yield the calls of steps `first` to `stop`, placed on the devices ahead of their use.

        Args:
            first: First step.
            stop: Step after the last.
            end_of: Maps a step to the step that a call from there must not go beyond.

        Yields:
            The number of steps in a call, and its arguments.
        """
        spans = _spans(first, stop, end_of, self.steps_per_call)
        if self.path == "resident":
            yield from prefetch(self._resident(spans), lambda call: call)
            return
        batches = train_batches(self.examples, first, stop, self.workers)
        if self.steps_per_call == 1:
            made: Iterator[tuple[int, HostBatch]] = (
                (1, {name: _by_device(array, 0) for name, array in batch.items()})
                for batch in batches
            )
        else:
            made = _chunks(batches, spans, self.steps_per_call)
        yield from prefetch(made, lambda call: (call[0], _place(call[1])))

    def _resident(self, spans: Iterator[tuple[int, int]]) -> Iterator[Call]:
        """Yield calls that take their pairs from arrays on the device.

        The pairs are copied there once, their order once an epoch; a call brings two numbers.
        """
        timeline = self.examples.timeline
        assert self.examples.pairs.arrays is not None
        data = dict(zip(("source", "target"), hold(self.examples.pairs.arrays), strict=True))
        epoch, order = -1, {}
        for step, count in spans:
            if timeline.epoch(step) != epoch:
                epoch = timeline.epoch(step)
                begin = timeline.end_of(epoch)
                rows = range(begin, timeline.end_of(epoch + 1))
                indices = np.stack([self.examples.indices(row) for row in rows])
                order = _place(
                    {
                        "indices": _by_device(indices.astype(np.int32), 1),
                        "example": _by_device(self.examples.example_places, 0),
                    }
                )
            span = np.array([step - begin, count], np.int32)
            yield count, {**data, **order, **_place({"span": span})}

    def compile(self, state: TrainState, arguments: Batch) -> CallStep:
        """Compile the call ahead of its first use, and release the compiler's memory.

        Args:
            state: As from `devices.hold`.
            arguments: Arguments of any call: all have the same shapes.

        Returns:
            The compiled call.
        """
        compiled: CallStep = self.step.lower(state, _as_lowered(arguments)).compile()
        release_free_memory()
        return compiled


def build_feed(run: Run) -> Feed:
    """Choose how a run's pairs reach its step.

    On the CPU a call is one step, unless `train.steps_per_call` asks for more.
    """
    config, pairs, examples = run.config, run.splits.train, run.examples
    steps = config.train.steps_per_call or _automatic_steps(run)
    path = "streamed" if pairs.arrays is None and pairs.cached is None else "cached"
    one_size = pairs.arrays is not None and not examples.mosaic
    if one_size and steps > 1 and fits_on_device(pairs.gigabytes, config.data.device_share):
        path = "resident"
    axes: Any = 0
    make = make_single_call
    if steps > 1:
        of_pairs = None if path == "resident" else 0
        make = make_looped_call
        axes = {"source": of_pairs, "target": of_pairs, "indices": 0, "example": 0, "span": None}
    step = compile_train_step(make(run.train_step), jax.local_devices(), axes)
    return Feed(examples, path, steps, step, config.data.workers)


def _automatic_steps(run: Run) -> int:
    """Return the number of steps in a call if the config leaves it open."""
    if on_cpu():
        return 1
    if run.splits.train.arrays is not None:
        return _STEPS_PER_CALL
    sides = run.examples.example(run.first_step, run.examples.places.start)
    bytes_per_step = len(run.examples.places) * sum(side.nbytes for side in sides)
    return max(1, min(_STEPS_PER_CALL, _MOST_BYTES_PER_CALL // bytes_per_step))


def _spans(
    first: int, stop: int, end_of: Callable[[int], int], most: int
) -> Iterator[tuple[int, int]]:
    """Yield the first step and the number of steps of each call."""
    while first < stop:
        count = min(most, end_of(first) - first, stop - first)
        yield first, count
        first += count


def _chunks(
    batches: Iterator[HostBatch], spans: Iterator[tuple[int, int]], most: int
) -> Iterator[tuple[int, HostBatch]]:
    """Yield the batches of several steps as the pairs of one call.

    A short call is filled up to `most` steps, which `span` leaves out: all calls have one shape.
    """
    for _, count in spans:
        some = [next(batches) for _ in range(count)]
        some += some[-1:] * (most - count)
        example = _by_device(some[0]["example"], 0)
        devices, share = example.shape[:-1], example.shape[-1]
        # For each device, its examples of all steps, one after another.
        chunk = {
            name: _by_device(np.stack([batch[name] for batch in some]), 1).reshape(
                *devices, most * share, *some[0][name].shape[1:]
            )
            for name in ("source", "target")
        }
        indices = np.arange(most * share, dtype=np.int32).reshape(most, share)
        chunk["indices"] = np.broadcast_to(indices, (*devices, most, share))
        yield count, {**chunk, "example": example, "span": np.array([0, count], np.int32)}


def _many() -> bool:
    return jax.device_count() > 1


def _by_device(array: Shaped[np.ndarray, "..."], axis: int) -> Shaped[np.ndarray, "..."]:
    """Divide an axis of examples among this process's devices; their axis becomes the first.

    With a single device there is no such axis.
    """
    if not _many():
        return array
    shape = array.shape
    divided = array.reshape(*shape[:axis], jax.local_device_count(), -1, *shape[axis + 1 :])
    return np.moveaxis(divided, axis, 0)


def _place(arguments: HostBatch) -> Batch:
    """Start to copy arguments to the devices."""
    if not _many():
        return jax.device_put(arguments)
    return {
        name: hold(array) if name in _HELD else spread(array) for name, array in arguments.items()
    }


def _as_lowered(arguments: Batch) -> Batch:
    """Return arguments with the shapes that `jax.pmap` expects from one of several processes."""
    if jax.process_count() == 1:
        return arguments

    def of_this_process(array: jax.Array) -> Any:
        if array.is_fully_replicated:
            return array
        local = (jax.local_device_count(), *array.shape[1:])
        return np.broadcast_to(np.zeros((), array.dtype), local)

    return jax.tree.map(of_this_process, arguments)
