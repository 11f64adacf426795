"""The runs of a comparison: what each of them scores, and whether that can be compared at all."""

import csv
import dataclasses
import functools
import json
import math
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from pix2pix_jax.core.config import flatten
from pix2pix_jax.core.config_files import differences
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.distribution import LEAST_FOR_FID
from pix2pix_jax.evaluation.metrics.table import METRICS
from pix2pix_jax.evaluation.run_scores import (
    Options,
    choose_step,
    describe,
    evaluation_folder,
    load_config,
    load_split,
    score_checkpoint,
)
from pix2pix_jax.evaluation.scorecard import METRICS_FILE, TABLE_FILE, Wanted, write_scorecard
from pix2pix_jax.runs import record
from pix2pix_jax.runs.folder import network_shapes

# Keys of the sections `data` and `derive` that change neither the pairs nor their pixels.
_NO_MATTER = ("archive", "cache_gigabytes", "load_size", "on_error", "unpaired", "workers")
_UNKNOWN = dict.fromkeys(("devices", "device", "machine"), "?")
_NOT_PLAIN = re.compile(r"[^\w.-]+")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One run of a comparison.

    Attributes:
        label: What it is called.
        workdir: Its folder.
        config: Its configuration.
        step: Step of the checkpoint that was scored.
        scores: What `metrics.json` says of it.
        values: Of each image scored, by name, its value of each metric.
        record: What its other files say.
    """

    label: str
    workdir: pathlib.Path
    config: ConfigDict
    step: int
    scores: dict[str, Any]
    values: dict[str, dict[str, float]]
    record: record.Record

    def mean(self, metric: str) -> float | None:
        """Return the score of the set; None where there is none."""
        return self.scores["metrics"][metric]["mean"]

    def deviation(self, metric: str) -> float | None:
        """Return the standard deviation that belongs to a score; None where there is none."""
        return self.scores["metrics"][metric].get("std")

    @property
    def seconds(self) -> float | None:
        """Seconds per 1000 steps of training alone; None where the run does not say."""
        found = self.record.summary.get("seconds_per_1000_steps")
        return found if found is not None else self.record.newest("seconds_per_1000_steps")

    @functools.cached_property
    def parameters(self) -> int:
        """Number of the generator's parameters."""
        params, _ = network_shapes(self.config)["generator"]
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))

    @property
    def hardware(self) -> str:
        """What the run was last started on; '' where it does not say."""
        found = (self.record.starts or [{}])[-1].get("hardware")
        if not isinstance(found, dict):
            return ""
        return "{devices} x {device}, {machine}".format_map({**_UNKNOWN, **found})


def label_runs(workdirs: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Return the runs' labels: those given, else the folders' names, else their paths.

    Raises:
        InputError: There are not as many labels as runs, or two are equal.
    """
    if labels and len(labels) != len(workdirs):
        raise InputError(f"--labels names {len(labels)}, there are {len(workdirs)} runs")
    names = [pathlib.Path(workdir).resolve().name for workdir in workdirs]
    chosen = list(labels) or (names if len(set(names)) == len(names) else list(workdirs))
    twice = [label for label in chosen if chosen.count(label) > 1]
    if twice:
        raise InputError(f"{twice[0]!r} stands for two runs; give each its own, with --labels")
    return chosen


def collect(
    workdirs: Sequence[str],
    labels: Sequence[str],
    checkpoint: str,
    wanted: Wanted,
    options: Options,
    output: pathlib.Path,
) -> list[Entry]:
    """Find the scores of runs, or score them now.

    Args:
        workdirs: The runs' folders.
        labels: What they are called.
        checkpoint: `best`, `latest` or a step.
        wanted: What to measure.
        options: How.
        output: Folder of the comparison, where new scores are kept, in `scores/<label>`.

    Raises:
        InputError: A folder is no run's, or has no such checkpoint.
    """
    # All of them before the first is scored, which may take long.
    steps = [_check(workdir, checkpoint) for workdir in workdirs]
    entries = []
    for number, (workdir, label, step) in enumerate(zip(workdirs, labels, steps, strict=True), 1):
        config = load_config(workdir)
        kept = output / "scores" / f"{number}_{_NOT_PLAIN.sub('_', label)}"
        folder = _find(workdir, step, wanted, options, kept)
        if folder is None:
            print(f"{label}: scoring step {step}")
            pairs = load_split(workdir, options.split)
            write_scorecard(score_checkpoint(workdir, step, pairs, wanted, options)[1], kept)
            folder = kept
        scores = json.loads((folder / METRICS_FILE).read_bytes())
        values = _read_values(folder / TABLE_FILE)
        about, _ = record.read(pathlib.Path(workdir))
        entries.append(Entry(label, pathlib.Path(workdir), config, step, scores, values, about))
    return entries


def _check(workdir: str, checkpoint: str) -> int:
    load_config(workdir)
    try:
        return choose_step(workdir, checkpoint)
    except InputError as error:
        raise InputError(f"{workdir}: {error}") from None


def _find(
    workdir: str, step: int, wanted: Wanted, options: Options, kept: pathlib.Path
) -> pathlib.Path | None:
    """Return a folder with the scores of this very checkpoint, measured alike; None: there is none.

    Args:
        workdir: The run's folder.
        step: Step of the checkpoint.
        wanted: What was to be measured.
        options: How.
        kept: Where an earlier comparison may have kept scores.
    """
    expected = describe(workdir, step, wanted, options)
    written = (pathlib.Path(workdir, "checkpoints", str(step))).stat().st_mtime
    folders = {evaluation_folder(workdir, step, options): {"run"}, kept: set()}
    for folder, free in folders.items():
        path = folder / METRICS_FILE
        # Scores older than the checkpoint are of a run that was in this folder before.
        if not (path.is_file() and (folder / TABLE_FILE).is_file()):
            continue
        if path.stat().st_mtime < written:
            continue
        found = json.loads(path.read_bytes())
        same = all(found.get(key) == expected[key] for key in expected if key not in free)
        if same and set(wanted.names) <= found["metrics"].keys():
            return folder
    return None


def _read_values(path: pathlib.Path) -> dict[str, dict[str, float]]:
    """Read `per_image.csv`: of each image its value of each metric."""
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    return {
        row["name"]: {key: float(cell) for key, cell in row.items() if key in METRICS}
        for row in rows
    }


def find_faults(entries: Sequence[Entry], metrics: Sequence[str]) -> list[str]:
    """Say why scores cannot be compared as they stand: one line for each reason."""
    first, faults = entries[0], []
    for entry in entries[1:]:
        keys = _data_keys(first.config) | _data_keys(entry.config)
        changed = differences(first.config, entry.config, keys)
        if changed:
            faults.append(f"{entry.label}: other data than {first.label}: {'; '.join(changed)}")
        if first.values.keys() != entry.values.keys():
            shared = len(first.values.keys() & entry.values.keys())
            faults.append(
                f"{entry.label}: scored on {len(entry.values)} images, {first.label} on "
                f"{len(first.values)}; {shared} are the same"
            )
    least = min(len(entry.values) for entry in entries)
    if "fid" in metrics and least < LEAST_FOR_FID:
        faults.append(
            f"fid of {least} images: under {LEAST_FOR_FID} it is much too high, and to be compared "
            "with FIDs of as many images only; kid is unbiased"
        )
    places = {entry.hardware for entry in entries if entry.hardware}
    if len(places) > 1:
        named = "; ".join(f"{entry.label}: {entry.hardware}" for entry in entries)
        faults.append(f"seconds per 1000 steps are of different hardware: {named}")
    return faults


def _data_keys(config: ConfigDict) -> set[str]:
    """Return the keys that decide which pairs a run was trained and is scored on."""
    keys = {
        key
        for key in flatten(config)
        if key.startswith(("data.", "derive.")) and key.rpartition(".")[2] not in _NO_MATTER
    }
    drawn = config.data.split or config.data.source == "synthetic" or config.derive.kind == "mask"
    return keys | ({"seed"} if drawn else set())
