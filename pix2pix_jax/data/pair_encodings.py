"""What the pixels of the two sides of a pair mean, up to the picture that is written."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped, UInt8

from pix2pix_jax.data.derive import Derivation
from pix2pix_jax.images import no_data
from pix2pix_jax.images.color import lab_to_rgb, lab_to_rgb_on_device
from pix2pix_jax.images.encoding import PHOTO, VOID, Encoding
from pix2pix_jax.images.masked import MaskedEncoding, TargetEncoding
from pix2pix_jax.images.scaling import at_size, of_one_height
from pix2pix_jax.images.stacked import SourceEncoding

Image = Shaped[np.ndarray, "_ _ _"]  # (height, width, channels)


@dataclasses.dataclass(frozen=True)
class PairEncodings:
    """How both sides of a pair are stored, compared, written and shown.

    Attributes:
        source: How sources are stored; several ones are stacked.
        target: How targets are stored.
        derivation: How one side is made from single images; None if pairs have both sides.
        direction: `AtoB`: the derived side is the source; `BtoA`: it is the target.
        bands: Channels that pictures show, see `Encoding.show`.
        masked: Whether targets are stored with a mask, which says how much each pixel counts.
        scale: How many times as large as a source its target is, one of
            `core.scales.TARGET_SCALES`.
    """

    source: SourceEncoding = PHOTO
    target: Encoding = PHOTO
    derivation: Derivation | None = None
    direction: str = "AtoB"
    bands: tuple[int, ...] = ()
    masked: bool = False
    scale: float = 1.0

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

    @property
    def written(self) -> Encoding:
        """How results are written."""
        return PHOTO if self.is_lab else self.target

    def finish(self, source: Image, fake: Image) -> Image:
        """Return the image to write for a translated source: the target, or for Lab its RGB.

        If targets have a mark for pixels without data, they get it where the source has none, and
        nowhere else: for results of half the size, where one of the four pixels has none.

        Args:
            source: The source as stored.
            fake: The network's answer, stored like the target.
        """
        if self.is_lab:
            return lab_to_rgb(source, fake)
        fake = no_data.unmarked(fake, self.target.no_data)
        if self.target.no_data is None or self.source.no_data is None:
            return fake
        mark = np.array(float(self.target.no_data)).astype(fake.dtype)
        return np.where(self.known(source, fake.shape[:2]), fake, mark)

    @property
    def finishes(self) -> bool:
        """Whether `finish` needs the source."""
        marks = self.target.no_data is not None and self.source.no_data is not None
        return self.is_lab or marks

    @property
    def weighs(self) -> bool:
        """Whether some pixels may not count."""
        return self.lacks_data or self._has_void

    @property
    def lacks_data(self) -> bool:
        """Whether some pixels may hold no data, or be masked."""
        marks = self.source.no_data, self.target.no_data
        return self.masked or any(mark is not None for mark in marks)

    @property
    def _has_void(self) -> bool:
        """Whether targets may have pixels without a class: beyond 255 classes, 255 is one."""
        return 0 < self.target.classes <= VOID

    def weight(
        self,
        source: Shaped[Array | np.ndarray, "*n h w _"],
        target: Shaped[Array | np.ndarray, "*n h2 w2 _"],
    ) -> Float[Any, "*n h2 w2 1"] | None:
        """Return how much each pixel counts, in [0, 1], or None if all count alike.

        As `data_weight`, and 0 where a target has no class. Works under `jit`; of NumPy's arrays,
        it returns one.

        Args:
            source: Sources as stored.
            target: Targets as stored.
        """
        weight = self.data_weight(source, target)
        if not self._has_void:
            return weight
        classed = (self.image_of(target) != VOID).astype(np.float32)
        return classed if weight is None else weight * classed

    def data_weight(
        self,
        source: Shaped[Array | np.ndarray, "*n h w _"],
        target: Shaped[Array | np.ndarray, "*n h2 w2 _"],
    ) -> Float[Any, "*n h2 w2 1"] | None:
        """Return what the mask of each pixel says, and 0 if one of both sides holds no data.

        Args:
            source: Sources as stored.
            target: Targets as stored.
        """
        if not self.lacks_data:
            return None
        good = self.target.valid(self.image_of(target))
        weight = (good & self.known(source, good.shape[-3:-1])).astype(np.float32)
        return weight * MaskedEncoding(self.target).split(target)[1] if self.masked else weight

    def class_weight(self, target: Float[Array, "*n h w d"]) -> Float[Array, "*n h w 1"] | None:
        """Return 0 where a target as the networks see it has no class, 1 elsewhere; or None."""
        if not self._has_void:
            return None
        return (target > 0).any(axis=-1, keepdims=True).astype(jnp.float32)

    def scored_weight(
        self,
        source: Shaped[Array | np.ndarray, "*n h w _"],
        target: Shaped[Array | np.ndarray, "*n h2 w2 _"],
    ) -> Float[Any, "*n h2 w2 1"] | None:
        """Return `weight` for scores: 1 for all of an image of which no pixel has a class.

        Metrics of pixels need some; those of classes leave such an image out by themselves.

        Args:
            source: Sources as stored.
            target: Targets as stored.
        """
        weight = self.weight(source, target)
        if weight is None:
            return None
        nothing = weight.sum(axis=(-3, -2, -1), keepdims=True) == 0
        return (np if isinstance(weight, np.ndarray) else jnp).where(nothing, 1.0, weight)

    def known(
        self, source: Shaped[Array | np.ndarray, "*n h w _"], size: tuple[int, ...]
    ) -> Bool[Any, "*n h2 w2 1"]:
        """Return for which pixels of a target the source holds data. Works under `jit`.

        Args:
            source: Sources as stored.
            size: Height and width of targets.
        """
        return at_size(self.source.valid(source).astype(np.float32), size) == 1

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
        self, source: Image, target: Image, counts: Bool[np.ndarray, "_ _ 1"] | None = None
    ) -> tuple[UInt8[np.ndarray, "h w _"], UInt8[np.ndarray, "h w2 _"]]:
        """Make pictures of both sides of a pair as stored, of one height.

        Several sources are side by side. The pixels of the smaller side are repeated.

        Args:
            source: The source.
            target: The target, or an answer.
            counts: Which pixels of the target count, the others are hatched; None: its own mask
                and mark decide, and whether they have a class.
        """
        if self.is_lab:
            return self.source.show(source), lab_to_rgb(source, target)
        shown = self.source.show(source, self.bands)
        side = self.target if counts is None else dataclasses.replace(self.target, no_data=None)
        picture = side.show(self.image_of(target), self.bands)
        if counts is None and target.shape[-1] > side.channels:
            counts = MaskedEncoding(side).split(target)[1] > 0
        if self._has_void:
            classed = self.image_of(target) != VOID
            counts = classed if counts is None else counts & classed
        return of_one_height(shown, picture if counts is None else no_data.hatch(picture, counts))
