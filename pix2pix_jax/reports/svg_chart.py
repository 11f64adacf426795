"""Charts as SVG paths: axes with round numbers, and curves."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TypedDict

from pix2pix_jax.reports.numbers import format_number, format_significant
from pix2pix_jax.runs.record import Row

Tick = tuple[float, str]

_MOST_POINTS = 400
_FEW_POINTS = 12  # a curve of at most this many points has dots


@dataclasses.dataclass(frozen=True)
class Area:
    """Coordinates of a chart: the size of the picture, and the sides of the plot in it."""

    width: int = 360
    height: int = 200
    left: int = 54
    right: int = 346
    top: int = 8
    bottom: int = 174


AREA = Area()


class ChartData(TypedDict):
    """The numbers of a chart, for the script of the page."""

    steps: list[float]
    epochs: list[float | None]
    lines: list[list[float | None]]


@dataclasses.dataclass(frozen=True)
class Line:
    """One curve of a chart.

    Attributes:
        label: Its label in the legend.
        values: A number, or None, for each of the chart's steps.
        points: Coordinates of the numbers in the picture: x and y.
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
        note: Line below the heading; may be empty.
        lines: Curves.
        steps: Steps that have a point.
        epochs: Their epochs; None if unknown.
        x_ticks: Coordinates and texts of the marks on the x axis.
        y_ticks: Coordinates and texts of the marks on the y axis.
        guide: Coordinate and label of a horizontal line to compare the curves with; None: no line.
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
    def data(self) -> ChartData:
        """What the script of the page needs to show the numbers of a step."""
        lines = [[_rounded(value) for value in line.values] for line in self.lines]
        return {"steps": self.steps, "epochs": self.epochs, "lines": lines}


def _rounded(value: float | None) -> float | None:
    """Round as `format_number` does, so that the script shows the same digits."""
    return None if value is None else float(format_number(value).replace(",", ""))


@dataclasses.dataclass(frozen=True)
class _Axes:
    """Maps steps from 0 to `end`, and values from `low` to `high`, to coordinates."""

    end: float
    low: float
    high: float

    def x(self, step: float) -> float:
        return AREA.left + (AREA.right - AREA.left) * step / self.end

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return AREA.bottom - (AREA.bottom - AREA.top) * share

    def line(self, name: str, label: str, rows: Sequence[Row]) -> Line:
        points = [(self.x(row["step"]), self.y(row[name])) for row in rows if name in row]
        return Line(label, [row.get(name) for row in rows], points)


def end_of_axis(rows: Sequence[Row]) -> float:
    """Return the step at the end of the x axis, which begins at 0."""
    return max(rows[-1]["step"], 1.0) if rows else 1.0


def draw_chart(
    title: str,
    labels: Mapping[str, str],
    rows: Sequence[Row],
    note: str = "",
    guides: Mapping[str, float] | None = None,
) -> Chart:
    """Draw columns of a table.

    Args:
        title: Heading.
        labels: Names of columns, and their labels in the legend; at least one has a number.
        rows: The table in order of its column `step`; a row leaves out columns without a number.
        note: Line below the heading.
        guides: Values to compare the curves with; the one nearest to the curves is drawn.

    Returns:
        The chart; neighbouring rows of a long table are averaged.
    """
    points, size = _fold([row for row in rows if any(name in row for name in labels)])
    notes = [note] if note else []
    if size > 1:
        notes.append(f"each point is the mean of {size} rows")
    values = [row[name] for row in points for name in labels if name in row]
    guide = _nearest(guides or {}, values)
    enclosed = values if guide is None else [*values, guide[1]]
    marks = ticks(min(enclosed), max(enclosed))
    axes = _Axes(end_of_axis(rows), marks[0], marks[-1])
    steps = [step for step in ticks(0.0, axes.end) if step <= axes.end and step == round(step)]
    lines = [axes.line(name, label, points) for name, label in labels.items()]
    return Chart(
        title=title,
        note="; ".join(notes),
        lines=[line for line in lines if line.points],
        steps=[row["step"] for row in points],
        epochs=[row.get("epoch") for row in points],
        x_ticks=[(axes.x(step), f"{step:,.0f}" if step else "step 0") for step in steps],
        y_ticks=[(axes.y(value), format_significant(value, 6)) for value in marks],
        guide=None if guide is None else (axes.y(guide[1]), guide[0]),
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round, evenly spaced numbers that enclose a range.

    Args:
        low: Lower end of the range.
        high: Upper end of the range; may equal the lower end.
        most: Largest number of intervals that the range may take; the smallest round interval
            that fits is chosen.

    Returns:
        Two or more numbers in order.
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
    """Average neighbouring rows until few are left; also return how many make one."""
    size = math.ceil(len(rows) / _MOST_POINTS)
    return [_mean(rows[start : start + size]) for start in range(0, len(rows), size)], size


def _mean(rows: Sequence[Row]) -> Row:
    """Average rows; step and epoch are those of the last row."""
    names = {name for row in rows for name in row}
    columns = {name: [row[name] for row in rows if name in row] for name in names}
    means = {name: sum(column) / len(column) for name, column in columns.items()}
    return means | {name: rows[-1][name] for name in ("step", "epoch") if name in rows[-1]}


def _nearest(guides: Mapping[str, float], values: Sequence[float]) -> tuple[str, float] | None:
    mean = sum(values) / len(values)
    return min(guides.items(), key=lambda guide: abs(guide[1] - mean), default=None)
