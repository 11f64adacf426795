"""How numbers and durations are written in pages and tables."""

import math
from typing import Any


def short(value: float, digits: int) -> str:
    """Write a number with so many digits; without an exponent, unless it is very small or large."""
    rounded = f"{value:.{digits}g}"
    if "e" in rounded and 1e-7 <= abs(value) < 1e10:
        return np.format_float_positional(float(rounded), trim="-")
    return rounded


def number(value: Any) -> str:
    """Write a number with four digits, or as many as it has before the point."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if math.isfinite(value) and (value == round(value) or abs(value) >= 1000):
        return f"{value:,.0f}"
    return short(value, 4)


def duration(seconds: Any) -> str:
    """Write seconds as people say them: `40 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return str(seconds)
    left = round(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts.append((count, unit))
    first = next((place for place, part in enumerate(parts) if part[0]), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def written(value: float, digits: int) -> str:
    """Write a number with so many significant digits, the last ones zeros or not."""
    text = f"{value:#.{digits}g}".rstrip(".")
    return short(value, digits) if "e" in text else text
