"""What is measured: a configuration of the training step, and its data."""

import dataclasses
import pathlib

import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from benchmarking.arithmetic import step_gflop
from pix2pix_jax.core import config_files
from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import own_keys
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.models.sizes import halvings, unet_levels
from pix2pix_jax.training.combinations import refuse_impossible

# resident: pairs are kept on the device; cached: in host memory; streamed: read from files
DATA_PATHS = ("resident", "cached", "streamed")
DTYPES = ("float32", "bfloat16")
LOOPS = ("fixed", "runtime", "none")  # see `training.feeding.choose_loop`
MAPS_PAIRS, MAPS_EPOCHS = 1096, 200  # the paper's maps run
_VAL_PAIRS = 2
# Keys that cannot be overridden, and what sets them.
_BY_FLAG = {
    "data.source": "the benchmark draws its pairs",
    "data.root": "the benchmark draws its pairs",
    "data.image_size": "set by --image_size",
    "data.cache_gigabytes": "set by --data",
    "data.device_share": "set by --data",
    "model.base_features": "set by --base_features",
    "model.dtype": "set by --dtype",
    "model.remat": "set by --remat",
    "train.batch_size": "set by --batch_sizes",
    "train.global_batch_size": "set by --batch_sizes",
    "train.accumulate": "set by --accumulate",
    "compilation_cache": "set by --compilation_cache",
}
_MOST_LEVELS = 8  # as in the paper's U-Net, at any size


@dataclasses.dataclass(frozen=True)
class Case:
    """A configuration of this package.

    Attributes:
        batch_size: Pairs per device.
        image_size: Height and width.
        dtype: Dtype of computation, one of `DTYPES`.
        data: One of `DATA_PATHS`.
        base_features: Features of the outermost layer of both networks.
        remat: Whether the generator's blocks are recomputed to save memory.
        accumulate: Number of parts that a batch is split into.
        overrides: Other config keys, as `section.key`, and their values as text.
        loop: How a call takes its steps, one of `LOOPS`; '': as training chooses.
        product_rows: In place of `models.convolutions.MOST_PRODUCT_ROWS`; None: as it is.
    """

    batch_size: int = 1
    image_size: int = 256
    dtype: str = "float32"
    data: str = "cached"
    base_features: int = 64
    remat: bool = False
    accumulate: int = 1
    overrides: tuple[tuple[str, str], ...] = ()
    loop: str = ""
    product_rows: int | None = None

    @property
    def levels(self) -> int:
        """How often the U-Net halves the image, unless it is overridden."""
        return min(halvings((self.image_size,) * 2), _MOST_LEVELS)


def build_config(case: Case, root: pathlib.Path) -> ConfigDict:
    """Build the configuration of a case.

    Args:
        case: The case.
        root: Folder of the data set, as from `write_pairs`.

    Returns:
        The resolved configuration: the paper's settings with those of the case. It has no
        compilation cache, so that the whole time of compiling is measured.

    Raises:
        InputError: The case cannot be trained.
    """
    config = default_config()
    config.compilation_cache = ""
    config.data.source, config.data.root = "side_by_side", str(root)
    config.data.image_size = (case.image_size,)
    config.data.cache_gigabytes = 0.0 if case.data == "streamed" else 1e6
    config.data.device_share = 1.0 if case.data == "resident" else 0.0
    config.model.base_features = case.base_features
    config.model.levels = _MOST_LEVELS if case.levels == _MOST_LEVELS else 0
    config.model.dtype, config.model.remat = case.dtype, case.remat
    config.train.batch_size, config.train.accumulate = case.batch_size, case.accumulate
    config.train.steps = 10**6  # more than anybody waits for
    for key, text in case.overrides:
        config_files.override(config, key, text)
    config = resolve(config)
    if not own_keys(config):  # checking own networks starts JAX, which only the child should do
        adversarial = config.loss.gan != "none"
        build_networks(config.model, config.data, adversarial=adversarial)
    return config


def check_case(case: Case) -> None:
    """Raise InputError if a case cannot be trained."""
    for key, _ in case.overrides:
        if key in _BY_FLAG:
            raise InputError(f"--config.{key}: {_BY_FLAG[key]}")
    if case.data not in DATA_PATHS:
        raise InputError(f"--data {case.data!r}: choose from {', '.join(DATA_PATHS)}")
    if case.dtype not in DTYPES:
        raise InputError(f"--dtype {case.dtype!r}: choose from {', '.join(DTYPES)}")
    if case.loop and case.loop not in LOOPS:
        raise InputError(f"--loop {case.loop!r}: choose from {', '.join(LOOPS)}")
    refuse_impossible(build_config(case, pathlib.Path()), case.batch_size)


def gflop_per_image(config: ConfigDict) -> float | None:
    """Return the arithmetic of a step's convolutions for one image, see `arithmetic`.

    Args:
        config: Resolved configuration.

    Returns:
        10^9 operations; None unless the networks are the paper's, in any size.
    """
    model = config.model
    of_paper = (
        model.generator == "unet"
        and model.unet_skips
        and model.upsample == "transposed"
        and model.discriminator == "patch"
        and model.discriminator_layers == 3
        and model.conditional
        and model.discriminator_features == model.base_features
        and config.loss.gan not in ("none", "wgangp")
    )
    if not of_paper:
        return None
    size = config.data.image_size
    return step_gflop(size[0], model.base_features, unet_levels(model.levels, size))


def write_pairs(root: pathlib.Path, image_size: int, count: int) -> None:
    """Write a data set of side-by-side JPEG files, which the reference and this package read.

    Args:
        root: Folder for `train/` and `val/`.
        image_size: Height and width of each half; training resizes both to 286 / 256 of it. Most
            published data sets are like that.
        count: Number of training pairs.
    """
    rng = np.random.default_rng(0)
    for split, number in (("train", count), ("val", _VAL_PAIRS)):
        (root / split).mkdir(parents=True)
        for index in range(number):
            # Smooth shapes with some grain compress to files as large as photographs'.
            coarse = Image.fromarray(rng.integers(0, 256, (8, 16, 3), np.uint8))
            smooth = coarse.resize((2 * image_size, image_size), Image.Resampling.BICUBIC)
            grain = rng.normal(0, 4, (image_size, 2 * image_size, 1))
            pixels = np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / split / f"{index:05}.jpg", quality=90)
