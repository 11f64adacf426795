"""The one table of metrics, and how metrics are chosen by name."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode, is_own
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.evaluation.metrics.color import AXES, intersection, lab_histograms
from pix2pix_jax.evaluation.metrics.labels import (
    class_accuracy,
    class_iou,
    confusion,
    confusion_of_classes,
    pixel_accuracy,
)
from pix2pix_jax.evaluation.metrics.matching import (
    histogram_correlation,
    keypoint_ratio,
    template_matching,
)
from pix2pix_jax.evaluation.metrics.perceptual import Lpips
from pix2pix_jax.evaluation.metrics.pixel import Images, Weight, l1, l2, psnr
from pix2pix_jax.evaluation.metrics.structural import ms_ssim, ssim
from pix2pix_jax.images.palettes import Palette, load_palette

Direction = Literal["high", "low"]
# What a metric measures in a batch: an array with one entry per image, of values or of counts.
Measured = Any
Measure = Callable[..., Measured]
LABELS = "labels"  # kind of the metrics that need a palette


@dataclasses.dataclass(frozen=True)
class Metric:
    """A comparison of fakes with their targets.

    Attributes:
        name: Its name in tables.
        kind: `pixel`, `structural`, `perceptual`, `matching`, `labels`, `color`, `distribution`, or
            a word of your own.
        best: Whether a `high` or a `low` value is the best.
        unit: Unit of its values; '': none.
        measure: Takes fakes and targets (and `palette`, for kind `labels`); returns one value per
            image, or counts per image if there is a `score`. None for a metric of whole sets.
        score: Turns the counts of one image, or counts summed over a set, into the value. None: the
            value of a set is the mean over its images.
        on_device: Whether `measure` is made of JAX's functions, so that it works under `jax.jit`.
            It then runs where the images are. If not, it gets NumPy's arrays.
        weighted: Whether `measure` also takes `weight`: how much each pixel counts, in [0, 1], of
            shape (n, h, w, 1), or None. If it does not, pixels that do not count are made equal to
            the target's before it is called.
        whole: Whether all pixels of a fake are measured, also those that do not count.
    """

    name: str
    kind: str
    best: Direction
    unit: str
    measure: Measure | None = None
    score: Callable[..., Any] | None = None
    on_device: bool = False
    weighted: bool = False
    whole: bool = False

    @property
    def per(self) -> Literal["image", "set"]:
        """Whether each image has a value, or only a whole set."""
        return "set" if self.measure is None else "image"

    def function(self, fake: Images, target: Images) -> Float[Array | np.ndarray, " n"]:
        """Return one value per image, which does not depend on the rest of the batch."""
        assert self.measure is not None  # it is a metric of images
        return self.value(self.measure(fake, target))

    def measured(self, fake: Images, target: Images, weight: Weight = None) -> Measured:
        """Measure a batch.

        Args:
            fake: Images in [-1, 1].
            target: Their ground truth.
            weight: How much each pixel counts, in [0, 1]; None: all count alike.
        """
        assert self.measure is not None  # it is a metric of images
        if weight is None or self.whole:
            return self.measure(fake, target)
        fake = (jnp if self.on_device else np).where(weight > 0, fake, target)
        return self.measure(fake, target, **({"weight": weight} if self.weighted else {}))

    def of_classes(self) -> "Metric":
        """Return this metric for images whose channels are the shares of classes."""
        if self.kind != LABELS:
            return self
        return dataclasses.replace(self, measure=confusion_of_classes)

    def value(self, measured: Measured) -> Any:
        """Return the values of what was measured."""
        return measured if self.score is None else self.score(measured)


def _of_lab(axis: str) -> Metric:
    score = partial(intersection, axis=axis)
    name = f"lab_{axis.lower()}"
    return Metric(name, "color", "high", "", lab_histograms, score, weighted=True)


_ALL = (
    Metric("l1", "pixel", "low", "units of [-1, 1]", l1, on_device=True, weighted=True),
    Metric("l2", "pixel", "low", "squared units of [-1, 1]", l2, on_device=True, weighted=True),
    Metric("psnr", "pixel", "high", "dB", psnr, on_device=True, weighted=True),
    Metric("ssim", "structural", "high", "", ssim, on_device=True, weighted=True),
    Metric("ms_ssim", "structural", "high", "", ms_ssim, on_device=True, weighted=True),
    Metric("lpips_alex", "perceptual", "low", "", Lpips("lpips_alex")),
    Metric("lpips_vgg", "perceptual", "low", "", Lpips("lpips_vgg")),
    Metric("histogram_correlation", "matching", "high", "", histogram_correlation, weighted=True),
    Metric("template_matching", "matching", "high", "", template_matching, weighted=True),
    Metric("keypoint_ratio", "matching", "high", "", keypoint_ratio),
    Metric("pixel_accuracy", LABELS, "high", "", confusion, pixel_accuracy, weighted=True),
    Metric("class_accuracy", LABELS, "high", "", confusion, class_accuracy, weighted=True),
    Metric("class_iou", LABELS, "high", "", confusion, class_iou, weighted=True),
    *(_of_lab(axis) for axis in AXES),
    # These compare whole sets; `distribution` computes them.
    Metric("fid", "distribution", "low", ""),
    Metric("kid", "distribution", "low", ""),
    Metric("inception_score", "distribution", "high", ""),
)
METRICS = {metric.name: metric for metric in _ALL}


def measure_of(metric: Metric) -> Measure:
    """Return how a metric of images measures them."""
    assert metric.measure is not None
    return metric.measure


def best_of(name: str) -> Direction | None:
    """Return whether a high or a low value is the best; None for an unknown metric."""
    return METRICS[name].best if name in METRICS else None


def names_per(per: Literal["image", "set"]) -> tuple[str, ...]:
    """Return the names of the metrics of images, or of those of whole sets."""
    return tuple(name for name, metric in METRICS.items() if metric.per == per)


def choose_metrics(
    names: Sequence[str],
    palette: str = "cityscapes",
    lpips_file: str = "",
    *,
    code: OwnCode = NO_OWN_CODE,
) -> dict[str, Metric]:
    """Return metrics of images by name, ready for `Metric.function` and `tally.Tally`.

    Args:
        names: Metrics of images in `METRICS`, or references to own ones.
        palette: What the colours of label maps mean, see `load_palette`; read only for metrics of
            kind `labels`.
        lpips_file: Weights of LPIPS, see `load_perceptual`; read only for `lpips_*`.
        code: What may run of own code.

    Returns:
        The metrics in the order of the names.

    Raises:
        InputError: A name is unknown, an own metric does not fit, or the palette or the weights
            cannot be read.
    """
    metrics = [_load_lpips(_find(name, code), lpips_file) for name in names]
    if any(metric.kind == LABELS for metric in metrics):
        metrics = _bind_palette(metrics, load_palette(palette))
    chosen: dict[str, Metric] = {}
    for name, metric in zip(names, metrics, strict=True):
        if is_own(name) and metric.name in chosen:
            raise InputError(f"eval.metrics={name!r}: a second metric {metric.name!r}; rename one")
        chosen[metric.name] = metric
    return chosen


def _load_lpips(metric: Metric, path: str) -> Metric:
    """Give LPIPS its weights: what is wrong with them shows before anything is measured."""
    if not isinstance(metric.measure, Lpips):
        return metric
    measure = Lpips(metric.name, path) if path else metric.measure
    _ = measure.weights
    return dataclasses.replace(metric, measure=measure)


def refuse_unsuited(metrics: Mapping[str, Metric], form: PairFormat, size: tuple[int, ...]) -> None:
    """Raise InputError if a metric cannot compare images of this kind, before any is made.

    Args:
        metrics: From `choose_metrics`.
        form: The format of the pairs.
        size: Height and width of what is compared.
    """
    for metric in metrics.values():
        if isinstance(metric.measure, Lpips):
            metric.measure.check_images(form.written.channels, size, form.written.classes)


def digests_of(metrics: Mapping[str, Metric]) -> dict[str, str]:
    """Return the SHA-256 digests of the weights that metrics measure with, by metric."""
    return {
        name: metric.measure.weights.digest
        for name, metric in metrics.items()
        if isinstance(metric.measure, Lpips)
    }


def _bind_palette(metrics: Sequence[Metric], palette: Palette) -> list[Metric]:
    """Give label metrics their palette."""
    # One object per measurement, by which Tally sees that several metrics share it.
    bound: dict[Measure, Measure] = {}
    ready = []
    for metric in metrics:
        if metric.kind == LABELS and metric.measure is not None:
            measure = bound.setdefault(metric.measure, partial(metric.measure, palette=palette))
            ready.append(dataclasses.replace(metric, measure=measure))
        else:
            ready.append(metric)
    return ready


def _find(name: str, code: OwnCode) -> Metric:
    """Return a metric of images from the table, or from own code."""
    if is_own(name):
        metric: Metric = code.instance(name, "eval.metrics", Metric)
        _check_own(name, metric)
        return metric
    if name not in METRICS or METRICS[name].per != "image":
        raise InputError(f"metric {name!r}: choose from {', '.join(sorted(names_per('image')))}")
    return METRICS[name]


def _check_own(reference: str, metric: Metric) -> None:
    """Raise InputError if an own metric cannot be used."""
    place = f"eval.metrics={reference!r}"
    if metric.name in METRICS:
        raise InputError(f"{place}: {metric.name!r} is the name of a built-in metric; rename it")
    if metric.best not in ("high", "low"):
        raise InputError(f"{place}: best={metric.best!r}: choose from high, low")
    options = {"palette": None} if metric.kind == LABELS else {}
    call = f"measure is called as measure(fake, target{', palette=palette' if options else ''})"
    try:
        inspect.signature(metric.measure).bind(None, None, **options)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InputError(f"{place}: {call}; {error}") from None


def build_metrics(
    options: ConfigDict, best: str, *, code: OwnCode = NO_OWN_CODE
) -> dict[str, Metric]:
    """Choose the metrics that a run's pairs are scored by.

    L1 is always one of them, as the baselines are given in it.

    Args:
        options: The section `eval` of a configuration.
        best: Name of the metric that decides which checkpoint is the best.
        code: What may run of own code.

    Raises:
        InputError: See `choose_metrics`.
    """
    choose = partial(
        choose_metrics, palette=options.palette, lpips_file=options.lpips_file, code=code
    )
    chosen = choose(["l1", *options.metrics])
    return chosen if best in chosen else chosen | choose([best])
