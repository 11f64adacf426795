"""From the bytes of an image file to those of its translation; nothing here knows of HTTP."""

import dataclasses
import gc
import io
import math
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float, Shaped

from pix2pix_jax.core.devices import out_of_memory_as, release_free_memory
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.carried import NOTHING, Carried, read_carried
from pix2pix_jax.images.stacked import StackedEncoding
from pix2pix_jax.runs.batch_sizes import choose_batch_size
from pix2pix_jax.runs.file_numbers import parse_values
from pix2pix_jax.runs.fitting import fit, unfit
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.source_files import carry_over
from pix2pix_jax.runs.translation import translate, translate_batch

Key = tuple[tuple[int, int], str, int | None]  # size inside the network, mode, seed
Image = Shaped[np.ndarray, "_ _ _"]  # (height, width, channels)
# An answer of the network, in [-1, 1]; if images are tiled, what becomes of it.
Fake = Shaped[np.ndarray, "_ _ _"]
_MOST_PROGRAMS = 16
_UNPACKING = 8  # bytes that a pixel takes at most while an image of 8 bits is unpacked
_NAME = "image"  # what messages call an image
_LESS_MEMORY = "the image is too large for this server"


@dataclasses.dataclass(frozen=True)
class Options:
    """How an image is to be translated.

    Attributes:
        mode: `paper` or `deterministic`.
        seed: Seed of dropout; None: the run's.
        name: Name that, with the seed, decides the dropout.
        condition: Numbers beside the image, such as `age=3,dose=0.5`; '': none.
    """

    mode: str = "paper"
    seed: int | None = None
    name: str = ""
    condition: str = ""


@dataclasses.dataclass(frozen=True)
class Source:
    """An image that is ready to be translated.

    Attributes:
        pixels: As the run stores its sources.
        fitted: The same at the size that the network sees; if images are tiled, the same.
        name: See `Options`.
        numbers: Normalised numbers beside the image; None: the generator takes none.
        carried: What the result keeps of the image's file.
    """

    pixels: Image
    fitted: Image
    name: str
    numbers: Float[np.ndarray, " k"] | None = None
    carried: Carried = NOTHING


class Pictures:
    """Opens, translates and closes images for one generator.

    `translate` is for a single thread; the others may be called from any.
    """

    def __init__(self, generator: Generator, batch_size: int = 0) -> None:
        """Take a generator.

        Args:
            generator: The generator.
            batch_size: Images that are translated at once, see `choose_batch_size`.

        Raises:
            InputError: The generator takes several sources.
        """
        side = generator.form.source
        if isinstance(side, StackedEncoding):
            raise InputError(
                f"this run has {len(side.parts)} sources ({', '.join(side.names)}), and the server "
                "takes one picture; sample translates their files"
            )
        self.generator = generator
        self._batch_size = batch_size
        self._programs: set[tuple[tuple[int, int], str]] = set()  # size and mode of each

    @staticmethod
    def media_type(result: bytes) -> str:
        """Return the media type of a result from `close`."""
        return "image/png" if result.startswith(b"\x89PNG") else "image/tiff"

    @property
    def bytes_of_a_pixel(self) -> int:
        """How many bytes an image takes for each of its pixels, its result included."""
        form = self.generator.form
        source, result = (
            side.channels * np.dtype(side.dtype).itemsize for side in (form.source, form.written)
        )
        # Answers of the network wait in float32; those that are resized are small.
        waiting = 4 if self.generator.fit == "resize" else 4 * form.target.depth
        return max(source, _UNPACKING) + math.ceil(form.scale**2 * (waiting + result))

    @staticmethod
    def size(content: bytes) -> tuple[int, int]:
        """Return height and width of an image file, from its header.

        Raises:
            InputError: It is no image, or its header is broken.
        """
        return image_files.size_of(io.BytesIO(content), name=_NAME)

    def open(self, content: bytes, options: Options) -> Source:
        """Unpack an image file.

        Args:
            content: The file.
            options: How it is to be translated.

        Raises:
            InputError: It is damaged, or no source of this run; or the numbers beside it are not
                those of this run.
        """
        numbers = self._numbers(options.condition)
        form = self.generator.form
        pixels = form.read_source(io.BytesIO(content), name=_NAME)
        fitted = pixels if self._tiles else fit(self.generator, pixels)
        carried = read_carried(io.BytesIO(content), name=_NAME)
        carried = carry_over(self.generator, carried, pixels.shape[:2], form.scale)
        return Source(pixels, fitted, options.name, numbers, carried)

    def _numbers(self, condition: str) -> Float[np.ndarray, " k"] | None:
        """Return the numbers of a request, normalised."""
        if self.generator.numbers is None and not condition:
            return None
        return self.generator.refuse_none("condition").normalised(self._row(condition))[0]

    def _row(self, condition: str) -> Float[np.ndarray, "1 k"]:
        given = parse_values([condition], "condition=") if condition else {}
        return self.generator.refuse_none("condition").row(given)[None]

    def warnings(self, options: Options) -> list[str]:
        """Return a line for each number outside the range of the training.

        Args:
            options: As for `open`, which has taken them.
        """
        numbers = self.generator.numbers
        return [] if numbers is None else numbers.outside(self._row(options.condition))

    def example(self) -> Source:
        """Return an image of the training's size."""
        (side,) = self.generator.form.source.parts
        pixels = np.full((*self.generator.image_size, side.channels), side.low, side.dtype)
        numbers = self.generator.numbers
        row = None if numbers is None else np.zeros(len(numbers.names), np.float32)
        return Source(pixels, pixels, "", row)

    @staticmethod
    def key(source: Source, options: Options) -> Key:
        """Return what images that are translated together have in common."""
        height, width = source.fitted.shape[:2]
        return (height, width), options.mode, options.seed

    def most_at_once(self, key: Key) -> int:
        """Return how many images of a key are translated at once."""
        return 1 if self._tiles else choose_batch_size(self._batch_size, key[0])

    def translate(self, key: Key, sources: Sequence[Source]) -> list[Fake]:
        """Translate images of one key.

        Args:
            key: From `key`.
            sources: Up to `most_at_once` images.

        Raises:
            InputError: The memory is too small.
        """
        _, mode, seed = key
        generator = self.generator
        if seed is not None:
            generator = dataclasses.replace(generator, seed=seed)
        names = [source.name for source in sources]
        rows = [source.numbers for source in sources if source.numbers is not None]
        if rows:
            generator = generator.at(np.stack(rows))
        with out_of_memory_as(_LESS_MEMORY):
            if self._tiles:
                whole = [source.pixels for source in sources]
                return translate(generator, whole, names=names, mode=mode)
            self._bound_programs(key)
            fitted = np.stack([source.fitted for source in sources])
            most = self.most_at_once(key)
            return [*translate_batch(generator, fitted, names, mode=mode, batch_size=most)]

    def close(self, source: Source, fake: Fake) -> bytes:
        """Return the file of a result.

        Args:
            source: The image.
            fake: Its translation.
        """
        image = fake if self._tiles else unfit(self.generator, source.pixels, fake)
        carried = source.carried
        # What lies somewhere on Earth stays a GeoTIFF.
        return image_files.to_bytes(image, carried=carried, in_tiff=bool(carried.geo))

    def _bound_programs(self, key: Key) -> None:
        """Forget all compiled programs before there are too many.

        Clients choose the sizes of padded images. Of every program that was compiled, JAX keeps
        about a megabyte, even when it is not used any more.
        """
        program = key[:2]
        if program not in self._programs and len(self._programs) == _MOST_PROGRAMS:
            self._programs.clear()
            jax.clear_caches()
            gc.collect()
            release_free_memory()
        self._programs.add(program)

    @property
    def _tiles(self) -> bool:
        return self.generator.fit == "tile"
