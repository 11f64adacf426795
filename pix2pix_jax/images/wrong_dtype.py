"""The error for files whose values have another dtype than a run's."""

from collections.abc import Sequence

from pix2pix_jax.core.errors import InputError


class WrongDtypeError(InputError):
    """A file holds values of another dtype than its side.

    Args:
        what: Name of the file.
        dtype: What it holds.
        expected: What its side holds.
        side: `source` or `target`; '' if it is both.
    """

    def __init__(self, what: object, dtype: str, expected: str, side: str = "") -> None:
        signed = " (whole numbers with a sign or of 32 bits count as such)"
        holds = f"{dtype} values{signed if dtype == 'float32' else ''}, expected {expected}"
        super().__init__(
            f"{what}: holds {holds}; all files of a side must have the dtype that "
            "data.source_dtype or data.target_dtype says"
        )
        self.dtype = dtype
        self._what, self._holds = what, holds
        sides = (side,) if side else ("source", "target")
        keys = " ".join(f"data.{each}_dtype={dtype}" for each in sides)
        ranges = " and ".join(f"data.{each}_range" for each in sides)
        of_sides = " and ".join(sides)
        self.of_every_file = (
            f"{what}, and other files of the {of_sides}: hold {holds}; set {keys}, and {ranges} "
            "to the values that become -1 and 1, unless they are those of the dtype"
        )

    def of_one_source(self, name: str, dtypes: Sequence[str]) -> "WrongDtypeError":
        """Return this error, for a file of one of several sources.

        Args:
            name: Name of the source.
            dtypes: What the key has to be if every file of this source is like that: a value for
                each source.
        """
        self.of_every_file = (
            f"{self._what}, and other files of {name}: hold {self._holds}; set "
            f"data.source_dtype={','.join(dtypes)}, and in data.source_range, which has two values "
            f"for each source, those of {name} that become -1 and 1, unless they are those of the "
            "dtype"
        )
        return self
