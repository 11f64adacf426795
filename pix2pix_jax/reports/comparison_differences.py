"""How each run of a comparison differs from the first one, image by image."""

import dataclasses
from collections.abc import Sequence

from pix2pix_jax.evaluation.metrics.table import best_of, names_per
from pix2pix_jax.evaluation.paired import Difference, compare_paired
from pix2pix_jax.reports.comparison_runs import ComparedRun
from pix2pix_jax.reports.comparison_seeds import seed_deviation
from pix2pix_jax.reports.numbers import format_significant

HEADINGS = ("run", "metric", "difference", "95 % interval", "images won", "in words")
# Ends of the CSV's titles, and what stands below them.
_PLAIN = {
    "difference": "mean",
    "difference_low": "low",
    "difference_high": "high",
    "won": "won",
    "equal": "equal",
    "compared": "count",
    "verdict": "verdict",
}


@dataclasses.dataclass(frozen=True)
class RunDifference:
    """The difference of a run from the first one in one metric.

    Attributes:
        run: Label of the run.
        metric: Name of the metric.
        found: The difference; None if the runs share fewer than two images with a value.
    """

    run: str
    metric: str
    found: Difference | None

    @property
    def cells(self) -> list[str]:
        """The row of the table, under `HEADINGS`."""
        found = self.found
        if found is None:
            return [self.run, self.metric, "-", "-", "-", "too few images in common"]
        won = "-" if found.won is None else f"{found.won} of {found.count}"
        equal = f" ({found.equal} equal)" if found.equal else ""
        interval = f"{_signed(found.low)} to {_signed(found.high)}"
        return [self.run, self.metric, _signed(found.mean), interval, won + equal, found.verdict]


def _signed(value: float) -> str:
    text = format_significant(value, 3, keep_zeros=True) if value else "0"
    return f"+{text}" if value > 0 else text


def find_differences(runs: Sequence[ComparedRun], metrics: Sequence[str]) -> list[RunDifference]:
    """Compare every run but the first with the first, in every metric of single images.

    Args:
        runs: The runs.
        metrics: Names of metrics; those of whole sets are left out, as they have no pairs.
    """
    of_images = [name for name in metrics if name not in names_per("set")]
    found = []
    for metric in of_images:
        reference = _values(runs[0], metric)
        for run in runs[1:]:
            difference = compare_paired(reference, _values(run, metric), best_of(metric))
            found.append(RunDifference(run.label, metric, difference))
    return found


def _values(run: ComparedRun, metric: str) -> dict[str, float]:
    return {name: scores[metric] for name, scores in run.values.items() if metric in scores}


def explain_differences(runs: Sequence[ComparedRun]) -> str:
    """Return what the table of differences says, in words for people who are no statisticians."""
    return (
        f"Each run is compared with the first, {runs[0].label}, on the same images: difference is "
        f"the run's value minus that of {runs[0].label}, mean over the images. Had other images "
        "of the same kind been chosen, the difference would most likely (19 times in 20) lie in "
        'the interval. "No difference seen" means that the interval holds 0: these images cannot '
        "tell which run is better. Training again with another seed also changes the scores, and "
        "the interval does not cover that: pool the seeds of a setting, as in 'runs/a_seed*'."
    )


def plain_cells(
    runs: Sequence[ComparedRun], metrics: Sequence[str], differences: Sequence[RunDifference]
) -> list[dict[str, object]]:
    """Return seeds and differences as plain numbers, a dict for each run, for `write_csv`.

    Args:
        runs: The runs.
        metrics: Names of metrics.
        differences: From `find_differences`; the first run has none, so its cells are empty.
    """
    found = {(one.run, one.metric): one.found for one in differences}
    compared = dict.fromkeys(one.metric for one in differences)
    rows = []
    for run in runs:
        row: dict[str, object] = {"seeds": len(run.members)}
        row |= {f"{metric}_seed_std": seed_deviation(run, metric) for metric in metrics}
        for metric in compared:
            difference = found.get((run.label, metric))
            for title, name in _PLAIN.items():
                row[f"{metric}_{title}"] = None if difference is None else getattr(difference, name)
        rows.append(row)
    return rows
