"""The table of a comparison, as it stands in Markdown and HTML, and as numbers in CSV."""

import csv
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from pix2pix_jax.core.config import flatten
from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.evaluation.metrics.table import METRICS
from pix2pix_jax.evaluation.scorecard import best_of
from pix2pix_jax.reports.comparison_runs import Entry
from pix2pix_jax.reports.numbers import written

_NONE = "-"
# Settings that change neither the networks nor the numbers.
_NO_MATTER = ("compilation_cache", "data.cache_gigabytes", "data.workers", "log.")


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of the table.

    Attributes:
        text: A number.
        spread: Its standard deviation; '': it has none.
        best: Whether it is the best of its column.
    """

    text: str
    spread: str = ""
    best: bool = False


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        title: Heading.
        note: Unit and direction; may be empty.
        cells: One for each run.
    """

    title: str
    note: str
    cells: list[Cell]


def build_columns(entries: Sequence[Entry], metrics: Sequence[str]) -> list[Column]:
    """Return the table's columns: every metric, then speed, size, and what was scored."""
    columns = [_metric_column(entries, metric) for metric in metrics]
    # The fastest is the best of its column only where all ran on the same hardware.
    best = "low" if len({entry.hardware for entry in entries}) == 1 else ""
    seconds = [entry.seconds for entry in entries]
    columns.append(Column("seconds per 1000 steps", "", _cells(seconds, best, 3)))
    parameters = [Cell(f"{entry.parameters:,}") for entry in entries]
    columns.append(Column("parameters", "of the generator", parameters))
    steps = [Cell(f"{entry.step:,} of {int(entry.record.step):,}") for entry in entries]
    columns.append(Column("step", "scored, of those taken", steps))
    return [*columns, Column("n", "images", [Cell(str(entry.scores["n"])) for entry in entries])]


def _metric_column(entries: Sequence[Entry], metric: str) -> Column:
    cells = _cells([entry.mean(metric) for entry in entries], best_of(metric))
    for number, entry in enumerate(entries):
        deviation = entry.deviation(metric)
        if deviation is not None:
            cells[number] = dataclasses.replace(cells[number], spread=written(deviation, 2))
    unit = METRICS[metric].unit if metric in METRICS else ""
    arrow = "↓" if best_of(metric) == "low" else "↑"
    return Column(f"{metric}\u00a0{arrow}", unit, cells)


def _cells(values: Sequence[float | None], best: str, digits: int = 4) -> list[Cell]:
    """Write numbers, and mark the best; equal ones, as they are written, are all best."""
    texts = [_NONE if value is None else written(value, digits) for value in values]
    known = [float(text) for text in texts if text != _NONE]
    if not known or len(values) == 1 or not best:
        return [Cell(text) for text in texts]
    wanted = min(known) if best == "low" else max(known)
    return [Cell(text, best=text != _NONE and float(text) == wanted) for text in texts]


def to_markdown(entries: Sequence[Entry], columns: Sequence[Column]) -> str:
    """Write the table; the best of each column is bold."""
    titles = [
        f"{column.title} ({column.note})" * bool(column.note) or column.title for column in columns
    ]
    lines = [["run", *titles], ["---"] * (1 + len(columns))]
    for number, entry in enumerate(entries):
        cells = [column.cells[number] for column in columns]
        lines.append([_escape(entry.label), *(_in_markdown(cell) for cell in cells)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _in_markdown(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    return f"{text} ± {cell.spread}" if cell.spread else text


def _escape(text: str) -> str:
    return text.replace("|", r"\|")


def write_csv(entries: Sequence[Entry], metrics: Sequence[str], path: pathlib.Path) -> None:
    """Write the table as plain numbers, a row for each run; empty: there is no such number."""
    named = [column for metric in metrics for column in (metric, f"{metric}_std")]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["run", "workdir", "step", "steps", "n", "seconds_per_1000_steps", "parameters", *named]
        )
        for entry in entries:
            numbers: list[Any] = [entry.step, int(entry.record.step), entry.scores["n"]]
            numbers += [entry.seconds, entry.parameters]
            for metric in metrics:
                numbers += [entry.mean(metric), entry.deviation(metric)]
            writer.writerow([entry.label, entry.workdir, *numbers])


def differing_settings(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Return the keys whose values differ between the runs, with each run's value."""
    flat = [flatten(entry.config) for entry in entries]
    return {
        key: [repr(one[key]) for one in flat]
        for key in flat[0]
        if not key.startswith(_NO_MATTER) and len({repr(one[key]) for one in flat}) > 1
    }
