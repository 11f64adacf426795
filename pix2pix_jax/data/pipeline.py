"""From files to batches: decode once and keep, or decode ahead and stream.

Batches are unsigned integers, NHWC, at the size that crops are cut from.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import grain
import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from pix2pix_jax import images
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.data.sources import Pair, Source
from pix2pix_jax.errors import InputError

T = TypeVar("T")
U = TypeVar("U")
_SKIP_HINT = "data.on_error=skip leaves such files out"
HostBatch = dict[str, np.ndarray]
PairBatch = tuple[UInt8[np.ndarray, "n h w c"], UInt8[np.ndarray, "n h w d"]]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs of one size, ready to be gathered into batches.

    Attributes:
        source: Where they come from.
        size: Height and width that they are resized to.
        keep: Numbers of the pairs in `source` that could be read.
        arrays: All sources and all targets, where they fit in memory; None where they are streamed.
    """

    source: Source
    size: tuple[int, int]
    keep: tuple[int, ...]
    arrays: PairBatch | None

    def __len__(self) -> int:
        return len(self.keep)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the pairs."""
        names = self.source.names
        return tuple(names[index] for index in self.keep)

    @property
    def gigabytes(self) -> float:
        """Memory that the pairs take, in GB of 10^9 bytes."""
        return 0.0 if self.arrays is None else sum(side.nbytes for side in self.arrays) / 1e9

    def __getitem__(self, index: int) -> Pair:
        """Return one pair, from memory or from its file."""
        if self.arrays is not None:
            return self.arrays[0][index], self.arrays[1][index]
        try:
            return read_pair(self.source, self.keep[index], self.size)
        except InputError as error:
            raise InputError(f"{error}; {_SKIP_HINT}") from None


def read_pair(source: Source, index: int, size: tuple[int, int]) -> Pair:
    """Read one pair and resize both sides."""
    first, second = source[index]
    return images.resize(first, size), images.resize(second, size)


def load_pairs(
    source: Source,
    size: tuple[int, int],
    *,
    cache_gigabytes: float,
    workers: int,
    on_error: str,
    label: str,
) -> Pairs:
    """Decode all pairs into memory where they fit; else prepare to stream them.

    Args:
        source: Pairs of any sizes.
        size: Height and width wanted.
        cache_gigabytes: Memory budget, in GB of 10^9 bytes.
        workers: Threads that read and decode.
        on_error: What a pair that cannot be read does: `fail`, or `skip` with a count. Streamed
            pairs are all read once beforehand to find those to skip.
        label: What the pairs are, for the progress bar and messages.

    Returns:
        The pairs.

    Raises:
        InputError: A pair cannot be read and `on_error` is `fail`, or none can be read.
    """
    sample = _first_readable(source, size, on_error)
    fits = len(source) * sum(side.nbytes for side in sample) <= cache_gigabytes * 1e9
    if not fits and on_error == "fail":
        return Pairs(source, size, tuple(range(len(source))), None)
    arrays = None
    if fits:
        first, second = (np.empty((len(source), *side.shape), np.uint8) for side in sample)
        arrays = (first, second)

    def load(index: int) -> InputError | None:
        try:
            pair = read_pair(source, index, size)
        except InputError as error:
            return error
        if arrays is not None:
            arrays[0][index], arrays[1][index] = pair
        return None

    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(load, range(len(source)))
        bar = tqdm(results, f"reading {label}", len(source), unit="pair", disable=None, leave=False)
        keep = []
        for index, error in enumerate(bar):
            if error is None:
                keep.append(index)
            elif on_error == "fail":
                pool.shutdown(cancel_futures=True)
                raise error
            else:
                tqdm.write(f"skipped: {error}")
    if len(keep) < len(source):
        tqdm.write(f"{label}: skipped {len(source) - len(keep)} of {len(source)} pairs")
        arrays = None if arrays is None else (arrays[0][keep], arrays[1][keep])
    return Pairs(source, size, tuple(keep), arrays)


def _first_readable(source: Source, size: tuple[int, int], on_error: str) -> Pair:
    """Read the first pair that can be read; its shapes stand for all."""
    for index in range(len(source)):
        try:
            return read_pair(source, index, size)
        except InputError as error:
            if on_error == "fail":
                raise InputError(f"{error}; {_SKIP_HINT}") from None
    raise InputError(f"data.on_error=skip: none of the {len(source)} pairs could be read")


def train_batches(
    pairs: Pairs, timeline: Timeline, first: int, stop: int, places: range, workers: int
) -> Iterator[HostBatch]:
    """Yield the batches of steps `first` to `stop`.

    Args:
        pairs: Training pairs.
        timeline: Their order.
        first: First step.
        stop: Step after the last.
        places: Places of the global batch that belong to this process.
        workers: Threads that decode streamed pairs, some batches ahead.

    Yields:
        `source` and `target` (unsigned integers, NHWC) and `example` (int32), each pair's place in
        the global batch.
    """
    example = np.arange(places.start, places.stop, dtype=np.int32)
    steps = (timeline.indices(step)[places.start : places.stop] for step in range(first, stop))
    if pairs.arrays is not None:
        for indices in steps:
            source, target = (side[indices] for side in pairs.arrays)
            yield {"source": source, "target": target, "example": example}
        return
    order = _Examples(pairs, timeline, first, stop, places)
    for source, target in _stream(order, len(places), workers):
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
        Sources and targets, and the pairs' names.
    """
    names = pairs.names
    if pairs.arrays is not None:
        sources, targets = (side[:count] for side in pairs.arrays)
        batches: Iterable[PairBatch] = (
            (sources[start : start + batch_size], targets[start : start + batch_size])
            for start in range(0, count, batch_size)
        )
    else:
        batches = _stream(_Chosen(pairs, range(count)), batch_size, workers)
    for number, batch in enumerate(batches):
        start = number * batch_size
        yield batch, names[start : start + len(batch[0])]


@dataclasses.dataclass(frozen=True)
class _Examples:
    """The training examples of some steps as one sequence, as grain wants it."""

    pairs: Pairs
    timeline: Timeline
    first: int
    stop: int
    places: range

    def __len__(self) -> int:
        return (self.stop - self.first) * len(self.places)

    def __getitem__(self, number: int) -> Pair:
        step, place = divmod(number, len(self.places))
        indices = self.timeline.indices(self.first + step)
        return self.pairs[int(indices[self.places[place]])]


@dataclasses.dataclass(frozen=True)
class _Chosen:
    """Some of the pairs as a sequence."""

    pairs: Pairs
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, number: int) -> Pair:
        return self.pairs[self.indices[number]]


def _stream(examples: "_Examples | _Chosen", batch_size: int, workers: int) -> Iterator[PairBatch]:
    """Decode ahead with grain's threads, in order."""
    options = grain.ReadOptions(num_threads=workers, prefetch_buffer_size=max(32, 4 * batch_size))
    dataset = grain.MapDataset.source(examples).to_iter_dataset(options)
    return iter(dataset.batch(batch_size, drop_remainder=False))


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


def mean_target(
    pairs: Pairs, size: tuple[int, int], *, workers: int = 1, most: int = 2000
) -> np.ndarray:
    """Return the per-pixel mean of the training targets: the best constant picture.

    Args:
        pairs: Training pairs.
        size: Height and width of the result. The mean is taken at the pairs' own size and resized
            (both are linear, so only their rounding differs from the other order).
        workers: Threads that decode streamed pairs.
        most: Largest number of pairs that are read where pairs are streamed, evenly spread.

    Returns:
        Mean in [-1, 1], float32.
    """
    if pairs.arrays is not None:
        mean = pairs.arrays[1].mean(axis=0, dtype=np.float64)
    else:
        chosen = np.linspace(0, len(pairs) - 1, min(most, len(pairs))).astype(int)
        mean = np.zeros(pairs[0][1].shape)
        for _, target in _stream(_Chosen(pairs, chosen.tolist()), 8, workers):
            mean += target.sum(axis=0, dtype=np.float64) / len(chosen)
    return images.resize_float((mean / 127.5 - 1).astype(np.float32), size)
