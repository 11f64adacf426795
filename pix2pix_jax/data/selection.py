"""Sources made from other sources: some of their pairs, several in sequence, or patches."""

import bisect
import dataclasses
import functools
import hashlib
import itertools
import logging
import math
import operator
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.scales import check_halves, step_of
from pix2pix_jax.data.sources import SPLITS, AsRead, Source, check_sizes

logger = logging.getLogger(__name__)

_MOST_PATCHES = 10**7  # their places alone take a gigabyte
_WAY_OUT = ", as data.patch_size cuts both at the same places"
_HELD = 4  # whole pairs kept in memory, to cut patches from


def spread_evenly(count: int, most: int) -> list[int]:
    """Return some of the numbers from 0 to `count`, evenly spread: all, or `most` of them."""
    return np.linspace(0, count - 1, min(most, count)).astype(int).tolist()


@dataclasses.dataclass(frozen=True)
class Subset:
    """Some pairs of a source.

    Attributes:
        source: The source.
        indices: Numbers of the pairs, in the wanted order.
    """

    source: Source
    indices: Sequence[int]

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the chosen pairs."""
        names = self.source.names
        return tuple(names[index] for index in self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> AsRead:
        return self.source[self.indices[index]]

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a pair."""
        return self.source.size(self.indices[index])


@dataclasses.dataclass(frozen=True)
class Concatenated:
    """Several sources in sequence.

    Attributes:
        parts: `{prefix: source}`; a pair's name is `prefix/name`.
    """

    parts: dict[str, Source]

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all pairs."""
        return tuple(f"{key}/{name}" for key, part in self.parts.items() for name in part.names)

    @functools.cached_property
    def _starts(self) -> list[int]:
        return [0, *itertools.accumulate(len(part) for part in self.parts.values())]

    def __len__(self) -> int:
        return self._starts[-1]

    def _find(self, index: int) -> tuple[Source, int]:
        number = bisect.bisect_right(self._starts, index) - 1
        return list(self.parts.values())[number], index - self._starts[number]

    def __getitem__(self, index: int) -> AsRead:
        part, inner = self._find(index)
        return part[inner]

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a pair."""
        part, inner = self._find(index)
        return part.size(inner)


class Patches:
    """Patches of a source's pairs: as many as fit side by side, evenly spread.

    Attributes:
        source: The source.
        places: Number of the pair, top and left of each patch, in the order of the pairs.
    """

    def __init__(
        self,
        source: Source,
        size: tuple[int, int],
        workers: int,
        *,
        on_error: str = "fail",
        scale: float = 1.0,
    ) -> None:
        """Look up the size of every pair.

        Args:
            source: The source.
            size: Height and width of the patches of sources.
            workers: Number of threads for that.
            on_error: What to do about a pair that is smaller than a patch: `fail`, or `skip` it and
                log how many.
            scale: How many times as large as a source its target is.

        Raises:
            InputError: A pair is smaller than a patch and `on_error` is `fail`; or there would be
                more than ten million patches.
        """
        self.source, self._size, self._scale = source, size, scale
        check_halves("data.patch_size", size, scale)
        self._held: dict[int, Future[AsRead]] = {}
        self._lock = threading.Lock()
        with ThreadPoolExecutor(workers) as pool:
            sizes = list(pool.map(self._whole_size, range(len(source))))
        count = sum(math.prod(map(operator.floordiv, whole, size)) for whole in sizes)
        if count > _MOST_PATCHES:
            raise InputError(
                f"data.patch_size={size}: {len(source)} pairs would become {count} patches, more "
                f"than {_MOST_PATCHES}; choose larger ones"
            )
        self.places: list[tuple[int, int, int]] = []
        small = 0
        for index, whole in enumerate(sizes):
            tops, lefts = (
                _starts(side, part, step_of(scale)) for side, part in zip(whole, size, strict=True)
            )
            self.places += [(index, top, left) for top in tops for left in lefts]
            if tops and lefts:
                continue
            wrong = (
                f"{source.names[index]}: {whole[0]} x {whole[1]} pixels (height, width), smaller "
                f"than data.patch_size={size}"
            )
            if on_error == "fail":
                raise InputError(f"{wrong}; data.on_error=skip leaves such pairs out")
            logger.info("skipped: %s", wrong)
            small += 1
        if small:
            logger.info("skipped %d of %d pairs, smaller than a patch", small, len(source))

    def _whole_size(self, index: int) -> tuple[int, int]:
        """Return a pair's size; a pair that cannot be read becomes one patch, which says why."""
        try:
            return self.source.size(index)
        except InputError:
            return self._size

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The pairs' names with the top and left of the patch: `12_0_344.jpg`."""
        names = self.source.names
        parts = [(names[index].rpartition("."), top, left) for index, top, left in self.places]
        return tuple(
            f"{stem or tail}_{top}_{left}" + (f".{tail}" if stem else "")
            for (stem, _, tail), top, left in parts
        )

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> AsRead:
        whole, top, left = self.places[index]
        height, width = self._size
        first, second = self._whole(whole)
        cut = (slice(top, top + height), slice(left, left + width))
        places = [int(each * self._scale) for each in (top, top + height, left, left + width)]
        # Copies, as a slice would keep the whole image.
        target = second[slice(*places[:2]), slice(*places[2:])].copy()
        if isinstance(first, tuple):
            return tuple(one[cut].copy() for one in first), target
        return first[cut].copy(), target

    def _whole(self, index: int) -> AsRead:
        """Read a whole pair; the last few are kept, for their other patches and other threads."""
        with self._lock:
            held = self._held.get(index)
            reading = held is None
            if held is None:
                held = self._held[index] = Future()
                for oldest in list(self._held)[:-_HELD]:
                    del self._held[oldest]
        if reading:
            try:
                pair = self.source[index]
                name = self.source.names[index]
                check_sizes(pair, name, _WAY_OUT, scale=self._scale)
                held.set_result(pair)
            except Exception as error:  # raised in every thread that waits for the pair
                held.set_exception(error)
        return held.result()

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a patch."""
        return self._size


def names_of_whole(source: Source) -> tuple[str, ...]:
    """Return the name of each pair; of a patch, that of the pair that it was cut from."""
    if isinstance(source, Subset):
        names = names_of_whole(source.source)
        return tuple(names[index] for index in source.indices)
    if isinstance(source, Patches):
        names = names_of_whole(source.source)
        return tuple(names[index] for index, _, _ in source.places)
    return source.names


def _starts(side: int, patch: int, step: int) -> list[int]:
    """Return where patches start: as many as fit, from one border to the other."""
    places = np.linspace(0, side - patch, side // patch) / step
    return (np.rint(places).astype(int) * step).tolist()


def choose_split(
    names: Sequence[str], parts: Sequence[float | int], split: str, seed: int
) -> list[int]:
    """Choose the pairs of one split by a hash of each name and the seed.

    With shares, a pair's split does not depend on the other pairs: files that are added later do
    not move it.

    Args:
        names: Names of all pairs.
        parts: Shares of train, val and test that add up to 1, or three counts.
        split: `train`, `val` or `test`.
        seed: Seed of the split.

    Returns:
        Numbers of the chosen pairs, in their own order.

    Raises:
        InputError: The counts add up to more pairs than there are.
    """
    hashes = [hashlib.sha256(f"{seed}/{name}".encode(errors="surrogateescape")) for name in names]
    values = np.array([int.from_bytes(one.digest()[:6]) for one in hashes]) / 2.0**48
    number = SPLITS.index(split)
    ends = np.cumsum([0, *parts])
    if sum(parts) > 1 + 1e-6:
        if ends[-1] > len(names):
            raise InputError(
                f"data.split={tuple(parts)}: asks for {int(ends[-1])} pairs, there are {len(names)}"
            )
        order = np.argsort(values, kind="stable")
        return sorted(order[int(ends[number]) : int(ends[number + 1])].tolist())
    ends[-1] = 1.0
    chosen = (values >= ends[number]) & (values < ends[number + 1])
    return np.flatnonzero(chosen).tolist()
