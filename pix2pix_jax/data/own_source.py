"""A source of pairs from own code; what it returns is checked pair by pair."""

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.core.own_code_files import Reference
from pix2pix_jax.data.sources import AsRead, Source

T = TypeVar("T")
KEY = "data.source"


@dataclasses.dataclass(frozen=True)
class OwnSource:
    """An own source whose mistakes are reported in one line.

    Attributes:
        source: The source.
        reference: Its reference in the config.
        code: Where it was loaded.
    """

    source: Source
    reference: str
    code: OwnCode

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Name of each pair."""
        names = self._ask("its names", lambda: tuple(self.source.names))
        if len(names) != len(self) or not all(isinstance(name, str) for name in names):
            raise InputError(
                f"{self._wanted}: has {len(self)} pairs and {len(names)} names; expected a text "
                "for each pair"
            )
        return names

    def __len__(self) -> int:
        return self._ask("its length", lambda: len(self.source))

    def __getitem__(self, index: int) -> AsRead:
        pair = self._ask(f"pair {index}", lambda: self.source[index])
        is_pair = isinstance(pair, tuple | list) and len(pair) == 2
        if not is_pair or not _is_source(pair[0]) or not _is_image(pair[1]):
            raise InputError(
                f"{self._wanted}: pair {index}: expected a tuple of two NumPy arrays of shape "
                "(height, width, channels)"
            )
        return tuple(pair[0]) if isinstance(pair[0], list) else pair[0], pair[1]

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a pair."""
        what = f"the size of pair {index}"
        size = self._ask(what, lambda: tuple(map(operator.index, self.source.size(index))))
        if len(size) != 2 or min(size) < 1:
            raise InputError(f"{self._wanted}: {what}: {size}; expected (height, width)")
        return size[0], size[1]

    @property
    def _wanted(self) -> Reference:
        return Reference(KEY, self.reference)

    def _ask(self, what: str, answer: Callable[[], T]) -> T:
        """Call the user's code.

        Raises:
            InputError: It raises any error, which is told in one line.
        """
        try:
            return answer()
        except InputError:
            raise
        except Exception as error:  # it is the user's code: whatever is wrong there is theirs
            reason = self.code.describe_failure(self._wanted, error)
            raise InputError(f"{self._wanted}: {what}: {reason}") from error


def _is_source(value: Any) -> bool:
    """Return whether a value is an image, or some: one of each source."""
    if isinstance(value, tuple | list):
        return bool(value) and all(map(_is_image, value))
    return _is_image(value)


def _is_image(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 3
