"""Where pairs come from, and how they reach the step."""

from ml_collections import ConfigDict

from pix2pix_jax.config import pair_of
from pix2pix_jax.data.sources import SideBySide, Source, find_side_by_side
from pix2pix_jax.data.synthetic import SyntheticPairs
from pix2pix_jax.errors import InputError

# A set may have only one held-out split; it then serves for validation and for test.
_FALLBACKS = {"train": ("train",), "val": ("val", "test"), "test": ("test", "val")}


def _build_side_by_side(data: ConfigDict, split: str, seed: int) -> Source:
    folder, paths = find_side_by_side(data.root, _FALLBACKS[split])
    paths = paths[: data.max_pairs or None]
    return SideBySide(paths, data.direction, data.source_channels, data.target_channels, folder)


def _build_synthetic(data: ConfigDict, split: str, seed: int) -> Source:
    if (data.source_channels, data.target_channels) != (3, 3):
        raise InputError(
            f"data.source_channels={data.source_channels}, data.target_channels="
            f"{data.target_channels}: data.source='synthetic' has 3 on both sides"
        )
    count = dict(zip(_FALLBACKS, data.synthetic_pairs, strict=True))[split]
    height, width = pair_of(data.load_size or data.image_size)
    return SyntheticPairs(
        min(count, data.max_pairs or count), max(height, width), seed, split, data.direction
    )


SOURCES = {"side_by_side": _build_side_by_side, "synthetic": _build_synthetic}


def build_source(data: ConfigDict, split: str, seed: int) -> Source:
    """Build the source of one split from the config's `data` section.

    Args:
        data: The section `data` of a configuration.
        split: `train`, `val` or `test`.
        seed: Seed of drawn data.

    Returns:
        The pairs, none of them read yet.

    Raises:
        InputError: The source is unknown, or has no pairs where the config looks for them.
    """
    if split not in _FALLBACKS:
        raise InputError(f"split {split!r}: choose from {', '.join(_FALLBACKS)}")
    if data.source not in SOURCES:
        raise InputError(f"data.source={data.source!r}: choose from {', '.join(sorted(SOURCES))}")
    source = SOURCES[data.source](data, split, seed)
    if not len(source):
        raise InputError(f"data.source={data.source!r}: the {split} split has no pairs")
    return source
