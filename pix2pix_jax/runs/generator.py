"""Use a trained generator: load it, translate arrays."""

import dataclasses
import functools
import os
import pathlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Array, Float, Key, PyTree, Shaped

from pix2pix_jax.core.devices import by_first_axis, everywhere
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.models.build import Networks, size_multiple
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder

MODES = ("paper", "deterministic")
FITS = ("resize", "pad")


@dataclasses.dataclass(frozen=True, repr=False)
class Generator:
    """A generator with its weights and what is needed to use it.

    Attributes:
        module: The network, built without an axis name.
        variables: `params` and `batch_stats`.
        image_size: Height and width that it was trained with.
        form: How sources and targets are stored.
        seed: Seed of dropout in mode `paper`.
        step: Training step of the weights.
        fit: What happens to an image of another size: `resize` to the trained size and the result
            back; `pad` to the next multiple that the network takes, and the result is cut.
        multiple: What the sides must be multiples of.
    """

    module: nn.Module
    variables: PyTree
    image_size: tuple[int, int]
    form: PairFormat = PHOTOS
    seed: int = 0
    step: int = 0
    fit: str = "resize"
    multiple: int = 1

    def __repr__(self) -> str:
        """Return one line, without the weights."""
        height, width = self.image_size
        count = sum(leaf.size for leaf in jax.tree.leaves(self.variables["params"]))
        return (
            f"Generator({type(self.module).__name__}, {count:,} parameters, step {self.step}, "
            f"{height} x {width} pixels, {self.form.source.channels} -> "
            f"{self.form.target.channels} channels, fit={self.fit!r})"
        )


def load_generator(
    workdir: str | pathlib.Path,
    checkpoint: str | int = "best",
    *,
    seed: int | None = None,
    fit: str = "",
    trust_code: bool = False,
) -> Generator:
    """Load a run's generator; the run's folder is all that is needed.

    Args:
        workdir: Folder that `train.py` wrote.
        checkpoint: `best` (lowest validation L1 of those kept), `latest`, or a step.
        seed: Seed of dropout in mode `paper`; None: the run's.
        fit: `resize` or `pad`, see `Generator`; '': `resize` if the run resized its images.
        trust_code: Whether own code that is kept in the folder may run if its file is gone.

    Returns:
        The generator.

    Raises:
        InputError: The folder is no run's, or has no such checkpoint.
    """
    folder = RunFolder(workdir, trust_code=trust_code)
    return generator_of(folder, checkpoint, seed=seed, fit=fit)


def generator_of(
    folder: RunFolder, checkpoint: str | int = "best", *, seed: int | None = None, fit: str = ""
) -> Generator:
    """Load the generator of a run; as `load_generator`, for a folder that is open already."""
    settings = folder.settings
    fit = fit or ("resize" if settings.data.resize in ("resize", "resize_and_crop") else "pad")
    if fit not in FITS:
        raise InputError(f"fit {fit!r}: choose from {', '.join(FITS)}")
    with Checkpoints(folder.path, read_only=True) as checkpoints:
        step = checkpoints.choose(str(checkpoint))
        variables = restore_generator(
            checkpoints, step, folder.networks, with_ema=settings.train.ema_decay > 0
        )
    size = settings.data.image_size
    return Generator(
        module=folder.networks.generator,
        # Placed once: translate_batch then finds them where it wants them.
        variables=jax.device_put(variables, everywhere(jax.local_devices())),
        image_size=size,
        form=folder.form,
        seed=settings.seed if seed is None else seed,
        step=step,
        fit=fit,
        multiple=size_multiple(settings.model, size),
    )


def restore_generator(
    checkpoints: Checkpoints, step: int, networks: Networks, *, with_ema: bool
) -> PyTree:
    """Restore the generator of a checkpoint alone.

    Args:
        checkpoints: The run's checkpoints.
        step: Step of the checkpoint.
        networks: The run's networks.
        with_ema: Whether the run keeps a moving average of the generator's parameters.

    Returns:
        `{"params": ..., "batch_stats": ...}`; the parameters are the moving average if there is
        one.
    """
    params, batch_stats = networks.generator_shapes
    abstract = {
        "g_params": params,
        "g_batch_stats": batch_stats,
        "g_ema": params if with_ema else {},
    }
    item = checkpoints.restore(step, {"generator": abstract})["generator"]
    return {"params": item["g_ema"] or item["g_params"], "batch_stats": item["g_batch_stats"]}


def restore_discriminator(checkpoints: Checkpoints, step: int, networks: Networks) -> PyTree:
    """Restore the discriminator of a checkpoint alone.

    Args:
        checkpoints: The run's checkpoints.
        step: Step of the checkpoint.
        networks: The run's networks, which must include a discriminator.

    Returns:
        `{"params": ..., "batch_stats": ...}`.

    Raises:
        InputError: The run has no discriminator.
    """
    shapes = networks.discriminator_shapes
    if shapes is None:
        raise InputError("loss.gan='none': this run has no discriminator")
    abstract = dict(zip(("d_params", "d_batch_stats"), shapes, strict=True))
    item = checkpoints.restore(step, {"discriminator": abstract})["discriminator"]
    return {"params": item["d_params"], "batch_stats": item["d_batch_stats"]}


def check_mode(mode: str) -> None:
    """Raise InputError where `mode` is not one of `MODES`."""
    if mode not in MODES:
        raise InputError(f"mode {mode!r}: choose from {', '.join(MODES)}")


@functools.partial(jax.jit, static_argnames=("module", "encoding", "mode"))
def _apply(
    module: nn.Module,
    encoding: Encoding,
    mode: str,
    variables: PyTree,
    source: Array,
    keys: Key[Array, " n"],
) -> Float[Array, "n h w c"]:
    """Translate a batch; in mode `paper` each image by itself, also for batch norm."""
    source = encoding.to_network(source)
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
    source: Shaped[np.ndarray, "n h w c"],
    names: Sequence[str],
    *,
    mode: str,
    batch_size: int,
) -> Float[np.ndarray, "n h w d"]:
    """Translate up to `batch_size` images of one size, over all local devices.

    Args:
        generator: The generator.
        source: Images as stored, of a size that the network takes.
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
    padded, keys = jax.device_put((padded, keys), by_first_axis(devices))
    variables = jax.device_put(generator.variables, everywhere(devices))
    fake = _apply(generator.module, generator.form.source, mode, variables, padded, keys)
    return np.asarray(fake)[:count]


def translate(
    generator: Generator,
    sources: Sequence[Shaped[np.ndarray, "_ _ _"]] | Shaped[np.ndarray, "n h w c"],
    *,
    names: Sequence[str] | None = None,
    mode: str = "paper",
    batch_size: int = 8,
) -> list[Shaped[np.ndarray, "_ _ _"]]:
    """Translate images of any size.

    An image of another size than the generator was trained with is resized, and the result resized
    back; or padded, and the result cut: see `Generator.fit`.

    Args:
        generator: As from `load_generator`.
        sources: Images of the dtype and channels of the generator's sources (`form.source`).
        names: Names that, with the seed, decide the dropout; by default their numbers.
        mode: `paper` or `deterministic`, see `translate_batch`.
        batch_size: Images at once.

    Returns:
        One image for each source, of the same height and width, with the dtype and channels of the
        generator's targets; RGB of 8 bits where Lab was predicted.

    Raises:
        InputError: The mode is unknown, or an image is of another kind.
    """
    check_mode(mode)
    names = names or [str(number) for number in range(len(sources))]
    for name, source in zip(names, sources, strict=True):
        if getattr(source, "ndim", 0) != 3:
            kind, shape = type(source).__name__, getattr(source, "shape", ())
            raise InputError(
                f"image {name}: {kind} of shape {shape}; expected an array of (height, width, "
                f"{generator.form.source.channels})"
            )
        generator.form.source.check(source, f"image {name}")
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
    """Bring a source to a size that the network takes."""
    if generator.fit == "resize":
        return generator.form.source.resize(source, generator.image_size)
    spare = [-side % generator.multiple for side in source.shape[:2]]
    return np.pad(source, ((0, spare[0]), (0, spare[1]), (0, 0)), mode="symmetric")


def _unfit(generator: Generator, source: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Bring an answer to the size of its source, as it is stored."""
    height, width = source.shape[:2]
    stored = generator.form.target.from_network(fake)
    if generator.fit == "resize":
        stored = generator.form.target.resize(stored, (height, width))
    # A copy: Pillow's arrays cannot be written to.
    return np.array(generator.form.finish(source, stored[:height, :width]))


def _runs_of_one_shape(arrays: Sequence[np.ndarray], longest: int) -> Iterator[tuple[int, int]]:
    """Yield where runs of neighbours of one shape begin and end, none longer than `longest`."""
    start = 0
    while start < len(arrays):
        stop = start
        while (
            stop < min(start + longest, len(arrays)) and arrays[stop].shape == arrays[start].shape
        ):
            stop += 1
        yield start, stop
        start = stop
