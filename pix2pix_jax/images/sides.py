"""The encodings of the two sides of all pairs, from the keys of the section `data`."""

from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.source_parts import SourcePart, source_parts
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.encoding import VOID, Encoding
from pix2pix_jax.images.stacked import SourceEncoding, StackedEncoding


def _build(part: SourcePart, side: str, most: int) -> Encoding:
    """Build the encoding of a side; it has a mark of missing pixels if its dtype can hold that."""
    if part.classes:
        stored = "uint8" if part.classes <= VOID else "uint16"
        return Encoding(1, stored, classes=part.classes, max_pixels=most, side=side)
    low, high = part.limits or (0.0, images.white(np.dtype(part.dtype)))
    no_data = part.no_data if _can_mark(part) else None
    limits = float(low), float(high)
    return Encoding(part.channels, part.dtype, *limits, max_pixels=most, side=side, no_data=no_data)


def _can_mark(part: SourcePart) -> bool:
    """Return whether the files can hold what is to mark missing pixels."""
    if not part.no_data or part.classes:
        return False
    mark = float(part.no_data)
    whole = mark.is_integer() and 0 <= mark <= images.white(np.dtype(part.dtype))
    return part.dtype == "float32" or whole


def _check_marks(parts: Sequence[SourcePart], side: str) -> None:
    """Raise InputError for a mark that none of the files it is meant for can hold.

    One mark for several sources is for those that can hold it.
    """
    marked = [part for part in parts if part.no_data]
    shared = len({part.no_data for part in parts}) == 1
    cannot = [part for part in marked if not _can_mark(part)]
    if not cannot or (shared and len(cannot) < len(marked)):
        return
    part = cannot[0]
    key = f"data.{side}_no_data={part.no_data}"
    if part.classes:
        raise InputError(
            f"{key} with data.{side}_classes={part.classes}: class indices mark pixels without "
            f"data by {VOID}; set data.{side}_no_data=''"
        )
    raise InputError(
        f"{key} with data.{side}_dtype={part.dtype}: such files hold whole numbers from 0 to "
        f"{images.white(np.dtype(part.dtype)):.0f}; give one of these, or data.{side}_no_data=''"
    )


def _build_source(data: ConfigDict) -> SourceEncoding:
    parts = source_parts(data)
    _check_marks(parts, "source")
    encodings = tuple(_build(part, "source", data.max_pixels) for part in parts)
    if len(parts) == 1:
        return encodings[0]
    return StackedEncoding(encodings, tuple(part.name for part in parts))


def build_encodings(data: ConfigDict, *, lab: bool) -> tuple[SourceEncoding, Encoding]:
    """Build the encodings of source and target.

    Args:
        data: The section `data` of a configuration.
        lab: Whether the source is the lightness of an image and the target its colours
            (`derive.kind='lab'`).

    Returns:
        The encodings of source and target.

    Raises:
        InputError: `lab` with any channels other than lightness and two of colour.
    """
    if not lab:
        target = SourcePart(
            "",
            data.target_channels,
            data.target_dtype,
            data.target_range,
            data.target_classes,
            data.target_no_data,
        )
        _check_marks((target,), "target")
        return _build_source(data), _build(target, "target", data.max_pixels)
    if (data.source_channels, data.target_channels) != (1, 2):
        raise InputError(
            f"derive.kind='lab' with data.source_channels={data.source_channels} and "
            f"data.target_channels={data.target_channels}: set 1 (L) and 2 (a, b)"
        )
    # L / 50 - 1 and ab / 110, as in Isola et al., 2017.
    most = data.max_pixels
    lightness = Encoding(1, "float32", 0.0, 100.0, max_pixels=most)
    return lightness, Encoding(2, "float32", -110.0, 110.0, max_pixels=most)
