"""The configuration: every key there is, and what it may be.

A config file (`configs/*.py`) has a function `get_config()` that starts from `default_config()` and
sets what its experiment needs. A key that does not exist cannot be set.
"""

import difflib
import math
from typing import Any

from ml_collections import ConfigDict

from pix2pix_jax.errors import InputError

_AUTOMATIC_JITTER = 286 / 256  # the paper's load size to its image size


def default_config() -> ConfigDict:
    """Return the paper's settings, with the embedded data set; each key with its meaning."""
    config = ConfigDict()
    config.seed = 0  # of everything random: initial values, order, augmentation, dropout
    config.compilation_cache = "~/.cache/pix2pix_jax"  # '' switches it off
    _add_data(config)
    _add_networks(config)
    _add_training(config)
    return config.lock()


def _add_data(config: ConfigDict) -> None:
    config.data = ConfigDict()
    config.data.source = "synthetic"  # where pairs come from: side_by_side, synthetic
    config.data.root = ""  # folder with train/, val/ and, if any, test/
    config.data.direction = "AtoB"  # A is the left half; BtoA swaps source and target
    config.data.image_size = (256, 256)  # height and width that the networks see; one number: both
    config.data.load_size = ()  # size that crops are cut from; (): image_size * 286 / 256
    config.data.source_channels = 3  # 1 (gray) or 3 (RGB)
    config.data.target_channels = 3
    config.data.max_pairs = 0  # at most so many pairs of each split; 0: all
    config.data.synthetic_pairs = (400, 40, 40)  # train, val and test pairs of source 'synthetic'
    config.data.on_error = "fail"  # a file that cannot be read: fail, or skip and count
    config.data.cache_gigabytes = (
        4.0  # decoded pairs stay in memory up to this, are streamed beyond
    )
    config.data.workers = 8  # threads that read and decode

    config.augment = ConfigDict()
    config.augment.flip = True  # mirror half of the training pairs left to right


def _add_networks(config: ConfigDict) -> None:
    config.model = ConfigDict()
    config.model.generator = "unet"  # unet, resnet, hybrid
    config.model.base_features = 64  # of the outermost layer of either network
    config.model.norm = "instance"  # instance, instance_affine, batch, group, none
    config.model.activation = "relu"  # relu, leaky_relu, swish, mish, gelu
    config.model.upsample = "transposed"  # transposed, nearest, pixel_shuffle
    config.model.dropout = 0.5  # rate, in the U-Net's decoder or in the residual blocks
    config.model.dropout_placement = "reference"  # of the U-Net: reference, paper
    config.model.levels = 0  # how often the U-Net halves the image; 0: as often as it can
    config.model.unet_skips = True  # False: the paper's encoder-decoder
    config.model.blocks = 9  # residual blocks of resnet and hybrid
    config.model.downsamplings = 3  # strided convolutions of hybrid
    config.model.discriminator = "patch"  # patch, pixel, multiscale
    config.model.discriminator_features = 0  # of its first layer; 0: base_features
    config.model.discriminator_layers = 3  # stride-2 layers of the PatchGAN; 3: 70x70 patches
    config.model.discriminator_scales = 2  # of multiscale
    config.model.discriminator_norm = ""  # '': as norm
    config.model.conditional = True  # the discriminator sees the source, too
    config.model.spectral_norm = False  # of the discriminator's kernels
    config.model.initializer = "normal"  # normal, xavier, kaiming, orthogonal
    config.model.remat = False  # less memory for more time: the generator's blocks are recomputed
    config.model.dtype = "float32"  # of computation: float32, bfloat16; parameters are float32

    config.loss = ConfigDict()
    config.loss.gan = "vanilla"  # vanilla, lsgan, hinge, wgangp; none: no discriminator
    config.loss.reconstruction = "l1"  # l1, l2, charbonnier
    config.loss.reconstruction_weight = 100.0  # lambda of the paper's eq. 4
    config.loss.discriminator_weight = 0.5  # of the sum of the discriminator's two losses
    config.loss.feature_matching_weight = 0.0  # L1 of the discriminator's features; pix2pixHD: 10
    config.loss.gradient_penalty_weight = 10.0  # of wgangp
    config.loss.label_smoothing = 0.0  # real images' label is 1 - this (vanilla, lsgan)


def _add_training(config: ConfigDict) -> None:
    config.optimizer = ConfigDict()
    config.optimizer.learning_rate = 2e-4
    config.optimizer.discriminator_learning_rate = 0.0  # 0: as learning_rate
    config.optimizer.b1 = 0.5  # Adam's momentum
    config.optimizer.b2 = 0.999
    config.optimizer.clip_norm = 0.0  # largest norm of a network's gradient; 0: no clipping

    config.lr = ConfigDict()
    config.lr.schedule = "linear"  # linear, constant, cosine, step
    config.lr.decay_epochs = 100  # linear: over the last so many; step: after each; 0: never

    config.train = ConfigDict()
    config.train.batch_size = 1  # pairs per device
    config.train.global_batch_size = 0  # pairs over all devices; 0: batch_size * devices
    config.train.epochs = 200
    config.train.steps = 0  # instead of epochs, where not 0
    config.train.accumulate = 1  # a device's pairs are seen in so many parts: less memory
    config.train.ema_decay = 0.0  # of the generator's moving average, which sampling uses; 0: none
    config.train.init_from = ""  # folder of a run whose networks a new run starts with

    config.checkpoint = ConfigDict()
    config.checkpoint.every_epochs = 10
    config.checkpoint.keep = 3  # newest ones kept, besides the best by validation L1
    config.checkpoint.keep_period_epochs = 0  # also keep every multiple of so many epochs; 0: none

    config.eval = ConfigDict()
    config.eval.batch_size = 8  # images at once, over all devices
    config.eval.max_images = 0  # at most so many validation pairs; 0: all
    config.eval.mode = "paper"  # paper: dropout on, batch norm by each image; deterministic

    config.log = ConfigDict()
    config.log.every_steps = 100  # rows of metrics.csv between epochs' ends
    config.log.grid_images = 4  # validation pairs in the image grids
    config.log.tensorboard = True


def pair_of(size: int | tuple[int, ...]) -> tuple[int, int]:
    """Read a size from the config: one number stands for a square.

    Args:
        size: `(side,)` or `(height, width)`.

    Returns:
        Height and width.
    """
    return (size[0], size[-1]) if isinstance(size, tuple) else (size, size)


def load_size(config: ConfigDict) -> tuple[int, int]:
    """Return the height and width that training crops are cut from."""
    if config.data.load_size:
        return pair_of(config.data.load_size)
    height, width = pair_of(config.data.image_size)
    return round(height * _AUTOMATIC_JITTER), round(width * _AUTOMATIC_JITTER)


def validate(config: ConfigDict) -> None:
    """Check structure and ranges; names of models and the like are checked by their builders.

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
        raise InputError(f"seed={config.seed}: must be below 2**32, the size of JAX's keys")
    for key, choices in _CHOICES.items():
        value = get(config, key)
        if value not in choices:
            raise InputError(f"{key}={value!r}: choose from {', '.join(map(str, choices))}")
    for key, lengths in (("data.image_size", (1, 2)), ("data.load_size", (0, 1, 2))):
        size = get(config, key)
        sides = [n for n in size if type(n) is int and 1 <= n <= _LARGEST_SIDE]
        if len(size) not in lengths or len(sides) < len(size):
            raise InputError(
                f"{key}={size}: give one side or (height, width), in pixels, up to {_LARGEST_SIDE}"
            )
    sizes = zip(load_size(config), pair_of(config.data.image_size), strict=True)
    if any(load < crop for load, crop in sizes):
        raise InputError(
            f"data.load_size={config.data.load_size}: must not be smaller than "
            f"data.image_size={config.data.image_size}, which is cut from it"
        )
    if not 0 <= config.model.dropout < 1:
        raise InputError(f"model.dropout={config.model.dropout}: must be in [0, 1)")
    for key in ("optimizer.b1", "optimizer.b2", "train.ema_decay", "loss.label_smoothing"):
        if not 0 <= get(config, key) < 1:
            raise InputError(f"{key}={get(config, key)}: must be in [0, 1)")
    pairs = config.data.synthetic_pairs
    if len(pairs) != 3 or any(type(n) is not int or n < 0 for n in pairs):
        raise InputError(f"data.synthetic_pairs={pairs}: give the train, val and test counts")


_LEAST = {
    "seed": 0,
    "data.max_pairs": 0,
    "data.cache_gigabytes": 0,
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
    "train.accumulate": 1,
    "checkpoint.every_epochs": 1,
    "checkpoint.keep": 1,
    "checkpoint.keep_period_epochs": 0,
    "eval.batch_size": 1,
    "eval.max_images": 0,
    "log.every_steps": 1,
    "log.grid_images": 1,
}
_LARGEST_SIDE = 2**15
# A step's number is an int32; the others are far beyond what any machine holds.
_MOST = {
    "train.steps": 2**31 - 1,
    "train.epochs": 10**6,
    "train.batch_size": 2**16,
    "train.global_batch_size": 2**20,
    "eval.batch_size": 2**16,
    "model.base_features": 2**12,
    "data.workers": 2**10,
}
_CHOICES = {
    "data.direction": ("AtoB", "BtoA"),
    "data.source_channels": (1, 3),
    "data.target_channels": (1, 3),
    "data.on_error": ("fail", "skip"),
    "model.dtype": ("bfloat16", "float32"),
    "eval.mode": ("deterministic", "paper"),
}


def flatten(config: ConfigDict) -> dict[str, Any]:
    """Return `{'section.key': value}` for every key, in order of definition."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            flat.update({f"{key}.{inner}": leaf for inner, leaf in flatten(value).items()})
        else:
            flat[key] = value
    return flat


def get(config: ConfigDict, key: str) -> Any:
    """Return the value of `section.key`.

    Raises:
        InputError: There is no such key; the message names the nearest one.
    """
    flat = flatten(config)
    if key in flat:
        return flat[key]
    near = difflib.get_close_matches(key, flat, n=1, cutoff=0.0)
    raise InputError(f"config.{key}: there is no such key. Did you mean config.{near[0]}?")
