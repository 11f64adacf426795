"""Translated images on their way into files."""

import contextlib
import dataclasses
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from pix2pix_jax.core.devices import out_of_memory_as
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import no_empty_folders
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.carried import NOTHING, Carried, is_geotiff
from pix2pix_jax.runs.blending import Blend
from pix2pix_jax.runs.draws import check_draws, resize_deviation, translate_draws
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.source_files import Image
from pix2pix_jax.runs.translation import translate

_LESS_MEMORY = (
    "translate large images in tiles, --fit tile, or at the training's size, --fit resize"
)
_MOST_IN_PNG = 2**25  # pixels


@dataclasses.dataclass(frozen=True)
class Given:
    """An image to translate.

    Attributes:
        image: The source as stored.
        name: The name that decides its dropout.
        target: Where the result goes.
        size: Height and width of the result, if they are not those of the source.
        carried: What the result keeps of the source's file.
        numbers: Normalised numbers beside the image; None: those of the generator, if it takes any.
    """

    image: Image
    name: str
    target: pathlib.Path
    size: tuple[int, int] | None = None
    carried: Carried = NOTHING
    numbers: Float[np.ndarray, " k"] | None = None


class Results:
    """Translates images and writes the results.

    Attributes:
        written: The files of the results so far, in order; not those of deviations.
        blends: Whether results are mixed with those before them, so that their order counts.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        mode: str,
        batch_size: int,
        same_dropout: bool,
        draws: int,
        blend: float,
    ) -> None:
        """Check what is asked for.

        Args:
            generator: The generator.
            mode: `paper` or `deterministic`.
            batch_size: See `translation.translate`.
            same_dropout: Whether all images get the same dropout.
            draws: Number of draws of dropout; the result is their mean, and beside it their
                deviation is written.
            blend: See `blending.Blend`.

        Raises:
            InputError: The draws or the blend are impossible.
        """
        check_draws(generator, draws, mode)
        if generator.fit == "tile" and blend:
            raise InputError(f"blend={blend} with fit='tile': choose --fit resize or pad")
        self._blend, self.blends = Blend(blend, generator.form.written), blend > 0
        if blend and draws > 1:
            raise InputError(f"draws={draws} with blend={blend}: choose one of them")
        self._generator, self._mode, self._batch_size = generator, mode, batch_size
        self._same_dropout, self._draws = same_dropout, draws
        self.written: list[pathlib.Path] = []

    @property
    def suffix(self) -> str:
        """The suffix of the files of results."""
        return self._generator.form.written.suffix

    def suffix_for(self, source: pathlib.Path) -> str:
        """Return the suffix of the file of a result.

        What lies somewhere on Earth stays a GeoTIFF. In tiles (`fit='tile'`) every TIFF stays one,
        and the result of a large image becomes one: a PNG could not be written row by row.

        Args:
            source: The image file; one that cannot be read is judged later.
        """
        with contextlib.suppress(InputError):
            in_tiles = self._generator.fit == "tile"
            scale = self._generator.form.scale
            if is_geotiff(source) or (in_tiles and _is_tiff_or_large(source, scale)):
                return ".tif"
        return self.suffix

    def files_of(self, target: pathlib.Path) -> list[pathlib.Path]:
        """Return the files that a result is written to: itself, and its deviation if wanted."""
        return [target] if self._draws == 1 else [target, _deviation_of(target)]

    def add(self, images: Sequence[Given]) -> None:
        """Translate some images, and write them in order."""
        sources = [given.image for given in images]
        rows = [given.numbers for given in images if given.numbers is not None]
        generator = self._generator.at(np.stack(rows)) if rows else self._generator
        names = ["" if self._same_dropout else given.name for given in images]
        options: dict[str, Any] = {
            "names": names,
            "mode": self._mode,
            "batch_size": self._batch_size,
        }
        if self._draws > 1:
            drawn = translate_draws(generator, sources, draws=self._draws, **options)
            for given, each in zip(images, drawn, strict=True):
                self._write(given, each.mean)
                size = given.size or each.deviation.shape[:2]
                deviation = resize_deviation(each.deviation, size)
                image_files.write(_deviation_of(given.target), deviation)
            return
        fakes = translate(generator, sources, **options)
        for given, fake in zip(images, fakes, strict=True):
            self._write(given, self._blend(fake))

    def _write(self, given: Given, fake: Image) -> None:
        if given.size is not None:
            fake = self._generator.form.written.resize(fake, given.size)
        with no_empty_folders(given.target.parent):
            given.target.parent.mkdir(parents=True, exist_ok=True)
            image_files.write(given.target, fake, carried=given.carried)
        self.written.append(given.target)


def _is_tiff_or_large(source: pathlib.Path, scale: float) -> bool:
    size = scaled(image_files.size_of(source), scale)
    return image_files.is_tiff(source) or math.prod(size) > _MOST_IN_PNG


def _deviation_of(target: pathlib.Path) -> pathlib.Path:
    return target.with_name(f"{target.stem}_deviation.tif")


@contextlib.contextmanager
def saying_what_was_written(
    written: Sequence[pathlib.Path], total: int, output: str | pathlib.Path
) -> Iterator[None]:
    """Add to any error how many results there are, and turn a full memory into one line.

    Args:
        written: The files of the results, as the block extends them.
        total: Number of images to translate.
        output: The folder of the results.
    """
    try:
        with out_of_memory_as(_LESS_MEMORY):
            yield
    except Exception as error:
        count = f"{len(written)} of {total} images" if written else "nothing"
        error.add_note(f"{count} written to {output}")
        raise
