"""Every key of the configuration, and what its value may be.

Limits are far beyond what any machine can hold or any run can use; a value above them is a slip.
"""

from typing import Any

from pix2pix_jax.core import choices
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.rules import (
    Choice,
    Number,
    Own,
    Rule,
    Several,
    Switch,
    Text,
    Whole,
    plain,
)

_LARGEST_SIDE = 2**15
_MOST_STEPS = 2**31 - 1  # a step's number is an int32
_MOST_EPOCHS = 10**6
_MOST_PAIRS = 10**7
_HALVINGS = 15  # of the largest side
_WEIGHT = Number(0, 1e38)  # float32 ends at 3.4e38
_SHARE = Number(0, 1, open_high=True)
_COUNT = Whole(0, _MOST_STEPS)
_EPOCHS = Whole(1, _MOST_EPOCHS)
_EPOCHS_OR_NEVER = Whole(0, _MOST_EPOCHS)
_CHANNELS = Whole(1, 2**10)
_BATCH = Whole(1, 2**16)
_BATCH_OR_AUTOMATIC = Whole(0, 2**16)
_METRIC = Choice(choices.METRICS, or_own=True)
_RANGE = Several(
    Number(-1e38, 1e38),
    "give the values that become -1 and 1, the smaller one first, or nothing",
    (0, 2),
)


def _size(*lengths: int) -> Several:
    optional = ", or ()" if 0 in lengths else ""
    return Several(
        Whole(1, _LARGEST_SIDE),
        f"give one side or (height, width), in pixels, from 1 to {_LARGEST_SIDE}{optional}",
        lengths,
    )


_DATA: dict[str, Rule] = {
    "data.source": Choice(choices.SOURCES, or_own=True),
    "data.root": Text(),
    "data.archive": Text(),
    "data.direction": Choice(choices.DIRECTIONS),
    "data.tfds_source": Text(),
    "data.tfds_target": Text(),
    "data.unpaired": Choice(choices.ON_FAULT),
    "data.split": Several(
        Number(0, _MOST_PAIRS),
        "give shares of train, val and test that add up to 1, such as (0.7, 0.15, 0.15), or three "
        "counts, or ()",
        (0, 3),
    ),
    "data.max_pairs": _COUNT,
    "data.max_pixels": Whole(1, 2**40),
    "data.patch_size": _size(0, 1, 2),
    "data.resize": Choice(choices.RESIZES),
    "data.image_size": _size(1, 2),
    "data.load_size": _size(0, 1, 2),
    "data.source_channels": _CHANNELS,
    "data.target_channels": _CHANNELS,
    "data.source_dtype": Choice(choices.FILE_DTYPES),
    "data.target_dtype": Choice(choices.FILE_DTYPES),
    "data.source_range": _RANGE,
    "data.target_range": _RANGE,
    "data.source_classes": Whole(0, 2**10),
    "data.synthetic_pairs": Several(
        Whole(0, _MOST_PAIRS),
        f"give the train, val and test counts, each from 0 to {_MOST_PAIRS}",
        (3,),
    ),
    "data.on_error": Choice(choices.ON_FAULT),
    "data.cache_gigabytes": Number(0, 1e6),
    "data.device_share": Number(0, 1),
    "data.workers": Whole(1, 2**10),
    "derive.kind": Choice(choices.DERIVATIONS, or_empty=True),
    "derive.edge_low": Number(0, 2040),
    "derive.edge_high": Number(0, 2040),
    "derive.edge_blur": Number(0, 100),
    "derive.blur_sigma": Number(0, 100),
    "derive.downscale": Whole(1, 2**16),
    "derive.mask_share": Number(0, 1, open_low=True, open_high=True),
    "augment.flip": Switch(),
    "augment.vertical_flip": Switch(),
    "augment.rotate": Switch(),
    "augment.color_jitter": Several(
        Number(0, 1),
        "give three strengths in [0, 1], for brightness, contrast and saturation",
        (3,),
    ),
    "augment.jitter_side": Choice(choices.JITTER_SIDES),
    "augment.cutout": _SHARE,
    "augment.mosaic": Number(0, 1),
    "augment.extra": Several(Own(), "give references to own code, or ()"),
}

_NETWORKS: dict[str, Rule] = {
    "model.generator": Choice(choices.GENERATORS, or_own=True),
    "model.base_features": Whole(1, 2**12),
    "model.norm": Choice(choices.NORMS),
    "model.activation": Choice(choices.ACTIVATIONS),
    "model.upsample": Choice(choices.UPSAMPLINGS),
    "model.dropout": _SHARE,
    "model.dropout_placement": Choice(choices.DROPOUT_PLACEMENTS),
    "model.levels": Whole(0, _HALVINGS),
    "model.unet_skips": Switch(),
    "model.blocks": Whole(1, 2**8),
    "model.downsamplings": Whole(1, _HALVINGS),
    "model.discriminator": Choice(choices.DISCRIMINATORS, or_own=True),
    "model.discriminator_features": Whole(0, 2**12),
    "model.discriminator_layers": Whole(1, _HALVINGS),
    "model.discriminator_scales": Whole(1, _HALVINGS),
    "model.discriminator_norm": Choice(choices.NORMS, or_empty=True),
    "model.conditional": Switch(),
    "model.spectral_norm": Switch(),
    "model.initializer": Choice(choices.INITIALIZERS),
    "model.remat": Switch(),
    "model.dtype": Choice(choices.COMPUTE_DTYPES),
    "loss.gan": Choice(choices.GAN_LOSSES),
    "loss.reconstruction": Choice(choices.RECONSTRUCTION_LOSSES),
    "loss.reconstruction_weight": _WEIGHT,
    "loss.discriminator_weight": _WEIGHT,
    "loss.feature_matching_weight": _WEIGHT,
    "loss.gradient_penalty_weight": _WEIGHT,
    "loss.label_smoothing": _SHARE,
    "loss.extra": Several(Own(), "give references to own code, or ()"),
    "loss.extra_weights": Several(
        Number(-1e38, 1e38), "give one number for each entry of loss.extra, or ()"
    ),
}

_TRAINING: dict[str, Rule] = {
    "seed": Whole(0, 2**32 - 1),  # the range of JAX's seeds
    "compilation_cache": Text(),
    "optimizer.learning_rate": _WEIGHT,
    "optimizer.discriminator_learning_rate": _WEIGHT,
    "optimizer.b1": _SHARE,
    "optimizer.b2": _SHARE,
    "optimizer.clip_norm": _WEIGHT,
    "lr.schedule": Choice(choices.SCHEDULES, or_own=True),
    "lr.decay_epochs": _EPOCHS_OR_NEVER,
    "train.batch_size": _BATCH,
    "train.global_batch_size": Whole(0, 2**20),
    "train.epochs": _EPOCHS,
    "train.steps": _COUNT,
    "train.steps_per_call": Whole(0, 10**4),
    "train.accumulate": _BATCH,
    "train.ema_decay": _SHARE,
    "train.init_from": Text(),
    "checkpoint.every_epochs": _EPOCHS,
    "checkpoint.keep": Whole(1, 10**6),
    # An own metric has a name of its own, which `build_metrics` knows once it is loaded.
    "checkpoint.best_metric": Text(),
    "checkpoint.keep_period_epochs": _EPOCHS_OR_NEVER,
    "eval.batch_size": _BATCH_OR_AUTOMATIC,
    "eval.max_images": _COUNT,
    "eval.train_images": _COUNT,
    "eval.metrics": Several(_METRIC, f"give names of metrics: {_METRIC.expected}"),
    "eval.palette": Text(),
    "eval.every_epochs": _EPOCHS_OR_NEVER,
    "eval.every_steps": _COUNT,
    "eval.mode": Choice(choices.EVAL_MODES),
    "log.every_steps": Whole(1, _MOST_STEPS),
    "log.grid_images": Whole(1, 2**16),
    "log.bands": Several(
        Whole(0, 2**10 - 1), "give the numbers of one or three channels, from 0, or ()", (0, 1, 3)
    ),
    "log.tensorboard": Switch(),
    "log.report": Switch(),
    "log.wandb": Switch(),
    "log.wandb_project": Text(),
}

RULES = _DATA | _NETWORKS | _TRAINING


def convert(key: str, value: Any) -> Any:
    """Return a value as the type of its key.

    Args:
        key: A key that exists, with its section.
        value: A Python value. Numbers and arrays of NumPy are accepted as well, a path for a text,
            a whole number for a float, a list or a single value for a tuple.

    Returns:
        An int, float, bool, str or a tuple of these; its range is not checked.

    Raises:
        InputError: The value is of another kind. The message says what it may be.
    """
    converted = RULES[key].convert(plain(value))
    if converted is None:
        raise InputError(f"config.{key}={shown(value)}: {RULES[key].expected}")
    return converted


def check(key: str, value: Any) -> None:
    """Raise InputError unless a value is of its key's type, and in its range.

    Args:
        key: A key that exists, with its section.
        value: Its value.
    """
    rule = RULES[key]
    if _allows(rule, value):
        return
    if isinstance(rule, Several) and isinstance(rule.each, Text) and isinstance(value, tuple):
        for part in value:
            if not _allows(rule.each, part):
                raise InputError(f"{key}={shown(part)}: {rule.each.expected}")
    raise InputError(f"{key}={shown(value)}: {rule.expected}")


def _allows(rule: Rule, value: Any) -> bool:
    converted = rule.convert(plain(value))
    return converted is not None and rule.allows(converted)
