"""Derive a pair from a single image.

Colourization, edges to photo, deblurring, super-resolution and inpainting need no second file. All
functions are pure, thread-safe, and leave their input arrays unchanged.
"""

import dataclasses
import math
import os
import zlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.errors import InputError, require
from pix2pix_jax.data.sources import Pair
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.color import rgb_to_lab
from pix2pix_jax.images.pixels import Stored

_RANGES = {
    "edge_low": (0, 2040),  # with Sobel's 3x3 filters on 8 bits, |dx| + |dy| is at most 8 * 255
    "edge_high": (0, 2040),
    "edge_blur": (0, 100),
    "blur_sigma": (0, 100),
    "downscale": (1, 2**16),
    "seed": (0, 2**32 - 1),
}
_MOST_STRETCH = 2.0  # how much a hole's aspect ratio may differ from the image's, as a factor


@dataclasses.dataclass(frozen=True)
class Derivation:
    """How one image becomes a pair: the values of a config's section `derive`.

    Attributes:
        kind: One of `DERIVATIONS`.
        edge_low: Canny's threshold for edges connected to a strong one: |dx| + |dy| of Sobel's
            filters on 8-bit luma, up to 2040.
        edge_high: Canny's threshold for strong edges.
        edge_blur: Sigma of the Gaussian blur before Canny, in pixels; 0 for none.
        blur_sigma: Sigma of the blur of kind `blur`, in pixels; 0 for none.
        downscale: Factor by which kind `downscale` reduces height and width.
        mask_share: Area of the hole of kind `mask`, as a share of the image's.
        seed: Seed of the holes' places and shapes.
        channels: Channels of the source for kinds `gray` and `edges`: 1, or 3 equal ones. The other
            kinds ignore it.
        middle: What fills the hole of integer images: the middle of the range that networks see.
            None: the middle of the dtype's, 128 or 32768.

    Raises:
        InputError: A value is out of its range.
    """

    kind: str
    edge_low: float = 100.0
    edge_high: float = 200.0
    edge_blur: float = 0.0
    blur_sigma: float = 2.0
    downscale: int = 4
    mask_share: float = 0.25
    seed: int = 0
    channels: int = 3
    middle: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in DERIVATIONS:
            raise InputError(f"derive.kind={self.kind!r}: choose from {', '.join(DERIVATIONS)}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"derive.{name}={value}: must be from {low} to {high}")
        if self.edge_low > self.edge_high:
            raise InputError(
                f"derive.edge_low={self.edge_low}: must not be above "
                f"derive.edge_high={self.edge_high}"
            )
        if not 0 < self.mask_share < 1:
            raise InputError(f"derive.mask_share={self.mask_share}: must be between 0 and 1")
        if self.kind in ("gray", "edges") and self.channels not in (1, 3):
            raise InputError(
                f"derive.kind={self.kind!r} gives 1 or 3 channels, not {self.channels}: set "
                "data.source_channels (with data.direction='BtoA': data.target_channels) to that"
            )

    def __call__(self, image: Stored, name: str) -> Pair:
        """Make a pair.

        Args:
            image: Pixels as stored: uint8, uint16 or float32.
            name: The image's name, for messages; it also decides the hole of kind `mask`.

        Returns:
            Source and target, with the image's height and width. Except for kind `lab`, the target
            is the image itself.

        Raises:
            InputError: The image's dtype or number of channels does not suit the kind; or kind
                `edges` or `blur` needs OpenCV, which is not installed.
        """
        return DERIVATIONS[self.kind](self, image, name)


def _luma(derivation: Derivation, image: Stored, name: str) -> Shaped[np.ndarray, "h w 1"]:
    if image.shape[-1] not in (1, 3):
        raise InputError(
            f"{name}: {image.shape[-1]} channels; derive.kind={derivation.kind!r} needs gray or "
            "RGB: set data.source_channels and data.target_channels to 1 or 3"
        )
    return images.as_channels(image, 1, name)


def _gray(derivation: Derivation, image: Stored, name: str) -> Pair:
    luma = _luma(derivation, image, name)
    return images.as_channels(luma, derivation.channels, name), image


def _lab(derivation: Derivation, image: Stored, name: str) -> Pair:
    if image.dtype != np.uint8 or image.shape[-1] != 3:
        raise InputError(
            f"{name}: {image.shape[-1]} channels of {image.dtype}; derive.kind='lab' needs RGB of "
            "8 bits: convert the file"
        )
    lab = rgb_to_lab(image)
    return lab[..., :1], lab[..., 1:]


def _edges(derivation: Derivation, image: Stored, name: str) -> Pair:
    """Draw the edges black on white, as in the set edges2shoes."""
    if image.dtype != np.uint8:
        raise InputError(
            f"{name}: pixels of {image.dtype}; derive.kind='edges' needs 8 bits: convert the file"
        )
    cv2 = require("cv2", "opencv")
    luma = _blurred(_luma(derivation, image, name), derivation.edge_blur)
    edges = cv2.Canny(luma[..., 0], derivation.edge_low, derivation.edge_high)
    return images.as_channels(255 - edges[..., None], derivation.channels, name), image


def _blur(derivation: Derivation, image: Stored, name: str) -> Pair:
    return _blurred(image, derivation.blur_sigma), image


def _blurred(image: Stored, sigma: float) -> Stored:
    if sigma == 0:
        return image
    cv2 = require("cv2", "opencv")
    # Plane by plane, as OpenCV 5 takes at most 128 channels. Sigma decides the kernel's size.
    planes = [cv2.GaussianBlur(plane, (0, 0), sigma) for plane in np.moveaxis(image, -1, 0)]
    return np.stack(planes, axis=-1)


def _downscale(derivation: Derivation, image: Stored, name: str) -> Pair:
    height, width = image.shape[:2]
    small = (math.ceil(height / derivation.downscale), math.ceil(width / derivation.downscale))
    return images.resize(images.resize(image, small), (height, width)), image


def _mask(derivation: Derivation, image: Stored, name: str) -> Pair:
    """Cut a hole, filled with gray.

    Integer images are filled with the middle of their range, float32 with the mean of each channel
    outside the hole.
    """
    hole = _draw_hole(derivation.seed, name, image.shape[:2], derivation.mask_share)
    source = image.copy()
    if np.issubdtype(image.dtype, np.integer):
        middle = (np.iinfo(image.dtype).max + 1) // 2
        source[hole] = middle if derivation.middle is None else derivation.middle
    else:
        outside = np.ones(image.shape[:2], bool)
        outside[hole] = False
        # Without the hidden pixels: the fill must not give them away.
        source[hole] = image[outside].mean(axis=0, dtype=np.float64)
    return source, image


def _draw_hole(seed: int, name: str, size: tuple[int, ...], share: float) -> tuple[slice, slice]:
    """Draw the rows and columns of an image's hole from (seed, name).

    The hole has the image's aspect ratio, times a factor from 1/2 to 2 if it then fits. All places
    inside the image are equally likely. At least one pixel is left.
    """
    key = np.array([seed, zlib.crc32(os.fsencode(name))], np.uint64)
    rng = np.random.Generator(np.random.Philox(key=key))
    # As shares of the image's, the sides are sqrt(share * stretch) and sqrt(share / stretch): <= 1.
    stretch = min(_MOST_STRETCH, 1 / share) ** rng.uniform(-1, 1)
    height = min(max(round(size[0] * math.sqrt(share * stretch)), 1), size[0])
    widest = size[1] - 1 if height == size[0] else size[1]
    width = min(max(round(share * size[0] * size[1] / height), 1), widest)
    top, left = rng.integers(0, (size[0] - height, size[1] - width), endpoint=True)
    return slice(top, top + height), slice(left, left + width)


def _small(derivation: Derivation, image: Stored, name: str) -> Pair:
    """Leave both sides the same; `data.target_scale` makes them differ in size."""
    return image, image


DERIVATIONS: dict[str, Callable[[Derivation, Stored, str], Pair]] = {
    "gray": _gray,
    "lab": _lab,
    "edges": _edges,
    "blur": _blur,
    "downscale": _downscale,
    "mask": _mask,
    "small": _small,
}
