"""What the two sides of a pair are, from the source's file to the picture that is written."""

import dataclasses
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped, UInt8

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.derive import Derivation
from pix2pix_jax.data.shaping import Shaping, Size
from pix2pix_jax.data.sources import AsRead, Pair, check_sizes, images_of
from pix2pix_jax.images.color import lab_to_rgb, lab_to_rgb_on_device
from pix2pix_jax.images.encoding import PHOTO, Encoding
from pix2pix_jax.images.masked import MaskedEncoding, TargetEncoding
from pix2pix_jax.images.no_data import hatch
from pix2pix_jax.images.opening import File
from pix2pix_jax.images.stacked import SourceEncoding, StackedEncoding

Image = Shaped[np.ndarray, "_ _ _"]  # (height, width, channels)
SourceFile = File | tuple[File, ...]  # of one source, or of each of several
# Kinds of derivation whose input is what a user has anyway: a photo to colour. For the others, the
# user's file is the source already: a sketch, a blurred photo, one with a hole.
ALWAYS_DERIVED = ("gray", "lab")


@dataclasses.dataclass(frozen=True)
class PairFormat:
    """How both sides of a pair are stored, derived and shown.

    Attributes:
        source: How sources are stored; several ones are stacked.
        target: How targets are stored.
        derivation: How one side is made from single images; None if pairs have both sides.
        direction: `AtoB`: the derived side is the source; `BtoA`: it is the target.
        bands: Channels that pictures show, see `Encoding.show`.
        masked: Whether targets are stored with a mask, which says how much each pixel counts.
    """

    source: SourceEncoding = PHOTO
    target: Encoding = PHOTO
    derivation: Derivation | None = None
    direction: str = "AtoB"
    bands: tuple[int, ...] = ()
    masked: bool = False

    @property
    def stored_target(self) -> TargetEncoding:
        """How targets are stored, with their masks if there are any."""
        return MaskedEncoding(self.target) if self.masked else self.target

    def image_of(self, target: Shaped[Any, "*n h w _"]) -> Shaped[Any, "*n h w _"]:
        """Return stored targets, or answers, without their masks."""
        return target[..., : self.target.channels] if self.masked else target

    @property
    def is_lab(self) -> bool:
        """Whether the source is the lightness and the target the two colour channels of CIE Lab."""
        return self.derivation is not None and self.derivation.kind == "lab"

    @property
    def single(self) -> Encoding:
        """How single images are stored, from which the other side is derived."""
        if self.is_lab:
            return dataclasses.replace(PHOTO, max_pixels=self.source.max_pixels)
        side = self.target if self.direction == "AtoB" else self.source.parts[0]
        return dataclasses.replace(side, side="")

    def shape(self, pair: AsRead, shaping: Shaping, name: str) -> Pair:
        """Resize a pair as read, derive a side if needed, and check the result.

        Args:
            pair: Both sides, or the same image twice. Several sources are an image each.
            shaping: The size.
            name: Name of the pair, for messages; it also decides the place of a hole.

        Raises:
            InputError: The sides differ in size and the shaping does not resize each to one size,
                or they are not stored as this format says.
        """
        if not shaping.any_size:
            check_sizes(pair, name, shaping.way_out)
        second = self.stored_target.check(pair[1], name) if self.masked else pair[1]
        size = shaping.scaled(images_of(pair)[0].shape[:2], name)
        if self.derivation is None:
            both = self._resize_source(pair[0], size, name), self.stored_target.resize(second, size)
        else:
            image = self.single.resize(second, size)
            # Only the file's own name decides: that is all `read_source` knows of a user's file.
            both = self.derivation(image, pathlib.PurePath(name).name)
            if self.direction == "BtoA":
                both = both[::-1]
        return self.source.check(both[0], name), self.stored_target.check(both[1], name)

    def _resize_source(self, first: Image | tuple[Image, ...], size: Size, name: str) -> Image:
        """Resize a source, or stack several that are each resized from their own size."""
        if isinstance(self.source, StackedEncoding):
            return self.source.resize(first, size, what=name)
        if isinstance(first, tuple):  # of own code
            raise InputError(f"{name}: {len(first)} sources; expected one")
        return self.source.resize(first, size)

    def read_source(
        self, file: SourceFile, *, derive: bool = False, size: Size | None = None, name: str = ""
    ) -> Image:
        """Read a source from a user's file, or the image that it is derived from.

        Args:
            file: The path of an image file, or a binary file; of several sources, one for each.
            derive: Whether to derive the source even if the file could be a source itself.
            size: Height and width at which to derive it, as in training, and to which several
                sources of different size are resized; None for the files' own.
            name: Name of the image, for messages; a path needs none. The part of it after the last
                slash also decides the place of a hole.

        Returns:
            The source as stored.
        """
        if isinstance(self.source, StackedEncoding):
            return self.source.read(_files(file), name=name or None, size=size)
        if isinstance(file, tuple):
            raise InputError(f"{file[0]}: this run has one source, {len(file)} are given")
        what = name or file
        if not self.derives(derive):
            return self.source.read(file, name=what)
        return self._derive(self.single.read(file, name=what), str(what), size)

    def source_of(
        self, image: Image, name: str, *, derive: bool = False, size: Size | None = None
    ) -> Image:
        """Return the source of an image that was read already, such as the frame of a video.

        Args:
            image: Gray or RGB, in the dtype of the run's files.
            name: Its name, as for `read_source`.
            derive: As for `read_source`.
            size: As for `read_source`.
        """
        if not self.derives(derive):
            (side,) = self.source.parts
            return side.convert(image, name)
        return self._derive(self.single.convert(image, name), name, size)

    def _derive(self, image: Image, name: str, size: Size | None) -> Image:
        if (derivation := self.derivation) is None:
            return image
        if size is not None and derivation.kind not in ALWAYS_DERIVED:
            image = self.single.resize(image, size)
        return derivation(image, pathlib.PurePath(name).name)[0]

    def check_source(self, path: SourceFile, *, derive: bool = False) -> None:
        """Raise InputError for a file that `read_source` would refuse, as far as its header tells.

        Args:
            path: An image file; of several sources, one for each.
            derive: As for `read_source`.
        """
        if isinstance(self.source, StackedEncoding):
            self.source.check_file(_files(path))
        elif not isinstance(path, tuple):
            side = self.single if self.derives(derive) else self.source
            side.check_file(path)

    def derives(self, derive: bool) -> bool:
        """Return whether the source is derived from the image in a user's file.

        Args:
            derive: Whether that is asked for, even if the file could be a source itself.
        """
        if self.derivation is None or self.direction == "BtoA":
            return False
        return derive or self.derivation.kind in ALWAYS_DERIVED

    @property
    def written(self) -> Encoding:
        """How results are written."""
        return PHOTO if self.is_lab else self.target

    def finish(self, source: Image, fake: Image) -> Image:
        """Return the image to write for a translated source: the target, or for Lab its RGB.

        If targets have a mark for pixels without data, they get it where the source has none.

        Args:
            source: The source as stored.
            fake: The network's answer, stored like the target, with the source's height and width.
        """
        if self.is_lab:
            return lab_to_rgb(source, fake)
        if self.target.no_data is None or self.source.no_data is None:
            return fake
        mark = np.array(float(self.target.no_data)).astype(fake.dtype)
        return np.where(self.source.valid(source), fake, mark)

    @property
    def finishes(self) -> bool:
        """Whether `finish` needs the source."""
        marks = self.target.no_data is not None and self.source.no_data is not None
        return self.is_lab or marks

    @property
    def weighs(self) -> bool:
        """Whether some pixels may not count."""
        marks = self.source.no_data, self.target.no_data
        return self.masked or any(mark is not None for mark in marks)

    def weight(
        self,
        source: Shaped[Array | np.ndarray, "*n h w _"],
        target: Shaped[Array | np.ndarray, "*n h w _"],
    ) -> Float[Any, "*n h w 1"] | None:
        """Return how much each pixel counts, in [0, 1], or None if all count alike.

        That is what its mask says, and 0 if one of both sides holds no data. Works under `jit`; of
        NumPy's arrays, it returns one.

        Args:
            source: Sources as stored.
            target: Targets as stored.
        """
        if not self.weighs:
            return None
        good = self.source.valid(source) & self.target.valid(self.image_of(target))
        weight = good.astype(np.float32)
        return weight * MaskedEncoding(self.target).split(target)[1] if self.masked else weight

    def compared(
        self,
        source: Shaped[Array | np.ndarray, "n _ _ _"],
        fake: Float[Array | np.ndarray, "n _ _ _"],
    ) -> Float[Array, "n _ _ _"]:
        """Return what metrics compare, in [-1, 1]: the network's answers, or for Lab their RGB.

        Works under `jit`.

        Args:
            source: Sources as stored.
            fake: The network's answers in [-1, 1].
        """
        fake = jnp.asarray(fake)
        return self._in_colour(source, self.target.unscaled(fake)) if self.is_lab else fake

    def compared_target(
        self,
        source: Shaped[Array | np.ndarray, "n _ _ _"],
        target: Shaped[Array | np.ndarray, "n _ _ _"],
    ) -> Float[Array, "n _ _ _"]:
        """Return what metrics compare the answers with, in [-1, 1]. Works under `jit`.

        Args:
            source: Sources as stored.
            target: Targets as stored.
        """
        if self.is_lab:
            return self._in_colour(source, target)
        return self.target.to_network(self.image_of(target))

    @staticmethod
    def _in_colour(
        lightness: Array | np.ndarray, ab: Array | np.ndarray
    ) -> Float[Array, "n _ _ 3"]:
        return PHOTO.to_network(lab_to_rgb_on_device(jnp.asarray(lightness), jnp.asarray(ab)))

    def show(
        self, source: Image, target: Image, counts: Bool[np.ndarray, "h w 1"] | None = None
    ) -> tuple[UInt8[np.ndarray, "h w _"], UInt8[np.ndarray, "h w2 _"]]:
        """Make pictures of both sides of a pair as stored; several sources are side by side.

        Args:
            source: The source.
            target: The target, or an answer.
            counts: Which pixels of the target count, the others are hatched; None: its own mask
                and mark decide.
        """
        if self.is_lab:
            return self.source.show(source), lab_to_rgb(source, target)
        shown = self.source.show(source, self.bands)
        side = self.target if counts is None else dataclasses.replace(self.target, no_data=None)
        picture = side.show(self.image_of(target), self.bands)
        if counts is None and target.shape[-1] > side.channels:
            counts = MaskedEncoding(side).split(target)[1] > 0
        return shown, picture if counts is None else hatch(picture, counts)


def _files(file: SourceFile) -> tuple[File, ...]:
    return file if isinstance(file, tuple) else (file,)


PHOTOS = PairFormat()  # both sides 8-bit RGB
