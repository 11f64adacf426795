"""From pairs to batches, and onto the device."""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import grain
import numpy as np

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.order import TrainingOrder
from pix2pix_jax.data.pairs import Chosen, PairBatch, Pairs
from pix2pix_jax.data.selection import spread_evenly
from pix2pix_jax.data.sources import Pair
from pix2pix_jax.images import pixels as images

T = TypeVar("T")
U = TypeVar("U")
HostBatch = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class _StepExamples:
    """The training examples of some steps as one sequence, for grain."""

    order: TrainingOrder
    first: int
    stop: int

    def __len__(self) -> int:
        return (self.stop - self.first) * len(self.order.places)

    def __getitem__(self, number: int) -> Pair:
        step, place = divmod(number, len(self.order.places))
        return self.order.example(self.first + step, self.order.places[place])


def train_batches(order: TrainingOrder, first: int, stop: int, workers: int) -> Iterator[HostBatch]:
    """Yield the batches of some steps.

    Args:
        order: The examples.
        first: First step.
        stop: Step after the last.
        workers: Number of threads that decode streamed pairs, a few batches ahead.

    Yields:
        `source` and `target`, NHWC as stored; `condition`, if there are numbers beside the images;
        and `example`: each pair's place in the global batch, int32.
    """
    places, pairs, example = order.places, order.pairs, order.example_places
    if pairs.arrays is not None and not order.mosaic:
        for step in range(first, stop):
            indices = order.indices(step)
            some = {name: side[indices] for name, side in pairs.sides.items()}
            yield {**some, "example": example}
        return
    streamed = stream(_StepExamples(order, first, stop), len(places), workers)
    for step, (source, target) in enumerate(streamed, start=first):
        beside = pairs.beside(order.indices(step))
        yield {"source": source, "target": target, **beside, "example": example}


def eval_batches(
    pairs: Pairs, count: int, batch_size: int, workers: int
) -> Iterator[tuple[PairBatch, tuple[str, ...]]]:
    """Yield the first pairs in order, with their names; the last batch may be smaller.

    Args:
        pairs: Pairs to evaluate.
        count: How many of them; at most all.
        batch_size: Pairs in a batch.
        workers: Number of threads that decode streamed pairs.

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
    """Copy batches to the device ahead of time, so that copies overlap with computation.

    Args:
        batches: Batches on the host.
        place: Starts the copy of a batch, and returns it.
        depth: How many batches to copy ahead.

    Yields:
        Batches on the device, in order.
    """
    queue: collections.deque[U] = collections.deque()
    for batch in batches:
        queue.append(place(batch))
        if len(queue) > depth:
            yield queue.popleft()
    yield from queue


@runtime_checkable
class Examples(Protocol):
    """Pairs of the same size as a sequence, for grain."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Pair: ...


def stream(examples: Examples, batch_size: int, workers: int) -> Iterator[PairBatch]:
    """Decode examples ahead in grain's threads, in order.

    Args:
        examples: The examples.
        batch_size: Examples in a batch.
        workers: Number of threads.

    Yields:
        Sources and targets; the last batch may be smaller.

    Raises:
        InputError: An example cannot be read.
    """
    options = grain.ReadOptions(num_threads=workers, prefetch_buffer_size=max(32, 4 * batch_size))
    dataset = grain.MapDataset.source(cast(Any, examples)).to_iter_dataset(options)
    try:
        yield from dataset.batch(batch_size, drop_remainder=False)
    except InputError as error:  # raised again without the note on tracebacks that grain adds
        raise type(error)(*error.args) from None


def mean_target(pairs: Pairs, *, workers: int = 1, most: int = 2000) -> np.ndarray:
    """Return the per-pixel mean of the training targets: the best constant prediction.

    Args:
        pairs: Training pairs.
        workers: Number of threads that decode streamed pairs.
        most: Largest number of streamed pairs to read, evenly spread.

    Returns:
        Mean in [-1, 1] of the pixels that hold data, float32, with the size and depth of the
        targets that the networks see; 0 where none does. It is computed at the pairs' own size
        and then resized: both are linear, so the order matters only for rounding. Pairs that
        differ in size are centre-cropped.
    """
    if pairs.form.weighs:
        return _weighted_mean_target(pairs, workers, most)
    side = pairs.form.target
    if pairs.arrays is not None and not side.classes:
        mean = pairs.arrays[1].mean(axis=0, dtype=np.float64)
    else:
        chosen = _some(pairs, most)
        mean = np.zeros(())
        for _, target in stream(Chosen(pairs, chosen), 8, workers):
            if side.classes:  # the mean of indices means nothing, that of shares does
                target = np.asarray(side.to_network(target))
            mean = mean + target.sum(axis=0, dtype=np.float64) / len(chosen)
    mean = images.resize(mean.astype(np.float32), pairs.target_size)
    return mean if side.classes else np.asarray(side.to_network(mean))


def _some(pairs: Pairs, most: int) -> list[int]:
    """Return the numbers of all pairs, or of some if they are streamed."""
    streamed = pairs.cached is None and pairs.arrays is None
    return spread_evenly(len(pairs), min(most, len(pairs)) if streamed else len(pairs))


def _weighted_mean_target(pairs: Pairs, workers: int, most: int) -> np.ndarray:
    """Return at each pixel the mean of the targets that count there; 0 where none does."""
    form, total, count = pairs.form, np.zeros(()), np.zeros(())
    for source, target in stream(Chosen(pairs, _some(pairs, most)), 8, workers):
        weight = np.asarray(form.weight(source, target))
        values = np.asarray(form.compared_target(source, target))
        total = total + (values * weight).sum(axis=0, dtype=np.float64)
        count = count + weight.sum(axis=0, dtype=np.float64)
    mean = total / np.where(count > 0, count, 1)
    return images.resize(mean.astype(np.float32), pairs.target_size)
