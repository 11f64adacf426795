"""An exported file against the run itself, on the same images."""

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.deployment.about import MODE, Translate
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.pixels import white
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.translation import translate

Image = Shaped[np.ndarray, "_ _ _"]
Given = tuple[Image, Float[np.ndarray, "1 k"] | None]
MOST_IMAGES = 4


@dataclasses.dataclass(frozen=True)
class Sources:
    """Images to compare on.

    Attributes:
        images: Sources as stored, all of the training's size.
        kind: What they are, in words.
        values: The numbers beside each image, in the units of their table; None: there are none.
    """

    images: Sequence[Image]
    kind: str
    values: Float[np.ndarray, "n k"] | None = None

    @property
    def given(self) -> list[Given]:
        """Each image, and the numbers beside it as a batch of one."""
        if self.values is None:
            return [(image, None) for image in self.images]
        return [(image, row[None]) for image, row in zip(self.images, self.values, strict=True)]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far a file is from the run.

    Attributes:
        difference: Largest difference of a value as stored.
        allowed: Largest one that counts as equal: one 8-bit level.
        unit: What values as stored are, in words.
        milliseconds: Of the file, for each image; the least of the images.
        ours: The same of this package.
        sources: What they were compared on.
    """

    difference: float
    allowed: float
    unit: str
    milliseconds: float
    ours: float
    sources: Sources

    def __str__(self) -> str:
        return (
            f"compared on {len(self.sources.images)} {self.sources.kind}: largest difference "
            f"{self.difference:.3g} {self.unit}; {self.milliseconds:.1f} ms an image (this "
            f"package: {self.ours:.1f} ms)"
        )


def sources_of(folder: RunFolder, generator: Generator, most: int = MOST_IMAGES) -> Sources:
    """Return held-out sources of a run, or random ones if its data is not there.

    Args:
        folder: The run's folder.
        generator: Its generator.
        most: Largest number of images.

    Returns:
        The first validation sources; if they cannot be read, noise of the training's size, and
        `kind` says why.

    Raises:
        InputError: They cannot be read from where the user says that they are.
    """
    try:
        pairs = folder.load_pairs("val", cache=False)
        images = [pairs[number][0] for number in range(min(most, len(pairs)))]
    except InputError as error:
        if folder.data_root:
            raise
        rng = np.random.default_rng(0)
        images = [_noise(generator, rng) for _ in range(most)]
        numbers, values = generator.numbers, None
        if numbers is not None:
            values = rng.uniform(numbers.low, numbers.high, (most, len(numbers.low)))
        kind = f"random images, as there are no validation pairs ({error})"
        return Sources(images, kind, values)
    kind = "validation image" if len(images) == 1 else "validation images"
    return Sources(images, kind, None if pairs.values is None else pairs.values[: len(images)])


def _noise(generator: Generator, rng: np.random.Generator) -> Image:
    """Draw an image that may be stored as a source."""
    drawn = [_noise_of(side, generator.image_size, rng) for side in generator.form.source.parts]
    return np.concatenate([one.astype(generator.form.source.dtype) for one in drawn], axis=-1)


def _noise_of(side: Encoding, size: tuple[int, int], rng: np.random.Generator) -> Image:
    shape = (*size, side.channels)
    if side.classes:
        return rng.integers(0, side.classes, shape).astype(side.dtype)
    return rng.uniform(side.low, side.high, shape).astype(side.dtype)


def compare(file: Translate, generator: Generator, sources: Sources) -> Comparison:
    """Translate images by a file and by this package.

    Args:
        file: Translates images as stored; see `onnx_file.load`.
        generator: The generator, which computes as the file does.
        sources: What to translate.

    Returns:
        The largest difference, and the times.
    """
    side = generator.form.written
    ours, ours_seconds = _timed(lambda given: _translated(generator, *given), sources.given)
    theirs, seconds = _timed(lambda given: file(given[0][None], *given[1:])[0], sources.given)
    finished = map(generator.form.finish, sources.images, theirs)
    difference = max(_difference(*both, side) for both in zip(ours, finished, strict=True))
    allowed, unit = _one_level(side)
    return Comparison(difference, allowed, unit, 1000 * seconds, 1000 * ours_seconds, sources)


def _translated(
    generator: Generator, image: Image, values: Float[np.ndarray, "1 k"] | None
) -> Image:
    return translate(generator.with_values(values), [image], mode=MODE, batch_size=1)[0]


def _timed(call: Callable[[Given], Image], images: Sequence[Given]) -> tuple[list[Image], float]:
    """Return the results of a call for each image, and the least seconds of one."""
    call(images[0])  # compiles, or allocates
    results, seconds = [], []
    for given in images:
        start = time.perf_counter()
        results.append(call(given))
        seconds.append(time.perf_counter() - start)
    return results, min(seconds)


def _difference(ours: Image, theirs: Image, side: Encoding) -> float:
    if side.classes:
        return float(np.mean(ours != theirs))
    difference = np.abs(ours.astype(np.float64) - theirs)
    difference[np.isnan(ours) & np.isnan(theirs)] = 0  # pixels without data
    return float(np.nan_to_num(difference, nan=np.inf).max())


def _one_level(side: Encoding) -> tuple[float, str]:
    """Return an 8-bit level in values as stored, and what these values are."""
    if side.classes:
        return 1e-3, "of the pixels have another class"
    if side.dtype == "float32":
        return (side.high - side.low) / 255, f"in a range of {side.low:g} to {side.high:g}"
    top = white(np.dtype(side.dtype))
    return top / 255, f"of {top:.0f} levels"
