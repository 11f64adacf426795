"""How numbers and durations are written in pages and tables."""

import math

import numpy as np

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def format_significant(value: float, digits: int, *, keep_zeros: bool = False) -> str:
    """Write a number with a number of significant digits.

    Args:
        value: The number.
        digits: Significant digits.
        keep_zeros: Keep zeros at the end, so that the numbers of a table have equally many digits.

    Returns:
        The number without an exponent, unless it is below 1e-7 or at least 1e10.
    """
    text = f"{value:.{digits}g}"
    if "e" in text:
        if 1e-7 <= abs(value) < 1e10:
            return np.format_float_positional(float(text), trim="-")
        return text
    if keep_zeros:
        return f"{value:#.{digits}g}".rstrip(".")
    return text


def format_number(value: int | float) -> str:
    """Write a number with four significant digits; whole ones and those from 1000 on as integers.

    Integers have a comma between thousands: `186,320`.
    """
    if math.isfinite(value) and (value == round(value) or abs(value) >= 999.95):
        return f"{value:,.0f}"
    return format_significant(value, 4)


def format_duration(seconds: int | float) -> str:
    """Write seconds in at most two units: `40 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    left = round(seconds)
    counts = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        counts.append((count, unit))
    while len(counts) > 1 and counts[0][0] == 0:
        counts.pop(0)
    return " ".join(f"{count} {unit}" for count, unit in counts[:2] if count) or "0 s"
