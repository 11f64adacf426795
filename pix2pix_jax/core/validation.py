"""Which values a configuration may have, and which ones stand for those left open."""

import math

from ml_collections import ConfigDict

from pix2pix_jax.core.config import get
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import is_own

RESIZES = (
    "crop",
    "none",
    "resize",
    "resize_and_crop",
    "scale_width",
    "scale_width_and_crop",
)


_AUTOMATIC_JITTER = 286 / 256  # the paper's load size to its image size


def resolve(config: ConfigDict) -> ConfigDict:
    """Validate a configuration and fill in the values that it leaves open.

    This is done once, where a configuration enters the program. Everything else works with the
    result or with sections of it: sizes are (height, width), and automatic values are filled in.

    Args:
        config: A whole configuration.

    Returns:
        A locked copy. `data.image_size` and `data.load_size` are pairs, and so is `data.patch_size`
        unless it is (). The discriminator's features, norm and learning rate have their values.

    Raises:
        InputError: A value is out of its range; see `validate`.
    """
    validate(config)
    resolved = config.copy_and_resolve_references()
    data, model, optimizer = resolved.data, resolved.model, resolved.optimizer
    data.load_size = _load_size(data)
    data.image_size = _pair(data.image_size)
    data.patch_size = _pair(data.patch_size) if data.patch_size else ()
    model.discriminator_features = model.discriminator_features or model.base_features
    model.discriminator_norm = model.discriminator_norm or model.norm
    optimizer.discriminator_learning_rate = (
        optimizer.discriminator_learning_rate or optimizer.learning_rate
    )
    return resolved.lock()


def _pair(size: tuple[int, ...]) -> tuple[int, int]:
    """Return height and width; a single number stands for a square."""
    return size[0], size[-1]


def automatic_load_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """Return the size that crops of `image_size` are cut from unless the config says otherwise."""
    height, width = image_size
    return round(height * _AUTOMATIC_JITTER), round(width * _AUTOMATIC_JITTER)


def _load_size(data: ConfigDict) -> tuple[int, int]:
    """Return the height and width that training crops are cut from."""
    if data.load_size:
        return _pair(data.load_size)
    return automatic_load_size(_pair(data.image_size))


def validate(config: ConfigDict) -> None:
    """Check structure and ranges; names of networks and the like are checked by their builders.

    Args:
        config: A whole configuration.

    Raises:
        InputError: A value is out of its range. The message names key, value and range.
    """
    for key, low in _LEAST.items():
        value = get(config, key)
        if not value >= low or not math.isfinite(value):
            raise InputError(f"{key}={value}: must be at least {low}, and finite")
    for key, high in _MOST.items():
        if get(config, key) > high:
            raise InputError(f"{key}={get(config, key)}: must be at most {high}")
    if config.seed >= 2**32:
        raise InputError(f"seed={config.seed}: must be below 2**32, the range of JAX's seeds")
    for key, choices in _CHOICES.items():
        value = get(config, key)
        if value not in choices:
            raise InputError(f"{key}={value!r}: choose from {', '.join(map(str, choices))}")
    for key in ("model.dropout", "optimizer.b1", "optimizer.b2", "train.ema_decay"):
        _check_share(config, key)
    _check_share(config, "loss.label_smoothing")
    _check_sizes(config)
    _check_tuples(config)


def _check_share(config: ConfigDict, key: str) -> None:
    if not 0 <= get(config, key) < 1:
        raise InputError(f"{key}={get(config, key)}: must be in [0, 1)")


def _check_sizes(config: ConfigDict) -> None:
    """Check heights and widths, and that crops are not larger than what they are cut from."""
    lengths = {"data.image_size": (1, 2), "data.load_size": (0, 1, 2), "data.patch_size": (0, 1, 2)}
    for key, allowed in lengths.items():
        size = get(config, key)
        sides = [n for n in size if type(n) is int and 1 <= n <= _LARGEST_SIDE]
        if len(size) not in allowed or len(sides) < len(size):
            raise InputError(
                f"{key}={size}: give one side or (height, width), in pixels, up to {_LARGEST_SIDE}"
            )
    if config.data.resize not in ("resize_and_crop", "scale_width_and_crop"):
        return
    sizes = list(zip(_load_size(config.data), _pair(config.data.image_size), strict=True))
    if config.data.resize == "scale_width_and_crop":
        sizes = sizes[1:]  # the height depends on the image
    if any(load < crop for load, crop in sizes):
        raise InputError(
            f"data.load_size={config.data.load_size}: must not be smaller than "
            f"data.image_size={config.data.image_size}, which is cut from it"
        )


def _check_tuples(config: ConfigDict) -> None:
    """Check the keys that hold several values."""
    pairs = config.data.synthetic_pairs
    if len(pairs) != 3 or any(type(n) is not int or n < 0 for n in pairs):
        raise InputError(f"data.synthetic_pairs={pairs}: give the train, val and test counts")
    for key in ("data.source_range", "data.target_range"):
        limits = get(config, key)
        good = all(type(n) in (int, float) and math.isfinite(n) for n in limits)
        if len(limits) not in (0, 2) or not good or (limits and limits[0] >= limits[1]):
            raise InputError(f"{key}={limits}: give the values that become -1 and 1, or nothing")
    for key in ("augment.extra", "loss.extra"):
        wrong = [value for value in get(config, key) if not is_own(value)]
        if wrong:
            raise InputError(
                f"{key}={wrong[0]!r}: expected package.module:name or path/to/file.py:name"
            )
    weights, count = config.loss.extra_weights, len(config.loss.extra)
    numbers = all(type(n) in (int, float) and math.isfinite(n) for n in weights)
    if len(weights) not in (0, count) or not numbers:
        raise InputError(
            f"loss.extra_weights={weights}: give one number for each of the {count} entries of "
            "loss.extra, or nothing"
        )
    bands = config.log.bands
    if len(bands) not in (0, 1, 3) or any(type(n) is not int or n < 0 for n in bands):
        raise InputError(f"log.bands={bands}: give the numbers of one or three channels, from 0")
    split = config.data.split
    counts = len(split) == 3 and all(type(n) is int and n >= 0 for n in split)
    shares = len(split) == 3 and all(type(n) in (int, float) and 0 <= n <= 1 for n in split)
    if split and not (counts and sum(split) > 1) and not (shares and abs(sum(split) - 1) < 1e-6):
        raise InputError(
            f"data.split={split}: give shares of train, val and test that add up to 1, such as "
            "(0.7, 0.15, 0.15), or three counts"
        )


_LEAST = {
    "seed": 0,
    "data.max_pairs": 0,
    "data.source_channels": 1,
    "data.target_channels": 1,
    "data.source_classes": 0,
    "data.cache_gigabytes": 0,
    "data.device_share": 0,
    "augment.mosaic": 0,
    "data.workers": 1,
    "model.base_features": 1,
    "model.levels": 0,
    "model.blocks": 1,
    "model.downsamplings": 1,
    "model.discriminator_features": 0,
    "model.discriminator_layers": 1,
    "model.discriminator_scales": 1,
    "loss.reconstruction_weight": 0,
    "loss.discriminator_weight": 0,
    "loss.feature_matching_weight": 0,
    "loss.gradient_penalty_weight": 0,
    "optimizer.learning_rate": 0,
    "optimizer.discriminator_learning_rate": 0,
    "optimizer.clip_norm": 0,
    "lr.decay_epochs": 0,
    "train.batch_size": 1,
    "train.global_batch_size": 0,
    "train.epochs": 1,
    "train.steps": 0,
    "train.steps_per_call": 0,
    "train.accumulate": 1,
    "checkpoint.every_epochs": 1,
    "checkpoint.keep": 1,
    "checkpoint.keep_period_epochs": 0,
    "eval.batch_size": 1,
    "eval.max_images": 0,
    "eval.train_images": 0,
    "eval.every_epochs": 0,
    "eval.every_steps": 0,
    "log.every_steps": 1,
    "log.grid_images": 1,
}
_LARGEST_SIDE = 2**15
# A step's number is an int32; the other limits are far beyond what any machine can hold.
_MOST = {
    "train.steps": 2**31 - 1,
    "train.epochs": 10**6,
    "train.batch_size": 2**16,
    "train.steps_per_call": 10**4,
    "data.device_share": 1,
    "train.global_batch_size": 2**20,
    "eval.batch_size": 2**16,
    "model.base_features": 2**12,
    "data.workers": 2**10,
    "data.source_channels": 2**10,
    "data.target_channels": 2**10,
    "data.source_classes": 2**10,
    "augment.mosaic": 1,
}
_CHOICES = {
    "data.direction": ("AtoB", "BtoA"),
    "data.source_dtype": ("float32", "uint16", "uint8"),
    "data.target_dtype": ("float32", "uint16", "uint8"),
    "data.resize": RESIZES,
    "data.unpaired": ("fail", "skip"),
    "data.on_error": ("fail", "skip"),
    "model.dtype": ("bfloat16", "float32"),
    "eval.mode": ("deterministic", "paper"),
}
