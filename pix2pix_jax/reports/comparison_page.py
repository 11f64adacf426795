"""Write a comparison: Markdown, CSV, PNG, and one HTML file that opens from disk."""

import datetime
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.evaluation.metrics.table import METRICS
from pix2pix_jax.evaluation.run_scores import Options
from pix2pix_jax.evaluation.scorecard import best_of
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.sheets import to_uri
from pix2pix_jax.reports import run_charts as curves
from pix2pix_jax.reports import svg_chart as chart
from pix2pix_jax.reports.comparison_pictures import Shown, draw_images_sheet, headings
from pix2pix_jax.reports.comparison_runs import Entry, find_faults
from pix2pix_jax.reports.comparison_table import (
    Column,
    build_columns,
    differing_settings,
    to_markdown,
    write_csv,
)
from pix2pix_jax.reports.numbers import written
from pix2pix_jax.reports.png_plots import Panel, plot_panels

_SIDE = "val_"


def write_comparison(
    entries: Sequence[Entry],
    metrics: Sequence[str],
    shown: Sequence[Shown],
    options: Options,
    output: pathlib.Path,
) -> list[str]:
    """Write a comparison.

    Args:
        entries: The runs.
        metrics: Columns of the table.
        shown: Images as all runs translate them; may be empty.
        options: How the runs were scored.
        output: Folder, made where missing: `comparison.md`, `.csv`, `.html`, `curves.png` and,
            where there are images, `images.png`.

    Returns:
        Why the scores cannot be compared as they stand, one line for each reason.

    Raises:
        InputError: matplotlib is not installed.
    """
    output.mkdir(parents=True, exist_ok=True)
    faults, columns = find_faults(entries, metrics), build_columns(entries, metrics)
    write_csv(entries, metrics, output / "comparison.csv")
    panels = build_panels(entries, metrics)
    pictures = []
    if shown:
        image_files.write(output / "images.png", draw_images_sheet(entries, shown))
        pictures.append("![The same images by every run](images.png)")
    if panels:
        plot_panels(panels, output / "curves.png", "step")
        pictures.append("![Validation metrics over the steps](curves.png)")
    text = _markdown(entries, columns, faults, pictures, options)
    content = {
        "entries": entries,
        "columns": columns,
        "faults": faults,
        "options": options,
        "headings": headings(entries),
        "rows": [_page_row(entries, metrics, one) for one in shown],
        "sort": next((name for name in metrics if name in METRICS), ""),
        "charts": [_chart(panel, entries) for panel in panels],
        "axes": chart,
        "places": {entry.label: number % 8 for number, entry in enumerate(entries)},
        "settings": differing_settings(entries),
        "written": datetime.datetime.now(datetime.UTC),
    }
    for name, whole in (("md", text), ("html", _template().render(content))):
        with atomic_path(output / f"comparison.{name}") as temporary:
            # A folder's name may hold bytes that are no text.
            temporary.write_text(whole, encoding="utf-8", errors="replace")
    return faults


def build_panels(entries: Sequence[Entry], metrics: Sequence[str]) -> list[Panel]:
    """Return the curves of all validation metrics that the runs have measured while training."""
    measured = [
        column.removeprefix(_SIDE)
        for entry in entries
        for row in entry.record.rows
        for column in row
        if column.startswith(_SIDE)
    ]
    order = [name for name in metrics if name in measured]
    panels = []
    for metric in dict.fromkeys([*order, *measured]):
        lines = {entry.label: _points(entry, f"{_SIDE}{metric}") for entry in entries}
        panels.append(Panel(metric, {label: points for label, points in lines.items() if points}))
    return panels


def _points(entry: Entry, column: str) -> list[tuple[float, float]]:
    return [(row["step"], row[column]) for row in entry.record.rows if column in row]


def _chart(panel: Panel, entries: Sequence[Entry]) -> chart.Chart:
    """Draw a panel for the page, with the baseline where all runs have the same."""
    keys = {label: f"run {label}" for label in panel.lines}
    rows: dict[float, dict[str, float]] = {}
    for label, points in panel.lines.items():
        for step, value in points:
            rows.setdefault(step, {"step": step})[keys[label]] = value
    baselines = entries[0].record.baselines
    shared = all(entry.record.baselines == baselines for entry in entries)
    guides = curves.baselines_of(panel.metric, baselines) if shared else {}
    note = curves.describe(panel.metric)
    ordered = [rows[step] for step in sorted(rows)]
    return chart.draw(panel.metric, {keys[label]: label for label in keys}, ordered, note, guides)


def _page_row(entries: Sequence[Entry], metrics: Sequence[str], one: Shown) -> dict[str, Any]:
    """Return what the page shows of an image: pictures, and each run's value of one metric."""
    metric = next((name for name in metrics if name in METRICS), "")
    values = [entry.values[one.name].get(metric) for entry in entries] if metric else []
    known = [value for value in values if value is not None and value == value]
    best = (min if metric and best_of(metric) == "low" else max)(known, default=None)
    captions = [{"text": "", "best": False}] * (2 + len(entries))
    for number, value in enumerate(values, 1):
        if value in known:
            captions[number] = {"text": written(value, 3), "best": value == best}
    return {"name": one.name, "cells": list(zip(map(to_uri, one.all), captions, strict=True))}


def _markdown(
    entries: Sequence[Entry],
    columns: Sequence[Column],
    faults: Sequence[str],
    pictures: Sequence[str],
    options: Options,
) -> str:
    settings = differing_settings(entries)
    lines = [
        f"# {', '.join(entry.label for entry in entries)}",
        f"Scores of the {options.split} pairs in mode `{options.mode}`: mean ± standard deviation "
        "over the images (of kid and inception_score: over parts of the set). The best of each "
        "column is bold; whether a difference means anything, only runs with other seeds can say.",
        to_markdown(entries, columns).rstrip(),
        *(f"> **Warning:** {fault}" for fault in faults),
        *pictures,
    ]
    if settings:
        table = ["| setting | " + " | ".join(entry.label for entry in entries) + " |"]
        table.append("| --- " * (1 + len(entries)) + "|")
        table += [
            f"| `{key}` | " + " | ".join(f"`{value}`" for value in values) + " |"
            for key, values in settings.items()
        ]
        lines.append("\n".join(table))
    return "\n\n".join(lines) + "\n"


@functools.cache
def _template() -> Any:
    import jinja2

    here = pathlib.Path(__file__).parent
    environment = jinja2.Environment(
        # The look is the one of a run's report.
        loader=jinja2.FileSystemLoader(here),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: written(value, 4)
    return environment.get_template("comparison.html")
