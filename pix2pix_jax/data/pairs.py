"""From files to pairs ready for batches: decoded once and kept, or read when needed."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Shaped
from ml_collections import ConfigDict
from tqdm import tqdm

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.pair_format import PairFormat, Shaping, build_shaping
from pix2pix_jax.data.sources import Pair, Source, names_digest
from pix2pix_jax.images import pixels as images

logger = logging.getLogger(__name__)

PairBatch = tuple[Shaped[np.ndarray, "n h w c"], Shaped[np.ndarray, "n h w d"]]
_SKIP_HINT = "data.on_error=skip leaves such files out"


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs ready to be gathered into batches.

    Attributes:
        source: Where they come from.
        form: How both sides are stored.
        shaping: How they are resized. If their sizes still differ then, they are to be cropped.
        keep: Numbers of the pairs in `source` that could be read.
        arrays: All sources and all targets, if they fit in memory and have the same size.
        cached: All pairs, if they fit in memory and differ in size.
    """

    source: Source
    form: PairFormat
    shaping: Shaping
    keep: tuple[int, ...]
    arrays: PairBatch | None = None
    cached: tuple[Pair, ...] | None = None

    def __len__(self) -> int:
        return len(self.keep)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the pairs."""
        names = self.source.names
        return tuple(names[index] for index in self.keep)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the names in their order, which tells if a resumed run sees the same pairs."""
        return names_digest(self.names)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that the networks see."""
        return self.shaping.image_size

    @property
    def gigabytes(self) -> float:
        """Memory that the pairs take, in GB of 10^9 bytes."""
        held: Sequence[Pair | PairBatch] = self.cached or ()
        if self.arrays is not None:
            held = (self.arrays,)
        return sum(side.nbytes for pair in held for side in pair) / 1e9

    def __getitem__(self, index: int) -> Pair:
        """Return one pair, from memory or from its file."""
        if self.arrays is not None:
            return self.arrays[0][index], self.arrays[1][index]
        if self.cached is not None:
            return self.cached[index]
        try:
            return _read_pair(self.source, self.keep[index], self.form, self.shaping)
        except InputError as error:
            raise InputError(f"{error}; {_SKIP_HINT}") from None


def _read_pair(source: Source, index: int, form: PairFormat, shaping: Shaping) -> Pair:
    """Read one pair, and resize it; held-out pairs are also cropped."""
    pair = form.shape(source[index], shaping, source.names[index])
    if shaping.training or shaping.uniform:
        return pair
    return _centre(pair, shaping.image_size)


def _centre(pair: Pair, size: tuple[int, int]) -> Pair:
    return images.centre_crop(pair[0], size), images.centre_crop(pair[1], size)


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
        cache_gigabytes: Memory budget, in GB of 10^9 bytes. The size of all pairs is estimated from
            the first.
        workers: Number of threads that read and decode.
        on_error: What to do about a pair that cannot be read: `fail`, or `skip` it and log how
            many. To find those to skip, streamed pairs are all read once beforehand.
        label: What the pairs are, for the progress bar and messages.

    Returns:
        The pairs.

    Raises:
        InputError: A pair cannot be read and `on_error` is `fail`, or no pair can be read.
    """
    read = functools.partial(_read_pair, source, form=form, shaping=shaping)
    sample = _first_readable(source, read, on_error)
    count = len(source)
    fits = count * sum(side.nbytes for side in sample) <= cache_gigabytes * 1e9
    if not fits and on_error == "fail":
        return Pairs(source, form, shaping, tuple(range(count)))
    read_all = functools.partial(_read_all, read, count, workers, on_error, label)
    if not fits:
        keep = read_all(lambda index, pair: None)
        return Pairs(source, form, shaping, tuple(keep))
    if shaping.training and not shaping.uniform:
        cached: dict[int, Pair] = {}
        keep = read_all(cached.__setitem__)
        return Pairs(source, form, shaping, tuple(keep), cached=tuple(cached[i] for i in keep))
    first, second = (np.empty((count, *side.shape), side.dtype) for side in sample)

    def store(index: int, pair: Pair) -> None:
        first[index], second[index] = pair

    keep = read_all(store)
    if len(keep) < count:
        first, second = first[keep], second[keep]
    return Pairs(source, form, shaping, tuple(keep), arrays=(first, second))


def build_pairs(
    data: ConfigDict,
    source: Source,
    form: PairFormat,
    *,
    training: bool,
    cache_gigabytes: float,
    label: str,
) -> Pairs:
    """Load a source's pairs as the section `data` of a resolved configuration says.

    Args:
        data: The section.
        source: As for `load_pairs`.
        form: As for `load_pairs`.
        training: Whether the pairs are for training; see `Shaping`.
        cache_gigabytes: As for `load_pairs`.
        label: As for `load_pairs`.

    Returns:
        The pairs.

    Raises:
        InputError: As for `load_pairs`.
    """
    return load_pairs(
        source,
        form,
        build_shaping(data, training=training),
        cache_gigabytes=cache_gigabytes,
        workers=data.workers,
        on_error=data.on_error,
        label=label,
    )


def _read_all(
    read: Callable[[int], Pair],
    count: int,
    workers: int,
    on_error: str,
    label: str,
    store: Callable[[int, Pair], None],
) -> list[int]:
    """Read and store pairs in threads behind a progress bar.

    Returns:
        Numbers of the pairs that could be read.

    Raises:
        InputError: A pair could not be read, and `on_error` is `fail`.
    """

    def load(index: int) -> InputError | None:
        try:
            store(index, read(index))
        except InputError as error:
            return error
        return None

    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(load, range(count))
        bar = tqdm(results, f"reading {label}", count, unit="pair", disable=None, leave=False)
        keep = []
        for index, error in enumerate(bar):
            if error is None:
                keep.append(index)
            elif on_error == "fail":
                pool.shutdown(cancel_futures=True)
                raise InputError(f"{error}; {_SKIP_HINT}") from None
            else:
                logger.info("skipped: %s", error)
    if len(keep) < count:
        logger.info("%s: skipped %d of %d pairs", label, count - len(keep), count)
    return keep


def _first_readable(source: Source, read: Callable[[int], Pair], on_error: str) -> Pair:
    """Read the first pair that can be read.

    Raises:
        InputError: The first pair cannot be read and `on_error` is `fail`, or no pair can be read.
    """
    for index in range(len(source)):
        try:
            return read(index)
        except InputError as error:
            if on_error == "fail":
                raise InputError(f"{error}; {_SKIP_HINT}") from None
    raise InputError(f"data.on_error=skip: none of the {len(source)} pairs could be read")


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Some of the pairs as a sequence, at the size that the networks see.

    Attributes:
        pairs: All pairs.
        indices: Numbers of the chosen ones.
    """

    pairs: Pairs
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, number: int) -> Pair:
        pair = self.pairs[self.indices[number]]
        return pair if self.pairs.shaping.uniform else _centre(pair, self.pairs.size)
