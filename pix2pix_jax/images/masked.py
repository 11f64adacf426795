"""Targets with a mask, which says how much each pixel counts: stored as one image."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import no_data, pixels
from pix2pix_jax.images.encoding import VOID, Encoding
from pix2pix_jax.images.limits import MAX_PIXELS
from pix2pix_jax.images.opening import File, naming

Image = Shaped[np.ndarray, "_ _ _"]  # (height, width, channels)


def read_mask(
    file: File, *, name: object = None, max_pixels: int = MAX_PIXELS
) -> Float[np.ndarray, "h w 1"]:
    """Read a mask: black is 0, white is 1.

    Args:
        file: A path, or a binary file.
        name: Its name, for messages; its path by default.
        max_pixels: As for `files.read_picture`.

    Raises:
        InputError: It cannot be read, is neither gray nor RGB, holds float32 beyond 0 to 1, or
            whole numbers of which none is above 1.
    """
    what = file if name is None else name
    picture = image_files.read_picture(file, name=what, max_pixels=max_pixels)
    gray = pixels.as_channels(picture.pixels, 1, f"mask {what}", kind=picture.kind)
    white = pixels.white(gray.dtype)
    low, high = float(gray.min()), float(gray.max())
    with naming(what):
        if low < 0 or high > white:
            raise InputError(
                f"a mask with values from {low:.6g} to {high:.6g}; in float32, 0 is a pixel that "
                "does not count and 1 one that does"
            )
        if white > 1 and high == 1:
            raise InputError(
                f"a mask of 0 and 1 in {gray.dtype}, where {white:.0f} is a pixel that counts: "
                f"multiply it by {white:.0f}"
            )
    return gray.astype(np.float32) / np.float32(white)


@dataclasses.dataclass(frozen=True)
class MaskedEncoding:
    """How targets are stored with their masks: as one more channel, the last, in their dtype.

    Attributes:
        image: How they are stored without.
    """

    image: Encoding

    @property
    def channels(self) -> int:
        """Channels as stored, the mask's included."""
        return self.image.channels + 1

    @property
    def dtype(self) -> str:
        """Dtype as stored."""
        return self.image.dtype

    def read(self, files: tuple[File, File]) -> Image:
        """Read a target and its mask.

        Args:
            files: The target's file, and the mask's.

        Raises:
            InputError: One cannot be read or does not hold what it must, or their sizes differ.
        """
        image = self.image.read(files[0])
        mask = read_mask(files[1], max_pixels=self.image.max_pixels)
        if mask.shape[:2] != image.shape[:2]:
            sizes = [f"{height} x {width}" for height, width in (mask.shape[:2], image.shape[:2])]
            raise InputError(
                f"{files[1]}: a mask of {sizes[0]} pixels (height, width), and its target has "
                f"{sizes[1]}; give both the same size"
            )
        return self._join(image, mask)

    def split(self, stored: Shaped[Any, "*n h w c"]) -> tuple[Any, Float[Any, "*n h w 1"]]:
        """Return targets, and how much their pixels count, in [0, 1]; works under `jit`."""
        white = np.float32(pixels.white(np.dtype(self.dtype)))
        return stored[..., :-1], stored[..., -1:].astype(np.float32) / white

    def check(self, stored: Image, what: object) -> Image:
        """Return a stored image of which pixels that do not count hold nothing.

        Args:
            stored: The image.
            what: Its name, for messages.

        Raises:
            InputError: The channels or the dtype differ from these, or the target or the mask holds
                what it must not.
        """
        if stored.dtype != self.dtype or stored.shape[-1] != self.channels:
            raise InputError(
                f"{what}: {stored.shape[-1]} channels of {stored.dtype}, expected {self.channels} "
                f"of {self.dtype}: those of the target, and the mask as the last"
            )
        image, mask = self.split(stored)
        if not (mask.min() >= 0 and mask.max() <= 1):
            raise InputError(
                f"{what}: the mask, its last channel, has nan, or values beyond 0 to 1"
            )
        return self._join(self.image.check(self._emptied(image, mask > 0), what), mask)

    def resize(self, stored: Image, size: tuple[int, int]) -> Image:
        """Resize to (height, width), averaging only pixels that count.

        Pixels of which less than half counts do not count. Classes take the nearest pixel.
        """
        if stored.shape[:2] == tuple(size):
            return stored
        if self.image.classes:
            return pixels.resize(stored, size, nearest=True)
        image, mask = self.split(stored)
        means, enough = no_data.average(image, self.image.valid(image) & (mask > 0), size)
        weight = np.where(enough, pixels.resize(mask, size).clip(0, 1), 0)
        return self._join(self._emptied(means, enough), weight)

    def _emptied(self, image: Image, counts: Bool[np.ndarray, "h w 1"]) -> Image:
        """Return an image with one value in all pixels that do not count."""
        side = self.image
        nothing = float(side.no_data or side.low + side.half)
        if side.classes:
            nothing = VOID
        return np.where(counts, image, np.array(nothing).astype(side.dtype))

    def _join(self, image: Image, mask: Float[np.ndarray, "h w 1"]) -> Image:
        levels = mask * np.float32(pixels.white(np.dtype(self.dtype)))
        if self.dtype != "float32":
            levels = levels.round()
        return np.concatenate([image, levels.astype(self.dtype)], axis=-1)


TargetEncoding = Encoding | MaskedEncoding
