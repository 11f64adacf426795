"""How each run of a comparison differs from the first one, image by image."""

import dataclasses
from collections.abc import Sequence

from pix2pix_jax.evaluation.metrics.table import METRICS, best_of, names_per
from pix2pix_jax.evaluation.paired import NO_DIFFERENCE, Difference, compare_paired
from pix2pix_jax.reports.comparison_runs import ComparedRun
from pix2pix_jax.reports.comparison_seeds import seed_deviation
from pix2pix_jax.reports.numbers import format_significant

HEADINGS = ("run", "metric", "in words", "difference", "95 % interval", "images won")
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
            return [self.run, self.metric, "fewer than two images in common", "-", "-", "-"]
        won = "-" if found.won is None else f"{found.won} of {found.count}"
        equal = f" ({found.equal} equal)" if found.equal else ""
        interval = f"{_signed(found.low)} to {_signed(found.high)}"
        numbers = [_signed(found.mean), interval, won + equal]
        return [self.run, self.metric, found.verdict, *numbers]


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


def _values(run: ComparedRun, metric: str) -> list[dict[str, float]]:
    return [
        {name: scores[metric] for name, scores in one.values.items() if metric in scores}
        for one in run.members
    ]


def explain_differences(
    runs: Sequence[ComparedRun], differences: Sequence[RunDifference]
) -> list[str]:
    """Return what the table of differences says, in words for people who are no statisticians.

    Args:
        runs: The runs.
        differences: From `find_differences`.
    """
    first = runs[0].label
    pooled = [run for run in runs if run.seeds]
    other = "other images" if not pooled else "other images and other seeds"
    notes = [
        f"Each run is compared with the first, {first}, image by image. Difference: its value "
        f"minus that of {first}, mean over the images. 95 % interval: {other} of the same kind "
        "would give another difference; of such intervals, about 19 in 20 hold the true one. "
        f'"{NO_DIFFERENCE.capitalize()}": the interval holds 0, so these scores cannot tell which '
        "is better. That does not prove that both are equally good.",
        _explain_seeds(runs),
    ]
    if len(differences) > 1:
        notes.append(
            "Of comparisons of what is equally good, about 1 in 20 finds a difference by chance. "
            f"There are {len(differences)} here; trust one that other metrics confirm."
        )
    summed = [name for name in dict.fromkeys(one.metric for one in differences) if _sums(name)]
    if summed:
        notes.append(
            f"{', '.join(summed)}: the score of a run is that of the counts of all images "
            "together, the difference the mean over images. The two can disagree."
        )
    return notes


def _sums(metric: str) -> bool:
    """Return whether the score of a set is another number than the mean over its images."""
    return metric in METRICS and METRICS[metric].score is not None


def _explain_seeds(runs: Sequence[ComparedRun]) -> str:
    single = [run.label for run in runs if not run.seeds]
    if not single:
        return (
            "The intervals allow for both: other images, and other seeds. With two or three seeds "
            "they are wide, as so few say little about the next one."
        )
    covered = "The intervals do not allow for the luck of a seed"
    if len(single) < len(runs):
        covered = f"{covered} in {', '.join(single)}, of which there is one run"
    return (
        f"{covered}: the same training with another seed gives other scores, often by as much. "
        "Train each setting with three seeds or more, and give them as one entry, 'runs/a_seed*'."
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
