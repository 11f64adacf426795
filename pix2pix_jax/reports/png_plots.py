"""Plots of metrics as PNG files, with a panel for each metric."""

import csv
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from pix2pix_jax.core.cells import guard
from pix2pix_jax.core.errors import require
from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.evaluation.metrics.table import names_per
from pix2pix_jax.reports.metric_notes import describe_metric
from pix2pix_jax.reports.saved_scores import SavedScores

# The palette of Okabe and Ito, which colour-blind readers can tell apart; then the same dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_DASHES = ("-", "--", ":")
_COLUMNS = 3
_PANEL = (3.4, 2.5)  # inches
_LEGEND = 0.35  # inches
_FEW_POINTS = 30  # a line of at most this many points has dots
Points = Sequence[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Panel:
    """The plot of one metric.

    Attributes:
        metric: Its name.
        lines: The points of each line in order, by the label of the line.
        spread: Half the height of the band around each point of a line; empty: no band.
    """

    metric: str
    lines: Mapping[str, Points]
    spread: Sequence[float] = ()


def plot_panels(panels: Sequence[Panel], path: pathlib.Path, x_label: str) -> None:
    """Draw panels side by side into a PNG file.

    Lines of the same label have the same colour in all panels, and share an entry of the legend.

    Args:
        panels: One or more.
        path: File to write.
        x_label: Label of the x axes.

    Raises:
        InputError: matplotlib is not installed.
    """
    require("matplotlib", "plots")
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(label for panel in panels for label in panel.lines))
    has_legend = len(labels) > 1
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    height = rows * _PANEL[1] + (_LEGEND if has_legend else 0.0)
    figure = Figure(figsize=(columns * _PANEL[0], height), dpi=130, layout="constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    handles: dict[str, Any] = {}
    for axes, panel in zip(all_axes, panels, strict=False):
        handles |= _plot(axes, panel, labels)
        axes.set_xlabel(x_label, fontsize=8)
    for axes in all_axes[len(panels) :]:
        axes.remove()
    if has_legend:
        figure.legend(
            [handles[label] for label in labels],
            [_literal(label) for label in labels],
            loc="outside upper center",
            ncols=min(len(labels), 5),
            frameon=False,
        )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def _literal(text: str) -> str:
    """Make matplotlib show a text as it is: without formulas, and with a leading underscore."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _plot(axes: Any, panel: Panel, labels: Sequence[str]) -> dict[str, Any]:
    """Draw the lines of a panel, and return the handle of each for the legend."""
    handles = {}
    for label, points in panel.lines.items():
        number = labels.index(label)
        x, y = zip(*points, strict=True)
        colour = _COLOURS[number % len(_COLOURS)]
        style = _DASHES[number // len(_COLOURS) % len(_DASHES)]
        marker = "o" if len(points) <= _FEW_POINTS else ""
        (handles[label],) = axes.plot(x, y, style, color=colour, marker=marker, markersize=3.5)
        if panel.spread:
            low = [value - half for value, half in zip(y, panel.spread, strict=True)]
            high = [value + half for value, half in zip(y, panel.spread, strict=True)]
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    every_x = {x for points in panel.lines.values() for x, _ in points}
    axes.xaxis.get_major_locator().set_params(integer=all(x == int(x) for x in every_x))
    axes.set_title(_literal(title_of(panel.metric)), fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return handles


def title_of(metric: str) -> str:
    """Return a metric's name with its unit and direction, as far as they are known."""
    note = describe_metric(metric)
    return f"{metric} ({note})" if note else metric


def write_curves(found: Sequence[Mapping[str, Any]], output: pathlib.Path, name: str) -> None:
    """Write every metric of several checkpoints as a table and as plots.

    Args:
        found: The content of `metrics.json` for each checkpoint, in order; all have the same
            metrics.
        output: Folder, created if missing.
        name: Name of the files: `<name>.csv` has step, epoch, n, and the value and deviation of
            each metric; `<name>.png` has the panels of `build_checkpoint_panels`.

    Raises:
        InputError: matplotlib is not installed.
    """
    checkpoints = [SavedScores.from_json(content) for content in found]
    output.mkdir(parents=True, exist_ok=True)
    _write_table(checkpoints, output / f"{name}.csv")
    panels = build_checkpoint_panels(checkpoints)
    if panels:
        plot_panels(panels, output / f"{name}.png", x_axis_of(checkpoints))


def _write_table(checkpoints: Sequence[SavedScores], path: pathlib.Path) -> None:
    metrics = list(checkpoints[0].metrics)
    titles = ["step", "epoch", "n"]
    for metric in map(guard, metrics):
        titles += [metric, f"{metric}_std"]
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(titles)
        for checkpoint in checkpoints:
            cells: list[object] = [checkpoint.step, checkpoint.epoch, checkpoint.count]
            for metric in metrics:
                score = checkpoint.metrics[metric]
                cells += [score.mean, score.deviation]
            writer.writerow(cells)


def x_axis_of(checkpoints: Sequence[SavedScores]) -> str:
    """Return what the x axes show: `epoch`, or `step` if an epoch is unknown."""
    return "step" if any(checkpoint.epoch is None for checkpoint in checkpoints) else "epoch"


def build_checkpoint_panels(checkpoints: Sequence[SavedScores]) -> list[Panel]:
    """Return a panel for each metric that has values, over epochs or steps.

    Only metrics of whole sets (KID, Inception score) have a band, their deviation. The deviation
    over the images would hide the curve.

    Args:
        checkpoints: Scores of the checkpoints in order; all have the same metrics.
    """
    panels = []
    for metric in checkpoints[0].metrics:
        points, spread = [], []
        for checkpoint in checkpoints:
            score = checkpoint.metrics[metric]
            if score.mean is None:
                continue
            points.append((_x(checkpoint, x_axis_of(checkpoints)), score.mean))
            if metric in names_per("set") and score.deviation is not None:
                spread.append(score.deviation)
        if points:
            panels.append(Panel(metric, {"": points}, spread))
    return panels


def _x(checkpoint: SavedScores, axis: str) -> float:
    if axis == "step" or checkpoint.epoch is None:
        return float(checkpoint.step)
    return float(checkpoint.epoch)
