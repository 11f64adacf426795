"""A run's trained generator, and how it is loaded; `translation` uses it."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Float, PyTree, Shaped

from pix2pix_jax.core.choices import FITS
from pix2pix_jax.core.devices import everywhere
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.exactness import USUAL, Exactness, exactness_of
from pix2pix_jax.data.numbers import Numbers, numbers_of
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.models.build import Networks
from pix2pix_jax.models.sizes import size_multiple
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.kept import Kept, open_kept
from pix2pix_jax.runs.tiling import USUAL_TILING, Tiling


@dataclasses.dataclass(frozen=True, repr=False)
class Generator:
    """A generator with its weights, and what is needed to use it.

    Attributes:
        module: The network, built without an axis name.
        variables: `params` and `batch_stats`.
        image_size: Height and width of its training sources.
        form: How sources and targets are stored.
        seed: Seed of dropout in mode `paper`.
        step: Training step of the weights.
        fit: What happens to images of another size: `resize` resizes them to the training size and
            the results back; `pad` pads them to sides that the network takes and crops the results;
            `tile` translates them in overlapping tiles.
        multiple: The sides that the network takes are multiples of this.
        exactness: How exactly it computes.
        tiling: How images are cut into tiles, if `fit` is `tile`.
        numbers: The numbers that it takes beside an image; None: it takes none.
        condition: These numbers as it sees them, for all images or for each of the next ones; see
            `with_condition`. None: none were given.
    """

    module: nn.Module
    variables: PyTree
    image_size: tuple[int, int]
    form: PairFormat = PHOTOS
    seed: int = 0
    step: int = 0
    fit: str = "resize"
    multiple: int = 1
    exactness: Exactness = USUAL
    tiling: Tiling = USUAL_TILING
    numbers: Numbers | None = None
    condition: Float[np.ndarray, "*n k"] | None = None

    def with_condition(self, condition: Any) -> "Generator":
        """Return a generator that has numbers beside its images.

        Args:
            condition: A value for each of its numbers, by name, for all images; or a list of such,
                one for each of the next images, in their order. A value outside the range of the
                training is a warning.

        Raises:
            InputError: It takes no numbers; a name is unknown or missing, or a value is no number.
        """
        numbers = self.refuse_none("condition")
        several = isinstance(condition, Sequence) and not isinstance(condition, str)
        given = list(condition) if several else [condition]
        values = np.array([numbers.row(each) for each in given]).reshape(-1, len(numbers.names))
        numbers.warn_outside(values)
        rows = numbers.normalised(values)
        return self.at(rows if several else rows[0])

    def at(self, rows: Float[np.ndarray, "*n k"]) -> "Generator":
        """Return a generator that has normalised numbers beside its images.

        Args:
            rows: Numbers for all images, or for each of the next ones.
        """
        return dataclasses.replace(self, condition=rows)

    def with_values(self, values: Float[np.ndarray, "n k"] | None) -> "Generator":
        """Return a generator with numbers in the units of their table beside the next images.

        Args:
            values: Numbers for each image; None: none, and the generator stays as it is.
        """
        if values is None:
            return self
        return self.at(self.refuse_none("condition").normalised(values))

    def refuse_none(self, given: str) -> Numbers:
        """Return the numbers that it takes.

        Args:
            given: How numbers were given, for the message.

        Raises:
            InputError: It takes none.
        """
        if self.numbers is None:
            raise InputError(f"{given}: this run takes no numbers beside the image; leave it out")
        return self.numbers

    def rows(self, count: int) -> Float[np.ndarray, "n k"] | None:
        """Return the normalised numbers beside some images; None if it takes none.

        Raises:
            InputError: It takes some, and none were given, or as many as there are other images.
        """
        if self.condition is not None:
            if self.condition.ndim == 2 and len(self.condition) != count:
                raise InputError(
                    f"condition: numbers for {len(self.condition)} images, and there are {count}"
                )
            return np.broadcast_to(self.condition, (count, self.condition.shape[-1]))
        if self.numbers is not None:
            raise InputError(
                f"this run takes numbers beside the image ({', '.join(self.numbers.names)}): give "
                f"them with --condition {self.numbers.example}, or in Python with "
                "generator.with_condition"
            )
        return None

    def __call__(
        self, source: Any, *, name: Any = "0", mode: str = "paper"
    ) -> Shaped[np.ndarray, "_ _ _"]:
        """Translate one image, as `translate` does several.

        Args:
            source: An image of `translate`: an array, a picture of Pillow, or the path of a file.
            name: Name that, with the seed, decides the dropout.
            mode: `paper` or `deterministic`.

        Returns:
            The image, as `translate` returns it; in a notebook it shows itself.

        Raises:
            InputError: As `translate`.
        """
        from pix2pix_jax.runs.translation import translate  # that module needs this class

        (result,) = translate(self, [source], names=[name], mode=mode)
        return result

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
    tile: int = 0,
    overlap: int | None = None,
    tile_norm: str = "whole",
    trust_code: bool = False,
) -> Generator:
    """Load a run's generator; the run's folder is all that is needed.

    Args:
        workdir: The run's folder, or a bundle, see `runs.bundle`.
        checkpoint: `best` (by the run's `checkpoint.best_metric`), `latest`, or a step.
        seed: Seed of dropout in mode `paper`; None: the run's.
        fit: `resize`, `pad` or `tile`, see `Generator`; '': `resize` if the run resized its images.
        tile: Side of a tile, see `tiling.Tiling`; 0: chosen.
        overlap: Least overlap of tiles; None: chosen.
        tile_norm: `whole`, `running` or `tile`: where norms of tiles take their statistics from.
        trust_code: Whether own code that the folder keeps may run if its original is missing or has
            changed.

    Returns:
        The generator.

    Raises:
        InputError: The folder does not hold a run, or has no such checkpoint.
    """
    folder = RunFolder(workdir, trust_code=trust_code)
    tiling = Tiling(tile, overlap, tile_norm)
    return generator_of(folder, checkpoint, seed=seed, fit=fit, tiling=tiling)


def generator_of(
    folder: RunFolder,
    checkpoint: str | int = "best",
    *,
    seed: int | None = None,
    fit: str = "",
    tiling: Tiling = USUAL_TILING,
) -> Generator:
    """Do what `load_generator` does, for a folder that is described already."""
    settings = folder.settings
    if seed is not None and (not isinstance(seed, int) or not 0 <= seed < 2**32):
        raise InputError(f"seed={shown(seed)}: expected a whole number from 0 to 2**32 - 1")
    fit = fit or ("resize" if settings.data.resize in ("resize", "resize_and_crop") else "pad")
    if fit not in FITS:
        raise InputError(f"fit {shown(fit)}: choose from {', '.join(FITS)}")
    with_ema = settings.train.ema_decay > 0
    with open_kept(folder) as kept:
        step, variables = kept.use(
            str(checkpoint),
            lambda step: restore_generator(kept, step, folder.networks, with_ema=with_ema),
        )
    size = settings.data.image_size
    return Generator(
        module=folder.networks.generator,
        # Placed once, where translate_batch needs them.
        variables=jax.device_put(variables, everywhere(jax.local_devices())),
        image_size=size,
        form=folder.form,
        seed=settings.seed if seed is None else seed,
        step=step,
        fit=fit,
        multiple=size_multiple(settings.model, size),
        exactness=exactness_of(settings),
        tiling=tiling,
        numbers=numbers_of(settings.data),
    )


def restore_generator(kept: Kept, step: int, networks: Networks, *, with_ema: bool) -> PyTree:
    """Restore only the generator of a checkpoint.

    Args:
        kept: The run's checkpoints, or a bundle.
        step: Step of the checkpoint.
        networks: The run's networks.
        with_ema: Whether the run keeps a moving average of the generator's parameters.

    Returns:
        `params`, which are the moving average if there is one, and `batch_stats`.
    """
    params, batch_stats = networks.generator_shapes
    abstract = {
        "g_params": params,
        "g_batch_stats": batch_stats,
        "g_ema": params if with_ema else {},
    }
    item = kept.restore(step, {"generator": abstract})["generator"]
    return {"params": item["g_ema"] or item["g_params"], "batch_stats": item["g_batch_stats"]}


def restore_discriminator(checkpoints: Checkpoints, step: int, networks: Networks) -> PyTree:
    """Restore only the discriminator of a checkpoint.

    Args:
        checkpoints: The run's checkpoints.
        step: Step of the checkpoint.
        networks: The run's networks.

    Returns:
        `params` and `batch_stats`.

    Raises:
        InputError: The run has no discriminator.
    """
    shapes = networks.discriminator_shapes
    if shapes is None:
        raise InputError("loss.gan='none': this run has no discriminator")
    abstract = dict(zip(("d_params", "d_batch_stats"), shapes, strict=True))
    item = checkpoints.restore(step, {"discriminator": abstract})["discriminator"]
    return {"params": item["d_params"], "batch_stats": item["d_batch_stats"]}
