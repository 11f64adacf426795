"""Metrics of image quality, by name: one value per image, whatever its batch."""

import dataclasses
from collections.abc import Sequence
from functools import partial

from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
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
from pix2pix_jax.evaluation.metrics.pixel import check_finite, l1, l2, psnr
from pix2pix_jax.evaluation.metrics.scoring import Metric, Tally
from pix2pix_jax.evaluation.metrics.structural import ms_ssim, ssim

__all__ = [
    "METRICS",
    "Metric",
    "Palette",
    "Tally",
    "build_metrics",
    "check_finite",
    "choose_metrics",
    "l1",
    "load_palette",
    "psnr",
]

_LABELS = "labels"
_ALL = (
    Metric("l1", "pixel", "low", "units of [-1, 1]", l1),
    Metric("l2", "pixel", "low", "squared units of [-1, 1]", l2),
    Metric("psnr", "pixel", "high", "dB", psnr),
    Metric("ssim", "structural", "high", "", ssim),
    Metric("ms_ssim", "structural", "high", "", ms_ssim),
    Metric("histogram_correlation", "matching", "high", "", histogram_correlation),
    Metric("template_matching", "matching", "high", "", template_matching),
    Metric("keypoint_ratio", "matching", "high", "", keypoint_ratio),
    Metric("pixel_accuracy", _LABELS, "high", "", confusion, pixel_accuracy),
    Metric("class_accuracy", _LABELS, "high", "", confusion, class_accuracy),
    Metric("class_iou", _LABELS, "high", "", confusion, class_iou),
    Metric("lab_l", "color", "high", "", lab_histograms, partial(intersection, axis="L")),
    Metric("lab_a", "color", "high", "", lab_histograms, partial(intersection, axis="a")),
    Metric("lab_b", "color", "high", "", lab_histograms, partial(intersection, axis="b")),
)
METRICS = {metric.name: metric for metric in _ALL}


def choose_metrics(names: Sequence[str], palette: Palette | None = None) -> dict[str, Metric]:
    """Return metrics by name, ready for `Metric.function` and `Tally`.

    Args:
        names: Some of `METRICS`.
        palette: What the colours of label maps mean; for metrics of kind `labels`.

    Returns:
        The metrics in the order of the names.

    Raises:
        InputError: A name is unknown, or metrics of labels have no palette.
    """
    chosen = {}
    # One object for all, by which Tally sees that they measure alike.
    measure = None if palette is None else partial(confusion, palette=palette)
    for name in names:
        if name not in METRICS:
            raise InputError(f"metric {name!r}: choose from {', '.join(sorted(METRICS))}")
        metric = METRICS[name]
        if metric.kind == _LABELS:
            if measure is None:
                raise InputError(
                    f"metric {name!r} needs a palette: name one that ships (cityscapes) or a JSON "
                    'file of {"class": [red, green, blue], ...}'
                )
            metric = dataclasses.replace(metric, measure=measure)
        chosen[name] = metric
    return chosen


def build_metrics(options: ConfigDict, best: str) -> dict[str, Metric]:
    """Choose what a run's pairs are scored by; L1, which its baselines are given in, always.

    Args:
        options: The section `eval` of a configuration.
        best: Name of the metric that the best checkpoint is chosen by.

    Raises:
        InputError: As for `choose_metrics`.
    """
    names = list(dict.fromkeys(("l1", *options.metrics, best)))
    labels = any(name in METRICS and METRICS[name].kind == _LABELS for name in names)
    return choose_metrics(names, load_palette(options.palette) if labels else None)
