"""Curves of metrics as pictures: one panel for each metric, for the eye and for print."""

import csv
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from pix2pix_jax.core.errors import require
from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.evaluation.metrics.table import METRICS
from pix2pix_jax.evaluation.scorecard import SET_METRICS, best_of

# Okabe and Ito's colours, which the colour-blind can tell apart; then the same ones dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_DASHES = ("-", "--", ":")
_COLUMNS = 3
_PANEL = (3.4, 2.5)  # inches
_FEW = 30  # points of a line that get dots
Points = Sequence[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Panel:
    """One metric's plot.

    Attributes:
        metric: Its name.
        lines: Points of each line by its label, in order.
        spread: Of a line, half the height of the band around each of its points; (): no band.
    """

    metric: str
    lines: Mapping[str, Points]
    spread: Sequence[float] = ()


def plot_panels(panels: Sequence[Panel], path: pathlib.Path, x_label: str) -> None:
    """Draw panels side by side into a PNG; lines of one label have one colour, named once.

    Args:
        panels: One or more.
        path: File to write.
        x_label: What runs along the x axes.

    Raises:
        InputError: matplotlib is not installed.
    """
    require("matplotlib", "plots")
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(label for panel in panels for label in panel.lines))
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    named = len(labels) > 1
    size = (columns * _PANEL[0], rows * _PANEL[1] + 0.35 * named)
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    handles: dict[str, Any] = {}
    for axes, panel in zip(all_axes, panels, strict=False):
        handles |= _plot(axes, panel, labels)
        axes.set_xlabel(x_label, fontsize=8)
    for axes in all_axes[len(panels) :]:
        axes.remove()
    if named:
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
    """Write a text so that matplotlib shows it as it is: no formulas, no hidden labels."""
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")


def _plot(axes: Any, panel: Panel, labels: Sequence[str]) -> dict[str, Any]:
    """Draw the lines of a panel, and return what the legend shows of each."""
    handles = {}
    for label, points in panel.lines.items():
        number = labels.index(label)
        x, y = zip(*points, strict=True)
        colour = _COLOURS[number % len(_COLOURS)]
        style = _DASHES[number // len(_COLOURS) % len(_DASHES)]
        marker = "o" if len(points) <= _FEW else ""
        (handles[label],) = axes.plot(x, y, style, color=colour, marker=marker, markersize=3.5)
        if panel.spread:
            low = [value - half for value, half in zip(y, panel.spread, strict=True)]
            high = [value + half for value, half in zip(y, panel.spread, strict=True)]
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    every_x = {x for points in panel.lines.values() for x, _ in points}
    axes.xaxis.get_major_locator().set_params(integer=all(x == int(x) for x in every_x))
    axes.set_title(title_of(panel.metric), fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return handles


def title_of(metric: str) -> str:
    """Return a metric's name with its unit and what is better, as far as they are known."""
    if metric not in METRICS and metric not in SET_METRICS:
        return metric
    unit = METRICS[metric].unit if metric in METRICS else ""
    notes = [unit, f"{best_of(metric)}er is better"]
    return f"{metric} ({', '.join(filter(None, notes))})"


def write_curves(found: Sequence[Mapping[str, Any]], output: pathlib.Path, name: str) -> None:
    """Write every metric of several checkpoints as a table and as curves.

    Args:
        found: What `metrics.json` says of each checkpoint, in order; all have the same metrics.
        output: Folder, made where missing.
        name: Of the files: `<name>.csv` has step, epoch, n and of each metric its value and
            deviation; `<name>.png` has a panel for each metric, over the epochs where they are
            known; the bands of KID and Inception score are their deviations.

    Raises:
        InputError: matplotlib is not installed.
    """
    output.mkdir(parents=True, exist_ok=True)
    metrics = list(found[0]["metrics"])
    columns = [column for metric in metrics for column in (metric, f"{metric}_std")]
    with (
        atomic_path(output / f"{name}.csv") as temporary,
        temporary.open("w", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["step", "epoch", "n", *columns])
        for one in found:
            cells = [one["metrics"][m].get(key) for m in metrics for key in ("mean", "std")]
            writer.writerow([one["checkpoint"], one["epoch"], one["n"], *cells])
    x = "checkpoint" if any(one["epoch"] is None for one in found) else "epoch"
    panels = [_panel(metric, found, x) for metric in metrics]
    panels = [panel for panel in panels if panel.lines]
    if panels:
        plot_panels(panels, output / f"{name}.png", "step" if x == "checkpoint" else x)


def _panel(metric: str, found: Sequence[Mapping[str, Any]], x: str) -> Panel:
    having = [one for one in found if one["metrics"][metric]["mean"] is not None]
    points = [(float(one[x]), one["metrics"][metric]["mean"]) for one in having]
    # Over images the deviation would hide the curve; of sets it is how sure the value is.
    spread = [one["metrics"][metric].get("std") for one in having if metric in SET_METRICS]
    known = [half for half in spread if half is not None]
    return Panel(metric, {"": points} if points else {}, known)
