"""Runs that differ in their seed alone, as one entry of a comparison."""

import dataclasses
import glob
import itertools
import math
import pathlib
from collections.abc import Sequence

import numpy as np

from pix2pix_jax.core.errors import InputError, one_line
from pix2pix_jax.evaluation.metrics.table import names_per
from pix2pix_jax.evaluation.run_scores import ScoringOptions
from pix2pix_jax.evaluation.scorecard import Wanted
from pix2pix_jax.reports.comparison_runs import ComparedRun, collect, find_faults
from pix2pix_jax.reports.comparison_table import find_differing_settings
from pix2pix_jax.reports.numbers import format_significant
from pix2pix_jax.reports.saved_scores import ImageValues, SavedScore
from pix2pix_jax.runs.folder import RunFolder


def expand_pattern(text: str) -> list[str]:
    """Return the folders that a path stands for: itself, or all that match its `*`, `?` or `[]`.

    Args:
        text: A path; if it exists, it is no pattern.

    Returns:
        At least one path; those of a pattern are sorted.

    Raises:
        InputError: No folder matches the pattern.
    """
    if pathlib.Path(text).exists() or not any(sign in text for sign in "*?["):
        return [text]
    # `Path.glob` takes no absolute pattern.
    matches = sorted(glob.glob(text))  # noqa: PTH207
    found = [path for path in matches if pathlib.Path(path).is_dir()]
    if not found:
        raise InputError(f"{text!r}: no folder matches this pattern; give the folders of runs")
    return found


def pool_seeds(label: str, runs: Sequence[ComparedRun]) -> ComparedRun:
    """Make one entry of the runs of one setting.

    The value of an image is the mean over the runs, for the images that all of them have. A score
    of all images is the mean of the runs' scores.

    Args:
        label: Label of the entry.
        runs: The runs, at least one; what cannot be averaged is that of the first.
    """
    first = runs[0]
    if len(runs) == 1:
        return dataclasses.replace(first, label=label)
    values = _mean_values([run.values for run in runs])
    metrics = {name: _pool_score(name, runs, values) for name in first.scores.metrics}
    scores = dataclasses.replace(first.scores, count=len(values), metrics=metrics)
    return dataclasses.replace(first, label=label, scores=scores, values=values, seeds=tuple(runs))


def collect_pooled(
    groups: Sequence[Sequence[RunFolder]],
    labels: Sequence[str],
    checkpoint: str,
    wanted: Wanted,
    options: ScoringOptions,
    output: pathlib.Path,
) -> list[ComparedRun]:
    """Find or measure the scores of all runs, see `collect`; pool the runs of each group.

    Args:
        groups: The folders of each entry.
        labels: A label for each entry.
        checkpoint: `best`, `latest` or a step.
        wanted: What to measure.
        options: How to measure it.
        output: Folder of the comparison.
    """
    folders: list[RunFolder] = []
    names: list[str] = []
    for group, label in zip(groups, labels, strict=True):
        folders += group
        names += [label] if len(group) == 1 else [one_line(folder.path.name) for folder in group]
    runs = iter(collect(folders, names, checkpoint, wanted, options, output))
    return [
        pool_seeds(label, list(itertools.islice(runs, len(group))))
        for group, label in zip(groups, labels, strict=True)
    ]


def _mean_values(of_runs: Sequence[ImageValues]) -> ImageValues:
    shared = [name for name in of_runs[0] if all(name in values for values in of_runs)]
    return {
        name: {
            metric: float(np.mean([values[name].get(metric, math.nan) for values in of_runs]))
            for metric in of_runs[0][name]
        }
        for name in shared
    }


def _pool_score(name: str, runs: Sequence[ComparedRun], values: ImageValues) -> SavedScore:
    means = seed_scores(runs, name)
    each = np.asarray([scores.get(name, math.nan) for scores in values.values()])
    each = each[~np.isnan(each)]
    of_images = name not in names_per("set") and len(each) > 0
    return SavedScore(
        mean=float(np.mean(means)) if means else None,
        deviation=float(each.std()) if of_images else None,
    )


def seed_scores(runs: Sequence[ComparedRun], metric: str) -> list[float]:
    """Return the scores of runs in a metric; those without a value are left out."""
    found = [run.scores.metrics[metric].mean for run in runs if metric in run.scores.metrics]
    return [mean for mean in found if mean is not None]


def seed_deviation(run: ComparedRun, metric: str) -> float | None:
    """Return the standard deviation of an entry's score over its seeds (n - 1); None below two."""
    means = seed_scores(run.seeds, metric)
    return float(np.std(means, ddof=1)) if len(means) > 1 else None


def seed_rows(runs: Sequence[ComparedRun], metrics: Sequence[str]) -> list[list[str]]:
    """Return the table of the spread over seeds: its headings, then the rows of pooled entries.

    Returns:
        The rows; empty if no entry is pooled.
    """
    rows = []
    for run in runs:
        if run.seeds:
            cells = [_write_spread(run, metric) for metric in metrics]
            rows.append([run.label, str(len(run.seeds)), *cells])
    return [["run", "seeds", *metrics], *rows] if rows else []


def _write_spread(run: ComparedRun, metric: str) -> str:
    means, deviation = seed_scores(run.seeds, metric), seed_deviation(run, metric)
    if deviation is None:
        return "-"
    low, high = (format_significant(end, 4, keep_zeros=True) for end in (min(means), max(means)))
    return f"{low} to {high}, ± {format_significant(deviation, 2, keep_zeros=True)}"


def find_seed_faults(runs: Sequence[ComparedRun]) -> list[str]:
    """Return the reasons why runs should not have been pooled, one line each."""
    faults = []
    for run in runs:
        if not run.seeds:
            continue
        # These are told by `find_faults`, which knows those without effect.
        others = [
            found.key
            for found in find_differing_settings(run.seeds)
            if found.key != "seed" and not found.key.startswith(("data.", "derive."))
        ]
        if others:
            listed = ", ".join(others)
            faults.append(f"{run.label}: its runs differ in more than the seed: {listed}")
        faults += [f"{run.label}: {fault}" for fault in find_faults(run.seeds, ())]
        seeds = [one.config.seed for one in run.seeds]
        twice = [seed for seed in seeds if seeds.count(seed) > 1]
        if twice:
            faults.append(
                f"{run.label}: two of its runs have the seed {twice[0]}, so their spread says "
                "little about other seeds"
            )
    return faults
