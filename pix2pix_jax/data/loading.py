"""Decode pairs into memory once if they fit, or prepare to read them when needed."""

import dataclasses
import functools
import itertools
import logging
import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from ml_collections import ConfigDict
from tqdm.auto import tqdm

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.memory import available_bytes
from pix2pix_jax.data.numbers import numbers_of, read_numbers, values_of
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.pairs import SKIP_HINT, Pairs, read_pair
from pix2pix_jax.data.selection import spread_evenly
from pix2pix_jax.data.shaping import Shaping, build_shaping
from pix2pix_jax.data.sources import Pair, Source
from pix2pix_jax.images.wrong_dtype import WrongDtypeError

logger = logging.getLogger(__name__)

_FREE_SHARE = 0.8  # of the free memory may hold pairs; networks and batches need the rest
_TOGETHER = 4096  # pairs that are queued at a time; each takes about a kilobyte
_SIZES = 64  # pairs whose sizes stand for those of all
_ALIKE = 8  # pairs that stand for all if the first holds another dtype


def load_pairs(
    source: Source,
    form: PairFormat,
    shaping: Shaping,
    *,
    cache_gigabytes: float,
    workers: int,
    on_error: str,
    label: str,
) -> Pairs:
    """Decode all pairs into memory if they fit; otherwise prepare to stream them.

    Args:
        source: Pairs of any sizes.
        form: How both sides are stored.
        shaping: How they are resized.
        cache_gigabytes: Memory budget, in GB of 10^9 bytes; it is never exceeded. Pairs that do not
            fit in what the machine has free are streamed, too.
        workers: Number of threads that read and decode.
        on_error: What to do about a pair that cannot be read: `fail`, or `skip` it and log how
            many. To find those to skip, streamed pairs are all read once beforehand.
        label: What the pairs are, for the progress bar and messages.

    Returns:
        The pairs.

    Raises:
        InputError: A pair cannot be read and `on_error` is `fail`, or no pair can be read.
    """
    count = len(source)
    read = functools.partial(read_pair, source, form=form, shaping=shaping)
    sample = _first_readable(source, read, on_error)
    needed = _estimate(source, form, shaping, sample)
    budget = _budget(cache_gigabytes, needed, label)
    read_all = functools.partial(_read_all, read, count, workers, on_error, label)
    hint = SKIP_HINT if on_error == "fail" else "it could be read when the run started"
    ready = functools.partial(Pairs, source, form, shaping, hint=hint)
    if needed > budget:
        if on_error == "fail":
            return ready(tuple(range(count)))
        return ready(read_all(lambda index, pair: True))
    if not shaping.training or shaping.uniform:
        first, second = (np.empty((count, *side.shape), side.dtype) for side in sample)

        def store(index: int, pair: Pair) -> bool:
            first[index], second[index] = pair
            return True

        keep = read_all(store)
        return ready(keep, arrays=(_chosen(first, keep), _chosen(second, keep)))
    kept = _Kept(budget)
    keep = read_all(kept.store)
    if kept.full:
        logger.info("%s: more than fit in data.cache_gigabytes; they are streamed", label)
        return ready(keep if on_error == "skip" else tuple(range(count)))
    return ready(keep, cached=tuple(kept.pairs[index] for index in keep))


def build_pairs(
    data: ConfigDict,
    source: Source,
    form: PairFormat,
    *,
    split: str,
    training: bool,
    cache_gigabytes: float,
    label: str,
) -> Pairs:
    """Load a source's pairs as the section `data` of a resolved configuration says.

    Args:
        data: The section.
        source: As for `load_pairs`.
        form: As for `load_pairs`.
        split: `train`, `val` or `test`, for the numbers beside the images.
        training: Whether the pairs are for training; see `Shaping`.
        cache_gigabytes: As for `load_pairs`.
        label: As for `load_pairs`.

    Returns:
        The pairs.

    Raises:
        InputError: As for `load_pairs`; or a pair has no numbers.
    """
    numbers, values = numbers_of(data), None
    if numbers is not None:  # quicker than reading images
        values = values_of(read_numbers(data), source, split, data)
    pairs = load_pairs(
        source,
        form,
        build_shaping(data, training=training),
        cache_gigabytes=cache_gigabytes,
        workers=data.workers,
        on_error=data.on_error,
        label=label,
    )
    if values is None:
        return pairs
    return dataclasses.replace(pairs, numbers=numbers, values=values[list(pairs.keep)])


class _Kept:
    """Pairs in memory, up to a number of bytes; those beyond it make it drop all.

    Attributes:
        pairs: The pairs by number.
    """

    def __init__(self, budget: float) -> None:
        self.pairs: dict[int, Pair] = {}
        self._left = budget
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether the pairs were more than the budget allows."""
        return self._left < 0

    def store(self, index: int, pair: Pair) -> bool:
        """Keep a pair; return whether there was still room for it."""
        # A half of an image in memory would keep all of it.
        first, second = (side if side.base is None else side.copy() for side in pair)
        with self._lock:
            self._left -= first.nbytes + second.nbytes
            if self.full:
                self.pairs.clear()
            else:
                self.pairs[index] = first, second
            return not self.full


def _estimate(source: Source, form: PairFormat, shaping: Shaping, sample: Pair) -> float:
    """Return how many bytes all pairs take, by the sizes of some if these differ."""
    size = sum(side.nbytes for side in sample)
    pixels = math.prod(sample[0].shape[:2])
    mean = float(pixels)
    if shaping.training and not shaping.uniform:
        mean = float(np.mean(_some_areas(source, form, shaping) or [pixels]))
    return len(source) * size / pixels * mean


def _some_areas(source: Source, form: PairFormat, shaping: Shaping) -> list[int]:
    """Return the pixels of some sources, evenly spread, without those that cannot be read."""
    chosen = spread_evenly(len(source), _SIZES)
    areas = []
    for index in chosen:
        try:
            areas.append(math.prod(shaping.scaled(form.source_size(source.size(index), ""), "")))
        except InputError:
            continue
    return areas


def _budget(cache_gigabytes: float, needed: float, label: str) -> float:
    """Return how many bytes may be held, and log a warning if memory is what limits them."""
    budget, free = cache_gigabytes * 1e9, available_bytes()
    if free is None:
        return budget
    most = _FREE_SHARE * free
    if most < needed <= budget:
        logger.warning(
            "%s: %.1f GB of pairs, and %.1f GB of memory free: they are streamed, which may be "
            "slower; a smaller data.load_size or data.max_pairs takes less",
            label,
            needed / 1e9,
            free / 1e9,
        )
    return min(budget, most)


def _chosen(rows: np.ndarray, keep: Sequence[int]) -> np.ndarray:
    """Return some rows of an array, in its own memory."""
    if len(keep) < len(rows):
        for place, index in enumerate(keep):
            rows[place] = rows[index]
    return rows[: len(keep)]


def _read_all(
    read: Callable[[int], Pair],
    count: int,
    workers: int,
    on_error: str,
    label: str,
    store: Callable[[int, Pair], bool],
) -> tuple[int, ...]:
    """Read and store pairs in threads behind a progress bar.

    Args:
        read: Reads a pair.
        count: Number of pairs.
        workers: Number of threads.
        on_error: As for `load_pairs`.
        label: What the pairs are.
        store: Takes a pair, and returns whether more are wanted. If not, and no pair is to be
            skipped, reading ends early.

    Returns:
        Numbers of the pairs that could be read.

    Raises:
        InputError: A pair could not be read, and `on_error` is `fail`.
    """

    def load(index: int) -> InputError | bool:
        try:
            return store(index, read(index))
        except InputError as error:
            return error

    keep = []
    with ThreadPoolExecutor(workers) as pool:
        parts = (
            range(start, min(start + _TOGETHER, count)) for start in range(0, count, _TOGETHER)
        )
        results = itertools.chain.from_iterable(pool.map(load, part) for part in parts)
        bar = tqdm(results, f"reading {label}", count, unit="pair", disable=None, leave=False)
        for index, result in enumerate(bar):
            if not isinstance(result, InputError):
                keep.append(index)
                if not result and on_error == "fail":
                    pool.shutdown(cancel_futures=True)
                    return tuple(keep)
            elif on_error == "fail":
                pool.shutdown(cancel_futures=True)
                raise InputError(f"{result}; {SKIP_HINT}") from None
            else:
                logger.info("skipped: %s", result)
    if len(keep) < count:
        logger.info("%s: skipped %d of %d pairs", label, count - len(keep), count)
    return tuple(keep)


def _first_readable(source: Source, read: Callable[[int], Pair], on_error: str) -> Pair:
    """Read the first pair that can be read.

    Raises:
        InputError: The first pair cannot be read and `on_error` is `fail`, or no pair can be read.
    """
    first = ""
    for index in range(len(source)):
        try:
            return read(index)
        except InputError as error:
            if on_error == "fail":
                raise _explain(error, source, read) from None
            first = first or str(error)
    raise InputError(
        f"data.on_error=skip: none of the {len(source)} pairs could be read, as in {first}"
    )


def _explain(error: InputError, source: Source, read: Callable[[int], Pair]) -> InputError:
    """Say what to do about the first pair: skip it, unless some more hold another dtype too."""
    if not isinstance(error, WrongDtypeError):
        return InputError(f"{error}; {SKIP_HINT}")
    for index in spread_evenly(len(source), _ALIKE):
        try:
            read(index)
        except WrongDtypeError as other:
            if other.dtype == error.dtype:
                continue
        except InputError:
            continue
        return InputError(f"{error}; {SKIP_HINT}")
    return InputError(error.of_every_file)
