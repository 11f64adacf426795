"""Several sources as one stored image: their channels one after the other, each of its own kind."""

import dataclasses
import functools
import operator
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped, UInt8

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.opening import File
from pix2pix_jax.images.wrong_dtype import WrongDtypeError

Image = Shaped[np.ndarray, "_ _ _"]  # (height, width, channels)
_GAP = 4  # white columns between the pictures of two sources
# From the narrowest to the widest: each holds all values of those before it exactly.
_DTYPES = ("uint8", "uint16", "float32")


@dataclasses.dataclass(frozen=True)
class StackedEncoding:
    """How the stacked sources of all pairs are stored; it is used as an `Encoding` is.

    Attributes:
        parts: How each source is stored by itself.
        names: What messages call them.
    """

    parts: tuple[Encoding, ...]
    names: tuple[str, ...] = dataclasses.field(compare=False)

    @property
    def channels(self) -> int:
        """Channels as stored, of all sources together."""
        return sum(part.channels for part in self.parts)

    @property
    def dtype(self) -> str:
        """The narrowest dtype that holds the values of all sources exactly."""
        return max((part.dtype for part in self.parts), key=_DTYPES.index)

    @property
    def depth(self) -> int:
        """Number of channels that the networks see, of all sources together."""
        return sum(part.depth for part in self.parts)

    @property
    def max_pixels(self) -> int:
        """Largest number of pixels of a file that is read."""
        return self.parts[0].max_pixels

    def split(self, image: Shaped[Any, "*n h w c"]) -> list[Shaped[Any, "*n h w _"]]:
        """Return the image of each source, in its own dtype; works under `jit`."""
        cut = self._cut([part.channels for part in self.parts], image)
        return [one.astype(part.dtype) for one, part in zip(cut, self.parts, strict=True)]

    def split_network(self, image: Shaped[Any, "*n h w depth"]) -> list[Shaped[Any, "*n h w _"]]:
        """Return what the networks see of each source; works under `jit`."""
        return self._cut([part.depth for part in self.parts], image)

    @staticmethod
    def _cut(counts: Sequence[int], image: Shaped[Any, "*n h w c"]) -> list[Shaped[Any, "..."]]:
        ends = np.cumsum(counts).tolist()
        return [image[..., end - count : end] for count, end in zip(counts, ends, strict=True)]

    def stack(self, images: Sequence[Image], what: object) -> Image:
        """Stack the images of the sources, each as stored by itself.

        Args:
            images: One for each source.
            what: Name of the pair, for the message.

        Raises:
            InputError: Their number or their sizes differ.
        """
        self.check_count(len(images), what)
        sizes = {name: one.shape[:2] for name, one in zip(self.names, images, strict=True)}
        if len(set(sizes.values())) > 1:
            text = ", ".join(f"{name} {high} x {wide}" for name, (high, wide) in sizes.items())
            raise InputError(
                f"{what}: sources of different size: {text} pixels (height, width); give all the "
                "same size, or resize them to the training's size (data.resize, --fit resize)"
            )
        return np.concatenate([one.astype(self.dtype) for one in images], axis=-1)

    def check_count(self, count: int, what: object) -> None:
        """Raise InputError unless there is one image for each source."""
        if count != len(self.parts):
            raise InputError(
                f"{what}: {count} source{'s' if count > 1 else ''}; expected {len(self.parts)}, in "
                f"this order: {', '.join(self.names)}"
            )

    def read(
        self, files: Sequence[File], *, name: object = None, size: tuple[int, int] | None = None
    ) -> Image:
        """Read the files of one pair's sources, and stack them.

        Args:
            files: One for each source.
            name: Name of the pair, for messages; the first path by default.
            size: Height and width to which each is resized if their own differ; None: they must
                not.

        Raises:
            InputError: One cannot be read or does not hold what its part says; or the sizes differ.
        """
        what = files[0] if name is None else name
        images = self.read_parts(files, what)
        if size is not None and len({one.shape[:2] for one in images}) > 1:
            return self.resize(images, size)
        return self.stack(images, what)

    def read_parts(self, files: Sequence[File], what: object) -> tuple[Image, ...]:
        """Read the files of one pair's sources; their sizes may differ.

        Args:
            files: One for each source.
            what: Name of the pair, for messages.
        """
        self.check_count(len(files), what)
        return tuple(self._read(number, file) for number, file in enumerate(files))

    def _read(self, number: int, file: File) -> Image:
        try:
            return self.parts[number].read(file)
        except WrongDtypeError as error:
            dtypes = [part.dtype for part in self.parts]
            dtypes[number] = error.dtype
            raise error.of_one_source(self.names[number], dtypes) from None

    def check_file(self, files: Sequence[File]) -> None:
        """Raise InputError for files that `read` would refuse, as far as their headers tell."""
        self.check_count(len(files), files[0])
        for part, file in zip(self.parts, files, strict=True):
            part.check_file(file)

    def check(self, image: Image, what: object) -> Image:
        """Return the stacked image unchanged, if it is stored as this encoding says.

        Args:
            image: Pixels.
            what: Name of the image, for the message.

        Raises:
            InputError: It has another dtype or number of channels, or a part has values that its
                own encoding refuses.
        """
        parts = self.split(self._checked_form(image, what))
        for name, part, one in zip(self.names, self.parts, parts, strict=True):
            part.check(one, f"{what}, {name}")
        return image

    def _checked_form(self, image: Image, what: object) -> Image:
        if image.dtype != self.dtype or image.shape[-1] != self.channels:
            raise InputError(
                f"{what}: {image.shape[-1]} channels of {image.dtype}, expected {self.channels} of "
                f"{self.dtype} ({self})"
            )
        return image

    def __str__(self) -> str:
        """Return the parts in order: `A1: 3 channels, A2: 1`."""
        texts = [
            f"{name}: {part.channels}" for name, part in zip(self.names, self.parts, strict=True)
        ]
        return ", ".join(texts)

    def to_network(
        self, image: Shaped[Array | np.ndarray, "*n h w c"]
    ) -> Float[Array, "*n h w depth"]:
        """Map stored pixels to [-1, 1], each source by its own encoding; works under `jit`."""
        # Not by `split`: what was warped has values between whole numbers.
        cut = self._cut([part.channels for part in self.parts], image)
        parts = zip(self.parts, cut, strict=True)
        return jnp.concatenate([part.to_network(one) for part, one in parts], axis=-1)

    def blank(
        self,
        image: Shaped[Array | np.ndarray, "*n h w c"],
        values: Float[Array, "*n h w depth"],
    ) -> Float[Array, "*n h w depth"]:
        """Return what the networks see, with 0 in each source where its pixels hold no data."""
        cut = self._cut([part.channels for part in self.parts], image)
        parts = zip(self.parts, cut, self.split_network(values), strict=True)
        return jnp.concatenate([part.blank(one, seen) for part, one, seen in parts], axis=-1)

    def valid(self, image: Shaped[Array | np.ndarray, "*n h w c"]) -> Bool[Any, "*n h w 1"]:
        """Return which stored pixels hold data in all sources; works under `jit`."""
        cut = self._cut([part.channels for part in self.parts], image)
        good = [part.valid(one) for part, one in zip(self.parts, cut, strict=True)]
        return functools.reduce(operator.and_, good)

    @property
    def no_data(self) -> str | None:
        """What marks pixels without data in the first source that has a mark; None: none has."""
        return next((part.no_data for part in self.parts if part.no_data is not None), None)

    def from_network(
        self, image: Float[Array | np.ndarray, "*n h w depth"]
    ) -> Shaped[np.ndarray, "*n h w c"]:
        """Map [-1, 1] to what is stored, each source by its own encoding."""
        parts = zip(self.parts, self.split_network(image), strict=True)
        return np.concatenate(
            [part.from_network(one).astype(self.dtype) for part, one in parts], axis=-1
        )

    def resize(
        self,
        image: Image | Sequence[Image],
        size: tuple[int, int],
        what: object = "the sources",
    ) -> Image:
        """Resize each source to (height, width) from its own size, and stack them.

        Args:
            image: The stacked image, or one image for each source.
            size: Height and width.
            what: Name of the image, for messages.

        Raises:
            InputError: The channels, the number of images or their dtypes are not as expected.
        """
        if isinstance(image, np.ndarray):
            images: Sequence[Image] = self.split(self._checked_form(image, what))
        else:
            self.check_count(len(image), what)
            parts = zip(self.parts, image, self.names, strict=True)
            images = [part.check(one, f"{what}, {name}") for part, one, name in parts]
        resized = [part.resize(one, size) for part, one in zip(self.parts, images, strict=True)]
        return self.stack(resized, what)

    def show(self, image: Image, bands: tuple[int, ...] = ()) -> UInt8[np.ndarray, "h w2 _"]:
        """Make a picture of a stored image: its sources side by side.

        Args:
            image: Pixels as stored.
            bands: As for `Encoding.show`, for each source that has them all.

        Returns:
            RGB if one of them is, else gray.
        """
        parts = zip(self.parts, self.split(image), strict=True)
        pictures = [part.show(one, bands) for part, one in parts]
        depth = max(picture.shape[-1] for picture in pictures)
        white = np.full((image.shape[0], _GAP, depth), 255, np.uint8)
        row: list[np.ndarray] = []
        for picture in pictures:
            row += [white, np.broadcast_to(picture, (*picture.shape[:2], depth))]
        return np.hstack(row[1:])


SourceEncoding = Encoding | StackedEncoding
