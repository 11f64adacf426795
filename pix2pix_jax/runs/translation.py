"""Translate arrays with a trained generator."""

import functools
import os
import pathlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree, Shaped

from pix2pix_jax.core.devices import by_first_axis, everywhere
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.given_images import as_images, check_names
from pix2pix_jax.runs.image_memory import refuse_too_large

MODES = ("paper", "deterministic")


def check_mode(mode: str) -> None:
    """Raise InputError unless `mode` is one of `MODES`."""
    if mode not in MODES:
        raise InputError(f"mode {shown(mode)}: choose from {', '.join(MODES)}")


@functools.partial(jax.jit, static_argnames=("module", "encoding", "mode"))
def _apply(
    module: nn.Module,
    encoding: Encoding,
    mode: str,
    variables: PyTree,
    source: Array,
    keys: Key[Array, " n"],
) -> Float[Array, "n h w c"]:
    """Translate a batch; in mode `paper`, batch norm sees each image by itself."""
    source = encoding.to_network(source)
    if mode == "deterministic":
        return jnp.asarray(module.apply(variables, source, train=False))

    def translate_one(image: Array, key: Array) -> Array:
        fake, _ = module.apply(
            variables, image[None], train=True, dropout_keys=key[None], mutable=["batch_stats"]
        )
        return jnp.asarray(fake)[0]

    return jax.vmap(translate_one)(source, keys)


def translate_batch(
    generator: Generator,
    source: Shaped[np.ndarray, "n h w c"],
    names: Sequence[str],
    *,
    mode: str,
    batch_size: int,
) -> Float[np.ndarray, "n h w d"]:
    """Translate up to `batch_size` images of one size, on all local devices.

    Args:
        generator: The generator.
        source: Images as stored, of a size that the network takes.
        names: Names of the images. Without folders, and with the generator's seed, a name decides
            the image's dropout.
        mode: `paper` (dropout on, batch norm with each image's own statistics) or `deterministic`
            (dropout off, running statistics).
        batch_size: Smaller batches are padded to this size. So there is one program for all, and a
            result does not depend on the other images of its batch.

    Returns:
        Images in [-1, 1].

    Raises:
        InputError: The mode is unknown, or on the CPU the memory is too small.
    """
    check_mode(mode)
    count = len(source)
    devices = jax.local_devices()
    padded_size = -(-batch_size // len(devices)) * len(devices)
    _, height, width, _ = source.shape
    refuse_too_large(generator, height, width, padded_size)
    padded = np.zeros((padded_size, *source.shape[1:]), source.dtype)
    padded[:count] = source
    hashes = np.zeros(padded_size, np.uint32)
    hashes[:count] = [zlib.crc32(os.fsencode(pathlib.PurePath(name).name)) for name in names]
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(generator.seed), hashes)
    padded, keys = jax.device_put((padded, keys), by_first_axis(devices))
    variables = jax.device_put(generator.variables, everywhere(devices))
    fake = _apply(generator.module, generator.form.source, mode, variables, padded, keys)
    return np.asarray(fake)[:count]


def translate(
    generator: Generator,
    sources: Any,
    *,
    names: Sequence[Any] | None = None,
    mode: str = "paper",
    batch_size: int = 8,
) -> list[Shaped[np.ndarray, "_ _ _"]]:
    """Translate images of any size.

    `Generator.fit` says what happens to images of another size than the generator's.

    Args:
        generator: From `load_generator`.
        sources: A list of images, or an array of (n, height, width, channels). An image is an array
            with the dtype and channels of the generator's sources (`form.source`), a picture of
            Pillow, or the path of a file; see `given_images.as_images`.
        names: Names that, with the seed, decide the dropout; by default their numbers. Images of
            the same name, such as the frames of a video, get the same dropout.
        mode: `paper` or `deterministic`, see `translate_batch`.
        batch_size: Images per batch.

    Returns:
        One image for each source, of the same height and width, with the dtype and channels of the
        generator's targets; 8-bit RGB if the generator predicts Lab.

    Raises:
        InputError: The mode or the batch size is impossible, an image has another dtype or other
            channels, or there is not one name for each.
    """
    check_mode(mode)
    if not isinstance(generator, Generator):
        raise InputError(f"generator={shown(generator)}: expected what load_generator returns")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"batch_size={shown(batch_size)}: expected a whole number from 1 on")
    sources = as_images(sources, generator.form.source)
    names = check_names(names, len(sources))
    fitted = [_fit(generator, source) for source in sources]
    results: list[np.ndarray] = []
    for start, stop in _runs_of_one_shape(fitted, batch_size):
        fakes = translate_batch(
            generator,
            np.stack(fitted[start:stop]),
            names[start:stop],
            mode=mode,
            batch_size=batch_size,
        )
        results += [
            _unfit(generator, source, fake)
            for source, fake in zip(sources[start:stop], fakes, strict=True)
        ]
    return results


def _fit(generator: Generator, source: np.ndarray) -> np.ndarray:
    """Resize or pad a source to a size that the network takes."""
    if generator.fit == "resize":
        return generator.form.source.resize(source, generator.image_size)
    spare = [-side % generator.multiple for side in source.shape[:2]]
    return np.pad(source, ((0, spare[0]), (0, spare[1]), (0, 0)), mode="symmetric")


def _unfit(generator: Generator, source: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Return a fake as stored, in the size of its source."""
    height, width = source.shape[:2]
    stored = generator.form.target.from_network(fake)
    if generator.fit == "resize":
        stored = generator.form.target.resize(stored, (height, width))
    # A copy, as Pillow's arrays are read-only.
    return np.array(generator.form.finish(source, stored[:height, :width]))


def _runs_of_one_shape(arrays: Sequence[np.ndarray], longest: int) -> Iterator[tuple[int, int]]:
    """Yield start and stop of runs of neighbours of one shape, at most `longest` long."""
    start = 0
    while start < len(arrays):
        stop = start
        limit = min(start + longest, len(arrays))
        while stop < limit and arrays[stop].shape == arrays[start].shape:
            stop += 1
        yield start, stop
        start = stop
