"""How training pairs reach the compiled step: from the device, from memory, or from files.

A call of the step must find everything on the device already. So calls are made two ahead of their
use, and what they need is on its way while the device still computes.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import jax
import numpy as np

from pix2pix_jax.core.devices import DEVICES, on_cpu, release_free_memory
from pix2pix_jax.data.batches import HostBatch, prefetch, train_batches
from pix2pix_jax.data.order import TrainingOrder
from pix2pix_jax.data.resident import Storage, as_stored, place_sides, stored_flat
from pix2pix_jax.training.calls import (
    CallMetrics,
    argument_axes,
    compile_train_step,
    make_looped_call,
    make_single_call,
)
from pix2pix_jax.training.placing import as_lowered, by_device, place, place_batch
from pix2pix_jax.training.run import Run
from pix2pix_jax.training.state import TrainState
from pix2pix_jax.training.step_parts import Batch

logger = logging.getLogger(__name__)

# Steps in a call unless the config asks for another number: enough to hide the host's work, few
# enough to react to a signal soon (some tens of milliseconds at 256 pixels on an accelerator). All
# processes must make the same calls.
STEPS_PER_CALL = 20
_MOST_BYTES_PER_CALL = 2**28  # fewer steps if streamed pairs are large

Call = tuple[int, Batch]
Loop = Literal["none", "runtime", "fixed"]  # see `choose_loop`
_ANY = 0  # key of a program that takes any number of steps


@dataclasses.dataclass(frozen=True)
class CompiledCalls:
    """The compiled calls of a run's step.

    Attributes:
        programs: The executables by number of steps, the most steps first; 0: any number.
    """

    programs: Mapping[int, Any]

    def __call__(
        self, state: TrainState, count: int, arguments: Batch
    ) -> tuple[TrainState, CallMetrics]:
        """Start to take `count` steps."""
        program = self.programs[count if count in self.programs else _ANY]
        result: tuple[TrainState, CallMetrics] = program(state, arguments)
        return result

    @property
    def largest(self) -> Any:
        """The executable of the most steps."""
        return next(iter(self.programs.values()))


@dataclasses.dataclass(frozen=True)
class Feed:
    """The calls of a run's step.

    Attributes:
        examples: The training examples that this process makes.
        path: Where the pairs are: `resident`, on the devices; `cached`, in host memory;
            `streamed`, in files.
        storage: How resident pairs are kept on the devices; None: there are none.
        steps_per_call: Largest number of steps in a call.
        programs: The calls by number of steps, not compiled yet, see `CompiledCalls`.
        workers: Threads that decode streamed pairs.
        loop: How a call takes its steps.
        compiler_options: Options to compile the calls with.
    """

    examples: TrainingOrder
    path: str
    storage: Storage | None
    steps_per_call: int
    programs: Mapping[int, Any]
    workers: int
    loop: Loop
    compiler_options: dict[str, bool]

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
        if self.loop == "none":
            for batch in prefetch(batches, place_batch):
                yield 1, batch
            return
        chunks = _chunks(batches, spans, self.steps_per_call)
        for calls in prefetch(chunks, lambda chunk: self._place_chunk(*chunk)):
            yield from calls

    def _place_chunk(self, count: int, chunk: HostBatch) -> list[Call]:
        """Start to copy the pairs of some steps to the devices, and return the calls of them."""
        placed = place(chunk)
        return [(n, {**placed, **place({"span": span})}) for n, span in self._parts(0, count)]

    def _parts(self, first: int, count: int) -> Iterator[tuple[int, np.ndarray]]:
        """Divide steps among calls: one call if there is a program for all, else single steps."""
        whole = count in self.programs or _ANY in self.programs
        part = count if whole else 1
        for begin in range(first, first + count, part):
            yield part, np.array([begin, part], np.int32)

    def _resident(self, spans: Iterator[tuple[int, int]]) -> Iterator[Call]:
        """Yield calls that take their pairs from arrays on the device.

        The pairs are placed there once, their order once an epoch; a call brings two numbers.
        """
        timeline = self.examples.timeline
        assert self.storage is not None
        sides = self.examples.pairs.sides
        stored = [as_stored(side, flat=stored_flat()) for side in sides.values()]
        data = dict(zip(sides, place_sides(stored, self.storage), strict=True))
        epoch, order = -1, {}
        for step, count in spans:
            if timeline.epoch(step) != epoch:
                epoch = timeline.epoch(step)
                begin = timeline.end_of(epoch)
                rows = range(begin, timeline.end_of(epoch + 1))
                indices = np.stack([self.examples.indices(row) for row in rows])
                order = place(
                    {
                        "indices": by_device(indices.astype(np.int32), 1),
                        "example": by_device(self.examples.example_places, 0),
                    }
                )
            for part, span in self._parts(step - begin, count):
                yield part, {**data, **order, **place({"span": span})}

    def compile(self, state: TrainState, arguments: Batch) -> CompiledCalls:
        """Compile the calls ahead of their first use, and release the compiler's memory.

        Args:
            state: As from `devices.hold`.
            arguments: Arguments of any call: all have the same shapes.

        Returns:
            The compiled calls.
        """
        lowered = as_lowered(arguments)
        compiled = {
            count: program.lower(state, lowered).compile(self.compiler_options)
            for count, program in self.programs.items()
        }
        release_free_memory()
        return CompiledCalls(compiled)


def choose_loop(steps_per_call: int) -> Loop:
    """Choose how a call takes its steps on this platform.

    Args:
        steps_per_call: Largest number of steps in a call.

    Returns:
        `none`: a call is a step, and brings its batch; on the CPU, where XLA runs convolutions
        about 50 times slower inside a loop. `fixed`: a loop whose length is part of the program,
        and single steps for what is left; on a GPU, where the host waits after every step of a loop
        whose length only the device knows. `runtime`: a loop of any length; elsewhere.
    """
    if on_cpu() and steps_per_call == 1:
        return "none"
    return "fixed" if jax.default_backend() == "gpu" else "runtime"


def build_feed(run: Run, loop: Loop | None = None) -> Feed:
    """Choose how a run's pairs reach its step.

    On the CPU a call is one step, unless `train.steps_per_call` asks for more.

    Args:
        run: The run.
        loop: How a call takes its steps; None: see `choose_loop`.
    """
    config, pairs = run.config, run.splits.train
    steps = config.train.steps_per_call or _automatic_steps(run)
    loop = loop or choose_loop(steps)
    path = "streamed" if pairs.arrays is None and pairs.cached is None else "cached"
    storage, size = run.storage if loop != "none" else (None, 0.0)
    if storage is not None:
        path = "resident"
    if storage == "spread":
        logger.info("training pairs are spread over the devices: %.2f GB on each", size)
    programs = _programs(run, loop, steps, storage)
    options = run.parts.exactness.compiler_options
    workers = config.data.workers
    return Feed(run.examples, path, storage, steps, programs, workers, loop, options)


def _programs(run: Run, loop: Loop, steps: int, storage: Storage | None) -> dict[int, Any]:
    """Make the calls that a run needs."""
    devices = jax.local_devices()
    if loop == "none":
        return {1: compile_train_step(make_single_call(run.train_step), devices)}
    pairs, shapes = run.splits.train, None
    if storage is not None and pairs.arrays is not None:
        shapes = {name: side.shape[1:] for name, side in pairs.sides.items()}
    spread_over = DEVICES if storage == "spread" else None
    lengths = {steps: steps, 1: 1} if loop == "fixed" else {_ANY: None}
    return {
        count: compile_train_step(
            make_looped_call(run.train_step, steps=length, shapes=shapes, spread_over=spread_over),
            devices,
            argument_axes(storage, [*pairs.beside(slice(0))]),
        )
        for count, length in lengths.items()
    }


def _automatic_steps(run: Run) -> int:
    """Return the number of steps in a call if the config leaves it open."""
    if on_cpu():
        return 1
    if run.splits.train.arrays is not None:
        return STEPS_PER_CALL
    sides = run.examples.example(run.first_step, run.examples.places.start)
    bytes_per_step = len(run.examples.places) * sum(side.nbytes for side in sides)
    return max(1, min(STEPS_PER_CALL, _MOST_BYTES_PER_CALL // bytes_per_step))


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

    A short call is filled up to `most` steps, which its spans leave out: all have one shape.
    """
    for _, count in spans:
        some = [next(batches) for _ in range(count)]
        some += some[-1:] * (most - count)
        example = by_device(some[0]["example"], 0)
        devices, share = example.shape[:-1], example.shape[-1]
        # For each device, its examples of all steps, one after another.
        chunk = {
            name: by_device(np.stack([batch[name] for batch in some]), 1).reshape(
                *devices, most * share, *some[0][name].shape[1:]
            )
            for name in some[0]
            if name != "example"
        }
        indices = np.arange(most * share, dtype=np.int32).reshape(most, share)
        chunk["indices"] = np.broadcast_to(indices, (*devices, most, share))
        yield count, {**chunk, "example": example}
