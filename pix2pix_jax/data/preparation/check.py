"""What would spoil a training run, or flatter its scores."""

import collections
import dataclasses
import statistics
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pix2pix_jax.data.preparation.alignment import Alignment
from pix2pix_jax.data.preparation.layout import Layout, find_layout
from pix2pix_jax.data.preparation.reading import Seen, read_all
from pix2pix_jax.data.similarity import MOST, near_duplicates

# Median lead of partners over strangers from which a set's edges tell of single pairs.
_TELLING = 3.0
_CONVERTIBLE = {1, 2, 3, 4}  # numbers of channels between which there are rules


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes:
        title: What it is.
        cases: Where, each on one line.
        wrong: Whether it is a mistake for sure; else it may be wanted.
    """

    title: str
    cases: tuple[str, ...]
    wrong: bool = False


@dataclasses.dataclass(frozen=True)
class Report:
    """What `check` found.

    Attributes:
        layout: The files.
        seen: What each pair showed, in their order.
        findings: What is wrong, then what may be wanted; those without a case are left out.
    """

    layout: Layout
    seen: tuple[Seen, ...]
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether nothing is wrong for sure."""
        return not any(finding.wrong for finding in self.findings)


def check(root: str, source: str = "") -> Report:
    """Read every image of a data set, with a progress bar.

    Args:
        root: Folder of the data set.
        source: As for `find_layout`.

    Returns:
        What there is. Wrong are: files that cannot be read, are of odd width, have no partner or
        one of another size; a side that mixes dtypes, or numbers of channels without a rule; and
        the same pixels in two splits. Near-duplicates, and edges that do not coincide, may be
        wanted.

    Raises:
        InputError: There are no images, see `find_layout`.
    """
    layout = find_layout(root, source)
    seen = tuple(read_all(layout))
    good = [one for one in seen if not one.problem]
    findings = [
        Finding("cannot be used", tuple(one.problem for one in seen if one.problem), True),
        Finding("without a partner", tuple(map(str, layout.unpaired)), True),
        *_find_mixed_kinds(good),
        *_find_identical(good),
        *_find_near(good),
        *_find_misaligned(good),
        Finding("in no split, not used in training", tuple(map(str, layout.elsewhere))),
    ]
    chosen = (finding for finding in findings if finding.cases)
    return Report(layout, seen, tuple(sorted(chosen, key=lambda finding: not finding.wrong)))


def _find_mixed_kinds(seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find images of another dtype, or number of channels, than most of their side."""
    for side in range(len(seen[0].kinds) if seen else 0):
        (usual, dtype), _ = collections.Counter(one.kinds[side] for one in seen).most_common(1)[0]
        cases = [
            f"{one.item.title}: {channels} x {kind}, most are {usual} x {dtype}"
            for one in seen
            for channels, kind in [one.kinds[side]]
            if kind != dtype or (channels != usual and not {channels, usual} <= _CONVERTIBLE)
        ]
        title = f"another kind on side {'AB'[side]}" if len(seen[0].kinds) > 1 else "another kind"
        yield Finding(title, tuple(cases), True)


def _find_identical(seen: Iterable[Seen]) -> Iterator[Finding]:
    """Find pairs with the same pixels on both sides."""
    groups = collections.defaultdict(list)
    for one in seen:
        groups[one.digest].append(one.item)
    within: list[str] = []
    across: list[str] = []
    for items in groups.values():
        if len(items) > 1:
            case = " = ".join(item.title for item in items)
            (across if len({item.split for item in items}) > 1 else within).append(case)
    yield Finding("identical in two splits", tuple(across), True)
    yield Finding("identical in one split", tuple(within))


def _find_near(seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find pairs whose sides both look alike, but are not identical."""
    hashes = np.array([one.hashes for one in seen], np.uint64)
    within: list[str] = []
    across: list[str] = []
    for i, j, bits in near_duplicates(hashes):
        first, second = seen[i], seen[j]
        if first.digest != second.digest:
            case = f"{first.item.title} ~ {second.item.title} ({bits} of 64 bits differ)"
            (within if first.item.split == second.item.split else across).append(case)
    limit = f", of the {MOST} nearest" if len(within) + len(across) >= MOST else ""
    yield Finding(f"near-duplicates in two splits{limit}", tuple(across))
    yield Finding(f"near-duplicates in one split{limit}", tuple(within))


def _find_misaligned(seen: Iterable[Seen]) -> Iterator[Finding]:
    """Find pairs whose edges coincide less than those of the others."""
    judged = [(one, one.alignment) for one in seen if one.alignment is not None]
    if not judged:
        return
    lead = statistics.median(alignment.lead for _, alignment in judged)
    if lead < _TELLING:
        case = (
            f"the median is {lead:.1f} standard deviations above strangers: the sides show other "
            "things, or partners are mixed up"
        )
        yield Finding("edges of A and B hardly coincide", (case,))
        return
    unlike, displaced = [], []
    for one, alignment in judged:
        if alignment.displaced:
            displaced.append(f"{one.item.title}: B lies {_way(alignment, one)} of its place")
        elif alignment.unlike:
            case = f"{one.item.title}: {alignment.score:.2f}, strangers {alignment.strangers:.2f}"
            unlike.append(case)
    yield Finding("wrong partner? edges coincide no better than strangers'", tuple(unlike))
    yield Finding("misaligned? edges coincide much better when moved", tuple(displaced))


def _way(alignment: Alignment, seen: Seen) -> str:
    """Describe an offset: 38 pixels up, 75 pixels left."""
    down, right = (
        round(share * side) for share, side in zip(alignment.offset, seen.sizes[0], strict=True)
    )
    ways = [(down, "down" if down > 0 else "up"), (right, "right" if right > 0 else "left")]
    return ", ".join(f"{abs(pixels)} pixels {way}" for pixels, way in ways if pixels)
