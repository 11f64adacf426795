"""Find what would spoil a training run, or make its scores too good."""

import collections
import dataclasses
import statistics
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pix2pix_jax.data.layouts import find_twins
from pix2pix_jax.data.names import Names, divide
from pix2pix_jax.data.pairing import same_name
from pix2pix_jax.data.preparation.alignment import Alignment
from pix2pix_jax.data.preparation.layout import Layout, find_layout, find_mask
from pix2pix_jax.data.preparation.reading import Seen, read_all
from pix2pix_jax.data.similarity import MOST, near_duplicates
from pix2pix_jax.data.values import SIDES, Values, judge, merge, way_out
from pix2pix_jax.images.limits import MAX_PIXELS
from pix2pix_jax.images.pixels import white

# Below this median lead over strangers, the edges of a set say nothing about single pairs.
_TELLING = 3.0
_CONVERTIBLE = {1, 2, 3, 4}  # numbers of channels that can be converted into each other


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes:
        title: What it is.
        cases: Where, each on one line.
        wrong: Whether it is certainly an error; otherwise it may be intended.
    """

    title: str
    cases: tuple[str, ...]
    wrong: bool = False


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """What `check` found.

    Attributes:
        layout: The files.
        seen: What each pair showed, in their order.
        values: What the values of each side are.
        findings: Errors first, then what may be intended; none is without a case.
    """

    layout: Layout
    seen: tuple[Seen, ...]
    values: tuple[Values, ...]
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether there are no errors."""
        return not any(finding.wrong for finding in self.findings)


def check(root: str, source: str = "", *, max_pixels: int = MAX_PIXELS) -> CheckResult:
    """Read every image of a data set, behind a progress bar.

    Errors are: files that cannot be read, have an odd width, or no partner; a side that mixes
    dtypes, or numbers of channels that cannot be converted; and the same pixels in two splits.
    Partners of another size, near-duplicates, and edges that do not coincide, may be intended.

    Args:
        root: Folder of the data set.
        source: As for `find_layout`.
        max_pixels: Largest number of pixels of an image.

    Returns:
        The files, and what was found.

    Raises:
        InputError: There are no images, see `find_layout`.
    """
    names = Names(mask=find_mask(root) if source in ("", "folders") else "")
    layout = find_layout(root, source, names)
    seen = tuple(read_all(layout, max_pixels))
    good = [one for one in seen if not one.problem]
    values = _merge_sides(good)
    findings = [
        Finding("cannot be used", tuple(one.problem for one in seen if one.problem), True),
        Finding("without a partner", layout.missing or tuple(map(str, layout.unpaired)), True),
        *_find_mixed_kinds(good, layout.letters),
        Finding(
            "sides of different size, which data.resize=resize_and_crop and resize alone take, or "
            "data.target_scale if all differ by it",
            tuple(_unequal(good)),
        ),
        Finding(
            "values that do not fit the range of their dtype",
            tuple(_wrong_values(values, layout.letters)),
        ),
        Finding(
            "pixels without data",
            tuple(_missing(good, layout.letters, layout.source)),
            layout.source == "single",
        ),
        *_find_identical(good),
        *_find_near(good),
        *_find_misaligned(good),
        _find_near_names(layout),
        Finding("two folders with files of the same names: pairs?", _find_unnamed(root, layout)),
        Finding("in no split, not used in training", tuple(map(str, layout.elsewhere))),
        Finding("left out", tuple(f"{path}: {why}" for path, why in layout.left_out)),
    ]
    chosen = (finding for finding in findings if finding.cases)
    ordered = tuple(sorted(chosen, key=lambda finding: not finding.wrong))
    return CheckResult(layout, seen, values, ordered)


def _merge_sides(seen: Sequence[Seen]) -> tuple[Values, ...]:
    """Return the values of each side, over all images of its most frequent kind."""
    sides = []
    for number in range(len(seen[0].kinds) if seen else 0):
        (usual, _), *_ = collections.Counter(one.kinds[number] for one in seen).most_common(1)
        values = merge(one.values[number] for one in seen if one.kinds[number] == usual)
        assert values is not None  # the most frequent kind has an image
        sides.append(values)
    return tuple(sides)


def _wrong_values(values: Sequence[Values], letters: Sequence[str]) -> Iterator[str]:
    """Yield, for each side whose values do not fit the range of their dtype, what to set."""
    for letter, one in zip(letters, values, strict=False):
        wrong = judge(one, 0.0, white(np.dtype(one.dtype)))
        if wrong:
            where = f"side {letter}: " if len(values) > 1 else ""
            side = _side_of(letter, letters)
            part = letter if len(letters) > 2 and side == "source" else ""
            yield f"{where}{wrong}; {way_out(one, side, part)}"


def _side_of(letter: str, letters: Sequence[str]) -> str:
    """Return which side a folder or half is, `source` or `target`, from A to B."""
    several = len(letters) > 2
    target = next(names for names in divide(tuple(letters)) if len(names) == 1) if several else ()
    return SIDES[letter in target if several else letter == letters[1]]


def _missing(seen: Sequence[Seen], letters: Sequence[str], source: str) -> Iterator[str]:
    """Yield, for each side that has NaN, how much of it, and the key that says what it means.

    No key does for single images: sources are derived of them, and of NaN nothing can be.
    """
    for number in range(len(seen[0].values) if seen else 0):
        shares = [float(one.values[number].not_finite.mean()) for one in seen]
        having = [share for share in shares if share]
        if having:
            letter = letters[number]
            text = f"{len(having)} of {len(shares)} images have NaN"
            text += f", {statistics.mean(having):.2%} of their values"
            if source == "single":
                yield f"{text}; no source can be derived of them: replace NaN"
            else:
                key = f"data.{_side_of(letter, letters)}_no_data=nan"
                yield f"side {letter}: {text}; training takes them with {key}"


def _find_mixed_kinds(seen: Sequence[Seen], letters: Sequence[str]) -> Iterator[Finding]:
    """Find images whose dtype, or number of channels, differs from most of their side."""
    for side in range(len(seen[0].kinds) if seen else 0):
        (usual, dtype), _ = collections.Counter(one.kinds[side] for one in seen).most_common(1)[0]
        cases = []
        for one in seen:
            channels, kind = one.kinds[side]
            fixed = one.meanings[side] == "bands" or not {channels, usual} <= _CONVERTIBLE
            if kind != dtype or (channels != usual and fixed):
                title = one.item.title
                cases.append(f"{title}: {channels} x {kind}, most are {usual} x {dtype}")
        several = len(seen[0].kinds) > 1
        title = f"another kind on side {letters[side]}" if several else "another kind"
        yield Finding(title, tuple(cases), True)


def _unequal(seen: Iterable[Seen]) -> Iterator[str]:
    """Yield the pairs whose sides differ in size."""
    for one in seen:
        if len(set(one.sizes)) > 1:
            sizes = " and ".join(f"{height} x {width}" for height, width in one.sizes)
            yield f"{one.item.title}: {sizes} pixels (height x width)"


def _find_unnamed(root: str, layout: Layout) -> tuple[str, ...]:
    """Find two folders of single images that could be A and B under other names."""
    twins = find_twins(root) if layout.source == "single" else ()
    if not twins:
        return ()
    return (f"set data.source=folders data.folder_a={twins[0]} data.folder_b={twins[1]}",)


def _find_near_names(layout: Layout) -> Finding:
    """Find files of one folder that some systems, or results without suffix, cannot tell apart."""
    groups = collections.defaultdict(set)
    for item in layout.items:
        for path in item.paths:
            groups[path.parent, same_name(path)].add(path)
    cases = (", ".join(map(str, sorted(paths))) for paths in groups.values() if len(paths) > 1)
    return Finding("names that differ only in case or suffix", tuple(cases))


def _find_identical(seen: Iterable[Seen]) -> Iterator[Finding]:
    """Find pairs with the same pixels on both sides."""
    groups = collections.defaultdict(list)
    for one in seen:
        groups[one.digest].append(one.item)
    within: list[str] = []
    across: list[str] = []
    for items in groups.values():
        if len(items) < 2:
            continue
        case = " = ".join(item.title for item in items)
        if len({item.split for item in items}) > 1:
            across.append(case)
        else:
            within.append(case)
    yield Finding("identical in two splits", tuple(across), True)
    yield Finding("identical in one split", tuple(within))


def _find_near(seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find pairs whose sides both look alike without being identical."""
    hashes = np.array([one.hashes for one in seen], np.uint64)
    within: list[str] = []
    across: list[str] = []
    for i, j, bits in near_duplicates(hashes):
        first, second = seen[i], seen[j]
        if first.digest == second.digest:
            continue
        case = f"{first.item.title} ~ {second.item.title} ({bits} of 64 bits differ)"
        if first.item.split == second.item.split:
            within.append(case)
        else:
            across.append(case)
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
            f"the median is {lead:.1f} standard deviations above strangers: the sides show "
            "different things, or partners are mixed up"
        )
        yield Finding("edges of A and B hardly coincide", (case,))
        return
    unlike, displaced = [], []
    for one, alignment in judged:
        if alignment.displaced:
            displaced.append(f"{one.item.title}: B is {_displacement(alignment, one)}")
        elif alignment.unlike:
            case = f"{one.item.title}: {alignment.score:.2f}, strangers {alignment.strangers:.2f}"
            unlike.append(case)
    yield Finding("wrong partner? edges coincide no better than strangers'", tuple(unlike))
    yield Finding("misaligned? edges coincide much better when moved", tuple(displaced))


def _displacement(alignment: Alignment, seen: Seen) -> str:
    """Say how far B is off: `38 pixels too high, 75 pixels too far left`."""
    down, right = (
        round(share * side) for share, side in zip(alignment.offset, seen.sizes[0], strict=True)
    )
    parts = []
    if down:
        parts.append(f"{abs(down)} pixels too {'low' if down > 0 else 'high'}")
    if right:
        parts.append(f"{abs(right)} pixels too far {'right' if right > 0 else 'left'}")
    return ", ".join(parts)
