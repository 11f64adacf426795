"""The format of a run's pairs, from the keys of its configuration."""

import math

from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code_files import is_own
from pix2pix_jax.data.derive import Derivation
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.images.sides import build_encodings
from pix2pix_jax.images.stacked import StackedEncoding


def build_format(
    data: ConfigDict, derive: ConfigDict, *, bands: tuple[int, ...] = (), seed: int = 0
) -> PairFormat:
    """Build the format of a run's pairs.

    Args:
        data: The section `data` of a configuration.
        derive: The section `derive`.
        bands: Channels that pictures show (`log.bands`).
        seed: Seed of the run, which decides the places of holes.

    Raises:
        InputError: Keys contradict each other.
    """
    direction, kind, scale = data.direction, derive.kind, data.target_scale
    source, target = build_encodings(data, lab=kind == "lab")
    for key in ("source_no_data", "target_no_data"):
        if kind and data[key]:
            raise InputError(
                f"data.{key}={data[key]} with derive.kind={kind!r}: a side cannot be made from "
                f"missing pixels; set data.{key}='', or give files of both sides"
            )
    if data.mask and data.source != "folders" and not is_own(data.source):
        raise InputError(
            f"data.mask={data.mask!r} with data.source={data.source!r}: masks are files of their "
            "own, in a folder beside those of A and B; set data.source=folders, or data.mask=''"
        )
    if not kind:
        return PairFormat(
            source, target, None, direction, bands, masked=bool(data.mask), scale=scale
        )
    _check_scale(kind, scale)
    if kind == "lab" and direction == "BtoA":
        raise InputError("derive.kind='lab' with data.direction='BtoA': choose AtoB")
    if isinstance(source, StackedEncoding):
        raise InputError(
            f"derive.kind={kind!r} with {len(source.parts)} sources ({', '.join(source.names)}): "
            "several are files of their own; set derive.kind=''"
        )
    if data.source_classes:
        raise InputError(
            f"data.source_classes={data.source_classes} with derive.kind={kind!r}: a derived "
            "source has no classes; set data.source_classes=0 or derive.kind=''"
        )
    derived, image = (source, target) if direction == "AtoB" else (target, source)
    any_channels = kind in ("gray", "edges")
    derivation = Derivation(
        **derive,
        seed=seed,
        channels=derived.channels if any_channels else 3,
        middle=math.floor(derived.low + derived.half + 0.5),
    )
    differ = not any_channels and derived.channels != image.channels
    if kind != "lab" and (differ or derived.dtype != image.dtype):
        raise InputError(
            f"derive.kind={kind!r} with {source.channels} channels of {source.dtype} as the source "
            f"and {target.channels} of {target.dtype} as the target: one is made from the other, "
            "so they must be equal; set data.source_channels, data.target_channels and the dtypes"
        )
    return PairFormat(source, target, derivation, direction, bands, scale=scale)


def _check_scale(kind: str, scale: float) -> None:
    """Raise InputError if a kind of derivation does not go together with a scale of targets."""
    if kind == "lab" and scale != 1:
        raise InputError(
            f"data.target_scale={scale:g} with derive.kind='lab': lightness and colours are one "
            "image, so both need one size; set data.target_scale=1, or derive.kind=gray"
        )
    if kind == "small" and scale == 1:
        raise InputError(
            "derive.kind='small' with data.target_scale=1: both sides would be the same image; "
            "set data.target_scale=2, 3, 4 or 0.5, or derive.kind=downscale"
        )


def format_of(settings: ConfigDict) -> PairFormat:
    """Return how the pairs of a resolved configuration are stored."""
    return build_format(
        settings.data, settings.derive, bands=settings.log.bands, seed=settings.seed
    )
