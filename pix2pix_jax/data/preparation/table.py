"""What `check` found, as plain text."""

import collections
import statistics
from collections.abc import Iterable, Sequence

from pix2pix_jax.data.preparation.check import Report
from pix2pix_jax.data.preparation.reading import Seen

_MOST_KINDS = 2  # so many kinds stand in a cell


def format_report(report: Report, most: int) -> str:
    """Format a report.

    Args:
        report: What was found.
        most: So many cases of each finding are named.

    Returns:
        A table with a row for each split, and the findings below.
    """
    source = report.layout.source
    single = source == "single"
    head = ["split", "images" if single else "pairs", "bad", "size (height x width)"]
    head += ["kind"] if single else ["A", "B", "edges coincide", "strangers"]
    rows = [head]
    for split in report.layout.splits:
        rows.append(_row(split, [one for one in report.seen if one.item.split == split], single))
    lines = [f"data.source={source}", *_align(rows)]
    for finding in report.findings:
        word = "wrong" if finding.wrong else "look at"
        lines += ["", f"{word}: {finding.title} ({len(finding.cases)})"]
        lines += [f"  {case}" for case in finding.cases[:most]]
        if len(finding.cases) > most:
            lines.append(f"  and {len(finding.cases) - most} more")
    return "\n".join([*lines, "", "nothing is wrong" if report.good else "something is wrong"])


def _row(split: str, seen: Sequence[Seen], single: bool) -> list[str]:
    good = [one for one in seen if not one.problem]
    cells = [split, str(len(seen)), str(len(seen) - len(good)), _sizes(good)]
    if single:
        return [*cells, _kinds(one.kinds[0] for one in good)]
    aligned = [one.alignment for one in good if one.alignment is not None]
    return [
        *cells,
        _kinds(one.kinds[0] for one in good),
        _kinds(one.kinds[1] for one in good),
        f"{statistics.fmean(one.score for one in aligned):.2f}" if aligned else "-",
        f"{statistics.fmean(one.strangers for one in aligned):.2f}" if aligned else "-",
    ]


def _sizes(seen: Iterable[Seen]) -> str:
    """Describe the sizes: the one there is, or the smallest and the largest."""
    sizes = sorted({one.sizes[0] for one in seen}, key=lambda size: (size[0] * size[1], size))
    ends = [f"{height} x {width}" for height, width in dict.fromkeys([*sizes[:1], *sizes[-1:]])]
    return " to ".join(ends) + (f" ({len(sizes)} sizes)" if len(sizes) > 2 else "") or "-"


def _kinds(kinds: Iterable[tuple[int, str]]) -> str:
    """Describe the kinds, the most frequent first."""
    names = [
        f"{channels} x {dtype}" for (channels, dtype), _ in collections.Counter(kinds).most_common()
    ]
    return ", ".join(names[:_MOST_KINDS]) + ", ..." * (len(names) > _MOST_KINDS) or "-"


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
