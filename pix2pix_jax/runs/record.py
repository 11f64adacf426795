"""What the files of a run say of it, as far as they are there."""

import csv
import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

from pix2pix_jax.core.config import default_config, flatten

Row = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Setting:
    """A key of a run's configuration, with its value and the default as Python writes them.

    The default is '' where there is no such key any more.
    """

    key: str
    value: str
    default: str

    @property
    def same(self) -> bool:
        """Whether the run has the default."""
        return self.value == self.default


@dataclasses.dataclass(frozen=True)
class Record:
    """What is known of a run; all of it may be empty.

    Attributes:
        config: `config.json`.
        starts: The list of `run.json`.
        rows: `metrics.csv`.
        summary: `summary.json`, which only a complete run has.
    """

    config: dict[str, Any]
    starts: list[dict[str, Any]]
    rows: list[Row]
    summary: dict[str, Any]

    @property
    def complete(self) -> bool:
        """Whether the run has come to its end."""
        return bool(self.summary)

    @property
    def step(self) -> float:
        """Steps taken when the newest numbers were written."""
        return _numbers(self.summary).get("steps") or self.newest("step") or 0.0

    @property
    def epoch(self) -> float:
        """Epochs done by then."""
        return _numbers(self.summary).get("epochs") or self.newest("epoch") or 0.0

    @property
    def epochs(self) -> float | None:
        """Epochs wanted; None where the run counts steps, or nothing is known."""
        return None if self.config.get("train.steps") else _numbers(self.config).get("train.epochs")

    @property
    def steps(self) -> float | None:
        """Steps wanted; None where it is not known yet how many an epoch has."""
        if self.complete or self.config.get("train.steps"):
            return self.step if self.complete else _numbers(self.config).get("train.steps")
        ends = [row for row in self.rows if row.get("epoch", 0.5) % 1 == 0]
        if not ends or self.epochs is None:
            return None
        before, last = [{"step": 0.0, "epoch": 0.0}, *ends][-2:]
        per_epoch = (last["step"] - before["step"]) / max(last["epoch"] - before["epoch"], 1.0)
        return float(round(last["step"] + (self.epochs - last["epoch"]) * per_epoch))

    @property
    def share(self) -> float:
        """How much of the run is done, in [0, 1]."""
        done, wanted = (self.step, self.steps) if self.steps else (self.epoch, self.epochs)
        return min(done / wanted, 1.0) if wanted else 0.0

    @property
    def baselines(self) -> dict[str, float]:
        """Scores of answers that need no learning, as `<name>_<metric>`."""
        return _numbers(self.summary.get("baseline"))

    @property
    def validation(self) -> dict[str, float]:
        """Validation scores at the end of a complete run, by metric."""
        return _numbers(self.summary.get("val"))

    @property
    def settings(self) -> list[Setting]:
        """Every key of the configuration."""
        defaults = {key: _written(value) for key, value in flatten(default_config()).items()}
        return [
            Setting(key, _written(value), defaults.get(key, ""))
            for key, value in self.config.items()
        ]

    def newest(self, column: str) -> float | None:
        """Return the last number of a column of the table; None where it has none."""
        return next((row[column] for row in reversed(self.rows) if column in row), None)


def read(workdir: pathlib.Path) -> tuple[Record, list[str]]:
    """Read the files of a run.

    Args:
        workdir: Its folder.

    Returns:
        What they say, and the names of those that are missing or broken. `summary.json` may be
        missing: the run is not complete then.
    """
    config, run = _read_object(workdir / "config.json"), _read_object(workdir / "run.json")
    starts, rows = run.get("starts"), read_rows(workdir / "metrics.csv")
    found = {"config.json": config, "run.json": starts, "metrics.csv": rows}
    started = starts if isinstance(starts, list) else []
    return Record(
        config,
        [start for start in started if isinstance(start, dict)],
        rows,
        _read_object(workdir / "summary.json"),
    ), [name for name, content in found.items() if not content]


def _read_object(path: pathlib.Path) -> dict[str, Any]:
    """Read a JSON object; an empty one where the file is missing or holds something else."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _numbers(values: Any) -> dict[str, float]:
    """Return the finite numbers among the entries of what should be a JSON object."""
    entries = values.items() if isinstance(values, dict) else ()
    return {
        key: float(value)
        for key, value in entries
        if type(value) in (int, float) and math.isfinite(value)
    }


def _written(value: Any) -> str:
    """Write a value as Python does; JSON knows no tuples."""
    return repr(tuple(value)) if isinstance(value, list | tuple) else repr(value)


_LARGEST = 1e30  # what is beyond is no number that a chart can show


def read_rows(path: pathlib.Path) -> list[Row]:
    """Read a run's `metrics.csv`.

    Args:
        path: The file; it may be missing.

    Returns:
        Rows that have a step, in order of it, each with its finite numbers only.
    """
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = [_finite(row) for row in csv.DictReader(file, restkey="")]
    return sorted((row for row in rows if row.get("step", -1) >= 0), key=lambda row: row["step"])


def _finite(cells: Mapping[str, Any]) -> Row:
    found = {}
    for name, cell in cells.items():
        try:
            value = float(cell)
        except (TypeError, ValueError):  # an empty cell, half of one, or one too many
            continue
        if abs(value) < _LARGEST:
            found[name] = value
    return found
