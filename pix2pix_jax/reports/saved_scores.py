"""The files of an evaluation, read back: `metrics.json` and `per_image.csv`."""

import csv
import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from pix2pix_jax.core.cells import unguard
from pix2pix_jax.core.files import read_json_object
from pix2pix_jax.evaluation.scorecard import METRICS_FILE, TABLE_FILE

_LARGEST = 1e300
ImageValues = dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class SavedScore:
    """A metric of a set of images.

    Attributes:
        mean: Its value for the set; None if it has no value.
        deviation: Its standard deviation; None if it has none.
    """

    mean: float | None
    deviation: float | None = None


@dataclasses.dataclass(frozen=True)
class SavedScores:
    """The scores of a checkpoint.

    Attributes:
        step: Step of the checkpoint.
        epoch: Epoch of the checkpoint; None if it is unknown.
        count: Number of images.
        config_hash: Digits that stand for the run's configuration.
        metrics: Scores by metric.
    """

    step: int
    epoch: float | None
    count: int
    config_hash: str
    metrics: Mapping[str, SavedScore]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SavedScores":
        """Take the scores from the content of `metrics.json`.

        Raises:
            KeyError, TypeError, AttributeError: It is not the content of such a file.
        """
        metrics = {
            name: SavedScore(_number(score["mean"]), _number(score.get("std")))
            for name, score in content["metrics"].items()
        }
        step, count, config_hash = (content[key] for key in ("checkpoint", "n", "config_hash"))
        if type(step) is not int or type(count) is not int or not isinstance(config_hash, str):
            raise TypeError("expected whole numbers and a text")
        return cls(step, _number(content["epoch"]), count, config_hash, metrics)


def _number(value: Any) -> float | None:
    """Return a finite number, or None; raise TypeError for anything else."""
    if value is None:
        return None
    if type(value) not in (int, float) or not abs(value) < _LARGEST:
        raise TypeError(f"expected a number, found {type(value).__name__}")
    return float(value)


@dataclasses.dataclass(frozen=True)
class SavedEvaluation:
    """What is in the folder of an evaluation.

    Attributes:
        about: All of `metrics.json`: what was evaluated, and how.
        scores: The scores in it.
        values: `per_image.csv`: the value of each metric for each image, by its name.
    """

    about: Mapping[str, Any]
    scores: SavedScores
    values: ImageValues


def read_evaluation(folder: pathlib.Path) -> SavedEvaluation | None:
    """Read the folder of an evaluation; None if it holds none, or a damaged one."""
    about = read_json_object(folder / METRICS_FILE)
    try:
        scores = SavedScores.from_json(about)
        values = _read_image_values(folder / TABLE_FILE)
    except (OSError, KeyError, TypeError, ValueError, AttributeError, csv.Error):
        return None
    return SavedEvaluation(about, scores, values) if len(values) == scores.count else None


def _read_image_values(path: pathlib.Path) -> ImageValues:
    if not path.is_file():
        raise FileNotFoundError(path)
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    return {
        unguard(row["name"]): {
            unguard(metric): float(cell) for metric, cell in row.items() if metric != "name"
        }
        for row in rows
    }
