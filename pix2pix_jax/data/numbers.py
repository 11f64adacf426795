"""How the numbers beside the images are normalised, and which ones belong to which pair."""

import dataclasses
import logging
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError, shown, some_of
from pix2pix_jax.data.conditions import Table, as_number, read_table
from pix2pix_jax.data.layouts import find_sides, find_split_folders
from pix2pix_jax.data.names import build_names
from pix2pix_jax.data.selection import names_of_whole
from pix2pix_jax.data.sources import STAND_INS, Source

logger = logging.getLogger(__name__)

KEYS = tuple(f"data.condition_{name}" for name in ("names", "mean", "deviation", "low", "high"))
_OF_FOLDERS = ("side_by_side", "folders", "single", "pix2pix")  # sources with a folder a split
# Names of tables that are found in the data's folder.
USUAL = ("conditions.csv", "conditions.json")


@dataclasses.dataclass(frozen=True)
class Numbers:
    """The numbers that the networks of a run see beside an image.

    Attributes:
        names: Their names.
        mean: What becomes 0, of each.
        deviation: What becomes 1, of each.
        low: The least value in training, of each.
        high: The largest.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def measured(cls, names: tuple[str, ...], values: Float[np.ndarray, "n k"]) -> "Numbers":
        """Measure the numbers of the training pairs.

        A number that is always the same becomes 0 for each of them.

        Args:
            names: Names of the numbers.
            values: Their values for each pair.
        """
        low, high, deviation = values.min(axis=0), values.max(axis=0), values.std(axis=0)
        # Rounding may move the mean of equal numbers away from them, and their deviation from 0.
        mean = values.mean(axis=0).clip(low, high)
        deviation = np.where((high > low) & (deviation > 0), deviation, 1.0)
        rows = mean, deviation, low, high
        return cls(names, *(tuple(row.tolist()) for row in rows))

    @property
    def example(self) -> str:
        """How the numbers are given, such as `age=3,dose=0.5`: by their means."""
        return ",".join(
            f"{name}={mean:.4g}" for name, mean in zip(self.names, self.mean, strict=True)
        )

    def normalised(self, values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """Return numbers as the networks see them: (value - mean) / deviation.

        Args:
            values: Numbers in the units of the table.

        Returns:
            float32; 0 and 1 are mean and standard deviation of the training pairs.

        Raises:
            InputError: One is so far from those of the training that float32 cannot hold it.
        """
        with np.errstate(over="ignore"):
            found = (np.asarray(values, np.float64) - self.mean) / self.deviation
            found = found.astype(np.float32)
        if not np.isfinite(found).all():
            row, place = np.argwhere(~np.isfinite(found))[0]
            raise InputError(
                f"condition {shown(self.names[place])}: {values[row][place]:g} is too far from "
                f"{self.low[place]:g} to {self.high[place]:g}, the values of the training pairs"
            )
        return found

    def row(self, given: Any, where: str = "condition") -> Float[np.ndarray, " k"]:
        """Return numbers that were given by name, in order.

        Args:
            given: A number for each name.
            where: How they were given, for messages.

        Raises:
            InputError: It is no mapping; a name is unknown or missing; or a value is no number.
        """
        if not isinstance(given, Mapping):
            raise InputError(f"{where}={shown(given)}: expected a number for each name")
        self.refuse_unknown(given, where)
        missing = [name for name in self.names if name not in given]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            raise InputError(f"{where}: {some_of(missing)} {verb} missing; give {self.example}")
        return np.array([as_number(given[name], f"{where} {name}") for name in self.names])

    def refuse_unknown(self, given: Mapping[str, Any], where: str) -> None:
        """Raise InputError if there is a name that the run does not know."""
        unknown = [name for name in given if name not in self.names]
        if unknown:
            raise InputError(
                f"{where}: this run knows no {some_of(map(str, unknown))}; its numbers are "
                f"{', '.join(self.names)}"
            )

    def warn_outside(self, values: Float[np.ndarray, "n k"]) -> None:
        """Log a warning for each number with values outside the range of the training."""
        for line in self.outside(values):
            logger.warning("%s", line)

    def outside(self, values: Float[np.ndarray, "n k"]) -> list[str]:
        """Return a line for each number with values outside the range of the training."""
        lines = []
        for name, low, high, column in zip(self.names, self.low, self.high, values.T, strict=True):
            beyond = column[(column < low) | (column > high)]
            if len(beyond):
                share = f" ({len(beyond)} of {len(column)} images)" if len(column) > 1 else ""
                lines.append(
                    f"condition {name}={beyond[0]:g}: outside the range of the training pairs, "
                    f"{low:g} to {high:g}{share}"
                )
        return lines


def as_arguments(condition: Any) -> dict[str, Any]:
    """Return the keyword arguments by which networks take normalised numbers; none for None."""
    return {} if condition is None else {"condition": condition}


def numbers_of(data: ConfigDict) -> Numbers | None:
    """Return the numbers that a run's networks see; None if they see images alone.

    Args:
        data: The section `data` of the configuration of a run that has been prepared.

    Raises:
        InputError: The keys contradict each other.
    """
    names = data.condition_names
    if not names:
        return None
    rows = (data.condition_mean, data.condition_deviation, data.condition_low, data.condition_high)
    for key, row in zip(KEYS[1:], rows, strict=True):
        if len(row) != len(names):
            raise InputError(
                f"{key}={row}: give a number for each of data.condition_names={names}, or ()"
            )
    for name, low, high in zip(names, *rows[2:], strict=True):
        if low > high:
            raise InputError(
                f"data.condition_low={low:g} of {name}: is above data.condition_high={high:g}; "
                "exchange them, or give (), the values of the training pairs"
            )
    return Numbers(names, *(tuple(map(float, row)) for row in rows))


def read_numbers(data: ConfigDict) -> Table:
    """Read the table of a run: all its columns, or those of `data.condition_names`.

    Args:
        data: The section `data` of a resolved configuration.

    Raises:
        InputError: There is none, it cannot be read, or it lacks a column.
    """
    table = read_table(_find_table(data))
    return table.of(data.condition_names) if data.condition_names else table


def _find_table(data: ConfigDict) -> pathlib.Path:
    """Return where the table is: in the data's folder, or where the key says.

    Raises:
        InputError: The key says nothing, and there is no table of the usual names.
    """
    root = pathlib.Path(data.root)
    if not data.condition:
        usual = find_usual(root)
        if usual is None:
            raise InputError(
                f"data.condition='' with data.condition_names={data.condition_names}: say where "
                f"the table of these numbers is, or call it {USUAL[0]} in data.root"
            )
        return root / usual
    given = pathlib.Path(data.condition)
    # Last the name alone: the data may have been moved since.
    places = (root / given, given, root / given.name)
    return next((place for place in places if place.is_file()), given)


def find_usual(root: pathlib.Path) -> str | None:
    """Return the name of the table in a data set's folder, if it has one of the usual names.

    Raises:
        InputError: It has two.
    """
    found = [name for name in USUAL if (root / name).is_file()]
    if len(found) > 1:
        raise InputError(f"{root}: has {' and '.join(found)}; say which with data.condition")
    return found[0] if found else None


def values_of(
    table: Table, source: Source, split: str, data: ConfigDict
) -> Float[np.ndarray, "n k"]:
    """Return the numbers of each pair of a source, float64.

    Args:
        table: The table.
        source: The pairs; patches have the numbers of the pair that they were cut from.
        split: `train`, `val` or `test`.
        data: The section `data` of a resolved configuration.

    Raises:
        InputError: A pair has no row.
    """
    return table.select(names_of_whole(source), split, _folder_of(data, split))


def _folder_of(data: ConfigDict, split: str) -> str:
    """Return the split whose folder holds the files of a split: `val` may serve as `test`."""
    if data.split or data.source.partition(":")[0] not in _OF_FOLDERS:
        return split
    find = find_sides if data.source == "folders" else find_split_folders
    found = find(data.root, build_names(data))
    return next((each for each in STAND_INS[split] if each in found), split)
