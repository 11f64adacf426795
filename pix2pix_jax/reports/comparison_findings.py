"""The tables of a comparison that say how sure its scores are: differences, and seeds."""

import dataclasses
from collections.abc import Sequence

from pix2pix_jax.reports.comparison_differences import HEADINGS, RunDifference, explain_differences
from pix2pix_jax.reports.comparison_runs import ComparedRun
from pix2pix_jax.reports.comparison_seeds import seed_rows
from pix2pix_jax.reports.comparison_table import escape_markdown

_ABOUT_SEEDS = (
    "A pooled entry is the mean of its runs, image by image. Here: the lowest and the highest "
    "score of these runs, ± their standard deviation. Pictures and curves are those of its "
    "first run."
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """A table of texts with a title and a note.

    Attributes:
        name: Its place in the page.
        title: Heading.
        notes: What it says, in plain words: paragraphs.
        rows: Headings, then the rows.
    """

    name: str
    title: str
    notes: list[str]
    rows: list[list[str]]

    def in_markdown(self) -> list[str]:
        """Return heading, table and notes as paragraphs of Markdown."""
        lines = [[escape_markdown(cell) for cell in row] for row in self.rows]
        lines.insert(1, ["---"] * len(lines[0]))
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return [f"## {escape_markdown(self.title)}", table, *map(escape_markdown, self.notes)]


def build_findings(
    runs: Sequence[ComparedRun], metrics: Sequence[str], differences: Sequence[RunDifference]
) -> list[Finding]:
    """Return the differences from the first run and the spread over seeds, where there are any.

    Args:
        runs: The runs.
        metrics: Columns of the table.
        differences: From `find_differences`.
    """
    found = []
    if differences:
        rows = [list(HEADINGS), *(one.cells for one in differences)]
        title = f"Differences from {runs[0].label}"
        found.append(Finding("differences", title, explain_differences(runs, differences), rows))
    rows = seed_rows(runs, metrics)
    if rows:
        found.append(Finding("seeds", "Spread over seeds", [_ABOUT_SEEDS], rows))
    return found
