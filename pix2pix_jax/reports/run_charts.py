"""Which columns of a run's `metrics.csv` the report shows, and in which chart."""

import dataclasses
from collections.abc import Mapping, Sequence

from pix2pix_jax.evaluation.metrics.table import best_of
from pix2pix_jax.reports.metric_notes import best_value, describe_metric
from pix2pix_jax.reports.svg_chart import Chart, draw_chart
from pix2pix_jax.runs.record import Record, Row

_SIDES = {"val_": "validation", "train_": "training"}
_LOSS_TITLES = {"g_loss": "Generator loss", "g_loss_gan": "Adversarial loss"}


@dataclasses.dataclass(frozen=True)
class BestScore:
    """The best value of a metric in the course of a run.

    Attributes:
        value: The value.
        step: Step at which it was measured.
    """

    value: float
    step: float


@dataclasses.dataclass(frozen=True)
class Score:
    """A metric on the validation pairs.

    Attributes:
        name: The metric.
        value: Its newest value.
        meaning: Its unit and direction; '' if they are unknown.
        best: Its best value; None if it is unknown which way is better.
        baselines: Values of answers that need no training, by name.
    """

    name: str
    value: float
    meaning: str
    best: BestScore | None
    baselines: dict[str, float]


def collect_scores(record: Record) -> list[Score]:
    """Return the newest value of every validation metric of a run."""
    newest: dict[str, float] = {}
    for row in record.rows:
        for column, value in row.items():
            if column.startswith("val_"):
                newest[column.removeprefix("val_")] = value
    if record.summary is not None:
        newest |= record.summary.validation
    return [
        Score(
            name,
            value,
            describe_metric(name),
            _best_score(name, record.rows),
            select_baselines(name, record.baselines),
        )
        for name, value in newest.items()
    ]


def _best_score(name: str, rows: Sequence[Row]) -> BestScore | None:
    column = f"val_{name}"
    measured = [row for row in rows if column in row]
    best = best_value([row[column] for row in measured], best_of(name))
    if best is None:
        return None
    return next(BestScore(best, row["step"]) for row in measured if row[column] == best)


def select_baselines(metric: str, baselines: Mapping[str, float]) -> dict[str, float]:
    """Return the baselines of one metric, by their names without the name of the metric."""
    ending = f"_{metric}"
    return {
        _as_words(name.removesuffix(ending)): value
        for name, value in baselines.items()
        if name.endswith(ending)
    }


def loss_charts(rows: Sequence[Row]) -> list[Chart]:
    """Draw every loss of the generator in a chart of its own, those of the discriminator in one."""
    names = sorted(_columns(rows))  # a whole loss sorts before its parts
    of_generator = [name for name in names if name.startswith("g_loss")]
    charts = [draw_chart(_loss_title(name), {name: name}, rows) for name in of_generator]
    labels = {name: name.removeprefix("d_loss_") for name in names if name.startswith("d_loss")}
    if labels:
        charts.append(draw_chart("Discriminator loss", labels, rows))
    return charts


def metric_charts(rows: Sequence[Row], baselines: Mapping[str, float]) -> list[Chart]:
    """Draw every metric on validation and training pairs, with the nearest baseline.

    Args:
        rows: Rows of `metrics.csv`.
        baselines: Scores of answers that need no training, as `<name>_<metric>`.
    """
    sided = [(name, side) for name in _columns(rows) for side in _SIDES if name.startswith(side)]
    charts = []
    for metric in dict.fromkeys(column.removeprefix(side) for column, side in sided):
        labels = {side + metric: label for side, label in _SIDES.items()}
        guides = select_baselines(metric, baselines)
        charts.append(draw_chart(metric, labels, rows, describe_metric(metric), guides))
    return charts


def other_charts(rows: Sequence[Row]) -> list[Chart]:
    """Draw what is neither loss nor metric, such as learning rate and speed."""
    known = ("step", "epoch", "g_loss", "d_loss", *_SIDES)
    names = [name for name in _columns(rows) if not name.startswith(known)]
    return [
        draw_chart(_as_words(name).capitalize(), {name: _as_words(name)}, rows) for name in names
    ]


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _loss_title(name: str) -> str:
    if name in _LOSS_TITLES:
        return _LOSS_TITLES[name]
    return _as_words(name.removeprefix("g_loss_")).capitalize() + " loss"


def _as_words(name: str) -> str:
    return name.replace("_", " ")
