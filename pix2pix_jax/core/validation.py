"""Which values a configuration may have, and which ones stand for those left open."""

from ml_collections import ConfigDict

from pix2pix_jax.core import choices, keys
from pix2pix_jax.core.config import flatten, get
from pix2pix_jax.core.config_files import from_values
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.files import expand
from pix2pix_jax.core.own_code_files import is_own
from pix2pix_jax.core.scales import check_halves, multiple_below, step_of
from pix2pix_jax.core.source_parts import source_parts

# Keys that may hold a path.
_PATHS = ("data.root", "data.archive", "data.condition", "train.init_from", "eval.palette")
_AUTOMATIC_JITTER = 286 / 256  # the paper's load size to its image size


def resolve(config: ConfigDict) -> ConfigDict:
    """Validate a configuration and fill in the values that it leaves open.

    This is done once, where a configuration enters the program. Everything else works with the
    result or with sections of it: sizes are (height, width), and automatic values are filled in.

    Args:
        config: A configuration; keys that it does not have take their defaults.

    Returns:
        A locked copy. `data.image_size` and `data.load_size` are pairs, and so is `data.patch_size`
        unless it is (). The discriminator's features, norm and learning rate have their values.
        In paths, `~` is expanded.

    Raises:
        InputError: A value is of another type, see `config_files.from_values`, or out of its range,
            see `validate`.
    """
    resolved = from_values(config)
    validate(resolved)
    for key in _PATHS:
        section, _, name = key.partition(".")
        try:
            resolved[section][name] = expand(get(resolved, key))
        except InputError as error:
            raise InputError(f"{key}={error}") from None
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
    size = automatic_load_size(_pair(data.image_size))
    return multiple_below(size, step_of(data.target_scale))


def validate(config: ConfigDict) -> None:
    """Check all values: ranges, names of what can be chosen, and what does not go together.

    What depends on own code, on the data or on the devices is checked where these are known.

    Args:
        config: A whole configuration, with values of the types of their keys.

    Raises:
        InputError: A value is not allowed. The message has key and value, and what it may be.
    """
    for key, value in flatten(config).items():
        keys.check(key, value)
    for key in ("data.image_size", "data.load_size"):
        check_halves(key, get(config, key), config.data.target_scale)
    _check_crops(config)
    _check_split(config)
    _check_best_metric(config)
    for key in ("data.source_range", "data.target_range"):
        limits = get(config, key)
        if any(low >= high for low, high in zip(limits[::2], limits[1::2], strict=True)):
            raise InputError(f"{key}={limits}: {keys.RULES[key].expected}")
    source_parts(config.data)
    weights, count = config.loss.extra_weights, len(config.loss.extra)
    if len(weights) not in (0, count):
        raise InputError(
            f"loss.extra_weights={weights}: give one number for each of the {count} entries of "
            "loss.extra, or nothing"
        )
    if config.derive.edge_low > config.derive.edge_high:
        raise InputError(
            f"derive.edge_low={config.derive.edge_low}: must not be above "
            f"derive.edge_high={config.derive.edge_high}"
        )


def _check_crops(config: ConfigDict) -> None:
    """Raise InputError if crops are larger than what they are cut from."""
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


def _check_split(config: ConfigDict) -> None:
    """Raise InputError unless `data.split` has three counts, or shares that add up to 1."""
    split = config.data.split
    counts = all(type(part) is int for part in split) and sum(split) > 1
    if split and not counts and abs(sum(split) - 1) >= 1e-6:
        raise InputError(f"data.split={split}: {keys.RULES['data.split'].expected}")


def _check_best_metric(config: ConfigDict) -> None:
    """Raise InputError if the metric that decides is unknown; own ones are known once loaded."""
    best, metrics = config.checkpoint.best_metric, config.eval.metrics
    if best not in choices.METRICS and not any(map(is_own, (best, *metrics))):
        raise InputError(
            f"checkpoint.best_metric={shown(best)}: choose from {', '.join(choices.METRICS)}, or "
            "an own metric of eval.metrics"
        )
