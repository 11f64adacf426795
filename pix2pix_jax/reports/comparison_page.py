"""Write a comparison: Markdown, CSV, PNG, and one HTML file that opens from disk."""

import dataclasses
import datetime
import math
import pathlib
from collections.abc import Sequence

from pix2pix_jax.evaluation.metrics.table import best_of, names_per
from pix2pix_jax.evaluation.run_scores import ScoringOptions
from pix2pix_jax.images import files as image_files
from pix2pix_jax.reports.comparison_differences import find_differences, plain_cells
from pix2pix_jax.reports.comparison_findings import Finding, build_findings
from pix2pix_jax.reports.comparison_pictures import (
    ComparedImage,
    draw_image_sheet,
    picture_headings,
)
from pix2pix_jax.reports.comparison_runs import ComparedRun, find_faults
from pix2pix_jax.reports.comparison_seeds import find_seed_faults
from pix2pix_jax.reports.comparison_table import (
    Column,
    build_columns,
    code_in_markdown,
    escape_markdown,
    find_differing_settings,
    to_markdown,
    write_csv,
)
from pix2pix_jax.reports.metric_notes import best_value, describe_metric
from pix2pix_jax.reports.numbers import format_significant
from pix2pix_jax.reports.pages import encode_picture, render, write_text
from pix2pix_jax.reports.png_plots import Panel, plot_panels
from pix2pix_jax.reports.run_charts import select_baselines
from pix2pix_jax.reports.svg_chart import Chart, draw_chart
from pix2pix_jax.runs.record import Row

_SIDE = "val_"
_LINE_STYLES = 8  # of the page
_LARGEST = (512, 512)  # height and width of a picture in the page
_QUALITY = 90


@dataclasses.dataclass(frozen=True)
class CaptionedPicture:
    """A picture of the page.

    Attributes:
        uri: The picture as a `data:` URI.
        alt: What it shows.
        caption: Line below it; may be empty.
        best: Whether its caption is the best of its row.
    """

    uri: str
    alt: str
    caption: str
    best: bool


def write_comparison(
    runs: Sequence[ComparedRun],
    metrics: Sequence[str],
    images: Sequence[ComparedImage],
    options: ScoringOptions,
    output: pathlib.Path,
) -> list[str]:
    """Write a comparison.

    Args:
        runs: The runs.
        metrics: Columns of the table.
        images: Images translated by all runs; may be empty.
        options: How the runs were scored.
        output: Folder, created if missing. It gets `comparison.md`, `comparison.csv`,
            `comparison.html`, `curves.png` if the runs have curves, and `images.png` if there are
            images.

    Returns:
        The reasons why the scores cannot be compared as they are, one line each.

    Raises:
        InputError: matplotlib is not installed.
    """
    output.mkdir(parents=True, exist_ok=True)
    faults = [*find_faults(runs, metrics), *find_seed_faults(runs)]
    columns, panels = build_columns(runs, metrics), build_panels(runs, metrics)
    differences = find_differences(runs, metrics)
    findings = build_findings(runs, metrics, differences)
    further = plain_cells(runs, metrics, differences)
    write_csv(runs, metrics, output / "comparison.csv", further)
    links = []
    if images:
        image_files.write(output / "images.png", draw_image_sheet(runs, images))
        links.append("![The same images, translated by every run](images.png)")
    if panels:
        plot_panels(panels, output / "curves.png", "step")
        links.append("![Validation metrics over the steps](curves.png)")
    write_text(output / "comparison.md", _markdown(runs, columns, findings, faults, links, options))
    caption_metric = next((name for name in metrics if name in names_per("image")), "")
    content = {
        "runs": runs,
        "columns": columns,
        "findings": findings,
        "faults": faults,
        "options": options,
        "headings": picture_headings(runs),
        "images": [_caption_pictures(runs, caption_metric, image) for image in images],
        "caption_metric": caption_metric,
        "charts": [_draw_panel(panel, runs) for panel in panels],
        "line_of": {run.label: number % _LINE_STYLES for number, run in enumerate(runs)},
        "settings": find_differing_settings(runs),
        "written": datetime.datetime.now(datetime.UTC),
    }
    write_text(output / "comparison.html", render("comparison_page.html", content))
    return faults


def build_panels(runs: Sequence[ComparedRun], metrics: Sequence[str]) -> list[Panel]:
    """Return the curves of all validation metrics that the runs measured during training.

    Args:
        runs: The runs.
        metrics: The metrics that come first, in this order.
    """
    measured = [
        column.removeprefix(_SIDE)
        for run in runs
        for row in run.record.rows
        for column in row
        if column.startswith(_SIDE)
    ]
    first = [name for name in metrics if name in measured]
    panels = []
    for metric in dict.fromkeys([*first, *measured]):
        lines = {run.label: _points(run, f"{_SIDE}{metric}") for run in runs}
        panels.append(Panel(metric, {label: points for label, points in lines.items() if points}))
    return panels


def _points(run: ComparedRun, column: str) -> list[tuple[float, float]]:
    return [(row["step"], row[column]) for row in run.record.rows if column in row]


def _draw_panel(panel: Panel, runs: Sequence[ComparedRun]) -> Chart:
    """Draw a panel for the page, with a baseline if it is the same for all runs."""
    columns = {label: f"run {label}" for label in panel.lines}
    rows: dict[float, Row] = {}
    for label, points in panel.lines.items():
        for step, value in points:
            rows.setdefault(step, {"step": step})[columns[label]] = value
    baselines = runs[0].record.baselines
    shared = all(run.record.baselines == baselines for run in runs)
    return draw_chart(
        panel.metric,
        {column: label for label, column in columns.items()},
        [rows[step] for step in sorted(rows)],
        describe_metric(panel.metric),
        select_baselines(panel.metric, baselines) if shared else {},
    )


def _caption_pictures(
    runs: Sequence[ComparedRun], metric: str, image: ComparedImage
) -> list[CaptionedPicture]:
    """Return the pictures of an image, those of the runs with their values of a metric.

    Args:
        runs: The runs.
        metric: A metric of single images; '': no captions.
        image: The image.
    """
    values: list[float | None] = [None] * len(runs)
    if metric:
        # The picture of a pooled entry is that of its first run.
        values = [run.members[0].values[image.name].get(metric) for run in runs]
    known = [value for value in values if value is not None and not math.isnan(value)]
    best = best_value(known, best_of(metric))
    pictures = []
    # The source and the target have no value.
    for heading, picture, value in zip(
        picture_headings(runs), image.pictures, [None, *values, None], strict=True
    ):
        caption = ""
        if value is not None and not math.isnan(value):
            caption = format_significant(value, 3, keep_zeros=True)
        uri = encode_picture(picture, _LARGEST, _QUALITY).uri
        is_best = bool(caption) and value == best
        pictures.append(CaptionedPicture(uri, f"{heading} of {image.name}", caption, is_best))
    return pictures


def _markdown(
    runs: Sequence[ComparedRun],
    columns: Sequence[Column],
    findings: Sequence[Finding],
    faults: Sequence[str],
    links: Sequence[str],
    options: ScoringOptions,
) -> str:
    labels = [escape_markdown(run.label) for run in runs]
    parts = [
        f"# {', '.join(labels)}",
        f"Scores of the {options.split} pairs in mode `{options.mode}`: mean ± standard deviation "
        "over the images (for kid and inception_score, over parts of the set). The best value of "
        "each column is bold.",
        to_markdown(runs, columns).rstrip(),
        *(part for finding in findings for part in finding.in_markdown()),
        *(f"> **Warning:** {escape_markdown(fault)}" for fault in faults),
        *links,
    ]
    settings = find_differing_settings(runs)
    if settings:
        table = [["setting", *labels], ["---"] * (1 + len(runs))]
        for setting in settings:
            table.append([code_in_markdown(cell) for cell in (setting.key, *setting.values)])
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in table))
    return "\n\n".join(parts) + "\n"
