"""The one table of metrics: name, unit, direction, and what each is a value of."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode, is_own
from pix2pix_jax.evaluation.metrics.color import intersection, lab_histograms
from pix2pix_jax.evaluation.metrics.labels import (
    class_accuracy,
    class_iou,
    confusion,
    pixel_accuracy,
)
from pix2pix_jax.evaluation.metrics.matching import (
    histogram_correlation,
    keypoint_ratio,
    template_matching,
)
from pix2pix_jax.evaluation.metrics.palettes import Palette, load_palette
from pix2pix_jax.evaluation.metrics.pixel import Images, l1, l2, psnr
from pix2pix_jax.evaluation.metrics.structural import ms_ssim, ssim

Direction = Literal["high", "low"]
LABELS = "labels"  # kind of the metrics that need a palette


@dataclasses.dataclass(frozen=True)
class Metric:
    """A comparison of fakes with their targets.

    Attributes:
        name: Its name in tables.
        kind: `pixel`, `structural`, `matching`, `labels`, `color`, `distribution`, or a word of
            your own.
        best: Whether the best value is a `high` or a `low` one.
        unit: Unit of its values; '': none.
        measure: Fake and target (and a palette, for kind `labels`) to one value per image; or to
            counts per image if there is a `score`. None for a metric of whole sets.
        score: Counts of one image, or summed over a set, to the value; None: the value of a set is
            the mean over its images.
    """

    name: str
    kind: str
    best: Direction
    unit: str
    measure: Callable[..., Any] | None = None
    score: Callable[..., Any] | None = None

    @property
    def per(self) -> Literal["image", "set"]:
        """Whether there is a value for each image, or only one for a whole set."""
        return "set" if self.measure is None else "image"

    def function(self, fake: Images, target: Images) -> Float[Array | np.ndarray, " n"]:
        """Return one value per image, whatever its batch; for metrics of images."""
        assert self.measure is not None
        return self.value(self.measure(fake, target))

    def value(self, measured: Any) -> Any:
        """Return the value of what was measured."""
        return measured if self.score is None else self.score(measured)


_ALL = (
    Metric("l1", "pixel", "low", "units of [-1, 1]", l1),
    Metric("l2", "pixel", "low", "squared units of [-1, 1]", l2),
    Metric("psnr", "pixel", "high", "dB", psnr),
    Metric("ssim", "structural", "high", "", ssim),
    Metric("ms_ssim", "structural", "high", "", ms_ssim),
    Metric("histogram_correlation", "matching", "high", "", histogram_correlation),
    Metric("template_matching", "matching", "high", "", template_matching),
    Metric("keypoint_ratio", "matching", "high", "", keypoint_ratio),
    Metric("pixel_accuracy", LABELS, "high", "", confusion, pixel_accuracy),
    Metric("class_accuracy", LABELS, "high", "", confusion, class_accuracy),
    Metric("class_iou", LABELS, "high", "", confusion, class_iou),
    Metric("lab_l", "color", "high", "", lab_histograms, partial(intersection, axis="L")),
    Metric("lab_a", "color", "high", "", lab_histograms, partial(intersection, axis="a")),
    Metric("lab_b", "color", "high", "", lab_histograms, partial(intersection, axis="b")),
    # Of whole sets, by the features of an Inception network: see `distribution`.
    Metric("fid", "distribution", "low", ""),
    Metric("kid", "distribution", "low", ""),
    Metric("inception_score", "distribution", "high", ""),
)
METRICS = {metric.name: metric for metric in _ALL}


def best_of(name: str) -> Direction | None:
    """Return whether a metric's best value is a `high` or a `low` one; None if it is unknown."""
    return METRICS[name].best if name in METRICS else None


def names_per(per: Literal["image", "set"]) -> tuple[str, ...]:
    """Return the names of the metrics of images, or of those of whole sets."""
    return tuple(name for name, metric in METRICS.items() if metric.per == per)


def choose_metrics(
    names: Sequence[str], palette: Palette | None = None, *, code: OwnCode = NO_OWN_CODE
) -> dict[str, Metric]:
    """Return metrics of images by name, ready for `Metric.function` and `Tally`.

    Args:
        names: Metrics of images in `METRICS`, or references to own ones.
        palette: What the colours of label maps mean; for metrics of kind `labels`.
        code: What may run of own code.

    Returns:
        The metrics in the order of the names.

    Raises:
        InputError: A name is unknown, or metrics of labels have no palette.
    """
    chosen = {}
    # One object for all, by which Tally sees that they measure the same.
    measure = None if palette is None else partial(confusion, palette=palette)
    for name in names:
        metric = _find(name, code)
        if metric.kind == LABELS:
            if measure is None:
                raise InputError(
                    f"metric {name!r} needs a palette: give the name of a shipped one (cityscapes) "
                    'or a JSON file of {"class": [red, green, blue], ...}'
                )
            metric = dataclasses.replace(metric, measure=measure)
        chosen[metric.name] = metric
    return chosen


def _find(name: str, code: OwnCode) -> Metric:
    """Return a metric of images from the table, or from own code."""
    if is_own(name):
        metric: Metric = code.instance(name, "eval.metrics", Metric)
        if metric.name in METRICS or metric.measure is None:
            raise InputError(
                f"eval.metrics={name!r}: expected a Metric with a name that is not in the table "
                f"and with a function `measure`; it is called {metric.name!r}"
            )
        return metric
    if name not in METRICS or METRICS[name].per != "image":
        raise InputError(f"metric {name!r}: choose from {', '.join(sorted(names_per('image')))}")
    return METRICS[name]


def needs_palette(names: Sequence[str]) -> bool:
    """Return whether some of these metrics compare label maps."""
    return any(name in METRICS and METRICS[name].kind == LABELS for name in names)


def build_metrics(
    options: ConfigDict, best: str, *, code: OwnCode = NO_OWN_CODE
) -> dict[str, Metric]:
    """Choose what a run's pairs are scored by; L1, in which its baselines are given, always.

    Args:
        options: The section `eval` of a configuration.
        best: Name of the metric that decides which checkpoint is the best.
        code: What may run of own code.

    Raises:
        InputError: As for `choose_metrics`.
    """
    names = ("l1", *options.metrics)
    palette = load_palette(options.palette) if needs_palette((*names, best)) else None
    chosen = choose_metrics(names, palette, code=code)
    return chosen if best in chosen else chosen | choose_metrics([best], palette, code=code)
