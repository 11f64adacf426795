"""What an evaluation measures, and the files that it leaves."""

import csv
import dataclasses
import functools
import math
import pathlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path, write_json
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode, is_own
from pix2pix_jax.evaluation.metrics.distribution import InceptionMetrics
from pix2pix_jax.evaluation.metrics.inception import Variables
from pix2pix_jax.evaluation.metrics.inception_weights import load_inception
from pix2pix_jax.evaluation.metrics.palettes import load_palette
from pix2pix_jax.evaluation.metrics.table import (
    METRICS,
    Metric,
    choose_metrics,
    names_per,
    needs_palette,
)
from pix2pix_jax.evaluation.scoring import Compared, Evaluation
from pix2pix_jax.images import pixels as images

METRICS_FILE = "metrics.json"
TABLE_FILE = "per_image.csv"

Table = dict[str, dict[str, float | None]]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be measured.

    Attributes:
        metrics: Metrics of single images.
        distributions: Names of metrics of whole sets.
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
        labels = needs_palette(tuple(self.metrics))
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


def choose_wanted(
    names: Sequence[str],
    palette: str = "cityscapes",
    weights: str = "",
    *,
    code: OwnCode = NO_OWN_CODE,
) -> Wanted:
    """Choose metrics by name, of images and of whole sets.

    Args:
        names: Some of `METRICS`, or references to own metrics.
        palette: For label metrics, see `load_palette`.
        weights: As in `Wanted`.
        code: What may run of own code.

    Raises:
        InputError: A name is unknown, or there is none.
    """
    choices = ", ".join(sorted(METRICS))
    for name in names:
        if name not in METRICS and not is_own(name):
            raise InputError(f"--metrics {name!r}: choose from {choices}")
    if not names:
        raise InputError(f"--metrics is empty; choose from {choices}")
    of_sets = tuple(name for name in names_per("set") if name in names)
    of_images = [name for name in names if name not in of_sets]
    colours = load_palette(palette) if needs_palette(of_images) else None
    return Wanted(choose_metrics(of_images, colours, code=code), of_sets, weights, palette)


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
        for name in names_per("set"):
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
        names = ", ".join(names_per("set"))
        raise InputError(
            f"{names}: images of {side.shape[-1]} channels; they need gray or RGB: leave them out "
            "of --metrics"
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
