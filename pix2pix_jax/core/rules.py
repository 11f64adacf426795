"""What a value of the configuration may be: its type, its range, and how a message says so."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pix2pix_jax.core.own_code_files import is_own

_LONGEST_TEXT = 4096  # bytes of the longest path on Linux
_MOST_VALUES = 100  # of a tuple
_NO_FLOAT = 1e39  # float32 ends at 3.4e38
OWN = "file.py:name or package.module:name"


@runtime_checkable
class Rule(Protocol):
    """What a value may be."""

    @property
    def expected(self) -> str:
        """What to say of a value that is not allowed, such as `must be True or False`."""

    def convert(self, value: Any) -> Any:
        """Return the value as the type of its key, or None if it is of another kind."""

    def allows(self, value: Any) -> bool:
        """Return whether a converted value is in its range."""


def plain(value: Any) -> Any:
    """Return NumPy's numbers and arrays as Python's, and a path as text."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


@dataclasses.dataclass(frozen=True)
class Whole:
    """A whole number.

    Attributes:
        low: Smallest value.
        high: Largest value.
    """

    low: int
    high: int

    @property
    def expected(self) -> str:
        """See `Rule`."""
        return f"must be a whole number from {self.low} to {self.high}"

    def convert(self, value: Any) -> int | None:
        """Accept whole numbers only; True and 1.0 are none."""
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else None

    def allows(self, value: Any) -> bool:
        """See `Rule`."""
        return self.low <= value <= self.high


@dataclasses.dataclass(frozen=True)
class Number:
    """A finite number.

    Attributes:
        low: Smallest value.
        high: Largest value.
        open_low: Whether `low` itself is excluded.
        open_high: Whether `high` itself is excluded.
        values: The only values that it may have; (): all in the range.
    """

    low: int | float
    high: int | float
    open_low: bool = False
    open_high: bool = False
    values: tuple[float, ...] = ()

    @property
    def expected(self) -> str:
        """See `Rule`."""
        if self.values:
            return f"choose from {', '.join(f'{value:g}' for value in self.values)}"
        left, right = "([", ")]"
        return (
            f"must be a number in {left[not self.open_low]}{self.low:g}, {self.high:g}"
            f"{right[not self.open_high]}"
        )

    def convert(self, value: Any) -> float | None:
        """Accept floating-point and whole numbers; True is none."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            return float(value)
        except OverflowError:  # a whole number of more than 308 digits
            return float("inf") if value > 0 else -float("inf")

    def allows(self, value: Any) -> bool:
        """See `Rule`; nan is in no range."""
        if self.values:
            return value in self.values
        above = self.low < value if self.open_low else self.low <= value
        return above and (value < self.high if self.open_high else value <= self.high)


@dataclasses.dataclass(frozen=True)
class Switch:
    """True or False."""

    expected: str = "must be True or False"

    def convert(self, value: Any) -> bool | None:
        """Accept True and False only; 1 and 0 are neither."""
        return value if isinstance(value, bool) else None

    def allows(self, value: Any) -> bool:
        """See `Rule`."""
        return True


@dataclasses.dataclass(frozen=True)
class Text:
    """A text, such as a path."""

    expected: str = f"must be a text of at most {_LONGEST_TEXT} characters, without NUL"

    def convert(self, value: Any) -> str | None:
        """Accept text only."""
        return str.__str__(value) if isinstance(value, str) else None

    def allows(self, value: Any) -> bool:
        """See `Rule`."""
        return len(value) <= _LONGEST_TEXT and "\0" not in value


@dataclasses.dataclass(frozen=True)
class Choice(Text):
    """One of some names.

    Attributes:
        names: The names; `tfds:<name>` stands for `tfds:` and any text but ''.
        or_own: Whether a reference to own code may stand in their place.
        or_empty: Whether '' may.
    """

    names: Sequence[str] = ()
    or_own: bool = False
    or_empty: bool = False
    expected: str = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        own = f", or give own code as {OWN}" if self.or_own else ""
        empty = ", or ''" if self.or_empty else ""
        object.__setattr__(self, "expected", f"choose from {', '.join(self.names)}{own}{empty}")

    def allows(self, value: Any) -> bool:
        """See `Rule`."""
        if not super().allows(value):
            return False
        kind, colon, name = value.partition(":")
        known = value in self.names or (colon and name and f"{kind}:<name>" in self.names)
        return bool(known) or (self.or_own and is_own(value)) or (self.or_empty and not value)


@dataclasses.dataclass(frozen=True)
class Own(Text):
    """A reference to own code."""

    expected: str = "expected package.module:name or path/to/file.py:name"

    def allows(self, value: Any) -> bool:
        """See `Rule`."""
        return super().allows(value) and is_own(value)


@dataclasses.dataclass(frozen=True)
class NoData(Text):
    """What marks pixels without data: `nan`, or a number that float32 holds; '' for nothing."""

    expected: str = "give nan, or the number that stands for missing values, such as -9999, or ''"

    def convert(self, value: Any) -> str | None:
        """Accept a number, or its text."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number:
            return super().convert(value)
        # Python refuses to write whole numbers of thousands of digits.
        return "inf" if abs(value) > _NO_FLOAT else str(value)

    def allows(self, value: Any) -> bool:
        """See `Rule`."""
        try:
            number = float(value or "nan")
        except ValueError:
            return False
        with np.errstate(over="ignore"):
            return number != number or bool(np.isfinite(np.float32(number)))


@dataclasses.dataclass(frozen=True)
class Several:
    """A tuple of values.

    Attributes:
        each: What each value may be.
        expected: What to say of a tuple that is not allowed.
        lengths: Numbers of values that are allowed; empty: any.
    """

    each: Rule
    expected: str
    lengths: tuple[int, ...] = ()

    def convert(self, value: Any) -> tuple[Any, ...] | None:
        """Accept tuples, lists and ranges of up to 100; one value stands for a tuple of one."""
        values = tuple(value) if isinstance(value, tuple | list | range) else (value,)
        if len(values) > _MOST_VALUES:
            return None
        parts = tuple(self._convert_one(plain(part)) for part in values)
        return None if any(part is None for part in parts) else parts

    def _convert_one(self, value: Any) -> Any:
        """Convert one value, but leave a whole number whole: counts and shares differ by it."""
        converted = self.each.convert(value)
        return int(value) if converted is not None and type(value) is int else converted

    def allows(self, value: Any) -> bool:
        """See `Rule`."""
        if self.lengths and len(value) not in self.lengths:
            return False
        return all(self.each.allows(part) for part in value)


@dataclasses.dataclass(frozen=True)
class OneOrSeveral:
    """A value, or a tuple of two or more: one for each source.

    Attributes:
        each: What each value may be.
    """

    each: Rule

    @property
    def expected(self) -> str:
        """See `Rule`."""
        return f"{self.each.expected}; with several sources, one for all or one for each"

    def convert(self, value: Any) -> Any:
        """Accept a value or up to 100; a tuple or list of one stands for that one."""
        if not isinstance(value, tuple | list | range):
            return self.each.convert(value)
        if not 0 < len(value) <= _MOST_VALUES:
            return None
        parts = tuple(self.each.convert(plain(part)) for part in value)
        if any(part is None for part in parts):
            return None
        return parts[0] if len(parts) == 1 else parts

    def allows(self, value: Any) -> bool:
        """See `Rule`."""
        return all(map(self.each.allows, value if isinstance(value, tuple) else (value,)))


@dataclasses.dataclass(frozen=True)
class Key:
    """A key of the configuration.

    Attributes:
        default: Its value unless a config sets it.
        rule: What its value may be.
        meaning: What it sets, in a line or two; names of other keys have their section.
    """

    default: Any
    rule: Rule
    meaning: str


MOST_STEPS = 2**31 - 1  # a step's number is an int32
COUNT = Whole(0, MOST_STEPS)
SHARE = Number(0, 1, open_high=True)
WEIGHT = Number(0, 1e38)  # float32 ends at 3.4e38
