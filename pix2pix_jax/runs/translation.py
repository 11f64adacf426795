"""Translate arrays with a trained generator."""

import functools
import os
import pathlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree, Shaped, UInt32

from pix2pix_jax.core.devices import by_first_axis, everywhere
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.exactness import Exactness
from pix2pix_jax.data.numbers import as_arguments
from pix2pix_jax.images.stacked import SourceEncoding
from pix2pix_jax.runs.batch_sizes import batches_of_one_size, choose_batch_size
from pix2pix_jax.runs.fitting import fit, fitted_size, unfit
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.given_images import as_images, check_names
from pix2pix_jax.runs.image_memory import refuse_too_large
from pix2pix_jax.runs.tiled_images import translate_in_tiles

MODES = ("paper", "deterministic")
_PROGRAMS = 16  # compiled programs that are kept; one more and the one unused for longest goes


def check_mode(mode: str) -> None:
    """Raise InputError unless `mode` is one of `MODES`."""
    if mode not in MODES:
        raise InputError(f"mode {shown(mode)}: choose from {', '.join(MODES)}")


def name_hashes(names: Sequence[str]) -> UInt32[np.ndarray, " n"]:
    """Return what decides the dropout of images: a hash of each name, without its folders."""
    hashes = [zlib.crc32(os.fsencode(pathlib.PurePath(name).name)) for name in names]
    return np.array(hashes, np.uint32)


def _apply(
    module: nn.Module,
    encoding: SourceEncoding,
    mode: str,
    variables: PyTree,
    key: Key[Array, ""],
    source: Array,
    hashes: Array,
    beside: Mapping[str, Any],
) -> Float[Array, "n h2 w2 d"]:
    """Translate a batch; in mode `paper`, batch norm sees each image by itself."""
    source = encoding.to_network(source)
    if mode == "deterministic":
        return jnp.asarray(module.apply(variables, source, train=False, **beside))

    def translate_one(image: Array, name_hash: Array, beside: Mapping[str, Any]) -> Array:
        keys = jax.random.fold_in(key, name_hash)[None]
        options: dict[str, Any] = {"train": True, "dropout_keys": keys, "mutable": ["batch_stats"]}
        options |= {name: row[None] for name, row in beside.items()}
        fake, _ = module.apply(variables, image[None], **options)
        return jnp.asarray(fake)[0]

    return jax.vmap(translate_one)(source, hashes, beside)


@functools.lru_cache(_PROGRAMS)
def _program(
    exactness: Exactness,
    module: nn.Module,
    encoding: SourceEncoding,
    mode: str,
    _image_size: tuple[int, int],
) -> Callable[..., Array]:
    """Return `_apply` for images of one size, compiled at its first call.

    Each size has a function of its own, so that all that JAX keeps of it goes when it goes.
    """

    def apply(variables: PyTree, key: Array, *batch: Any) -> Array:
        return _apply(module, encoding, mode, variables, key, *batch)

    return exactness.jit(apply)


class BatchTranslator:
    """Translates batches of one size on all local devices, where the weights are placed once.

    Attributes:
        batch_size: Wanted number of images in a batch.
        size: Rows of a batch: that number, rounded up to a multiple of the devices.
        devices: The devices; each one translates its part of a batch.
        exactness: How exactly the generator computes.
    """

    def __init__(
        self, generator: Generator, image_size: tuple[int, int], *, mode: str, batch_size: int
    ) -> None:
        """Place the weights.

        Args:
            generator: The generator.
            image_size: Height and width of the images, which the network must take.
            mode: `paper` (dropout on, batch norm with each image's own statistics) or
                `deterministic` (dropout off, running statistics).
            batch_size: Largest number of images in a batch.

        Raises:
            InputError: The mode is unknown, or on the CPU the memory is too small.
        """
        check_mode(mode)
        self.batch_size, self.devices = batch_size, tuple(jax.local_devices())
        self.size = -(-batch_size // len(self.devices)) * len(self.devices)
        refuse_too_large(generator, *image_size, self.size)
        self.exactness = generator.exactness
        self._program = _program(
            self.exactness, generator.module, generator.form.source, mode, image_size
        )
        held = generator.variables, jax.random.key(generator.seed)
        self._variables, self._key = jax.device_put(held, everywhere(self.devices))

    def place(self, *arrays: Shaped[np.ndarray, "n ..."]) -> list[Shaped[Array, "size ..."]]:
        """Start to copy the parts of a batch to the devices.

        So that there is one program for all, and a result does not depend on the other images of
        its batch, a smaller batch is filled up with zeros.
        """
        whole = [self._filled(array) for array in arrays]
        placed: list[Array] = jax.device_put(whole, by_first_axis(self.devices))
        return placed

    def __call__(
        self,
        source: Shaped[Array, "size h w c"],
        hashes: UInt32[Array, " size"],
        condition: Float[Array, "size k"] | None = None,
    ) -> Float[Array, "size h2 w2 d"]:
        """Start to translate a batch.

        Args:
            source: Images as stored, on the devices.
            hashes: From `name_hashes`, on the devices.
            condition: Normalised numbers beside each image, on the devices; None: the network takes
                none.

        Returns:
            Images in [-1, 1], on the devices, which may still be computing them.
        """
        batch = source, hashes, as_arguments(condition)
        return jnp.asarray(self._program(self._variables, self._key, *batch))

    def _filled(self, array: np.ndarray) -> np.ndarray:
        if len(array) == self.size:
            return array
        filled = np.zeros((self.size, *array.shape[1:]), array.dtype)
        filled[: len(array)] = array
        return filled


def translate_batch(
    generator: Generator,
    source: Shaped[np.ndarray, "n h w c"],
    names: Sequence[str],
    *,
    mode: str,
    batch_size: int,
    condition: Float[np.ndarray, "n k"] | None = None,
) -> Float[np.ndarray, "n h2 w2 d"]:
    """Translate up to `batch_size` images of one size, on all local devices.

    Args:
        generator: The generator.
        source: Images as stored, of a size that the network takes.
        names: Names of the images. Without folders, and with the generator's seed, a name decides
            the image's dropout.
        mode: See `BatchTranslator`.
        batch_size: Smaller batches are padded to this size, see `BatchTranslator`.
        condition: Normalised numbers beside each image; None: those of the generator, if it takes
            any.

    Returns:
        Images in [-1, 1].

    Raises:
        InputError: The mode is unknown, on the CPU the memory is too small, or there are no
            numbers and the generator takes some.
    """
    rows = generator.rows(len(source)) if condition is None else condition
    translator = BatchTranslator(
        generator, (source.shape[1], source.shape[2]), mode=mode, batch_size=batch_size
    )
    batch = (source, name_hashes(names)) if rows is None else (source, name_hashes(names), rows)
    fake = translator(*translator.place(*batch))
    return np.asarray(fake)[: len(source)]


def translate(
    generator: Generator,
    sources: Any,
    *,
    names: Sequence[Any] | None = None,
    mode: str = "paper",
    batch_size: int = 0,
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
        mode: `paper` or `deterministic`, see `BatchTranslator`.
        batch_size: Images that a GPU or TPU translates at once; 0: as many as `choose_batch_size`
            says. The CPU always translates one by one.

    Returns:
        One image for each source, of its height and width times `data.target_scale`, with the
        dtype and channels of the generator's targets; 8-bit RGB if the generator predicts Lab. In a
        notebook it shows itself.

    Raises:
        InputError: The mode or the batch size is impossible, an image has another dtype or other
            channels, or there is not one name for each.
    """
    check_mode(mode)
    if not isinstance(generator, Generator):
        raise InputError(f"generator={shown(generator)}: expected what load_generator returns")
    sources = as_images(sources, generator.form.source)
    names = check_names(names, len(sources))
    rows = generator.rows(len(sources))
    if generator.fit == "tile":
        return [*translate_in_tiles(generator, sources, name_hashes(names).tolist(), mode=mode)]
    sizes = [fitted_size(generator, source.shape[:2]) for source in sources]
    results: list[np.ndarray] = [np.empty(0)] * len(sources)
    for numbers in batches_of_one_size(sizes, batch_size):
        fakes = translate_batch(
            generator,
            np.stack([fit(generator, sources[number]) for number in numbers]),
            [names[number] for number in numbers],
            mode=mode,
            batch_size=choose_batch_size(batch_size, sizes[numbers[0]]),
            condition=None if rows is None else rows[numbers],
        )
        for number, fake in zip(numbers, fakes, strict=True):
            results[number] = unfit(generator, sources[number], fake)
    return results
