"""The values that images hold, against the range that a run expects."""

import dataclasses
import logging
import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float, Int

from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.data.selection import spread_evenly
from pix2pix_jax.data.sources import Pair
from pix2pix_jax.images.pixels import Stored
from pix2pix_jax.images.stacked import StackedEncoding

logger = logging.getLogger(__name__)

Bands = Float[np.ndarray, " bands"]
SIDES = ("source", "target")
_SHOWN = 4  # bands that a line gives one by one
# How far values may be beyond the range, as a share of it: a bicubic filter overshoots at edges.
_OVERSHOOT = 0.2
_LEAST_USED = 1 / 8  # of the range; images that use less are nearly black, or nearly gray
_MOST_CLASSES = 256  # more levels are hardly class indices
_FLOATS, _INTEGERS, _STREAMED = 4096, 256, 64  # pairs that are looked at when a run starts


@dataclasses.dataclass(frozen=True)
class Values:
    """What the values of some images of one kind are, band by band.

    Attributes:
        dtype: Their dtype.
        low: Least value; inf if none is finite.
        high: Largest value; -inf if none is finite.
        total: Sum of the finite values.
        finite: Number of finite values.
        count: Number of all values.
    """

    dtype: str
    low: Bands
    high: Bands
    total: Bands
    finite: Int[np.ndarray, " bands"]
    count: int

    @property
    def bands(self) -> int:
        """Number of bands."""
        return len(self.low)

    @property
    def mean(self) -> Bands:
        """Mean of the finite values; nan if there are none."""
        with np.errstate(invalid="ignore"):
            return np.divide(self.total, self.finite)

    @property
    def not_finite(self) -> Bands:
        """Share of the values that are not finite, in [0, 1]."""
        return 1 - self.finite / max(self.count, 1)

    @property
    def limits(self) -> tuple[float, float]:
        """Least and largest value of all bands."""
        return float(self.low.min()), float(self.high.max())

    @property
    def whole(self) -> tuple[float, float]:
        """Mean of the finite values of all bands, and the share of values that are not finite."""
        finite = int(self.finite.sum())
        mean = float(self.total.sum()) / finite if finite else math.nan
        return mean, float(self.not_finite.mean())


def measure(image: Stored) -> Values:
    """Measure one image."""
    # Band by band in memory: NumPy reduces along a last axis of three ten times slower.
    planes = np.ascontiguousarray(image.reshape(-1, image.shape[-1]).T)
    count = planes.shape[1]
    finite = np.full(len(planes), count)
    with np.errstate(invalid="ignore"):  # the sum of inf and -inf
        total = planes.sum(axis=1, dtype=np.float64)
    if np.isfinite(total).all():
        low, high = planes.min(axis=1), planes.max(axis=1)
    else:
        good = np.isfinite(planes)
        finite = good.sum(axis=1)
        low = planes.min(axis=1, where=good, initial=np.inf)
        high = planes.max(axis=1, where=good, initial=-np.inf)
        total = planes.sum(axis=1, where=good, dtype=np.float64)
    return Values(str(image.dtype), low.astype(float), high.astype(float), total, finite, count)


def merge(values: Iterable[Values]) -> Values | None:
    """Put the values of images of one kind together; others than the first's kind are left out.

    Returns:
        The values; None if there are no images.
    """
    every = list(values)
    same = [one for one in every if (one.dtype, one.bands) == (every[0].dtype, every[0].bands)]
    if not same:
        return None
    return Values(
        same[0].dtype,
        np.min([one.low for one in same], axis=0),
        np.max([one.high for one in same], axis=0),
        np.sum([one.total for one in same], axis=0),
        np.sum([one.finite for one in same], axis=0),
        sum(one.count for one in same),
    )


def describe(values: Values) -> str:
    """Give least and largest value and mean of each band on one line, or of all if they are many.

    `3 x uint8, 0 to 255 (mean 117), 0 to 255 (mean 120), 3 to 255 (mean 96)`.
    """
    kind = f"{values.bands} x {values.dtype}"
    rows = list(zip(values.low, values.high, values.mean, strict=True))
    if values.bands > _SHOWN:
        rows = [(*values.limits, values.whole[0])]
    texts = [f"{low:.6g} to {high:.6g} (mean {mean:.4g})" for low, high, mean in rows]
    bad = f", {values.whole[1]:.2%} not finite" if values.not_finite.any() else ""
    return f"{kind}, {', '.join(texts)}{bad}"


def judge(values: Values, low: float, high: float, *, slack: float = 0.0) -> str:
    """Say what is wrong with values for a range; '' if nothing is.

    Args:
        values: The values.
        low: Value that becomes -1.
        high: Value that becomes 1.
        slack: How far beyond the range they may be, as a share of it.
    """
    least, most = values.limits
    span = high - low
    if not least <= most:
        return "no value is finite"
    if least < low - slack * span or most > high + slack * span:
        return f"values from {least:.6g} to {most:.6g}, beyond the range {low:g} to {high:g}"
    if most - least < _LEAST_USED * span:
        return f"values only from {least:.6g} to {most:.6g}, of the range {low:g} to {high:g}"
    return ""


def propose(values: Values) -> tuple[float, float] | None:
    """Propose the range for values that do not fit theirs; None if they are all the same.

    Integers that start near 0 get a range of whole bits, such as 0 to 4095; all others the least
    and the largest value, rounded outward to two digits of their difference.
    """
    least, most = values.limits
    if not least < most:
        return None
    if values.dtype != "float32" and least < most / 2:
        return 0.0, 2.0 ** math.ceil(math.log2(most + 1)) - 1
    unit = 10.0 ** (math.floor(math.log10(most - least)) - 1)
    return math.floor(least / unit) * unit, math.ceil(most / unit) * unit


def way_out(values: Values, side: str, part: str = "") -> str:
    """Say which key gives the range of a side, with the proposed one.

    Args:
        values: The side's values.
        side: `source` or `target`.
        part: Name of the source, if it is one of several.
    """
    limits = propose(values)
    if limits is None:
        return f"all values are the same: look at the files of {part or f'the {side}'}"
    whose = f" for {part}" if part else ""
    text = f"set data.{side}_range={limits[0]:g},{limits[1]:g}{whose}"
    most = int(values.limits[1])
    if values.bands == 1 and values.dtype != "float32" and most < _MOST_CLASSES:
        text += f", or data.{side}_classes={most + 1}{whose} if these are class indices"
    return f"{text} (the key takes the values of all sources, in their order)" if part else text


def say_values(pairs: Pairs, workers: int) -> None:
    """Log what values training pairs hold, a line for each side, and warn of a range that is wrong.

    If some pixels may not count, another line says how many do.

    Of pairs in memory up to 4096 are looked at if they are float32, and 256 otherwise, since their
    dtype limits them; of streamed ones 64.

    Args:
        pairs: The pairs.
        workers: Number of threads.

    Raises:
        InputError: A streamed pair cannot be read.
    """
    if pairs.form.is_lab:
        return
    form = pairs.form
    encodings = (*form.source.parts, form.target)
    most = _FLOATS if any(one.dtype == "float32" for one in encodings) else _INTEGERS
    if pairs.arrays is None and pairs.cached is None:
        most = _STREAMED
    chosen = spread_evenly(len(pairs), most)
    with ThreadPoolExecutor(workers) as pool:
        looked = list(pool.map(lambda index: _measure_pair(form, pairs[index]), chosen))
    measured, weights = [values for values, _ in looked], [weight for _, weight in looked]
    named = form.source.names if isinstance(form.source, StackedEncoding) else SIDES[:1]
    for number, (side, encoding) in enumerate(zip((*named, SIDES[1]), encodings, strict=True)):
        values = merge(both[number] for both in measured)
        if values is None or encoding.classes:
            continue
        logger.info("%s: %s", side, describe(values))
        wrong = judge(values, encoding.low, encoding.high, slack=_OVERSHOOT)
        if wrong:
            last = number == len(encodings) - 1
            asked = way_out(values, SIDES[last], "" if last or len(named) == 1 else side)
            logger.warning("%s: %s; %s", side, wrong, asked)

    if form.weighs:
        logger.info("pixels that count: %.2f%%", 100 * np.mean(weights))


def _measure_pair(form: PairFormat, pair: Pair) -> tuple[tuple[Values, ...], float]:
    """Measure each source and the target, where they hold data; and how much pixels count."""
    source, target = pair
    weight = form.weight(source, target)
    if weight is None:
        return tuple(map(measure, (*form.source.split(source), target))), 1.0
    held = [
        image[np.asarray(side.valid(image))[..., 0]][None]
        for side, image in zip(form.source.parts, form.source.split(source), strict=True)
    ]
    held.append(form.image_of(target)[form.stored_target.valid(target)[..., 0]][None])
    return tuple(map(measure, held)), float(weight.mean())
