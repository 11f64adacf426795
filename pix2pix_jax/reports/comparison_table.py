"""The table of a comparison: as text for Markdown and HTML, and as numbers for CSV."""

import csv
import dataclasses
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence

from pix2pix_jax.core.cells import guard
from pix2pix_jax.core.config import flatten
from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.evaluation.metrics.table import Direction, best_of
from pix2pix_jax.reports.comparison_runs import ComparedRun
from pix2pix_jax.reports.metric_notes import best_value, unit_of
from pix2pix_jax.reports.numbers import format_significant

_NO_VALUE = "-"
# Settings that change neither the networks nor their scores.
_KEYS_WITHOUT_EFFECT_ON_RESULTS = (
    "compilation_cache",
    "data.cache_gigabytes",
    "data.workers",
    "log.",
)


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of the table.

    Attributes:
        text: A number.
        spread: Its standard deviation; '' if it has none.
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
        note: What the numbers are, such as their unit; may be empty.
        cells: One for each run.
    """

    title: str
    note: str
    cells: list[Cell]


@dataclasses.dataclass(frozen=True)
class DifferingSetting:
    """A setting that is not the same in all runs.

    Attributes:
        key: The key.
        values: Its value in each run, as Python writes it.
    """

    key: str
    values: list[str]


def build_columns(runs: Sequence[ComparedRun], metrics: Sequence[str]) -> list[Column]:
    """Return the columns of the table: every metric, then speed, size, and what was scored."""
    # Speeds can be ranked only if all runs had the same hardware.
    best: Direction | None = "low" if len({run.hardware for run in runs}) == 1 else None
    return [
        *(_metric_column(runs, metric) for metric in metrics),
        Column("seconds per 1000 steps", "", _number_cells([run.seconds for run in runs], best, 3)),
        Column("parameters", "generator", [Cell(f"{run.parameters:,}") for run in runs]),
        Column("step", "scored, of the total", [Cell(_steps(run)) for run in runs]),
        Column("n", "images", [Cell(str(run.scores.count)) for run in runs]),
    ]


def _steps(run: ComparedRun) -> str:
    return "; ".join(_distinct(map(_step, run.members)))


def _step(run: ComparedRun) -> str:
    # A bundle has no record of the steps that were taken.
    taken = int(run.record.step)
    return f"{run.step:,} of {taken:,}" if taken else f"{run.step:,}"


def _distinct(texts: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(map(str, texts)))


def _metric_column(runs: Sequence[ComparedRun], metric: str) -> Column:
    scores = [run.scores.metrics[metric] for run in runs]
    cells = _number_cells([score.mean for score in scores], best_of(metric))
    for number, score in enumerate(scores):
        if score.deviation is not None:
            spread = format_significant(score.deviation, 2, keep_zeros=True)
            cells[number] = dataclasses.replace(cells[number], spread=spread)
    return Column(_with_arrow(metric), unit_of(metric), cells)


def _with_arrow(metric: str) -> str:
    """Return the name of a metric with an arrow in the direction of better values."""
    best = best_of(metric)
    if best is None:
        return metric
    arrow = "↓" if best == "low" else "↑"
    return f"{metric}\u00a0{arrow}"


def _number_cells(
    values: Sequence[float | None], best: Direction | None, digits: int = 4
) -> list[Cell]:
    """Write numbers and mark the best; all that read the same as the best are marked.

    Args:
        values: A number for each run; None if there is no such number.
        best: Whether a `high` or a `low` number is better; None: nothing is marked.
        digits: Significant digits.
    """
    texts = [
        _NO_VALUE if value is None else format_significant(value, digits, keep_zeros=True)
        for value in values
    ]
    wanted = best_value([float(text) for text in texts if text != _NO_VALUE], best)
    if wanted is None or len(values) == 1:
        return [Cell(text) for text in texts]
    return [Cell(text, best=text != _NO_VALUE and float(text) == wanted) for text in texts]


def to_markdown(runs: Sequence[ComparedRun], columns: Sequence[Column]) -> str:
    """Write the table in Markdown; the best value of each column is bold."""
    titles = [
        f"{column.title} ({column.note})" if column.note else column.title for column in columns
    ]
    lines = [["run", *titles], ["---"] * (1 + len(columns))]
    for number, run in enumerate(runs):
        cells = [_in_markdown(column.cells[number]) for column in columns]
        lines.append([escape_markdown(run.label), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _in_markdown(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    return f"{text} ± {cell.spread}" if cell.spread else text


def escape_markdown(text: str) -> str:
    """Escape what Markdown would take for a table, a link, emphasis, code or HTML in a text."""
    return re.sub(r"([\\`*\[\]|])", r"\\\1", text).replace("<", "&lt;")


def code_in_markdown(text: str) -> str:
    """Write a text as code in a cell of a table in Markdown."""
    text = text.replace("|", r"\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def write_csv(
    runs: Sequence[ComparedRun],
    metrics: Sequence[str],
    path: pathlib.Path,
    further: Sequence[Mapping[str, object]] = (),
) -> None:
    """Write the table as plain numbers, a row for each run; a missing number is an empty cell.

    Args:
        runs: The runs.
        metrics: Columns of the table.
        path: The file.
        further: More cells by title, a mapping for each run with the same titles; empty: none.
    """
    titles = ["run", "workdir", "step", "steps", "n", "seconds_per_1000_steps", "parameters"]
    for metric in map(guard, metrics):
        titles += [metric, f"{metric}_std"]
    titles += [guard(title) for title in (further[0] if further else ())]
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(titles)
        for run, more in zip(runs, further or [{}] * len(runs), strict=True):
            folders = "; ".join(str(one.folder) for one in run.members)
            cells: list[object] = [guard(run.label), guard(folders)]
            cells.append("; ".join(_distinct(one.step for one in run.members)))
            cells.append("; ".join(_distinct(int(one.record.step) or "" for one in run.members)))
            cells += [run.scores.count, run.seconds, run.parameters]
            for metric in metrics:
                score = run.scores.metrics[metric]
                cells += [score.mean, score.deviation]
            cells += more.values()
            writer.writerow(cells)


def find_differing_settings(runs: Sequence[ComparedRun]) -> list[DifferingSetting]:
    """Return the settings whose values differ between the runs."""
    configs = [[flatten(one.config) for one in run.members] for run in runs]
    found = []
    for key in configs[0][0]:
        values = [", ".join(_distinct(repr(one[key]) for one in run)) for run in configs]
        if len(set(values)) > 1 and not key.startswith(_KEYS_WITHOUT_EFFECT_ON_RESULTS):
            found.append(DifferingSetting(key, values))
    return found
