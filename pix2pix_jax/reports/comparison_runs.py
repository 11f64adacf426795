"""The runs of a comparison: their scores, and whether these can be compared at all."""

import dataclasses
import logging
import math
import pathlib
import re
from collections.abc import Sequence

import jax
from ml_collections import ConfigDict

from pix2pix_jax.core.config import flatten
from pix2pix_jax.core.config_files import differences
from pix2pix_jax.core.errors import InputError, one_line
from pix2pix_jax.core.files import real_path
from pix2pix_jax.evaluation.metrics.distribution import LEAST_FOR_FID
from pix2pix_jax.evaluation.run_scores import (
    ScoringOptions,
    choose_step,
    describe_evaluation,
    score_checkpoint,
)
from pix2pix_jax.evaluation.scorecard import METRICS_FILE, Wanted, write_scorecard
from pix2pix_jax.reports.saved_scores import (
    ImageValues,
    SavedEvaluation,
    SavedScores,
    read_evaluation,
)
from pix2pix_jax.runs.bundle import place_of
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.record import Record, read_record

logger = logging.getLogger(__name__)

# Keys of the sections `data` and `derive` that change neither the pairs nor their pixels.
_KEYS_WITHOUT_EFFECT_ON_PAIRS = (
    "archive",
    "cache_gigabytes",
    "load_size",
    "on_error",
    "unpaired",
    "workers",
)
_LONGEST_LABEL = 200  # characters
_NOT_PLAIN = re.compile(r"[^\w.-]+")


@dataclasses.dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison, or several seeds of one setting as one entry.

    Attributes:
        label: Its label.
        folder: Its folder.
        config: Its configuration, as the user gave it.
        parameters: Number of the generator's parameters.
        step: Step of the checkpoint that was scored.
        scores: The scores of that checkpoint.
        values: The value of each metric for each image, by the names of the images.
        record: What the run's own files say.
        seeds: The runs that were pooled, see `comparison_seeds`; then folder, step and record are
            those of the first. Empty: a single run.
    """

    label: str
    folder: RunFolder
    config: ConfigDict
    parameters: int
    step: int
    scores: SavedScores
    values: ImageValues
    record: Record
    seeds: "tuple[ComparedRun, ...]" = ()

    @property
    def members(self) -> "tuple[ComparedRun, ...]":
        """The pooled runs, or the run itself."""
        return self.seeds or (self,)

    @property
    def seconds(self) -> float | None:
        """Seconds per 1000 steps, training alone, mean over seeds; None if no run says."""
        known = [found for run in self.members if (found := _seconds(run.record)) is not None]
        return sum(known) / len(known) if known else None

    @property
    def hardware(self) -> str:
        """The hardware of the run's last start; '' if the run does not say."""
        found = dict.fromkeys(_hardware(run.record) for run in self.members)
        return "; ".join(one for one in found if one)


def _seconds(record: Record) -> float | None:
    # 0 is what earlier versions wrote at a start without a step.
    at_end = record.total("seconds_per_1000_steps")
    return at_end or record.newest("seconds_per_1000_steps") or None


def _hardware(record: Record) -> str:
    if not record.starts or not record.starts[-1].hardware:
        return ""
    found = record.starts[-1].hardware
    devices, device, machine = (found.get(key, "?") for key in ("devices", "device", "machine"))
    return f"{devices} x {device}, {machine}"


def label_runs(workdirs: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Return the labels of runs: those given, else the names of the folders, else their paths.

    What cannot be printed, such as a line break, is escaped.

    Args:
        workdirs: The runs' folders.
        labels: A label for each run, or none at all.

    Raises:
        InputError: The number of labels is not the number of runs, or two labels are equal.
    """
    if labels and len(labels) != len(workdirs):
        raise InputError(
            f"--labels has {len(labels)}, but there are {len(workdirs)} runs; give one for each"
        )
    names = [real_path(workdir).name for workdir in workdirs]
    chosen = list(labels) or (names if len(set(names)) == len(names) else list(workdirs))
    chosen = [one_line(label, _LONGEST_LABEL) for label in chosen]
    twice = [label for label in chosen if chosen.count(label) > 1]
    if twice:
        raise InputError(f"two runs have the label {twice[0]!r}; give different ones with --labels")
    return chosen


def collect(
    folders: Sequence[RunFolder],
    labels: Sequence[str],
    checkpoint: str,
    wanted: Wanted,
    options: ScoringOptions,
    output: pathlib.Path,
) -> list[ComparedRun]:
    """Find the scores of runs; score those that have none yet.

    Args:
        folders: The runs' folders.
        labels: Their labels.
        checkpoint: `best`, `latest` or a step.
        wanted: What to measure.
        options: How to measure it.
        output: Folder of the comparison; new scores are kept there in `scores/<number>_<label>`.

    Raises:
        InputError: A folder does not hold a run, or has no such checkpoint.
    """
    # Check every run before the first one is scored, which may take long.
    steps = [_check(folder, checkpoint) for folder in folders]
    runs = []
    for number, (folder, label, step) in enumerate(zip(folders, labels, steps, strict=True), 1):
        own = output / "scores" / f"{number}_{_NOT_PLAIN.sub('_', label)[:50]}"
        found = _find_scores(folder, step, wanted, options, own)
        if found is None:
            logger.info("%s: scoring step %d", label, step)
            pairs = folder.load_pairs(options.split)
            write_scorecard(score_checkpoint(folder, step, pairs, wanted, options)[1], own)
            found = read_evaluation(own)
        if found is None:
            raise InputError(
                f"{own}: what was written there cannot be read back; is it a full disk?"
            )
        runs.append(
            ComparedRun(
                label=label,
                folder=folder,
                config=folder.config,
                parameters=_count_parameters(folder),
                step=step,
                scores=found.scores,
                values=found.values,
                record=read_record(folder.path),
            )
        )
    return runs


def _check(folder: RunFolder, checkpoint: str) -> int:
    folder.settings  # noqa: B018 - refuses a folder without a run
    try:
        return choose_step(folder, checkpoint)
    except InputError as error:
        if str(error).startswith(str(folder)):
            raise
        raise InputError(f"{folder}: {error}") from None


def _count_parameters(folder: RunFolder) -> int:
    params, _ = folder.networks.generator_shapes
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


def _find_scores(
    folder: RunFolder, step: int, wanted: Wanted, options: ScoringOptions, own: pathlib.Path
) -> SavedEvaluation | None:
    """Find scores of this very checkpoint, measured in the same way.

    Args:
        folder: The run's folder.
        step: Step of the checkpoint.
        wanted: What to measure.
        options: How to measure it.
        own: Where an earlier comparison may have kept scores.

    Returns:
        The scores; None if there are none, or damaged ones.
    """
    expected = describe_evaluation(folder, step, wanted, options)
    saved = place_of(folder, step).stat().st_mtime
    evaluation = folder.evaluation(options.split, step, options.mode)
    # The run's own evaluation may give another path to the same run.
    ignored: dict[pathlib.Path, set[str]] = {evaluation: {"run"}, own: set()}
    for place, keys in ignored.items():
        file = place / METRICS_FILE
        found = read_evaluation(place)
        # Older scores are those of a run that was in this folder before.
        if found is None or file.stat().st_mtime < saved:
            continue
        same = all(found.about.get(key) == expected[key] for key in expected if key not in keys)
        if same and set(wanted.names) <= found.scores.metrics.keys():
            return found
    return None


def find_faults(runs: Sequence[ComparedRun], metrics: Sequence[str]) -> list[str]:
    """Return the reasons why scores cannot be compared as they are, one line each."""
    first, faults = runs[0], []
    for run in runs[1:]:
        keys = _data_keys(first.config) | _data_keys(run.config)
        changed = differences(first.config, run.config, keys)
        if changed:
            faults.append(f"{run.label}: other data than {first.label}: {'; '.join(changed)}")
        if first.values.keys() != run.values.keys():
            shared = len(first.values.keys() & run.values.keys())
            faults.append(
                f"{run.label}: scored on {len(run.values)} images, {first.label} on "
                f"{len(first.values)}; they share {shared}, and only these are compared one by one"
            )
    least = min(len(run.values) for run in runs)
    if "fid" in metrics and least < LEAST_FOR_FID:
        faults.append(
            f"fid of {least} images: with fewer than {LEAST_FOR_FID} it is much too high, and "
            "comparable only to FIDs of equally many images; kid is unbiased"
        )
    places = {run.hardware for run in runs if run.hardware}
    if len(places) > 1:
        listed = "; ".join(f"{run.label}: {run.hardware}" for run in runs)
        faults.append(f"seconds per 1000 steps were measured on different hardware: {listed}")
    return faults


def _data_keys(config: ConfigDict) -> set[str]:
    """Return the keys that decide on which pairs a run is trained and scored."""
    keys = {
        key
        for key in flatten(config)
        if key.startswith(("data.", "derive."))
        and not key.startswith("data.condition")  # numbers do not change the images
        and key.rpartition(".")[2] not in _KEYS_WITHOUT_EFFECT_ON_PAIRS
    }
    drawn = config.data.split or config.data.source == "synthetic" or config.derive.kind == "mask"
    return keys | {"seed"} if drawn else keys
