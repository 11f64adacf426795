"""Numbers beside the images: a table with a row for each pair, and how they are normalised.

The table is a CSV file, whose first column has the names of the pairs and whose first row has the
names of the numbers; or JSON: `{"1.jpg": {"age": 3}}`. Networks see numbers that have mean 0 and
standard deviation 1 over the training pairs.
"""

import csv
import dataclasses
import io
import json
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from pix2pix_jax.core.condition_keys import LARGEST
from pix2pix_jax.core.errors import InputError, shown, some_of

_MOST_NUMBERS = 100
_FORBIDDEN = ",="  # in the names of numbers, for a flag such as --condition age=3,dose=0.5
Row = tuple[str, Sequence[Any]]


@dataclasses.dataclass(frozen=True)
class Table:
    """The numbers of pairs.

    Attributes:
        where: The file and what it was given as, for messages.
        names: Names of the numbers.
        rows: The numbers of each pair, by the name that the file gives it.
    """

    where: str
    names: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]

    def of(self, names: Sequence[str]) -> "Table":
        """Return the table with these columns alone, in this order.

        Raises:
            InputError: It has no column of a name, or a name is there twice.
        """
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InputError(
                f"data.condition_names={names}: has {twice[0]} twice; keep one of them"
            )
        missing = [name for name in names if name not in self.names]
        if missing:
            raise InputError(
                f"{self.where}: has no column {some_of(missing)}; it has {some_of(self.names)}"
            )
        places = [self.names.index(name) for name in names]
        rows = {pair: tuple(row[place] for place in places) for pair, row in self.rows.items()}
        return Table(self.where, tuple(names), rows)

    def select(
        self, pairs: Iterable[str], split: str = "", folder: str = ""
    ) -> Float[np.ndarray, "n k"]:
        """Return the numbers of some pairs.

        A row may have the name of the pair, `1.jpg`, or with its split, `val/1.jpg`, which comes
        first; and both without the suffix.

        Args:
            pairs: Names of the pairs.
            split: `train`, `val` or `test`; '': the images belong to none.
            folder: The split whose files they are, if another one serves as `split`.

        Returns:
            One row for each pair, float64.

        Raises:
            InputError: A pair has no row.
        """
        found, missing = [], []
        for pair in pairs:
            stem = str(pathlib.PurePosixPath(pair).with_suffix(""))
            places = [f"{each}/" for each in dict.fromkeys((split, folder)) if each]
            names = [place + name for place in (*places, "") for name in (pair, stem)]
            row = next((self.rows[name] for name in names if name in self.rows), None)
            if row is None:
                missing.append(pair)
            else:
                found.append(row)
        if missing:
            of = f"{split} pairs" if split else "images"
            raise InputError(
                f"{self.where}: has no row for {len(missing)} of the {of}: {some_of(missing)}; its "
                f"rows are named {some_of(self.rows)}"
            )
        return np.array(found, np.float64).reshape(-1, len(self.names))


def read_table(path: pathlib.Path, given: str = "data.condition=") -> Table:
    """Read a table.

    Args:
        path: A file that ends in `.csv` or `.json`.
        given: The key or the flag that it was given with, for messages.

    Raises:
        InputError: It cannot be read, has no rows or no numbers, two rows of one pair, or a value
            that is not a finite number.
    """
    where = f"{given}{shown(str(path))}"
    if path.suffix.lower() not in (".csv", ".json"):
        raise InputError(f"{where}: expected a file ending in .csv or .json")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{where}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise InputError(f"{where}: is not text in UTF-8; save it as such") from None
    if not text.strip():
        raise InputError(f"{where}: is empty; give a row for each pair")
    read = _read_csv if path.suffix.lower() == ".csv" else _read_json
    names, rows = read(text, where)
    _check_names(names, where)
    table: dict[str, tuple[float, ...]] = {}
    for pair, values in rows:
        if pair in table:
            raise InputError(f"{where}: has two rows for {shown(pair)}; keep one of them")
        table[pair] = tuple(
            as_number(value, f"{where}: row {shown(pair)}, column {shown(name)}")
            for name, value in zip(names, values, strict=True)
        )
    if not table:
        raise InputError(f"{where}: has no rows; give one for each pair")
    return Table(where, names, table)


def _check_names(names: tuple[str, ...], where: str) -> None:
    if not 1 <= len(names) <= _MOST_NUMBERS:
        raise InputError(
            f"{where}: has {len(names)} columns of numbers; expected 1 to {_MOST_NUMBERS}, after "
            "the column with the names of the pairs and separated by commas"
        )
    for name in names:
        forbidden = not name.isprintable() or any(sign in name for sign in _FORBIDDEN)
        if not name or forbidden or names.count(name) > 1:
            raise InputError(
                f"{where}: column {shown(name)}: give each column a name of its own, of printable "
                "characters without , or ="
            )


def as_number(value: Any, where: str) -> float:
    """Return a value as a number, from -1e30 to 1e30.

    Args:
        value: A cell of a table, or what a user gave.
        where: Where it came from, for the message.

    Raises:
        InputError: It is no number, not finite or too large.
    """
    try:
        number = math.nan if isinstance(value, bool) or value is None else float(value)
    except (ValueError, TypeError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where}: {shown(value)} is not a finite number")
    if abs(number) > LARGEST:
        raise InputError(f"{where}: {shown(value)} is not a number from -1e30 to 1e30")
    return number


def _read_csv(text: str, where: str) -> tuple[tuple[str, ...], list[Row]]:
    try:
        lines = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise InputError(f"{where}: is not CSV ({error})") from None
    header, *rows = [[cell.strip() for cell in row] for row in lines]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(
                f"{where}: row {number} has {len(row)} cells, its first row {len(header)}"
            )
    return tuple(header[1:]), [(row[0], row[1:]) for row in rows]


def _read_json(text: str, where: str) -> tuple[tuple[str, ...], list[Row]]:
    def unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in items]
        twice = (
            [name for name in names if names.count(name) > 1] if len({*names}) < len(names) else []
        )
        if twice:
            raise InputError(f"{where}: has {shown(twice[0])} twice; keep one of them")
        return dict(items)

    try:
        found = json.loads(text, object_pairs_hook=unique)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is the former
        raise InputError(f"{where}: is not JSON ({error})") from None
    if not isinstance(found, dict) or not all(isinstance(row, dict) for row in found.values()):
        raise InputError(f'{where}: expected an object such as {{"1.jpg": {{"age": 3}}}}')
    names = tuple(next(iter(found.values()), {}))
    for pair, row in found.items():
        if {*row} != {*names}:
            raise InputError(
                f"{where}: row {shown(pair)} has {some_of(row)}, the first row {some_of(names)}"
            )
    return names, [(pair, [row[name] for name in names]) for pair, row in found.items()]
