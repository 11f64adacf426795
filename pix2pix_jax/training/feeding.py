"""How training pairs reach the compiled step: from the device, from memory, or from files."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.devices import hold, on_cpu, release_free_memory, spread
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

# Enough that the host is not noticed, few enough that a signal to stop is: some tens of
# milliseconds at 256 pixels on an accelerator, and the same on every process.
_STEPS_PER_CALL = 20
_MOST_BYTES_PER_CALL = 2**28  # of streamed pairs, where the number of steps is not asked for

Call = tuple[int, Batch]
_HELD = ("span",)  # arguments that every device has whole


@dataclasses.dataclass(frozen=True)
class Feed:
    """The calls of a run's step.

    Attributes:
        examples: The training examples that this process makes.
        path: `resident`: all pairs are held on each device; `cached`: in host memory; `streamed`:
            in files.
        steps_per_call: Most steps in a call.
        step: The step as a call, to be compiled.
        workers: Threads that decode streamed pairs.
    """

    examples: TrainingOrder
    path: str
    steps_per_call: int
    step: CallStep
    workers: int

    def calls(self, first: int, stop: int, end_of: Callable[[int], int]) -> Iterator[Call]:
        """Yield the calls of steps `first` to `stop`, placed on the devices ahead of their use.

        Args:
            first: First step.
            stop: Step after the last.
            end_of: From a step to the one that its call must not go beyond.

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
        """Yield calls that take their pairs from arrays on the device."""
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
        """Compile the step ahead of the first call, so that the compiler's memory is free again.

        Args:
            state: As from `placement.hold`.
            arguments: Those of any call.

        Returns:
            `(state, arguments) -> (state, metrics)`, see `step_loop`.
        """
        compiled = self.step.lower(state, _as_lowered(arguments)).compile()
        release_free_memory()
        return compiled


def build_feed(run: Run) -> Feed:
    """Choose how a run's pairs reach its step.

    On the CPU a call is one step, unless `train.steps_per_call` asks for more.
    """
    config, pairs, examples = run.config, run.splits.train, run.examples
    steps = config.train.steps_per_call or _automatic_steps(run)
    path = "cached" if pairs.arrays is not None or pairs.cached is not None else "streamed"
    if steps > 1 and not examples.mosaic and _fits_on_device(pairs.gigabytes, config.data):
        path = "resident" if pairs.arrays is not None else path
    axes: Any = 0
    make = make_single_call
    if steps > 1:
        make, pairs_axis = make_looped_call, None if path == "resident" else 0
        axes = {
            "source": pairs_axis,
            "target": pairs_axis,
            "indices": 0,
            "example": 0,
            "span": None,
        }
    step = compile_train_step(make(run.train_step), jax.local_devices(), axes)
    return Feed(examples, path, steps, step, config.data.workers)


def _automatic_steps(run: Run) -> int:
    """Return how many steps a call has where the config leaves it open."""
    if on_cpu():
        return 1
    if run.splits.train.arrays is not None:
        return _STEPS_PER_CALL
    sides = run.examples.example(run.first_step, run.examples.places.start)
    bytes_per_step = len(run.examples.places) * sum(side.nbytes for side in sides)
    return max(1, min(_STEPS_PER_CALL, _MOST_BYTES_PER_CALL // bytes_per_step))


def _fits_on_device(gigabytes: float, data: Any) -> bool:
    """Return whether pairs fit into their share of a device's memory.

    A CPU's memory is the host's, which holds them already.
    """
    stats = jax.local_devices()[0].memory_stats() or {}
    limit = stats.get("bytes_limit")
    return data.device_share > 0 and (limit is None or gigabytes * 1e9 <= data.device_share * limit)


def _spans(
    first: int, stop: int, end_of: Callable[[int], int], most: int
) -> Iterator[tuple[int, int]]:
    """Yield first step and number of steps of each call."""
    while first < stop:
        count = min(most, end_of(first) - first, stop - first)
        yield first, count
        first += count


def _chunks(
    batches: Iterator[HostBatch], spans: Iterator[tuple[int, int]], most: int
) -> Iterator[tuple[int, HostBatch]]:
    """Yield several batches at a time as the pairs of one call, filled up to `most` steps."""
    for _, count in spans:
        some = [next(batches) for _ in range(count)]
        some += some[-1:] * (most - count)
        example = _by_device(some[0]["example"], 0)
        devices, share = example.shape[:-1], example.shape[-1]
        # The examples of all steps that a device takes, one after another.
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
    """Divide an axis of examples among this process's devices, whose axis comes first.

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
    placed = {name: spread(array) for name, array in arguments.items() if name not in _HELD}
    return placed | {name: hold(array) for name, array in arguments.items() if name in _HELD}


def _as_lowered(arguments: Batch) -> Batch:
    """Return arguments of the same shapes as `jax.pmap` wants them of one of several processes."""
    if jax.process_count() == 1:
        return arguments

    def of_this_process(array: jax.Array) -> Any:
        if array.is_fully_replicated:
            return array
        local = (jax.local_device_count(), *array.shape[1:])
        return np.broadcast_to(np.zeros((), array.dtype), local)

    return jax.tree.map(of_this_process, arguments)
