"""Batches of pairs on their way over the device: translated, checked and measured there.

Nothing in here waits for the device. All that it needs is there before a batch begins, but for
streamed pairs themselves: of those, each batch brings two arrays.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding
from jaxtyping import Array, Float, Int, UInt32

from pix2pix_jax.core.devices import DEVICES, by_first_axis, everywhere
from pix2pix_jax.core.exactness import Exactness
from pix2pix_jax.data.batches import eval_batches
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.data.resident import ResidentPairs, Shape, take, take_spread
from pix2pix_jax.evaluation.metrics.pixel import count_not_finite, refuse_not_finite
from pix2pix_jax.evaluation.metrics.table import Measure, Measured, Metric, measure_of
from pix2pix_jax.runs.translation import BatchTranslator, name_hashes


class Compared(NamedTuple):
    """A batch of images and their ground truth.

    Attributes:
        fake: Images in [-1, 1].
        target: Their targets.
        weight: How much each pixel counts, in [0, 1]; None: all count alike.
    """

    fake: Float[Array | np.ndarray, "n h w c"]
    target: Float[Array | np.ndarray, "n h w c"]
    weight: Float[Array | np.ndarray, "n h w 1"] | None = None


@dataclasses.dataclass(frozen=True)
class ScoredBatch:
    """What the device finds in a batch; it may still be at it.

    Attributes:
        names: The images' names. The arrays may have more rows, which mean nothing.
        measures: The measures that the device takes.
        values: Number of values of a fake.
        not_finite: How many values of each fake are not finite.
        measured: What each measure returns.
        compared: Fakes, targets and weights; None unless they are to be fetched.
    """

    names: tuple[str, ...]
    measures: tuple[Measure, ...]
    values: int
    not_finite: Int[Array, " n"]
    measured: tuple[Array, ...]
    compared: Compared | None

    def fetch(self) -> tuple[dict[Measure, Measured], Compared | None]:
        """Wait for the batch, and copy what was found to the host.

        Returns:
            What each measure returned, rows that mean nothing included; and what was compared of
            the images, or None if that is not to be fetched.

        Raises:
            NonFiniteError: A fake has values that are not finite; the message names it.
        """
        count = len(self.names)
        not_finite, measured = jax.device_get((self.not_finite, self.measured))
        refuse_not_finite(not_finite[:count], self.names, self.values)
        found = dict(zip(self.measures, measured, strict=True))
        if self.compared is None:
            return found, None
        fetched = jax.device_get(self.compared)
        return found, jax.tree.map(lambda rows: rows[:count], fetched)


def score_batches(
    translator: BatchTranslator,
    pairs: Pairs,
    count: int,
    metrics: Sequence[Metric],
    *,
    workers: int,
    keep: bool,
    resident: ResidentPairs | None = None,
) -> Iterator[ScoredBatch]:
    """Start to translate and to measure batches, each when it is asked for.

    Args:
        translator: The generator on the devices.
        pairs: Pairs of its size.
        count: How many of them, from the first one on.
        metrics: Metrics whose measures work under `jit`; what several share is measured once.
        workers: Threads that decode streamed pairs.
        keep: Whether fakes and targets are to be fetched.
        resident: The pairs on the devices; None: they are brought batch by batch.

    Yields:
        What the device will find in each batch.
    """
    names = pairs.names[:count]
    first, hashes = np.int32(0), name_hashes(names)
    first, hashes = jax.device_put((first, hashes), everywhere(translator.devices))
    stored = [] if resident is None else [*resident.sides]
    next_rows = functools.partial(
        _next_rows,
        shapes=() if resident is None else resident.shapes,
        spread=resident is not None and resident.storage == "spread",
        size=translator.size,
        step=translator.batch_size,
        sharding=by_first_axis(translator.devices),
    )
    measure = _compiled(translator.exactness)
    distinct = {measure_of(metric): metric for metric in metrics}
    taken_by, measures = tuple(distinct.values()), tuple(distinct)
    for some, brought in _batches(translator, pairs, names, workers, resident):
        first, some_hashes, taken = next_rows(first, hashes, stored)
        source, target, *condition = taken or brought
        fake = translator(source, some_hashes, *condition)
        found = measure(pairs.form, taken_by, keep, source, target, fake)
        yield ScoredBatch(some, measures, math.prod(fake.shape[1:]), *found)


def _batches(
    translator: BatchTranslator,
    pairs: Pairs,
    names: tuple[str, ...],
    workers: int,
    resident: ResidentPairs | None,
) -> Iterator[tuple[tuple[str, ...], Sequence[Array]]]:
    """Yield each batch's names, and its pairs unless these are on the devices already."""
    size = translator.batch_size
    if resident is not None:
        for start in range(0, len(names), size):
            yield names[start : start + size], ()
        return
    start = 0
    for both, some in eval_batches(pairs, len(names), size, workers):
        beside = pairs.beside(slice(start, start + len(some)))
        yield some, translator.place(*both, *beside.values())
        start += len(some)


@functools.partial(jax.jit, static_argnames=("shapes", "spread", "size", "step", "sharding"))
def _next_rows(
    first: Int[Array, ""],
    hashes: UInt32[Array, " n"],
    stored: list[Array],
    *,
    shapes: tuple[Shape, ...],
    spread: bool,
    size: int,
    step: int,
    sharding: NamedSharding,
) -> tuple[Int[Array, ""], UInt32[Array, " size"], list[Array]]:
    """Take the rows of a batch, and return where the next one begins.

    As the device counts for itself, no number has to be brought there. After the last row, the
    last one is repeated.
    """
    numbers = jnp.minimum(first + jnp.arange(size, dtype=jnp.int32), len(hashes) - 1)
    rows = lax.with_sharding_constraint(numbers, sharding)
    if spread:
        exchange = jax.shard_map(
            lambda sides, rows: take_spread([side[0] for side in sides], rows, shapes, DEVICES),
            mesh=sharding.mesh,
            in_specs=sharding.spec,
            out_specs=sharding.spec,
        )
        taken = exchange(stored, rows)
    else:
        taken = [take(side, rows, shape) for side, shape in zip(stored, shapes, strict=True)]
    divided = [lax.with_sharding_constraint(side, sharding) for side in taken]
    return first + step, lax.with_sharding_constraint(hashes[rows], sharding), divided


def _measure(
    form: PairFormat,
    metrics: tuple[Metric, ...],
    keep: bool,
    source: Array,
    target: Array,
    fake: Array,
) -> tuple[Array, tuple[Array, ...], Compared | None]:
    """Check and measure fakes; return also what was compared if it is to be fetched."""
    images = form.compared(source, fake), form.compared_target(source, target)
    compared = Compared(*images, form.scored_weight(source, target))
    measured = tuple(metric.measured(*compared) for metric in metrics)
    return count_not_finite(fake), measured, compared if keep else None


@functools.cache
def _compiled(exactness: Exactness) -> Callable[..., Any]:
    """Return `_measure` with programs that are compiled once."""
    return exactness.jit(_measure, ("form", "metrics", "keep"))
