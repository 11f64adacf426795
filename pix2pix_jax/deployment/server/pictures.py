"""From the bytes of an image file to those of its translation; nothing here knows of HTTP."""

import dataclasses
import io
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.devices import out_of_memory_as
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.translation import translate

Key = tuple[tuple[int, int], str, int | None]  # size inside the network, mode, seed
Image = Shaped[np.ndarray, "_ _ _"]  # (height, width, channels)
_NAME = "image"  # what messages call an image
_MOST_SIZES = 16  # sizes for which compiled programs are kept in memory
_LESS_MEMORY = "the image is too large for this server"


@dataclasses.dataclass(frozen=True)
class Options:
    """How an image is to be translated.

    Attributes:
        mode: `paper` or `deterministic`.
        seed: Seed of dropout; None: the run's.
        name: Name that, with the seed, decides the dropout.
    """

    mode: str = "paper"
    seed: int | None = None
    name: str = ""


@dataclasses.dataclass(frozen=True)
class Source:
    """An image that is ready to be translated.

    Attributes:
        pixels: As the run stores its sources.
        name: See `Options`.
    """

    pixels: Image
    name: str


class Pictures:
    """Opens, translates and closes images for one generator.

    `translate` is for a single thread; the others may be called from any.
    """

    def __init__(self, generator: Generator, batch_size: int) -> None:
        """Take a generator.

        Args:
            generator: The generator.
            batch_size: Largest number of images that are translated together.
        """
        self.generator = generator
        self.batch_size = batch_size
        self._sizes: set[tuple[int, int]] = set()

    @property
    def media_type(self) -> str:
        """The media type of results."""
        target = self.generator.form.written
        is_png = image_files.suffix_of(target.dtype, target.channels) == ".png"
        return "image/png" if is_png else "image/tiff"

    @staticmethod
    def size(content: bytes) -> tuple[int, int]:
        """Return height and width of an image file, from its header.

        Raises:
            InputError: It is no image, or its header is broken.
        """
        return image_files.size_of(io.BytesIO(content), name=_NAME)

    def open(self, content: bytes, name: str) -> Source:
        """Unpack an image file.

        Args:
            content: The file.
            name: See `Options`.

        Raises:
            InputError: It is damaged, or no source of this run.
        """
        pixels = self.generator.form.read_source(io.BytesIO(content), name=_NAME)
        return Source(pixels, name)

    def key(self, source: Source, options: Options) -> Key:
        """Return what images that are translated together have in common."""
        return self._size_inside(source), options.mode, options.seed

    def example(self) -> Source:
        """Return an image of the training's size."""
        side = self.generator.form.source
        pixels = np.full((*self.generator.image_size, side.channels), side.low, side.dtype)
        return Source(pixels, "")

    def translate(self, key: Key, sources: Sequence[Source]) -> list[Image]:
        """Translate images of one key.

        Args:
            key: From `key`.
            sources: Up to `batch_size` images.

        Raises:
            InputError: The memory is too small.
        """
        size, mode, seed = key
        self._bound_programs(size)
        generator = self.generator
        if seed is not None:
            generator = dataclasses.replace(generator, seed=seed)
        with out_of_memory_as(_LESS_MEMORY):
            return translate(
                generator,
                [source.pixels for source in sources],
                names=[source.name for source in sources],
                mode=mode,
                batch_size=self.batch_size,
            )

    @staticmethod
    def close(image: Image) -> bytes:
        """Return the file of a result."""
        return image_files.to_bytes(image)

    def _size_inside(self, source: Source) -> tuple[int, int]:
        """Return the height and width that the network sees."""
        if self.generator.fit == "resize":
            return self.generator.image_size
        multiple = self.generator.multiple
        height, width = (side + -side % multiple for side in source.pixels.shape[:2])
        return height, width

    def _bound_programs(self, size: tuple[int, int]) -> None:
        """Forget all compiled programs before there are too many: each size needs its own."""
        if size not in self._sizes and len(self._sizes) == _MOST_SIZES:
            jax.clear_caches()
            self._sizes.clear()
        self._sizes.add(size)
