"""The table `metrics.csv` of a run, and which of its columns the report shows in which chart."""

import dataclasses
from collections.abc import Mapping, Sequence

from pix2pix_jax.evaluation.metrics.table import METRICS
from pix2pix_jax.reports.svg_chart import Chart, draw
from pix2pix_jax.runs.record import Record, Row

_SIDES = {"val_": "validation", "train_": "training"}
_LOSSES = {"g_loss": "Generator loss", "g_loss_gan": "Adversarial loss"}


def loss_charts(rows: Sequence[Row]) -> list[Chart]:
    """Draw every loss: each of the generator's alone, the discriminator's together."""
    names = sorted(_columns(rows))  # a whole loss sorts before its parts
    of_generator = [name for name in names if name.startswith("g_loss")]
    charts = [draw(_loss_title(name), {name: name}, rows) for name in of_generator]
    labels = {name: name.removeprefix("d_loss_") for name in names if name.startswith("d_loss")}
    return [*charts, draw("Discriminator loss", labels, rows)] if labels else charts


def metric_charts(rows: Sequence[Row], baselines: Mapping[str, float]) -> list[Chart]:
    """Draw every metric over validation and training pairs, with the baseline nearest to it.

    Args:
        rows: Of `metrics.csv`.
        baselines: Scores of answers that need no learning, as `<name>_<metric>`.
    """
    sided = [(name, side) for name in _columns(rows) for side in _SIDES if name.startswith(side)]
    charts = []
    for name in dict.fromkeys(column.removeprefix(side) for column, side in sided):
        labels = {side + name: label for side, label in _SIDES.items()}
        charts.append(draw(name, labels, rows, describe(name), baselines_of(name, baselines)))
    return charts


def other_charts(rows: Sequence[Row]) -> list[Chart]:
    """Draw what is neither loss nor metric, such as learning rate and speed."""
    known = ("step", "epoch", "g_loss", "d_loss", *_SIDES)
    names = [name for name in _columns(rows) if not name.startswith(known)]
    return [draw(_spoken(name).capitalize(), {name: _spoken(name)}, rows) for name in names]


def baselines_of(metric: str, baselines: Mapping[str, float]) -> dict[str, float]:
    """Return the baselines of one metric by their own names, without the metric's."""
    ending = f"_{metric}"
    return {
        _spoken(name.removesuffix(ending)): value
        for name, value in baselines.items()
        if name.endswith(ending)
    }


def best_row(name: str, rows: Sequence[Row]) -> Row | None:
    """Return the row of a validation metric's best value; None where what is best is unknown."""
    column, metric = f"val_{name}", METRICS.get(name)
    having = [row for row in rows if column in row]
    if metric is None or not having:
        return None
    choose = max if metric.best == "high" else min
    return choose(having, key=lambda row: row[column])


def describe(name: str) -> str:
    """Say a metric's unit and what is better, as far as they are known."""
    if name not in METRICS:
        return ""
    metric = METRICS[name]
    return ", ".join(filter(None, [metric.unit, f"{metric.best}er is better"]))


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _loss_title(name: str) -> str:
    return _LOSSES.get(name) or _spoken(name.removeprefix("g_loss_")).capitalize() + " loss"


def _spoken(name: str) -> str:
    return name.replace("_", " ")


@dataclasses.dataclass(frozen=True)
class Score:
    """A metric over the validation pairs.

    Attributes:
        name: The metric.
        value: Its newest value.
        meaning: Unit and direction, as far as they are known.
        best: Row of the table with its best value; None where what is best is unknown.
        baselines: Values of answers that need no learning, by name.
    """

    name: str
    value: float
    meaning: str
    best: Row | None
    baselines: dict[str, float]


def scores_of(record: Record) -> list[Score]:
    """Return the newest value of every validation metric of a run."""
    newest: dict[str, float] = {}
    for row in record.rows:
        newest |= {
            name.removeprefix("val_"): value
            for name, value in row.items()
            if name.startswith("val_")
        }
    newest |= record.validation
    return [
        Score(
            name,
            value,
            describe(name),
            best_row(name, record.rows),
            baselines_of(name, record.baselines),
        )
        for name, value in newest.items()
    ]
