"""Use a trained generator: load it, translate arrays."""

import dataclasses
import functools
import os
import pathlib
import zlib
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Key, PyTree, UInt8

from pix2pix_jax import config as config_lib
from pix2pix_jax import images
from pix2pix_jax.checkpoints import Checkpoints
from pix2pix_jax.config_files import load_json
from pix2pix_jax.errors import InputError
from pix2pix_jax.models import build_generator
from pix2pix_jax.train_state import abstract_variables

MODES = ("paper", "deterministic")


@dataclasses.dataclass(frozen=True)
class Generator:
    """A generator with its weights and what is needed to use it.

    Attributes:
        module: The network, built without an axis name.
        variables: `params` and `batch_stats`.
        image_size: Height and width that it was trained with.
        source_channels: Channels of its input.
        seed: Seed of dropout in mode `paper`.
        step: Training step of the weights.
    """

    module: nn.Module
    variables: PyTree
    image_size: tuple[int, int]
    source_channels: int = 3
    seed: int = 0
    step: int = 0


def load_generator(
    workdir: str | pathlib.Path, checkpoint: str | int = "best", *, seed: int | None = None
) -> Generator:
    """Load a run's generator; the run's folder is all that is needed.

    Args:
        workdir: Folder that `train.py` wrote.
        checkpoint: `best` (lowest validation L1 of those kept), `latest`, or a step.
        seed: Seed of dropout in mode `paper`; None: the run's.

    Returns:
        The generator.

    Raises:
        InputError: The folder is no run's, or has no such checkpoint.
    """
    workdir = pathlib.Path(workdir)
    config = load_json(workdir / "config.json")
    size = config_lib.pair_of(config.data.image_size)
    module = build_generator(
        config.model, image_size=size, out_channels=config.data.target_channels
    )
    abstract = abstract_variables(module, (1, *size, config.data.source_channels))
    with Checkpoints(workdir, read_only=True) as checkpoints:
        step = checkpoints.choose(str(checkpoint))
        variables = checkpoints.restore_generator(
            step, *abstract, with_ema=config.train.ema_decay > 0
        )
    # Placed once: translate_batch then finds them where it wants them.
    variables = jax.device_put(variables, _sharding(None))
    seed = config.seed if seed is None else seed
    return Generator(module, variables, size, config.data.source_channels, seed, step)


def check_mode(mode: str) -> None:
    """Raise InputError where `mode` is not one of `MODES`."""
    if mode not in MODES:
        raise InputError(f"mode {mode!r}: choose from {', '.join(MODES)}")


@functools.partial(jax.jit, static_argnames=("module", "mode"))
def _apply(
    module: nn.Module, mode: str, variables: PyTree, source: Array, keys: Key[Array, " n"]
) -> Float[Array, "n h w c"]:
    """Translate a batch; in mode `paper` each image by itself, also for batch norm."""
    source = images.to_float(source)
    fakes: Any
    if mode == "deterministic":
        fakes = module.apply(variables, source, train=False)
        return fakes

    def translate_one(image: Array, key: Array) -> Array:
        fake: Any
        fake, _ = module.apply(
            variables, image[None], train=True, dropout_keys=key[None], mutable=["batch_stats"]
        )
        return fake[0]

    return jax.vmap(translate_one)(source, keys)


def translate_batch(
    generator: Generator,
    source: UInt8[np.ndarray, "n h w c"],
    names: Sequence[str],
    *,
    mode: str,
    batch_size: int,
) -> Float[np.ndarray, "n h w d"]:
    """Translate up to `batch_size` images of the generator's size, over all local devices.

    Args:
        generator: The generator.
        source: Images of one size.
        names: Name of each image: without its folders, and with the generator's seed, it decides
            the dropout.
        mode: `paper` (dropout on, batch norm by each image) or `deterministic` (dropout off,
            running statistics).
        batch_size: The batch is padded to this many, so that there is one program for all batches
            and an image's result does not depend on its company.

    Returns:
        Images in [-1, 1].
    """
    check_mode(mode)
    count = len(source)
    devices = jax.local_devices()
    padded_size = -(-batch_size // len(devices)) * len(devices)
    padded = np.zeros((padded_size, *source.shape[1:]), source.dtype)
    padded[:count] = source
    hashes = np.zeros(padded_size, np.uint32)
    hashes[:count] = [zlib.crc32(os.fsencode(pathlib.PurePath(name).name)) for name in names]
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(generator.seed), hashes)
    padded, keys = jax.device_put((padded, keys), _sharding("images"))
    variables = jax.device_put(generator.variables, _sharding(None))
    fake = _apply(generator.module, mode, variables, padded, keys)
    return np.asarray(fake)[:count]


def _sharding(axis: str | None) -> NamedSharding:
    """Spread a leading axis over the local devices, or (None) hold arrays whole on each of them."""
    mesh = jax.sharding.Mesh(np.array(jax.local_devices()), ("images",))
    return NamedSharding(mesh, PartitionSpec(axis))


def translate(
    generator: Generator,
    sources: Sequence[UInt8[np.ndarray, "_ _ _"]] | UInt8[np.ndarray, "n h w c"],
    *,
    names: Sequence[str] | None = None,
    mode: str = "paper",
    batch_size: int = 8,
) -> list[UInt8[np.ndarray, "_ _ _"]]:
    """Translate images of any size.

    An image of another size than the generator was trained with is resized, and the result resized
    back.

    Args:
        generator: As from `load_generator`.
        sources: 8-bit images with the generator's number of channels.
        names: Names that, with the seed, decide the dropout; by default their numbers.
        mode: `paper` or `deterministic`, see `translate_batch`.
        batch_size: Images at once.

    Returns:
        One 8-bit image for each source, of the same height and width.

    Raises:
        InputError: The mode is unknown, or an image has another number of channels.
    """
    check_mode(mode)
    names = names or [str(number) for number in range(len(sources))]
    for name, source in zip(names, sources, strict=True):
        shape: tuple[int, ...] = getattr(source, "shape", ())
        if len(shape) != 3 or shape[-1] != generator.source_channels or source.dtype != np.uint8:
            raise InputError(
                f"image {name}: {type(source).__name__} of shape {shape}; this generator takes "
                f"uint8 arrays of (height, width, {generator.source_channels})"
            )
    results = []
    for start in range(0, len(sources), batch_size):
        chunk = sources[start : start + batch_size]
        resized = np.stack([images.resize(source, generator.image_size) for source in chunk])
        fakes = translate_batch(
            generator, resized, names[start : start + batch_size], mode=mode, batch_size=batch_size
        )
        results += [
            images.resize(images.to_uint8(fake), source.shape[:2])
            for fake, source in zip(fakes, chunk, strict=True)
        ]
    return results
