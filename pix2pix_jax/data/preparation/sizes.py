"""The size that the networks see, for images of some sizes."""

import statistics
from collections.abc import Iterable, Sequence

Size = tuple[int, int]
_LARGEST, _LARGEST_TARGET, _SMALLEST = (
    256,
    512,
    16,
)  # sides of what the networks see, unless the user wants others
_ENLARGED = 1.15  # images may be enlarged by this for the next larger size
_LONG = 1.25  # longer side to shorter from which the networks see no square
_ALIKE = 1.05  # proportions that differ less from those in the middle are the same
_MOST = 0.9  # share of images that decides about proportions


def middle_size(sizes: Iterable[Size]) -> Size:
    """Return the median of heights and of widths."""
    heights, widths = zip(*sizes, strict=True)
    return int(statistics.median_low(heights)), int(statistics.median_low(widths))


def choose_size(sizes: Sequence[tuple[int, int]], scale: float = 1.0) -> tuple[int, int]:
    """Choose the size that the networks see.

    Args:
        sizes: Height and width of some images.
        scale: How many times as large their targets are.

    Returns:
        Height and width. The shorter side is a power of two from 16 to 256, for targets to 512,
        that images need not be enlarged for by more than 15 %. The size is a square, unless nine of
        ten images have about the same proportions, from 1.25 on: then the longer side is a multiple
        of a quarter of the shorter.
    """
    height, width = middle_size(sizes)
    side = _LARGEST
    while side * scale > _LARGEST_TARGET:
        side //= 2
    while side > _SMALLEST and side > _ENLARGED * min(height, width):
        side //= 2
    ratios = sorted(wide / high for high, wide in sizes)
    middle = ratios[len(ratios) // 2]
    alike = sum(middle / _ALIKE <= each <= middle * _ALIKE for each in ratios)
    ratio = max(width / height, height / width)
    if alike < _MOST * len(ratios) or ratio < _LONG:
        return side, side
    unit = max(side // 4, _SMALLEST)
    longer = max(round(side * min(ratio, 4.0) / unit), 1) * unit
    return (side, longer) if width > height else (longer, side)
