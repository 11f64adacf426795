"""The result of `check` as plain text."""

import collections
import statistics
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pix2pix_jax.core.columns import align
from pix2pix_jax.data.preparation.check import CheckResult
from pix2pix_jax.data.preparation.reading import Seen
from pix2pix_jax.data.values import SIDES, judge, propose
from pix2pix_jax.images.pixels import white

_MOST_KINDS = 2  # kinds of image listed in a cell
_MOST_BANDS = 16  # bands of a side whose values are listed one by one
_PHOTO_CHANNELS = (1, 3, 4)  # that need no key: they become the three of a photo
_NONE = "-"


def format_result(result: CheckResult, most: int) -> str:
    """Format the result of `check`.

    Args:
        result: What was found.
        most: How many cases of each finding are listed.

    Returns:
        A table with a row for each split, and the findings below it.
    """
    source = result.layout.source
    single = source == "single"
    heading = ["<split", "<images" if single else "<pairs", "<bad", "<size (height x width)"]
    heading += ["<kind"]
    if not single:
        letters = [f"<{letter}" for letter in result.layout.letters]
        heading[-1:] = [*letters, "<edges coincide", "<strangers"]
    rows = []
    for split in result.layout.splits:
        there = [one for one in result.seen if one.item.split == split]
        rows.append(_row(split, there, single, len(result.layout.letters)))
    lines = [" ".join(_keys(result)), align(heading, rows), *_values(result)]
    for finding in result.findings:
        word = "wrong" if finding.wrong else "look at"
        lines += ["", f"{word}: {finding.title} ({len(finding.cases)})"]
        lines += [f"  {case}" for case in finding.cases[:most]]
        if len(finding.cases) > most:
            lines.append(f"  and {len(finding.cases) - most} more")
    return "\n".join([*lines, "", "nothing is wrong" if result.good else "something is wrong"])


def _keys(result: CheckResult) -> Iterator[str]:
    """Yield the keys of a config that fit the images, for those that are not photos of 8 bits."""
    yield f"data.source={result.layout.source}"
    if len(result.values) > 2:
        yield "(`train --data` with --dry_run prints the other keys of several sources)"
        return
    for side, values in zip(SIDES, result.values, strict=False):
        if values.bands not in _PHOTO_CHANNELS:
            yield f"data.{side}_channels={values.bands}"
        if values.dtype != "uint8":
            yield f"data.{side}_dtype={values.dtype}"
        limits = propose(values)
        if limits is not None and judge(values, 0.0, white(np.dtype(values.dtype))):
            yield f"data.{side}_range={limits[0]:g},{limits[1]:g}"
        if values.not_finite.any() and result.layout.source != "single":
            yield f"data.{side}_no_data=nan"


def _values(result: CheckResult) -> list[str]:
    """Return a table of the values of each side and band; of many bands together."""
    heading = ["<side", "band", "least", "largest", "mean", "not finite"]
    rows = []
    for letter, values in zip(result.layout.letters, result.values, strict=False):
        side = letter if len(result.values) > 1 else "image"
        bands = list(map(str, range(values.bands)))
        columns = [values.low, values.high, values.mean, values.not_finite]
        if values.bands > _MOST_BANDS:
            bands = [f"0 to {values.bands - 1}"]
            columns = [np.array([value]) for value in (*values.limits, *values.whole)]
        for band, low, high, mean, bad in zip(bands, *columns, strict=True):
            rows.append([side, band, f"{low:.6g}", f"{high:.6g}", f"{mean:.4g}", f"{bad:.1%}"])
    return ["", align(heading, rows)] if rows else []


def _row(split: str, seen: Sequence[Seen], single: bool, sides: int) -> list[str]:
    """Return the cells of a split."""
    good = [one for one in seen if not one.problem]
    cells = [split, str(len(seen)), str(len(seen) - len(good)), _sizes(good)]
    if single:
        return [*cells, _kinds(one.kinds[0] for one in good)]
    aligned = [one.alignment for one in good if one.alignment is not None]
    return [
        *cells,
        *(_kinds(one.kinds[side] for one in good) for side in range(sides)),
        f"{statistics.fmean(one.score for one in aligned):.2f}" if aligned else _NONE,
        f"{statistics.fmean(one.strangers for one in aligned):.2f}" if aligned else _NONE,
    ]


def _sizes(seen: Iterable[Seen]) -> str:
    """Return the one size, or the smallest and the largest."""
    sizes = sorted({one.sizes[0] for one in seen}, key=lambda size: (size[0] * size[1], size))
    if not sizes:
        return _NONE
    smallest, largest = (f"{height} x {width}" for height, width in (sizes[0], sizes[-1]))
    if len(sizes) == 1:
        return smallest
    count = f" ({len(sizes)} sizes)" if len(sizes) > 2 else ""
    return f"{smallest} to {largest}{count}"


def _kinds(kinds: Iterable[tuple[int, str]]) -> str:
    """Return the kinds, the most frequent first."""
    names = [
        f"{channels} x {dtype}" for (channels, dtype), _ in collections.Counter(kinds).most_common()
    ]
    if len(names) > _MOST_KINDS:
        names = [*names[:_MOST_KINDS], "..."]
    return ", ".join(names) or _NONE
