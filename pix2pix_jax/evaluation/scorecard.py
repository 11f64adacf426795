"""What an evaluation measures, and the files that it leaves."""

import csv
import dataclasses
import functools
import math
import pathlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path, write_json
from pix2pix_jax.evaluation.metrics.distribution import InceptionMetrics
from pix2pix_jax.evaluation.metrics.inception import Variables
from pix2pix_jax.evaluation.metrics.inception_weights import load_inception
from pix2pix_jax.evaluation.metrics.palettes import load_palette
from pix2pix_jax.evaluation.metrics.scoring import Metric
from pix2pix_jax.evaluation.metrics.table import METRICS, choose_metrics
from pix2pix_jax.evaluation.scoring import Compared, Evaluation
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.sheets import Picture, Row, draw_sheet

METRICS_FILE = "metrics.json"
TABLE_FILE = "per_image.csv"
SHEET_FILE = "contact_sheet.png"

# Metrics of whole sets, by an Inception network, and which of their values are the best.
SET_METRICS: dict[str, Literal["high", "low"]] = {
    "fid": "low",
    "kid": "low",
    "inception_score": "high",
}
Table = dict[str, dict[str, float | None]]


def best_of(metric: str) -> Literal["high", "low"]:
    """Return whether the best value of a metric, of images or of sets, is a high or a low one."""
    return SET_METRICS[metric] if metric in SET_METRICS else METRICS[metric].best


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be measured.

    Attributes:
        metrics: Metrics of single images.
        distributions: Which of `SET_METRICS`.
        weights: File of the Inception network; '': see `inception_weights.load_inception`.
        palette: What label maps' colours mean, see `load_palette`.
    """

    metrics: dict[str, Metric]
    distributions: tuple[str, ...] = ()
    weights: str = ""
    palette: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all of them."""
        return (*self.metrics, *self.distributions)

    @property
    def about(self) -> dict[str, str]:
        """Files that the scores depend on, as `metrics.json` says it."""
        labels = any(metric.kind == "labels" for metric in self.metrics.values())
        weights = {"inception_weights": self.weights or "published"} if self.distributions else {}
        return weights | ({"palette": self.palette} if labels else {})

    @functools.cached_property
    def _inception(self) -> Variables:
        return load_inception(self.weights)

    def gather(self, batch_size: int) -> InceptionMetrics | None:
        """Return what gathers features of whole sets; None where they are not wanted."""
        if not self.distributions:
            return None
        return InceptionMetrics(self._inception, batch_size=batch_size)


def choose_wanted(names: Sequence[str], palette: str = "cityscapes", weights: str = "") -> Wanted:
    """Choose metrics by name, of single images and of sets.

    Args:
        names: Some of `METRICS` and `SET_METRICS`.
        palette: Of label metrics, see `load_palette`.
        weights: As in `Wanted`.

    Raises:
        InputError: A name is unknown, or there is none.
    """
    choices = ", ".join(sorted([*METRICS, *SET_METRICS]))
    for name in names:
        if name not in METRICS and name not in SET_METRICS:
            raise InputError(f"--metrics {name!r}: choose from {choices}")
    if not names:
        raise InputError(f"--metrics names none; choose from {choices}")
    single = [name for name in names if name in METRICS]
    labels = any(METRICS[name].kind == "labels" for name in single)
    metrics = choose_metrics(single, load_palette(palette) if labels else None)
    distributions = tuple(name for name in SET_METRICS if name in names)
    return Wanted(metrics, distributions, weights, palette)


@dataclasses.dataclass(frozen=True)
class Scorecard:
    """What an evaluation has found.

    Attributes:
        about: What was evaluated, as `metrics.json` says it.
        evaluation: Scores of images and of the set.
        distributions: Scores of whole sets by name, with `<name>_std` where there is one.
    """

    about: dict[str, Any]
    evaluation: Evaluation
    distributions: dict[str, float]

    @property
    def table(self) -> Table:
        """`{metric: {mean, std, n}}`: std is over images, of KID and IS over parts of the set.

        Images without a value are not in n; None stands for a value that there is not.
        """
        found, count = self.evaluation, len(self.evaluation.names)
        table: Table = {
            name: {
                "mean": _number(score),
                "std": _number(found.deviation(name)),
                "n": int(np.sum(~np.isnan(found.values[name]))),
            }
            for name, score in found.scores.items()
        }
        for name in SET_METRICS:
            if name in self.distributions:
                table[name] = {"mean": _number(self.distributions[name]), "n": count}
                if f"{name}_std" in self.distributions:
                    table[name]["std"] = _number(self.distributions[f"{name}_std"])
        return table

    def as_json(self) -> dict[str, Any]:
        """Return what `metrics.json` says."""
        return {**self.about, "n": len(self.evaluation.names), "metrics": self.table}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def observe_with(inception: InceptionMetrics | None) -> Callable[[Compared], None] | None:
    """Return what passes batches of fakes and targets in [-1, 1] on to the network."""
    if inception is None:
        return None

    def observe(both: Compared) -> None:
        fake, target = (_as_photos(side) for side in both)
        inception.update_fake(fake)
        inception.update_real(target)

    return observe


def _as_photos(side: Float[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n h w 3"]:
    if side.shape[-1] > 4:
        raise InputError(
            f"{', '.join(SET_METRICS)}: images of {side.shape[-1]} channels; they need gray or "
            "RGB: leave them out of --metrics"
        )
    return np.stack([images.as_channels(image, 3, "image") for image in images.to_uint8(side)])


def compute_distributions(wanted: Wanted, inception: InceptionMetrics | None) -> dict[str, float]:
    """Return the wanted scores of the sets gathered, and print what there is to warn of.

    Raises:
        InputError: There are fewer than two images.
    """
    if inception is None:
        return {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = inception.compute()
    for warning in caught:
        if "fid" in wanted.distributions:
            print(f"warning: {warning.message}")
    keys = [key for name in wanted.distributions for key in (name, f"{name}_std") if key in found]
    return {key: found[key] for key in keys}


def write_scorecard(card: Scorecard, output: pathlib.Path) -> None:
    """Write `metrics.json` and `per_image.csv` to a folder, which is made where missing."""
    output.mkdir(parents=True, exist_ok=True)
    found = card.evaluation
    with (
        atomic_path(output / TABLE_FILE) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["name", *found.values])
        for number, name in enumerate(found.names):
            writer.writerow([name, *(f"{one[number]:.6g}" for one in found.values.values())])
    write_json(output / METRICS_FILE, card.as_json())


def write_contact_sheet(
    card: Scorecard,
    metric: str,
    output: pathlib.Path,
    headings: Sequence[str],
    draw: Callable[[list[int]], Sequence[Sequence[Picture]]],
    *,
    most: int = 3,
) -> None:
    """Write `contact_sheet.png`: the best, the median and the worst images by a metric.

    Args:
        card: The scores.
        metric: One of the metrics of single images; images without a value are left out.
        output: Folder.
        headings: Of the pictures of an image.
        draw: Numbers of images to their pictures.
        most: Largest number of images of each kind.
    """
    values = card.evaluation.values[metric]
    order = np.argsort(values if best_of(metric) == "low" else -values, kind="stable")
    order = order[~np.isnan(values[order])].tolist()
    if not order:
        return
    count = min(most, -(-len(order) // 3))
    middle = (len(order) - count) // 2
    kinds = {"best": order[:count], "median": order[middle:][:count], "worst": order[-count:]}
    numbers = [number for chosen in kinds.values() for number in chosen]
    captions = [
        f"{kind}: {metric} {values[number]:.4g}, {card.evaluation.names[number]}"
        for kind, chosen in kinds.items()
        for number in chosen
    ]
    pairs = zip(draw(numbers), captions, strict=True)
    sheet = draw_sheet(headings, [Row(pictures, caption) for pictures, caption in pairs])
    image_files.write(output / SHEET_FILE, sheet)
