"""The colours of the classes of label maps that are stored as pictures."""

import collections
import dataclasses
import json
import os
import pathlib

import numpy as np
from jaxtyping import UInt8

from pix2pix_jax.core.errors import InputError

_VOID = "void"


@dataclasses.dataclass(frozen=True, eq=False)
class Palette:
    """The colours that a label map is made of.

    Attributes:
        classes: Names of the classes.
        colours: Their colours (8-bit RGB) in that order, then the colours of void: pixels of no
            class, which are not scored.
    """

    classes: tuple[str, ...]
    colours: UInt8[np.ndarray, "k 3"]


# The standard colours (Cordts et al., 2016): the 19 classes that are scored, in the order of their
# training ids, then those that are not.
CITYSCAPES = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
    "void": (0, 0, 0),
    "void dynamic": (111, 74, 0),
    "void ground": (81, 0, 81),
    "void parking": (250, 170, 160),
    "void rail track": (230, 150, 140),
    "void guard rail": (180, 165, 180),
    "void bridge": (150, 100, 100),
    "void tunnel": (150, 120, 90),
    "void caravan": (0, 0, 90),
    "void trailer": (0, 0, 110),
}

PALETTES = {"cityscapes": CITYSCAPES}


def load_palette(name: str | os.PathLike) -> Palette:
    """Return a palette that comes with the package, or one from a file.

    Args:
        name: One of `PALETTES`, or a JSON file `{"road": [128, 64, 128], ...}`. Names that begin
            with "void" are not classes: target pixels of their colour do not count.

    Returns:
        The palette.

    Raises:
        InputError: There is no such file, or it is not a palette. The message says what is wrong.
    """
    if str(name) in PALETTES:
        return _palette(PALETTES[str(name)])
    try:
        path = pathlib.Path(name)
        if path.exists() and not path.is_file():  # reading a named pipe would wait for ever
            raise ValueError("it is not a file")
        text = path.read_text("utf-8")
        return _palette(json.loads(text, object_pairs_hook=_without_repetition))
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{name}: cannot be read as a palette ({reason}): give a JSON file of "
            f'{{"class": [red, green, blue], ...}}, or choose from {", ".join(sorted(PALETTES))}'
        ) from None


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse names that occur twice; JSON would keep the last one."""
    times = collections.Counter(name for name, _ in pairs)
    for name in times:
        if times[name] > 1:
            raise InputError(f"has {name!r} {times[name]} times; give each class one colour")
    return dict(pairs)


def _palette(colours: object) -> Palette:
    if not isinstance(colours, dict):
        raise InputError('is not a palette: write {"class": [red, green, blue], ...}')
    names: dict[tuple[int, ...], str] = {}
    for name, colour in colours.items():
        colour = _colour(name, colour)
        if colour in names:
            raise InputError(
                f"{names[colour]!r} and {name!r} have the same colour {list(colour)}, so "
                "pixels cannot tell them apart; make them one class"
            )
        names[colour] = name
    # Stable: classes first, then void, each in the order given.
    ordered = sorted(names, key=lambda colour: names[colour].startswith(_VOID))
    classes = tuple(names[colour] for colour in ordered if not names[colour].startswith(_VOID))
    if len(classes) < 2:
        raise InputError(f"has {len(classes)} classes besides void; it needs at least two")
    return Palette(classes, np.array(ordered, np.uint8))


def _colour(name: str, colour: object) -> tuple[int, ...]:
    levels = tuple(colour) if isinstance(colour, list | tuple) else ()
    whole = all(type(level) is int and 0 <= level <= 255 for level in levels)
    if len(levels) != 3 or not whole:
        raise InputError(
            f"{name!r} has the colour {json.dumps(colour)}; give red, green and blue as three "
            "whole numbers, 0 to 255"
        )
    return levels
