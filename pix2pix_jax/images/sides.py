"""The encodings of the two sides of all pairs, from the keys of the section `data`."""

import numpy as np
from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.source_parts import SourcePart, source_parts
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.encoding import VOID, Encoding
from pix2pix_jax.images.stacked import SourceEncoding, StackedEncoding


def _build(part: SourcePart, side: str, most: int) -> Encoding:
    if part.classes:
        stored = "uint8" if part.classes <= VOID else "uint16"
        return Encoding(1, stored, classes=part.classes, max_pixels=most, side=side)
    low, high = part.limits or (0.0, images.white(np.dtype(part.dtype)))
    return Encoding(part.channels, part.dtype, float(low), float(high), max_pixels=most, side=side)


def _build_source(data: ConfigDict) -> SourceEncoding:
    parts = source_parts(data)
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
            "", data.target_channels, data.target_dtype, data.target_range, data.target_classes
        )
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
