"""What an evaluation measures, and the files that it writes."""

import csv
import dataclasses
import functools
import hashlib
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from pix2pix_jax.core.cells import guard
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path, write_json
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode, is_own
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.evaluation.metrics.distribution import InceptionMetrics, SetScore
from pix2pix_jax.evaluation.metrics.inception import Variables, features
from pix2pix_jax.evaluation.metrics.inception_weights import load_inception
from pix2pix_jax.evaluation.metrics.table import (
    LABELS,
    METRICS,
    Metric,
    choose_metrics,
    digests_of,
    names_per,
    refuse_unsuited,
)
from pix2pix_jax.evaluation.scored_batches import Compared
from pix2pix_jax.evaluation.scoring import Evaluation
from pix2pix_jax.evaluation.uncertainty import Uncertainty
from pix2pix_jax.images import pixels

METRICS_FILE = "metrics.json"
TABLE_FILE = "per_image.csv"
_WAY_OUT = "leave them out of --metrics"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be measured.

    Attributes:
        metrics: Metrics of single images, by name.
        distributions: Names of metrics of whole sets.
        weights: File of the Inception network; '': see `inception_weights.load_inception`.
        palette: What the colours of label maps mean, see `load_palette`.
        own: References to the own metrics among `metrics`, with the SHA-256 of their source.
    """

    metrics: Mapping[str, Metric]
    distributions: tuple[str, ...] = ()
    weights: str = ""
    palette: str = ""
    own: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all metrics."""
        return (*self.metrics, *self.distributions)

    def refuse_unsuited(self, form: PairFormat, size: tuple[int, ...]) -> None:
        """Raise InputError if a metric cannot compare images of this kind, before any is made.

        Args:
            form: The format of the pairs.
            size: Height and width of what is compared.
        """
        refuse_unsuited(self.metrics, form, size)
        if self.distributions and form.written.classes:
            raise InputError(f"{_sets()}: class indices; they need gray or RGB: {_WAY_OUT}")
        if self.distributions:
            _refuse_channels(form.written.channels)

    @functools.cached_property
    def about(self) -> dict[str, Any]:
        """What the scores depend on besides images, for `metrics.json`."""
        about: dict[str, Any] = {}
        if self.distributions:
            about["inception_weights"] = self.weights or "published"
            about |= _hash_of_file("inception_weights", self.weights)
        if any(metric.kind == LABELS for metric in self.metrics.values()):
            about["palette"] = self.palette
            about |= _hash_of_file("palette", self.palette)
        digests = digests_of(self.metrics)
        about |= {f"{name}_weights_digest": digest for name, digest in digests.items()}
        if self.own:
            about["own_metrics"] = dict(self.own)
        return about

    @functools.cached_property
    def _inception(self) -> Variables:
        return load_inception(self.weights)

    def gather(self, batch_size: int) -> InceptionMetrics | None:
        """Return what gathers the features of whole sets; None if no metric needs them."""
        if not self.distributions:
            return None
        extract = functools.partial(features, self._inception, batch_size=batch_size)
        return InceptionMetrics(extract)


def _hash_of_file(name: str, path: str) -> dict[str, str]:
    """Return the SHA-256 of a file, as it may change under the same name; nothing without one."""
    if not path or not pathlib.Path(path).is_file():
        return {}
    with pathlib.Path(path).open("rb") as file:
        return {f"{name}_sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def choose_wanted(
    names: Sequence[str],
    palette: str = "cityscapes",
    weights: str = "",
    lpips_file: str = "",
    *,
    code: OwnCode = NO_OWN_CODE,
) -> Wanted:
    """Choose metrics by name, those of images and those of whole sets.

    Args:
        names: Some of `METRICS`, or references to own metrics.
        palette: For label metrics, see `load_palette`.
        weights: See `Wanted`.
        lpips_file: Weights of LPIPS, see `choose_metrics`.
        code: What may run of own code.

    Raises:
        InputError: A name is unknown, there is none, or `choose_metrics` refuses one.
    """
    choices = ", ".join(sorted(METRICS))
    for name in names:
        if name not in METRICS and not is_own(name):
            raise InputError(f"--metrics {name!r}: choose from {choices}")
    if not names:
        raise InputError(f"--metrics is empty; choose from {choices}")
    of_sets = tuple(name for name in names_per("set") if name in names)
    of_images = [name for name in names if name not in of_sets]
    metrics = choose_metrics(of_images, palette, lpips_file, code=code)
    own = {name: code.hash_of(name, "eval.metrics") for name in of_images if is_own(name)}
    return Wanted(metrics, of_sets, weights, palette, own)


@dataclasses.dataclass(frozen=True)
class Score:
    """A metric's score of all images.

    Attributes:
        mean: Its value; None if no image has one.
        deviation: Standard deviation over the images, for KID and the Inception score over parts of
            the set; None if there is none.
        count: Number of images that have a value.
    """

    mean: float | None
    deviation: float | None
    count: int


@dataclasses.dataclass(frozen=True)
class Scorecard:
    """What an evaluation has found.

    Attributes:
        about: What was evaluated, for `metrics.json`.
        evaluation: Values of the images and scores of all images together.
        distributions: Scores by metrics of whole sets.
        uncertainty: How deviation and error go together, if that was measured.
    """

    about: Mapping[str, Any]
    evaluation: Evaluation
    distributions: Mapping[str, SetScore]
    uncertainty: Uncertainty | None = None

    @property
    def scores(self) -> dict[str, Score]:
        """The score of each metric; metrics of whole sets come last."""
        found = self.evaluation
        scores = {
            name: Score(
                mean=_finite(score),
                deviation=_finite(found.deviation(name)),
                count=int(np.sum(~np.isnan(found.values[name]))),
            )
            for name, score in found.scores.items()
        }
        for name, of_set in self.distributions.items():
            scores[name] = Score(
                mean=_finite(of_set.value),
                deviation=None if of_set.deviation is None else _finite(of_set.deviation),
                count=len(found.names),
            )
        return scores

    def as_json(self) -> dict[str, Any]:
        """Return the content of `metrics.json`: in it, `null` is a value that does not exist."""
        metrics: dict[str, dict[str, float | None]] = {}
        for name, score in self.scores.items():
            if name not in self.distributions:
                metrics[name] = {"mean": score.mean, "std": score.deviation, "n": score.count}
            elif score.deviation is None:
                metrics[name] = {"mean": score.mean, "n": score.count}
            else:
                metrics[name] = {"mean": score.mean, "n": score.count, "std": score.deviation}
        content = {**self.about, "n": len(self.evaluation.names), "metrics": metrics}
        if self.uncertainty is not None:
            content["uncertainty"] = dataclasses.asdict(self.uncertainty)
        return content


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def observe_with(inception: InceptionMetrics | None) -> Callable[[Compared], None] | None:
    """Return a function that passes batches of fakes and targets in [-1, 1] on to the network."""
    if inception is None:
        return None

    def observe(compared: Compared) -> None:
        fake, target, weight = compared
        if weight is not None:  # both then show the same where nothing counts
            fake = np.where(weight > 0, fake, target)
        inception.update_fake(_as_photos(np.asarray(fake)))
        inception.update_real(_as_photos(np.asarray(target)))

    return observe


def _as_photos(side: Float[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n h w 3"]:
    _refuse_channels(side.shape[-1])
    levels = pixels.to_uint8(side)
    return np.stack([pixels.as_channels(image, 3, "image") for image in levels])


def _refuse_channels(channels: int) -> None:
    """Raise InputError unless images are gray or RGB; a fourth channel may mean anything."""
    if channels not in (1, 3):
        raise InputError(
            f"{_sets()}: images of {channels} channels; they need gray or RGB: {_WAY_OUT}"
        )


def _sets() -> str:
    return ", ".join(names_per("set"))


def compute_distributions(
    wanted: Wanted, inception: InceptionMetrics | None
) -> dict[str, SetScore]:
    """Return the wanted scores of the sets that were gathered.

    Raises:
        InputError: There are fewer than two images.
    """
    return {} if inception is None else inception.compute(wanted.distributions)


def write_scorecard(card: Scorecard, output: pathlib.Path) -> None:
    """Write `metrics.json` and `per_image.csv` to a folder, which is created if missing."""
    output.mkdir(parents=True, exist_ok=True)
    found = card.evaluation
    with (
        atomic_path(output / TABLE_FILE) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["name", *map(guard, found.values)])
        for number, name in enumerate(found.names):
            writer.writerow([guard(name), *(f"{one[number]:.6g}" for one in found.values.values())])
    write_json(output / METRICS_FILE, card.as_json())
