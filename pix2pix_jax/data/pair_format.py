"""What a pair's two sides are, from the source's file to the picture that is written."""

import dataclasses
import pathlib

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.derive import Derivation, lab_to_rgb
from pix2pix_jax.data.shape import Shaping
from pix2pix_jax.data.sources import Pair, check_sizes
from pix2pix_jax.images.encoding import PHOTO, Encoding, build_encodings

Image = Shaped[np.ndarray, "_ _ _"]  # (height, width, channels)
# Derivations of what a user has anyway: a photo to be coloured. For the others, what is to be
# translated has the source's form already: a sketch, a blurred photo, one with a hole.
_ALWAYS_DERIVED = ("gray", "lab")


@dataclasses.dataclass(frozen=True)
class PairFormat:
    """How both sides are stored, derived and shown.

    Attributes:
        source: How sources are stored.
        target: How targets are stored.
        derivation: What makes the one side of single images; None: pairs have two.
        direction: `AtoB`: the derived side is the source; `BtoA`: it is the target.
        bands: Channels that pictures show, see `Encoding.show`.
    """

    source: Encoding = PHOTO
    target: Encoding = PHOTO
    derivation: Derivation | None = None
    direction: str = "AtoB"
    bands: tuple[int, ...] = ()

    @property
    def is_lab(self) -> bool:
        """Whether the source is lightness and the target the two colours of CIE Lab."""
        return self.derivation is not None and self.derivation.kind == "lab"

    @property
    def single(self) -> Encoding:
        """How single images are stored, whose other side is derived."""
        if self.is_lab:
            return PHOTO
        return self.target if self.direction == "AtoB" else self.source

    def shape(self, pair: Pair, shaping: Shaping, name: str) -> Pair:
        """Bring a pair as read to its size, derive what is to be derived, and check its kind.

        Args:
            pair: Both sides, or one image twice.
            shaping: The size.
            name: Name of the pair: it decides a hole's place, and is named in messages.

        Raises:
            InputError: The sides differ in size, or are of another kind than this.
        """
        first, second = pair
        size = shaping.scaled(first.shape[:2], name)
        if self.derivation is not None:
            image = self.single.resize(first, size)
            # The file's own name: what a user's file is called, too.
            pair = self.derivation(image, pathlib.PurePath(name).name)
            if self.direction == "BtoA":
                pair = pair[::-1]
        else:
            check_sizes(pair, name)
            pair = self.source.resize(first, size), self.target.resize(second, size)
        return self.source.check(pair[0], name), self.target.check(pair[1], name)

    def read_source(
        self, path: pathlib.Path, *, derive: bool = False, size: tuple[int, int] | None = None
    ) -> Image:
        """Read a source from a user's file, or the image that it is derived from.

        Args:
            path: An image file.
            derive: Whether to derive the source from the image also where the file could be one.
            size: Height and width at which it is then derived, as in training; None: its own.

        Returns:
            The source as stored.
        """
        kind = self.derivation.kind if self.derivation is not None else ""
        if not kind or self.direction == "BtoA" or not (derive or kind in _ALWAYS_DERIVED):
            return self.source.read(path)
        assert self.derivation is not None
        image = self.single.read(path)
        if size is not None and kind not in _ALWAYS_DERIVED:
            image = self.single.resize(image, size)
        return self.derivation(image, path.name)[0]

    @property
    def written(self) -> Encoding:
        """How results are written."""
        return PHOTO if self.is_lab else self.target

    def finish(self, source: Image, fake: Image) -> Image:
        """Return what is written for a translated image: the target, with Lab put together again.

        Args:
            source: The source as stored.
            fake: The network's answer as the target is stored, of the source's height and width.
        """
        return lab_to_rgb(source, fake) if self.is_lab else fake

    def compared(
        self, source: Shaped[np.ndarray, "n _ _ _"], fake: Float[np.ndarray, "n _ _ _"]
    ) -> Float[np.ndarray, "n _ _ _"]:
        """Return what metrics compare, in [-1, 1]: the network's answers, of Lab their RGB.

        Args:
            source: Sources as stored.
            fake: The network's answers in [-1, 1].
        """
        if not self.is_lab:
            return np.asarray(fake)
        return self._in_colour(source, self.target.from_network(fake))

    def compared_target(
        self, source: Shaped[np.ndarray, "n _ _ _"], target: Shaped[np.ndarray, "n _ _ _"]
    ) -> Float[np.ndarray, "n _ _ _"]:
        """Return what metrics compare with, in [-1, 1], of targets as stored."""
        if not self.is_lab:
            return np.asarray(self.target.to_network(target))
        return self._in_colour(source, target)

    def _in_colour(self, source: np.ndarray, ab: np.ndarray) -> Float[np.ndarray, "n _ _ 3"]:
        pairs = zip(source, ab, strict=True)
        return np.asarray(PHOTO.to_network(np.stack([lab_to_rgb(*pair) for pair in pairs])))

    def show(
        self,
        source: Image,
        target: Image,
    ) -> tuple[UInt8[np.ndarray, "h w _"], UInt8[np.ndarray, "h w _"]]:
        """Make pictures of a pair, as stored, for a grid."""
        if self.is_lab:
            return self.source.show(source), lab_to_rgb(source, target)
        return self.source.show(source, self.bands), self.target.show(target, self.bands)


PHOTOS = PairFormat()  # both sides RGB of 8 bits


def build_format(
    data: ConfigDict, derive: ConfigDict, *, bands: tuple[int, ...] = (), seed: int = 0
) -> PairFormat:
    """Build the format of a run's pairs.

    Args:
        data: The section `data` of a configuration.
        derive: The section `derive`.
        bands: Channels that pictures show (`log.bands`).
        seed: Seed of the run, which decides the places of holes.

    Raises:
        InputError: Keys contradict each other.
    """
    direction, kind = data.direction, derive.kind
    source, target = build_encodings(data, lab=kind == "lab")
    if not kind:
        return PairFormat(source, target, None, direction, bands)
    if kind == "lab" and direction == "BtoA":
        raise InputError("derive.kind='lab' with data.direction='BtoA': choose AtoB")
    if data.source_classes:
        raise InputError(
            f"data.source_classes={data.source_classes} with derive.kind={kind!r}: a "
            "derived source has no classes; set one of them to nothing"
        )
    derived, image = (source, target) if direction == "AtoB" else (target, source)
    channels = derived.channels if kind in ("gray", "edges") else 3
    derivation = Derivation(**derive, seed=seed, channels=channels)
    differ = kind not in ("gray", "edges") and derived.channels != image.channels
    if kind != "lab" and (differ or derived.dtype != image.dtype):
        raise InputError(
            f"derive.kind={kind!r} with {source.channels} channels of {source.dtype} as the source "
            f"and {target.channels} of {target.dtype} as the target: one is made of the other and "
            "has its kind; set data.source_channels, data.target_channels and the dtypes so"
        )
    return PairFormat(source, target, derivation, direction, bands)
