"""What the files in a run's folder say about the run, as far as they can be read."""

import csv
import dataclasses
import os
import pathlib
from collections.abc import Mapping

from pix2pix_jax.core.config import default_config, flatten
from pix2pix_jax.core.errors import one_line, shown
from pix2pix_jax.core.files import read_json_object
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.writers import format_cells

Row = dict[str, float]

_MOST_SHOWN = 1e30  # larger numbers are left out: a chart cannot show them


@dataclasses.dataclass(frozen=True)
class Setting:
    """A key of a run's configuration.

    Attributes:
        key: The key.
        value: Its value, as Python writes it.
        default: The default, as Python writes it; '' if the key no longer exists.
    """

    key: str
    value: str
    default: str

    @property
    def is_default(self) -> bool:
        """Whether the run has the default."""
        return self.value == self.default


@dataclasses.dataclass(frozen=True)
class Start:
    """One start of a run, as `run.json` records it; what the file does not say is empty.

    Attributes:
        time: Date and time in ISO format.
        first_step: Step that the run started or resumed from.
        command: Command line.
        changed: Settings that changed since the start before, as `key: old -> new`.
        versions: Versions of Python and of packages, by name.
        hardware: What the run was started on, such as `devices`, `device` and `machine`.
    """

    time: str = ""
    first_step: float = 0.0
    command: str = ""
    changed: tuple[str, ...] = ()
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hardware: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `summary.json` says, which a run writes when it is complete.

    Attributes:
        numbers: Its numbers by name, such as `steps`, `seconds` and `images_per_second`.
        validation: Scores of the validation pairs at the end, by metric.
        baselines: Scores of answers that need no training, as `<name>_<metric>`.
    """

    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    validation: Mapping[str, float] = dataclasses.field(default_factory=dict)
    baselines: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Record:
    """What is known about a run; all of it may be empty.

    Attributes:
        config: `config.json`.
        starts: `run.json`.
        rows: `metrics.csv`.
        summary: `summary.json`; None if the run is not complete.
        missing: Names of the files that are missing or broken. Only a complete run has
            `summary.json`, so that one is never missing.
    """

    config: Mapping[str, object]
    starts: list[Start]
    rows: list[Row]
    summary: Summary | None
    missing: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the run has reached its end."""
        return self.summary is not None

    @property
    def step(self) -> float:
        """Steps taken when the newest numbers were written."""
        return self.total("steps") or self.newest("step") or 0.0

    @property
    def epoch(self) -> float:
        """Epochs done when the newest numbers were written."""
        return self.total("epochs") or self.newest("epoch") or 0.0

    @property
    def last_epoch(self) -> float | None:
        """Epochs of the whole run; None if the run counts steps, or nothing is known."""
        if self.config.get("train.steps"):
            return None
        return _numbers(self.config).get("train.epochs")

    @property
    def last_step(self) -> float | None:
        """Steps of the whole run; None if it is not yet known how many an epoch has."""
        if self.complete:
            return self.step
        if self.config.get("train.steps"):
            return _numbers(self.config).get("train.steps")
        ends = [row for row in self.rows if row.get("epoch", 0.5) % 1 == 0]
        if not ends or self.last_epoch is None:
            return None
        before, last = [{"step": 0.0, "epoch": 0.0}, *ends][-2:]
        per_epoch = (last["step"] - before["step"]) / max(last["epoch"] - before["epoch"], 1.0)
        return float(round(last["step"] + (self.last_epoch - last["epoch"]) * per_epoch))

    @property
    def share(self) -> float:
        """How much of the run is done, in [0, 1]."""
        if self.last_step:
            return min(self.step / self.last_step, 1.0)
        if self.last_epoch:
            return min(self.epoch / self.last_epoch, 1.0)
        return 0.0

    @property
    def baselines(self) -> Mapping[str, float]:
        """Scores of answers that need no training, as `<name>_<metric>`."""
        return {} if self.summary is None else self.summary.baselines

    @property
    def settings(self) -> list[Setting]:
        """Every key of the configuration."""
        defaults = {key: _as_python(value) for key, value in flatten(default_config()).items()}
        return [
            Setting(key, _as_python(value), defaults.get(key, ""))
            for key, value in self.config.items()
        ]

    def newest(self, column: str) -> float | None:
        """Return the last number of a column of the table; None if it has none."""
        return next((row[column] for row in reversed(self.rows) if column in row), None)

    def total(self, name: str) -> float | None:
        """Return a number of the summary; None if the run is not complete, or has no such one."""
        return None if self.summary is None else self.summary.numbers.get(name)


def read_record(workdir: pathlib.Path) -> Record:
    """Read the files of a run.

    Args:
        workdir: The run's folder.
    """
    folder = RunFolder(workdir)
    config = read_json_object(folder.config_file)
    starts = _read_starts(folder.record_file)
    rows = read_rows(folder.metrics_file)
    found: dict[pathlib.Path, object] = {
        folder.config_file: config,
        folder.record_file: starts,
        folder.metrics_file: rows,
    }
    summary = _read_summary(folder.summary_file)
    if os.path.lexists(folder.summary_file):
        found[folder.summary_file] = summary
    missing = tuple(file.name for file, content in found.items() if not content)
    return Record(config, starts, rows, summary, missing)


def read_rows(path: pathlib.Path) -> list[Row]:
    """Read a run's `metrics.csv`.

    Args:
        path: The file; it may be missing.

    Returns:
        The rows that have a step, in the order of the steps; each has its finite numbers only.
        There are none if the file is missing or damaged.
    """
    try:
        if not path.is_file():  # reading a named pipe would wait for ever
            return []
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = [_parse_cells(row) for row in csv.DictReader(file, restkey="")]
    except (OSError, csv.Error):
        return []
    return sorted((row for row in rows if row.get("step", -1) >= 0), key=lambda row: row["step"])


def as_read(step: int, values: Mapping[str, float]) -> Row:
    """Return a row as `read_rows` will read it, when it has been written with `CsvWriter`."""
    return _parse_cells({"step": step, **format_cells(values)})


def _parse_cells(cells: Mapping[str, object]) -> Row:
    found = {}
    for name, cell in cells.items():
        try:
            value = float(str(cell))
        except ValueError:  # an empty or incomplete cell, or more cells than columns
            continue
        if abs(value) < _MOST_SHOWN:
            found[one_line(name)] = value
    return found


def _read_starts(path: pathlib.Path) -> list[Start]:
    starts = read_json_object(path).get("starts")
    if not isinstance(starts, list):
        return []
    return [_parse_start(start) for start in starts if isinstance(start, dict)]


def _parse_start(start: Mapping[str, object]) -> Start:
    changed = start.get("changed")
    return Start(
        time=_text(start.get("time")),
        first_step=_numbers(start).get("first_step", 0.0),
        command=_text(start.get("command")),
        changed=tuple(map(_text, changed)) if isinstance(changed, list) else (),
        versions=_texts(start.get("versions")),
        hardware=_texts(start.get("hardware")),
    )


def _read_summary(path: pathlib.Path) -> Summary | None:
    content = read_json_object(path)
    if not content:
        return None
    return Summary(
        _numbers(content), _numbers(content.get("val")), _numbers(content.get("baseline"))
    )


def _numbers(values: object) -> dict[str, float]:
    """Return the numbers that can be shown in what should be a JSON object."""
    entries = values.items() if isinstance(values, Mapping) else ()
    return {
        key: float(value)
        for key, value in entries
        if type(value) in (int, float) and abs(value) < _MOST_SHOWN
    }


def _texts(values: object) -> dict[str, str]:
    """Return as text what should be a JSON object."""
    entries = values.items() if isinstance(values, Mapping) else ()
    return {key: _text(value) for key, value in entries}


def _text(value: object) -> str:
    """Return what should be a text; '' for a list or an object, however deep."""
    return str(value) if isinstance(value, str | int | float) else ""


def _as_python(value: object) -> str:
    """Write a value as Python does; JSON has lists for tuples."""
    if isinstance(value, list | tuple) and not any(isinstance(one, list | dict) for one in value):
        return repr(tuple(value))
    if isinstance(value, str | int | float):
        return repr(value)
    return shown(value)  # no value of a config; it may be nested without end
