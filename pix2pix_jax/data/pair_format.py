"""How pairs, and sources alone, are made from what is read of files."""

import dataclasses
import pathlib

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.scales import scaled, sizes_of_one
from pix2pix_jax.data.pair_encodings import Image, PairEncodings
from pix2pix_jax.data.shaping import Shaping, Size
from pix2pix_jax.data.sources import (
    AsRead,
    Pair,
    check_sizes,
    cut_to_scale,
    images_of,
)
from pix2pix_jax.images.opening import File
from pix2pix_jax.images.stacked import StackedEncoding

SourceFile = File | tuple[File, ...]  # of one source, or of each of several
# Kinds of derivation whose input is what a user has anyway: a photo to colour. For the others, the
# user's file is the source already: a sketch, a blurred photo, one with a hole.
ALWAYS_DERIVED = ("gray", "lab")


@dataclasses.dataclass(frozen=True)
class PairFormat(PairEncodings):
    """How both sides of a pair are made and encoded; its attributes are those of its base."""

    def shape(self, pair: AsRead, shaping: Shaping, name: str) -> Pair:
        """Resize a pair as read, derive a side if needed, and check the result.

        Args:
            pair: Both sides, or the same image twice. Several sources are an image each.
            shaping: The size.
            name: Name of the pair, for messages; it also decides the place of a hole.

        Raises:
            InputError: The sides differ in size, or not by the scale, and the shaping does not
                resize each to its size; or they are not stored as this format says.
        """
        if not shaping.any_size:
            scale = self.scale if self.derivation is None else 1.0
            check_sizes(pair, name, shaping.way_out, scale=scale)
        size = shaping.scaled(self.source_size(images_of(pair)[0].shape[:2], name), name)
        if self.derivation is None:
            source = self._resize_source(pair[0], size, name)
            second = self.stored_target.check(pair[1], name) if self.masked else pair[1]
            target = self.stored_target.resize(second, scaled(size, self.scale))
        else:
            source, target = self._derive_pair(pair[1], size, name)
        return self.source.check(source, name), self.stored_target.check(target, name)

    def source_size(self, size: Size, name: str) -> Size:
        """Return height and width of the source of a pair, before it is resized.

        Args:
            size: Height and width that `Source.size` tells: those of the source, or of the image
                that both sides are made from, which is the larger one of them.
            name: Name of the pair, for the message.

        Raises:
            InputError: The image is too small for the scale.
        """
        return size if self.derivation is None else sizes_of_one(size, self.scale, name)[0]

    def _derive_pair(self, image: Image, size: Size, name: str) -> Pair:
        """Make both sides from an image, at the size of the larger one."""
        assert self.derivation is not None
        target_size = scaled(size, self.scale)
        image = self.single.resize(cut_to_scale(image, self.scale, name), max(size, target_size))
        # Only the file's own name decides: that is all `read_source` knows of a user's file.
        both = self.derivation(image, pathlib.PurePath(name).name)
        source, target = both if self.direction == "AtoB" else both[::-1]
        if self.scale == 1:
            return source, target
        return self._resize_source(source, size, name), self.target.resize(target, target_size)

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
        return self._derive(self.single.read(file, name=what), str(what), size, derive)

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
        return self._derive(self.single.convert(image, name), name, size, derive)

    def _derive(self, image: Image, name: str, size: Size | None, derive: bool) -> Image:
        """Make a source from an image; if that is asked for, the image is as in training."""
        if (derivation := self.derivation) is None:
            return image
        if size is not None and derivation.kind not in ALWAYS_DERIVED:
            image = self.single.resize(image, max(size, scaled(size, self.scale)))
        source = derivation(image, pathlib.PurePath(name).name)[0]
        if self.scale == 1 or not derive:
            return source
        return self._resize_source(source, sizes_of_one(image.shape[:2], self.scale, name)[0], name)

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


def _files(file: SourceFile) -> tuple[File, ...]:
    return file if isinstance(file, tuple) else (file,)


PHOTOS = PairFormat()  # both sides 8-bit RGB
