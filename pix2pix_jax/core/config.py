"""The configuration: every key, its default and its choices.

A config file (`configs/*.py`) has a function `get_config()` that starts from `default_config()` and
sets what its experiment needs. A key that does not exist cannot be set. What each value may be, and
its limits, are listed in `core.keys`.
"""

import difflib
from typing import Any

from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError, one_line, shown

# Folder of compiled programs. JAX's own setting, JAX_COMPILATION_CACHE_DIR, goes before it.
COMPILATION_CACHE = "~/.cache/pix2pix_jax"


class UnknownKeyError(InputError, AttributeError):
    """A key of the configuration does not exist."""


def _unknown(key: str) -> UnknownKeyError:
    """Return the error for a key that does not exist; its message has the nearest one."""
    name = one_line(key, 100)
    near = difflib.get_close_matches(name, flatten(default_config()), n=1, cutoff=0.0)
    return UnknownKeyError(f"config.{name}: there is no such key. Did you mean config.{near[0]}?")


class Config(ConfigDict):
    """A configuration, or a section of it. A locked one refuses keys that do not exist.

    Values of any type can be set: `config_files.from_values` and `validation.resolve` judge them,
    where a message can say what the key may be.
    """

    def __init__(
        self, initial_dictionary: Any = None, type_safe: bool = False, **options: Any
    ) -> None:
        super().__init__(initial_dictionary, type_safe=type_safe, **options)

    _section = ""

    def __setitem__(self, key: str, value: Any) -> None:
        section, dot, rest = str(key).partition(".")
        if dot and section in self:
            self[section][rest] = value
            return
        if self.is_locked and key not in self:
            raise _unknown(self._full(key))
        try:
            super().__setitem__(key, value)
        except OverflowError:  # a whole number for a float
            raise InputError(f"config.{self._full(key)}={shown(value)}: is too large") from None
        stored = self._fields[key]
        if isinstance(stored, Config):
            object.__setattr__(stored, "_section", self._full(key))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_"):  # asked for by Python itself, as in copying
                raise
        raise _unknown(self._full(name))

    def _full(self, key: object) -> str:
        """Return a key with its section."""
        return f"{self._section}.{key}" if self._section else str(key)


def default_config() -> ConfigDict:
    """Return the paper's settings with the built-in data set; comments say what each key means.

    Keys that choose a part by name also take own code, as docs/extending.md describes.
    """
    config = Config()
    config.seed = 0  # for everything random: initial values, order, augmentation, dropout
    config.compilation_cache = COMPILATION_CACHE  # '' switches the cache off
    _add_data(config)
    _add_networks(config)
    _add_training(config)
    return config.lock()


def _add_data(config: ConfigDict) -> None:
    config.data = Config()
    # side_by_side, folders, single, synthetic, tfds:<name>, pix2pix:<name>, or own code
    config.data.source = "synthetic"
    config.data.root = ""  # folder of the data set; for tfds and pix2pix: where it is kept
    config.data.archive = ""  # for pix2pix:<name>: a local .tar.gz, or the folder that holds it
    config.data.direction = "AtoB"  # A is the left half or folder A; BtoA swaps source and target
    config.data.tfds_source = ""  # image feature of tfds:<name>; '': its first
    config.data.tfds_target = ""  # '': its second, or its only one
    config.data.unpaired = "fail"  # a file without a partner in folders: fail, or skip and count
    config.data.split = ()  # shares such as (0.7, 0.15, 0.15), or counts; (): use the split folders
    config.data.max_pairs = 0  # largest number of pairs per split; 0: all
    config.data.patch_size = ()  # cut each pair into patches of this size; (): keep it whole
    # resize_and_crop (load_size, then a random crop), resize, crop, scale_width,
    # scale_width_and_crop (load_size's width), none
    config.data.resize = "resize_and_crop"
    config.data.image_size = (256, 256)  # height and width for the networks; one number: a square
    config.data.load_size = ()  # size that crops are cut from; (): image_size * 286 / 256
    config.data.source_channels = 3  # 1 gray, 3 RGB, 4 RGBA; any number from .npy and .tif
    config.data.target_channels = 3
    config.data.source_dtype = "uint8"  # dtype of the files: uint8, uint16, float32
    config.data.target_dtype = "uint8"
    config.data.source_range = ()  # values that become -1 and 1; (): the dtype's range, or 0, 1
    config.data.target_range = ()
    config.data.source_classes = 0  # number of classes if pixels are class indices; 0: colours
    config.data.synthetic_pairs = (400, 40, 40)  # train, val and test pairs, for source 'synthetic'
    config.data.max_pixels = 2**27  # an image with more is refused before it is unpacked
    config.data.on_error = "fail"  # on a file that cannot be read: fail, or skip and count
    # Decoded pairs are kept in memory up to this size, else streamed
    config.data.cache_gigabytes = 4.0
    # On an accelerator, pairs that fit into this share of its memory are kept there; 0: never
    config.data.device_share = 0.3
    config.data.workers = 8  # threads that read and decode

    # For single images (and tfds with one): how the other side is made
    config.derive = Config()
    config.derive.kind = ""  # gray, lab, edges, blur, downscale, mask
    config.derive.edge_low = 100.0  # Canny's thresholds
    config.derive.edge_high = 200.0
    config.derive.edge_blur = 0.0  # Gaussian before Canny, in pixels
    config.derive.blur_sigma = 2.0  # for blur, in pixels
    config.derive.downscale = 4  # factor
    config.derive.mask_share = 0.25  # area of the hole, as a share of the image

    config.augment = Config()  # for training pairs: both sides get the same geometric change
    config.augment.flip = True  # mirror half of the pairs left to right
    config.augment.vertical_flip = False  # and top to bottom
    config.augment.rotate = False  # by 0, 90, 180 or 270 degrees; square images only
    config.augment.color_jitter = (0.0, 0.0, 0.0)  # strengths of brightness, contrast, saturation
    config.augment.jitter_side = "source"  # source, target, both
    # Side of a square hole in the source, as a share of the image's side
    config.augment.cutout = 0.0
    config.augment.mosaic = 0.0  # share of examples that are composed of four pairs
    config.augment.extra = ()  # own augmentations: file.py:name or package.module:name


def _add_networks(config: ConfigDict) -> None:
    config.model = Config()
    config.model.generator = "unet"  # unet, resnet, hybrid, or own code
    config.model.base_features = 64  # features of the outermost layer, in both networks
    config.model.norm = "instance"  # instance, instance_affine, batch, group, none
    config.model.activation = "relu"  # relu, leaky_relu, swish, mish, gelu
    config.model.upsample = "transposed"  # transposed, nearest, pixel_shuffle
    config.model.dropout = 0.5  # rate, in the U-Net's decoder or in the residual blocks
    config.model.dropout_placement = "reference"  # of the U-Net: reference, paper
    config.model.levels = 0  # how many times the U-Net halves the image; 0: as often as possible
    config.model.unet_skips = True  # False: the paper's encoder-decoder
    config.model.blocks = 9  # residual blocks of resnet and hybrid
    config.model.downsamplings = 3  # strided convolutions of hybrid
    config.model.discriminator = "patch"  # patch, pixel, multiscale, or own code
    config.model.discriminator_features = 0  # features of its first layer; 0: base_features
    config.model.discriminator_layers = 3  # stride-2 layers of the PatchGAN; 3: 70x70 patches
    config.model.discriminator_scales = 2  # of multiscale
    config.model.discriminator_norm = ""  # '': as norm
    config.model.conditional = True  # the discriminator also sees the source
    config.model.spectral_norm = False  # for the discriminator's kernels
    config.model.initializer = "normal"  # normal, xavier, kaiming, orthogonal
    # Compute the generator's blocks again, not keep them: less memory, more time; not on CPUs
    config.model.remat = False
    # Dtype of computation: float32, bfloat16; parameters are float32
    config.model.dtype = "float32"

    config.loss = Config()
    config.loss.gan = "vanilla"  # vanilla, lsgan, hinge, wgangp; none: no discriminator
    config.loss.reconstruction = "l1"  # l1, l2, charbonnier
    config.loss.reconstruction_weight = 100.0  # lambda of the paper's eq. 4
    config.loss.discriminator_weight = 0.5  # weight of the sum of the discriminator's two losses
    config.loss.feature_matching_weight = 0.0  # L1 of the discriminator's features; pix2pixHD: 10
    config.loss.gradient_penalty_weight = 10.0  # for wgangp
    config.loss.label_smoothing = 0.0  # real images' label is 1 - this (vanilla, lsgan)
    # Own losses of the generator's output: file.py:name or package.module:name
    config.loss.extra = ()
    config.loss.extra_weights = ()  # one per entry of extra; (): all 1.0


def _add_training(config: ConfigDict) -> None:
    config.optimizer = Config()
    config.optimizer.learning_rate = 2e-4
    config.optimizer.discriminator_learning_rate = 0.0  # 0: as learning_rate
    config.optimizer.b1 = 0.5  # Adam's momentum
    config.optimizer.b2 = 0.999
    config.optimizer.clip_norm = 0.0  # largest norm of a network's gradient; 0: no clipping

    config.lr = Config()
    config.lr.schedule = "linear"  # linear, constant, cosine, step, or own code
    # Linear: length of the decay at the end; step: epochs between drops; 0: never
    config.lr.decay_epochs = 100

    config.train = Config()
    config.train.batch_size = 1  # pairs per device
    config.train.global_batch_size = 0  # pairs over all devices; 0: batch_size * devices
    config.train.epochs = 200
    config.train.steps = 0  # length of the run in steps, instead of epochs; 0: use epochs
    config.train.steps_per_call = 0  # steps per call of the device; 0: 1 on the CPU, 20 elsewhere
    # Number of parts that a device's batch is processed in: less memory; not on CPUs
    config.train.accumulate = 1
    # Decay of the generator's moving average, used for sampling; 0: none
    config.train.ema_decay = 0.0
    config.train.init_from = ""  # folder of a run; a new run starts with its networks

    config.checkpoint = Config()
    config.checkpoint.every_epochs = 10
    config.checkpoint.keep = 3  # number of newest checkpoints kept, besides the best
    # Decides which one is the best: a metric of eval.metrics, on validation pairs
    config.checkpoint.best_metric = "l1"
    # Also keep every multiple of this many epochs; 0: none
    config.checkpoint.keep_period_epochs = 0

    config.eval = Config()
    # Images per batch, over all devices; 0: 8 on the CPU, 32 per device elsewhere at 256 pixels
    config.eval.batch_size = 0
    config.eval.max_images = 0  # largest number of validation pairs; 0: all
    # Number of training pairs, without augmentation, that are also scored
    config.eval.train_images = 0
    config.eval.metrics = ("l1", "psnr")  # docs/evaluation.md lists them, or own code
    config.eval.palette = "cityscapes"  # for label metrics: cityscapes, or a JSON file
    config.eval.every_epochs = 1  # 0: only with eval.every_steps, at checkpoints and at the end
    config.eval.every_steps = 0  # also evaluate every this many steps; 0: no
    config.eval.mode = "paper"  # paper: dropout on, batch norm by each image; deterministic

    config.log = Config()
    config.log.every_steps = 100  # steps between rows of metrics.csv
    config.log.grid_images = 4  # number of validation pairs in the sample pictures
    config.log.bands = ()  # one or three channels that pictures show; (): the first ones
    config.log.tensorboard = True
    config.log.report = True  # write report.html into the workdir
    config.log.wandb = False  # Weights & Biases (extra wandb)
    config.log.wandb_project = "pix2pix_jax"


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
    raise _unknown(key)
