"""What must not change when a run goes on, and what makes its scores begin anew."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from pix2pix_jax.core.config import get
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.data.splits import Splits
from pix2pix_jax.evaluation.metrics.table import Metric, digests_of
from pix2pix_jax.models.perceptual_weights import PerceptualWeights
from pix2pix_jax.training.perceptual import PERCEPTUAL_DIGEST

_FIXED = ("data.direction", "checkpoint.best_metric")
# Keys that may change, but then scores before and after do not compare.
_SCORING = (
    "data.image_size",
    "data.mask",
    "data.source_no_data",
    "data.target_no_data",
    "data.target_range",
    "eval.max_images",
    "eval.mode",
    "eval.palette",
)


def fixed_settings(
    config: ConfigDict, metrics: Mapping[str, Metric], perceptual: PerceptualWeights | None
) -> dict[str, Any]:
    """Return what must stay the same when a run goes on, besides its timeline.

    Args:
        config: A resolved configuration.
        metrics: Metrics that pairs are scored by.
        perceptual: Weights of the perceptual loss; None if there is none.
    """
    fixed = {key: get(config, key) for key in _FIXED}
    fixed |= {f"weights of metric {name}": each for name, each in digests_of(metrics).items()}
    return fixed if perceptual is None else {**fixed, PERCEPTUAL_DIGEST: perceptual.digest}


def describe_scoring(config: ConfigDict, splits: Splits) -> dict[str, str]:
    """Return what scores depend on besides the networks, for a checkpoint's `meta`.

    Args:
        config: A resolved configuration.
        splits: The run's pairs.
    """
    held_out = "" if splits.val is None else splits.val.digest
    return {**{key: str(get(config, key)) for key in _SCORING}, "pairs": held_out}


def find_scored_from(
    timeline: Timeline, meta: Mapping[str, Any] | None, step: int, scoring: Mapping[str, str]
) -> int:
    """Return the step after which scores compare with those to come.

    Args:
        timeline: The timeline to go on with.
        meta: Meta of the checkpoint that the run goes on from; None for a new run.
        step: Step of that checkpoint.
        scoring: From `describe_scoring`.
    """
    if meta is None:
        return timeline.first_step
    if meta.get("scoring", scoring) != scoring:
        return step
    return max(timeline.first_step, int(meta.get("scored_from", 0)))
