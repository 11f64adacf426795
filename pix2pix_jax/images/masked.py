"""Targets with a mask, which says how much each pixel counts: stored as one image."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import label_files, no_data, pixels
from pix2pix_jax.images.encoding import VOID, Encoding
from pix2pix_jax.images.limits import MAX_PIXELS
from pix2pix_jax.images.opening import File, naming
from pix2pix_jax.images.pixels import WITH_ALPHA, Picture

Image = Shaped[np.ndarray, "_ _ _"]  # (height, width, channels)
_TINGE = 1 / 16  # of the range; JPEG files of gray may differ so much between channels


def read_mask(
    file: File, *, name: object = None, max_pixels: int = MAX_PIXELS
) -> Float[np.ndarray, "h w 1"]:
    """Read a mask: black is 0, white is 1.

    Args:
        file: A path, or a binary file.
        name: Its name, for messages; its path by default.
        max_pixels: As for `files.read_picture`.

    Raises:
        InputError: It cannot be read, is in colour or partly transparent, holds float32 beyond 0 to
            1, or only whole numbers that are nearly black.
    """
    what = file if name is None else name
    picture = image_files.read_picture(file, name=what, max_pixels=max_pixels)
    white = pixels.white(picture.pixels.dtype)
    with naming(what):
        _refuse_colour(picture, white)
        gray = pixels.as_channels(picture.pixels, 1, "mask", kind=picture.kind)
        low, high = float(gray.min()), float(gray.max())
        if low < 0 or high > white:
            raise InputError(
                f"a mask with values from {low:.6g} to {high:.6g}; in float32, 0 is a pixel that "
                "does not count and 1 one that does"
            )
        if white > 1 and 0 < high <= white / 255:
            raise InputError(
                f"a mask of 0 to {high:.0f} in {gray.dtype}, where {white:.0f} is a pixel that "
                f"counts: multiply it by {white / high:.6g}"
            )
    return gray.astype(np.float32) / np.float32(white)


def _refuse_colour(picture: Picture, white: float) -> None:
    """Raise InputError for a picture of anything but black, gray and white."""
    image = picture.pixels
    if picture.kind == "bands":
        raise InputError(f"a mask of {image.shape[-1]} channels; save it as gray")
    if picture.kind in WITH_ALPHA and (image[..., -1] < white).any():
        raise InputError("a mask with transparent pixels, which may mean either; save it as gray")
    levels = image[..., :3].astype(np.float32)
    if picture.kind in ("RGB", "RGBA") and np.ptp(levels, axis=-1).max() > white * _TINGE:
        raise InputError(
            "a mask in colour; save it as gray, in which black is a pixel that does not count and "
            "white one that does"
        )


def read_mask_of(
    target: Image, file: File, *, max_pixels: int = MAX_PIXELS
) -> Float[np.ndarray, "h w 1"]:
    """Read the mask of a target.

    Args:
        target: The target.
        file: The mask's file.
        max_pixels: As for `files.read_picture`.

    Raises:
        InputError: As for `read_mask`; or the mask has another size, or is black in all pixels.
    """
    mask = read_mask(file, max_pixels=max_pixels)
    height, width = mask.shape[:2]
    if mask.shape[:2] != target.shape[:2]:
        raise InputError(
            f"{file}: a mask of {height} x {width} pixels (height, width), and its target has "
            f"{target.shape[0]} x {target.shape[1]}; give both the same size"
        )
    if not mask.any():
        raise InputError(f"{file}: a mask that is black in all pixels; remove the pair")
    return mask


def fill_masked(image: Image, counts: Bool[np.ndarray, "h w 1"]) -> Image:
    """Return a target with the value of a pixel that counts in all pixels that do not.

    They may hold anything, which says nothing about the data.

    Args:
        image: The target.
        counts: Whether each pixel counts.

    Returns:
        If no pixel that counts is finite, what does not count is NaN in float32, 0 otherwise.
    """
    known = counts[..., 0] & np.isfinite(image).all(axis=-1)
    nothing = np.nan if image.dtype == np.float32 else 0
    value = image[known][0] if known.any() else np.array(nothing, image.dtype)
    return np.where(counts, image, value)


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
        picture = self._read_target(files[0])
        image = picture.pixels
        mask = read_mask_of(image, files[1], max_pixels=self.image.max_pixels)
        if self.image.classes or image.dtype == self.image.dtype:  # others are refused below
            image = self._emptied(image, mask > 0)
        return self._join(self.image.convert(image, files[0], kind=picture.kind), mask)

    def _read_target(self, file: File) -> Picture:
        """Read a target whose values may be anything where its mask is black."""
        most = self.image.max_pixels
        if self.image.classes:
            return Picture(label_files.read_labels(file, max_pixels=most), "gray")
        return image_files.read_picture(file, max_pixels=most, checked=False)

    def valid(self, stored: Image) -> Bool[np.ndarray, "h w 1"]:
        """Return which stored pixels hold data, and count at least partly."""
        image, mask = self.split(stored)
        return np.asarray(self.image.valid(image)) & (mask > 0)

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
        means, enough = no_data.average(image, self.valid(stored), size)
        means = no_data.unmarked(means, self.image.no_data)
        weight = np.where(enough, pixels.resize(mask, size).clip(0, 1), 0)
        return self._join(self._emptied(means, enough), weight)

    def _emptied(self, image: Image, counts: Bool[np.ndarray, "h w 1"]) -> Image:
        """Return an image with one value in all pixels that do not count."""
        side = self.image
        nothing = VOID if side.classes else float(side.no_data or side.low + side.half)
        return np.where(counts, image, np.array(nothing).astype(side.dtype))

    def _join(self, image: Image, mask: Float[np.ndarray, "h w 1"]) -> Image:
        levels = mask * np.float32(pixels.white(np.dtype(self.dtype)))
        if self.dtype != "float32":
            levels = levels.round()
        return np.concatenate([image, levels.astype(self.dtype)], axis=-1)


TargetEncoding = Encoding | MaskedEncoding
