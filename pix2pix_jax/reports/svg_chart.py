"""Curves as SVG paths: axes with round numbers, and lines between them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pix2pix_jax.reports.numbers import short
from pix2pix_jax.runs.record import Row

Tick = tuple[float, str]

# The picture's coordinates: its size, and the sides of the axes.
WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 54, 346, 8, 174

_MOST_POINTS = 400
_FEW_POINTS = 12  # these get dots


@dataclasses.dataclass(frozen=True)
class Line:
    """One curve of a chart.

    Attributes:
        label: What the legend calls it.
        values: A number, or None, for each of the chart's steps.
        points: Places of the numbers in the picture: x and y.
    """

    label: str
    values: list[float | None]
    points: list[tuple[float, float]]

    @property
    def path(self) -> str:
        """The `d` of an SVG path."""
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in self.points)

    @property
    def dots(self) -> list[tuple[float, float]]:
        """The points that are drawn as dots: those of a short curve."""
        return self.points if len(self.points) <= _FEW_POINTS else []

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last number."""
        numbers = [value for value in self.values if value is not None]
        return numbers[0], numbers[-1]


@dataclasses.dataclass(frozen=True)
class Chart:
    """Curves over the steps of a run.

    Attributes:
        title: Heading.
        note: What else there is to say of the numbers; may be empty.
        lines: Curves.
        steps: Steps that have a point.
        epochs: Their epochs; None where unknown.
        x_ticks: Places and texts of the marks on the x axis.
        y_ticks: Those of the y axis.
        guide: Place and name of the horizontal line that the curves should pass; None: none.
    """

    title: str
    note: str
    lines: list[Line]
    steps: list[float]
    epochs: list[float | None]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    guide: Tick | None

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script needs to show the numbers of a step."""
        lines = [[value and float(f"{value:.5g}") for value in line.values] for line in self.lines]
        return {"steps": self.steps, "epochs": self.epochs, "lines": lines}


@dataclasses.dataclass(frozen=True)
class _Axes:
    """Where steps from 0 to `end`, and values from `low` to `high`, are in the picture."""

    end: float
    low: float
    high: float

    def x(self, step: float) -> float:
        return LEFT + (RIGHT - LEFT) * step / self.end

    def y(self, value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (value - self.low) / (self.high - self.low)

    def line(self, name: str, label: str, rows: Sequence[Row]) -> Line:
        places = [(self.x(row["step"]), self.y(row[name])) for row in rows if name in row]
        return Line(label, [row.get(name) for row in rows], places)


def end_of(rows: Sequence[Row]) -> float:
    """Return the step at the end of the x axis, which begins at 0."""
    return max(rows[-1]["step"] if rows else 0.0, 1.0)


def draw(
    title: str,
    labels: Mapping[str, str],
    rows: Sequence[Row],
    note: str = "",
    guides: Mapping[str, float] | None = None,
) -> Chart:
    """Draw columns of a table.

    Args:
        title: Heading.
        labels: Names of columns, and what the legend calls them; one has a number at least.
        rows: The table in order of its column `step`; a row has no entry where it has no number.
        note: What to say below the heading.
        guides: Values that the curves should pass; the one nearest to them is drawn.

    Returns:
        The chart; a long table's neighbouring rows are averaged.
    """
    points, size = _fold([row for row in rows if any(name in row for name in labels)])
    notes = [note, f"each point is the mean of {size} rows" if size > 1 else ""]
    values = [row[name] for row in points for name in labels if name in row]
    guide = _nearest(guides or {}, values)
    enclosed = values if guide is None else [*values, guide[1]]
    marks = ticks(min(enclosed), max(enclosed))
    axes = _Axes(end_of(rows), marks[0], marks[-1])
    steps = [step for step in ticks(0.0, axes.end) if step <= axes.end and step == round(step)]
    lines = [axes.line(name, label, points) for name, label in labels.items()]
    return Chart(
        title,
        "; ".join(filter(None, notes)),
        [line for line in lines if line.points],
        [row["step"] for row in points],
        [row.get("epoch") for row in points],
        [(axes.x(step), f"{step:,.0f}" if step else "step 0") for step in steps],
        [(axes.y(value), short(value, 6)) for value in marks],
        guide and (axes.y(guide[1]), guide[0]),
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers, evenly spaced, that enclose a range.

    Args:
        low: Least value.
        high: Largest value; may equal the least.
        most: The smallest round distance is taken of which no more than so many fill the range.

    Returns:
        In order; two or more.
    """
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        margin = abs(high) / 2 or 1.0
        low, high = low - margin, high + margin
    least = (high - low) / most
    power = 10.0 ** math.floor(math.log10(least))
    unit = next(digit * power for digit in (1, 2, 2.5, 5, 10, 20) if digit * power >= least)
    numbers = range(math.floor(low / unit), math.ceil(high / unit) + 1)
    return [number * unit for number in numbers]


def _fold(rows: Sequence[Row]) -> tuple[list[Row], int]:
    """Average neighbouring rows until few are left; return how many went into each as well."""
    size = math.ceil(len(rows) / _MOST_POINTS)
    return [_mean(rows[start : start + size]) for start in range(0, len(rows), size)], size


def _mean(rows: Sequence[Row]) -> Row:
    """Average rows; step and epoch are those of the last."""
    names = {name for row in rows for name in row}
    columns = {name: [row[name] for row in rows if name in row] for name in names}
    means = {name: sum(column) / len(column) for name, column in columns.items()}
    return means | {name: rows[-1][name] for name in ("step", "epoch") if name in rows[-1]}


def _nearest(guides: Mapping[str, float], values: Sequence[float]) -> tuple[str, float] | None:
    mean = sum(values) / len(values)
    return min(guides.items(), key=lambda guide: abs(guide[1] - mean), default=None)
