"""The files of an evaluation, read back: `metrics.json` and `per_image.csv`."""

import csv
import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from pix2pix_jax.evaluation.scorecard import METRICS_FILE, TABLE_FILE

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
        """Take the scores from the content of `metrics.json`."""
        metrics = {
            name: SavedScore(score["mean"], score.get("std"))
            for name, score in content["metrics"].items()
        }
        return cls(
            content["checkpoint"], content["epoch"], content["n"], content["config_hash"], metrics
        )


def read_scores(folder: pathlib.Path) -> SavedScores:
    """Read the scores in the folder of an evaluation."""
    return SavedScores.from_json(json.loads((folder / METRICS_FILE).read_bytes()))


def read_image_values(folder: pathlib.Path) -> ImageValues:
    """Read the value of each metric for each image, by the names of the images."""
    path = folder / TABLE_FILE
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    return {
        row["name"]: {metric: float(cell) for metric, cell in row.items() if metric != "name"}
        for row in rows
    }
