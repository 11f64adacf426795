"""Runs of a comparison with given scores, without any training."""

import dataclasses
import pathlib

from pix2pix_jax.core.config import default_config
from pix2pix_jax.reports.comparison_runs import ComparedRun
from pix2pix_jax.reports.saved_scores import SavedScore, SavedScores
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.record import Record, Start, Summary


def compared_run(
    label="a",
    images=("x", "y"),
    seconds=None,
    hardware=None,
    steps=8,
    rows=(),
    baselines=None,
    **means,
):
    """Make a run of a comparison with given scores and the default configuration."""
    scores = {
        name: SavedScore(mean, None if mean is None else mean / 10) for name, mean in means.items()
    }
    numbers = {"steps": float(steps)}
    if seconds is not None:
        numbers["seconds_per_1000_steps"] = seconds
    summary = Summary(numbers, {}, baselines or {})
    return ComparedRun(
        label=label,
        folder=RunFolder(pathlib.Path("runs", label)),
        config=default_config(),
        parameters=54_409_603,
        step=4,
        scores=SavedScores(4, 1.0, len(images), "0123456789ab", scores),
        values={name: {metric: mean or 0.0 for metric, mean in means.items()} for name in images},
        record=Record({}, [Start(hardware=hardware or {})], list(rows), summary),
    )


def with_config(run, **changes):
    """Change settings of a run: `model__norm="batch"` is the key model.norm."""
    config = default_config()
    for key, value in changes.items():
        section, name = key.split("__")
        config[section][name] = value
    return dataclasses.replace(run, config=config)
