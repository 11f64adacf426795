"""What is found on several sources: their folders, and the kind of each."""

import numpy as np

from pix2pix_jax.commands.finding import Finding, plain
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.names import divide
from pix2pix_jax.data.preparation.side import Side
from pix2pix_jax.data.preparation.survey import Survey
from pix2pix_jax.data.values import judge, propose
from pix2pix_jax.images.pixels import white

_KINDS = ("channels", "dtype", "range", "classes", "no_data")


def find_several(finding: Finding, seen: Survey) -> None:
    """Set the folders, the direction, and the kind of each of several sources.

    Args:
        finding: Where the keys and the lines go.
        seen: What was found, with more than two sides.

    Raises:
        InputError: The user's direction makes several of the target.
    """
    forward = _find_direction(finding, seen)
    number = slice(None, -1) if forward else slice(1, None)
    names, sides = seen.layout.letters[number], seen.sides[number]
    dtypes = tuple("uint8" if side.classes else side.values.dtype for side in sides)
    channels = tuple(1 if side.classes else side.channels for side in sides)
    finding.put("data.source_channels", channels)
    finding.put("data.source_dtype", dtypes)
    if any(side.classes for side in sides):
        finding.put("data.source_classes", tuple(side.classes for side in sides))
    if any(side.no_data and not side.classes for side in sides):
        marks = tuple("" if side.classes else side.no_data for side in sides)
        finding.put("data.source_no_data", marks)
    limits = [None if side.classes else limits_of(side) for side in sides]
    if any(limits):
        pairs = [
            each or (0.0, white(np.dtype(dtype)))
            for each, dtype in zip(limits, dtypes, strict=True)
        ]
        finding.put("data.source_range", tuple(value for pair in pairs for value in pair))
    for name, side, pair in zip(names, sides, limits, strict=True):
        text = f"{name}, {contents(side)}"
        if side.classes:
            text += as_classes(side.classes)
        elif pair:
            text += as_range(*pair)
        keys = (f"data.source_{part}" for part in _KINDS)
        finding.say("source", text, *keys)


def _find_direction(finding: Finding, seen: Survey) -> bool:
    """Set folders and direction; return whether A is the sources."""
    data, letters = finding.config.data, seen.layout.letters
    if isinstance(data.folder_a, tuple) or isinstance(data.folder_b, tuple):
        forward = isinstance(data.folder_a, tuple)
    elif data.pair_by:
        forward = data.direction == "AtoB"
    else:
        ours, theirs = divide(letters)
        forward = len(ours) > 1
        for key, names in (("data.folder_a", ours), ("data.folder_b", theirs)):
            finding.put(key, names if len(names) > 1 else names[0])
    wanted = "AtoB" if forward else "BtoA"
    sources, target = (letters[:-1], letters[-1]) if forward else (letters[1:], letters[0])
    if data.direction != wanted and finding.given("data.direction"):
        raise InputError(
            f"--direction {data.direction}: {' and '.join(sources)} would be targets, of which "
            f"there can be one; leave it out, and name one folder as the source"
        )
    finding.put("data.direction", wanted)
    text = f"{wanted}: from {', '.join(sources)}, stacked in this order, to {target}"
    finding.say("direction", text, "data.direction", "data.folder_a", "data.folder_b")
    return forward


def as_classes(classes: int) -> str:
    """Say that pixels are class indices."""
    return f": class indices, {classes} classes, one channel each"


def as_range(low: float, high: float) -> str:
    """Say which values become -1 and 1."""
    return f"; {plain(low)} becomes -1 and {plain(high)} becomes 1"


def limits_of(side: Side) -> tuple[float, float] | None:
    """Return the range of a side's values if it is not that of their dtype.

    Args:
        side: What was found in its files.
    """
    values = side.values
    wrong = judge(values, 0.0, white(np.dtype(values.dtype)))
    return propose(values) if wrong and values.dtype != "uint8" else None


def contents(side: Side) -> str:
    """Say what the files of a side hold.

    Args:
        side: What was found in them.
    """
    values = side.values
    low, high = values.limits
    text = f"{values.bands} x {values.dtype}, values {low:.6g} to {high:.6g}"
    if side.no_data:
        text += f", {side.missing:.2%} of the pixels without data ({side.no_data}), not counted"
    if side.channels != values.bands:
        text += f", taken as {side.channels} channels"
    return f"{text} ({side.note})" if side.note else text
