"""Runs of a comparison with given scores, without any training."""

import dataclasses
import pathlib

from pix2pix_jax.core.config import default_config
from pix2pix_jax.reports.comparison_runs import Entry
from pix2pix_jax.runs.record import Record


def entry_of(label="a", names=("x", "y"), seconds=None, hardware=None, steps=8, **means):
    """Make a run of a comparison of given scores, at its default configuration."""
    scores = {
        name: {"mean": mean, "std": mean and mean / 10, "n": 2} for name, mean in means.items()
    }
    summary = {"steps": steps, "val": {}} | ({"seconds_per_1000_steps": seconds} if seconds else {})
    starts = [{"hardware": hardware}] if hardware else []
    values = {name: {metric: mean or 0.0 for metric, mean in means.items()} for name in names}
    found = {"n": len(names), "metrics": scores, "config_hash": "0123456789ab"}
    record = Record({}, starts, [], summary)
    return Entry(label, pathlib.Path("runs", label), default_config(), 4, found, values, record)


def with_config(entry, **changes):
    config = default_config()
    for key, value in changes.items():
        section, name = key.split("__")
        config[section][name] = value
    return dataclasses.replace(entry, config=config)
