"""What is found on the two sides of pairs: which is which, channels, bits, range, classes."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from pix2pix_jax.commands.finding import Finding
from pix2pix_jax.commands.found_sources import (
    as_classes,
    as_range,
    contents,
    find_several,
    limits_of,
)
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.preparation.side import Side
from pix2pix_jax.data.preparation.survey import Survey
from pix2pix_jax.data.values import judge
from pix2pix_jax.images.pixels import white

_DRAWN = 0.15  # difference in plain areas: 0.18 to 0.42 in edges2shoes, facades and maps


def find_sides(finding: Finding, seen: Survey) -> None:
    """Set channels, bits and range of each side, and say which is which.

    Args:
        finding: Where the keys and the lines go.
        seen: What was found.
    """
    data, layout = finding.config.data, seen.layout
    forward = data.direction == "AtoB"
    kind = finding.config.derive.kind
    if kind:
        _find_derived(finding, seen.sides[0])
        return
    if len(seen.sides) > 2:
        find_several(finding, seen)
        _find_side(finding, "target", *_target_of(finding, seen))
        return
    halves = {"side_by_side": ("the left half", "the right half")}
    first = layout.items[0].paths
    where = halves.get(layout.source) or tuple(_place(path, first) for path in first)
    order = (0, 1) if forward else (1, 0)
    other = "BtoA" if forward else "AtoB"
    a, b = order
    finding.say(
        "direction",
        f"{data.direction}: from {'AB'[a]}, {where[a]}, to {'AB'[b]}, {where[b]}; --direction "
        f"{other} turns it round{_hint(seen.sides)}",
    )
    for name, number in zip(("source", "target"), order, strict=True):
        _find_side(finding, name, "AB"[number], seen.sides[number])


def _target_of(finding: Finding, seen: Survey) -> tuple[str, Side]:
    """Return what the one target beside several sources is called, and what it holds."""
    place = -1 if finding.config.data.direction == "AtoB" else 0
    return seen.layout.letters[place], seen.sides[place]


def _hint(sides: Sequence[Side]) -> str:
    """Say which side looks drawn: photos are often to be made from that one."""
    a, b = (side.plain for side in sides)
    if abs(a - b) < _DRAWN:
        return ""
    return f" ({'A' if a > b else 'B'} has more plain areas, as drawings and label maps have)"


# What suits targets that are classes.
_OF_CLASSES = {
    "loss.reconstruction": "cross_entropy",
    "eval.metrics": ("class_iou", "pixel_accuracy"),
    "checkpoint.best_metric": "class_iou",
}


def _place(path: pathlib.Path, both: Sequence[pathlib.Path]) -> str:
    """Return how a side of two files is told from the other."""
    if both[0].parent == both[1].parent:
        return f"files such as {path.name}"
    return str(path.parent)


def _find_side(finding: Finding, name: str, letter: str, side: Side) -> None:
    """Set the keys of one side."""
    values = side.values
    keys = [f"data.{name}_{part}" for part in ("channels", "dtype", "range", "no_data")]
    text = f"{letter}, {contents(side)}"
    if side.classes and (name == "source" or (side.channels == 1 and values.bands == 1)):
        _find_classes(finding, name, text, side.classes)
        return
    finding.put(keys[0], side.channels)
    finding.put(keys[1], values.dtype)
    if side.no_data:
        finding.put(keys[3], side.no_data)
    wrong = judge(values, 0.0, white(np.dtype(values.dtype)))
    limits = limits_of(side)
    if limits is not None:
        finding.put(keys[2], limits)
        text += as_range(*finding.config.data[f"{name}_range"])
    elif wrong:
        text += f"; {wrong}"
    finding.say(name, text, *keys)


def _find_classes(finding: Finding, name: str, text: str, classes: int) -> None:
    """Set the keys of a side of class indices."""
    keys = [f"data.{name}_classes"]
    finding.put(keys[0], classes)
    text += as_classes(classes)
    if name == "target":
        suiting = dict(_OF_CLASSES)
        if finding.config.loss.cross_entropy_weight:  # beside another loss
            del suiting["loss.reconstruction"]
        for key, value in suiting.items():
            finding.put(key, value)
        keys += suiting
        text += "; their shares are learned, and the best checkpoint has the best IoU"
    finding.say(name, text, *keys)


def _find_derived(finding: Finding, side: Side) -> None:
    """Set the keys of both sides where one is made from the other.

    Raises:
        InputError: It cannot be made from such images.
    """
    kind = finding.config.derive.kind
    made, kept = ("source", "target")
    if finding.config.data.direction == "BtoA":
        made, kept = kept, made
    if kind in ("edges", "lab") and side.values.dtype != "uint8":
        raise InputError(
            f"the images, {contents(side)}: --derive {kind} needs 8 bits; convert them, or choose "
            "another --derive"
        )
    if kind in ("edges", "gray"):
        if side.channels not in (1, 3, 4):
            raise InputError(
                f"the images, {contents(side)}: --derive {kind} needs gray or RGB; convert them, "
                "or choose another --derive"
            )
        side = dataclasses.replace(side, channels=min(side.channels, 3))  # over white
    if kind == "lab":
        finding.put("data.source_channels", 1)
        finding.put("data.target_channels", 2)
        finding.say("sides", f"{contents(side)}: from lightness to the two colours of Lab")
        return
    _find_side(finding, kept, "the images", side)
    for part in ("dtype", "range"):
        finding.put(f"data.{made}_{part}", finding.config.data[f"{kept}_{part}"])
    alone = kind in ("gray", "edges")
    finding.put(f"data.{made}_channels", 1 if alone else side.channels)
    finding.say(made, f"made from each image (derive.kind={kind}); --derive says otherwise")
