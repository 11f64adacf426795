"""What is found on the sizes of both sides: how many times as large targets are as sources."""

import collections
from collections.abc import Sequence
from fractions import Fraction
from itertools import starmap

from pix2pix_jax.commands.finding import Finding
from pix2pix_jax.core.scales import TARGET_SCALES, sizes_of_one
from pix2pix_jax.data.preparation.survey import Survey

_KEY = "data.target_scale"


def find_scale(finding: Finding, seen: Survey) -> list[tuple[int, int]]:
    """Set the scale of targets if all are exactly 2, 3, 4 or 1/2 times as large as their sources.

    Args:
        finding: Where the key and the line go.
        seen: What was found.

    Returns:
        Height and width of some sources, made smaller if both sides are made of one image; of
        several sources, those of the first.

    Raises:
        InputError: An image is too small to be made smaller.
    """
    forward = finding.config.data.direction == "AtoB"
    pairs = [(each[:-1], each[-1]) if forward else (each[1:], each[0]) for each in seen.sizes]
    (ratio, count), *_ = collections.Counter(starmap(_ratio, pairs)).most_common(1)
    is_scale = ratio != 1 and float(ratio) in TARGET_SCALES
    if is_scale and len(pairs) / 2 < count < len(pairs) and not finding.given(_KEY):
        finding.say(
            "scale",
            f"{count} of {len(pairs)} targets looked at are exactly {_words(ratio)} as large as "
            f"their sources; as not all are, both sides get one size; --config.{_KEY}="
            f"{float(ratio):g} trains for that scale",
        )
    elif is_scale and count == len(pairs):
        finding.put(_KEY, float(ratio))
        scale = finding.config.data.target_scale
        finding.say(
            "scale",
            f"all targets are exactly {_words(ratio)} as large as their sources, and so are "
            f"results: {_KEY}={scale:g}; --config.{_KEY}=1 brings both to one size",
            _KEY,
        )
    found = [sources[0] for sources, _ in pairs]
    if seen.layout.source == "folders":
        return found
    scale = finding.config.data.target_scale
    return [sizes_of_one(size, scale, "one of the images")[0] for size in found]


def _ratio(sources: Sequence[tuple[int, int]], target: tuple[int, int]) -> Fraction:
    """Return how many times as large a target is as all its sources; 0: they differ."""
    ratios = {
        Fraction(side, theirs)
        for source in sources
        for side, theirs in zip(target, source, strict=True)
    }
    return ratios.pop() if len(ratios) == 1 else Fraction(0)


def _words(ratio: Fraction) -> str:
    return "half" if ratio < 1 else f"{ratio} times"
