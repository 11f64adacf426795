"""A source of pairs from own code; what it returns is checked pair by pair."""

import dataclasses
from typing import Any

import numpy as np

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.core.own_code_files import Reference
from pix2pix_jax.data.sources import Pair, Source

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

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each pair."""
        return tuple(self.source.names)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Pair:
        wanted = Reference(KEY, self.reference)
        try:
            pair = self.source[index]
        except (InputError, OSError):
            raise
        except Exception as error:  # it is the user's code: whatever is wrong there is theirs
            reason = self.code.describe_failure(wanted, error)
            raise InputError(f"{wanted}: pair {index}: {reason}") from error
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(map(_is_image, pair)):
            raise InputError(
                f"{wanted}: pair {index}: expected a tuple of two NumPy arrays of shape (height, "
                "width, channels)"
            )
        return pair[0], pair[1]

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a pair."""
        height, width = self.source.size(index)
        return height, width


def _is_image(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 3
