"""From pairs to the batches of steps, and onto the device."""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from jaxtyping import Int

from pix2pix_jax.data.mosaic import compose, draw_mosaic
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.data.pairs import Chosen, PairBatch, Pairs, stream
from pix2pix_jax.data.sources import Pair

T = TypeVar("T")
U = TypeVar("U")
HostBatch = dict[str, np.ndarray]
_CROP = 1  # tells the draws of crops from others of the same step and place


@dataclasses.dataclass(frozen=True)
class TrainingOrder:
    """Which training examples this process makes.

    Attributes:
        pairs: Training pairs.
        timeline: Their order.
        places: Places of the global batch that belong to this process.
        mosaic: Share of examples that are put together from four pairs.
    """

    pairs: Pairs
    timeline: Timeline
    places: range
    mosaic: float = 0.0

    @property
    def example_places(self) -> Int[np.ndarray, " n"]:
        """Places of this process's examples in the global batch, int32."""
        return np.arange(self.places.start, self.places.stop, dtype=np.int32)

    def indices(self, step: int) -> Int[np.ndarray, " n"]:
        """Return the pairs of this process's examples of a step."""
        return self.timeline.indices(step)[self.places.start : self.places.stop]

    def example(self, step: int, place: int) -> Pair:
        """Make the example at a place of a step's global batch, a pure function of both."""
        index = int(self.timeline.indices(step)[place])
        first = self._window(index, step, place, 0)
        drawn = draw_mosaic(self.timeline.seed, step, place, len(self.pairs), self.mosaic)
        if drawn is None:
            return first
        others = (
            self._window(other, step, place, corner)
            for corner, other in enumerate(drawn.others, start=1)
        )
        return compose(drawn, [first, *others])

    def _window(self, index: int, step: int, place: int, corner: int) -> Pair:
        """Return a pair, or a random window of it where pairs differ in size."""
        pair = self.pairs[index]
        if self.pairs.shaping.uniform:
            return pair
        size = self.pairs.size
        key = np.array([self.timeline.seed, (step << 32) + (place << 8) + (_CROP << 4) + corner])
        rng = np.random.Generator(np.random.Philox(key=key.astype(np.uint64)))
        height, width = pair[0].shape[:2]
        top, left = rng.integers((height - size[0] + 1, width - size[1] + 1))
        cut = (slice(top, top + size[0]), slice(left, left + size[1]))
        return pair[0][cut], pair[1][cut]


@dataclasses.dataclass(frozen=True)
class _Examples:
    """The training examples of some steps as one sequence, as grain wants it."""

    order: TrainingOrder
    first: int
    stop: int

    def __len__(self) -> int:
        return (self.stop - self.first) * len(self.order.places)

    def __getitem__(self, number: int) -> Pair:
        step, place = divmod(number, len(self.order.places))
        return self.order.example(self.first + step, self.order.places[place])


def train_batches(order: TrainingOrder, first: int, stop: int, workers: int) -> Iterator[HostBatch]:
    """Yield the batches of steps `first` to `stop`.

    Args:
        order: Which examples.
        first: First step.
        stop: Step after the last.
        workers: Threads that decode streamed pairs, some batches ahead.

    Yields:
        `source` and `target` (as stored, NHWC) and `example` (int32), each pair's place in the
        global batch.
    """
    places, pairs, example = order.places, order.pairs, order.example_places
    if pairs.arrays is not None and not order.mosaic:
        for step in range(first, stop):
            indices = order.indices(step)
            source, target = (side[indices] for side in pairs.arrays)
            yield {"source": source, "target": target, "example": example}
        return
    for source, target in stream(_Examples(order, first, stop), len(places), workers):
        yield {"source": source, "target": target, "example": example}


def eval_batches(
    pairs: Pairs, count: int, batch_size: int, workers: int
) -> Iterator[tuple[PairBatch, tuple[str, ...]]]:
    """Yield the first `count` pairs in order, with their names; the last batch may be short.

    Args:
        pairs: Pairs to evaluate.
        count: How many of them, at most as many as there are.
        batch_size: Pairs at once.
        workers: Threads that decode streamed pairs.

    Yields:
        Sources and targets as stored, and the pairs' names.
    """
    if pairs.arrays is not None:
        sources, targets = (side[:count] for side in pairs.arrays)
        batches: Iterable[PairBatch] = (
            (sources[start : start + batch_size], targets[start : start + batch_size])
            for start in range(0, count, batch_size)
        )
    else:
        batches = stream(Chosen(pairs, range(count)), batch_size, workers)
    for number, batch in enumerate(batches):
        start = number * batch_size
        yield batch, pairs.names[start : start + len(batch[0])]


def prefetch(batches: Iterable[T], place: Callable[[T], U], depth: int = 2) -> Iterator[U]:
    """Place batches on the device some steps ahead, so that copies overlap with computation.

    Args:
        batches: Batches on the host.
        place: Starts the copy of a batch and returns it.
        depth: How many batches are under way.

    Yields:
        Placed batches, in order.
    """
    queue: collections.deque[U] = collections.deque()
    for batch in batches:
        queue.append(place(batch))
        if len(queue) > depth:
            yield queue.popleft()
    yield from queue
