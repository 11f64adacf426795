"""Pairs from single images: the source is computed from the target.

Colourization, edges to photo, deblurring, super-resolution and inpainting need no second file. All
functions are pure and safe in threads; no input array is changed.
"""

import dataclasses
import math
import os
import zlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from pix2pix_jax.core.errors import InputError, require
from pix2pix_jax.data.sources import Pair
from pix2pix_jax.images import pixels as images

Image = Shaped[np.ndarray, "h w k"]

_RANGES = {
    "edge_low": (0, 2040),  # |dx| + |dy| of Sobel's 3x3 filters on 8 bits is 8 * 255 at most
    "edge_high": (0, 2040),
    "edge_blur": (0, 100),
    "blur_sigma": (0, 100),
    "downscale": (1, 2**16),
    "seed": (0, 2**32 - 1),
}
_MOST_STRETCH = 2.0  # of a hole's height to width, relative to the image's


@dataclasses.dataclass(frozen=True)
class Derivation:
    """How one image becomes a pair; the values of the config's section `derive`.

    Raises:
        InputError: A value is out of its range.

    Attributes:
        kind: One of `DERIVATIONS`.
        edge_low: Canny's threshold for edges that continue a strong one: |dx| + |dy| of Sobel's
            filters on 8-bit luma, up to 2040.
        edge_high: Canny's threshold for edges that stand alone.
        edge_blur: Sigma of the Gaussian blur before Canny, in pixels; 0: none.
        blur_sigma: Sigma of the blur of kind `blur`, in pixels; 0: none.
        downscale: Factor by which kind `downscale` shrinks height and width.
        mask_share: Area of the hole of kind `mask`, as a share of the image's.
        seed: Of the holes' places and shapes.
        channels: Of the source of kinds `gray` and `edges`: 1, or 3 equal ones. The other kinds
            have no choice.
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
                f"derive.kind={self.kind!r} makes 1 or 3 channels, not {self.channels}: set "
                "data.source_channels (with data.direction='BtoA': data.target_channels) to that"
            )

    def __call__(self, image: Image, name: str) -> Pair:
        """Make a pair.

        Args:
            image: Pixels as stored: uint8, uint16 or float32.
            name: The image's name; it stands in messages, and decides where kind `mask` has its
                hole.

        Returns:
            Source and target, of the image's height and width; the target is the image itself but
            for kind `lab`.

        Raises:
            InputError: The image's dtype or number of channels does not suit the kind, or OpenCV is
                missing for kinds `edges` and `blur`.
        """
        return DERIVATIONS[self.kind](self, image, name)


def _gray(derivation: Derivation, image: Image, name: str) -> Pair:
    luma = images.as_channels(image, 1, name)
    return images.as_channels(luma, derivation.channels, name), image


def _lab(derivation: Derivation, image: Image, name: str) -> Pair:
    if image.dtype != np.uint8 or image.shape[-1] != 3:
        raise InputError(
            f"{name}: {image.shape[-1]} channels of {image.dtype}; derive.kind='lab' needs RGB of "
            "8 bits: convert the file"
        )
    lab = rgb_to_lab(image)
    return lab[..., :1], lab[..., 1:]


def _edges(derivation: Derivation, image: Image, name: str) -> Pair:
    """Draw the edges in black on white, as the set edges2shoes has them."""
    if image.dtype != np.uint8:
        raise InputError(
            f"{name}: pixels of {image.dtype}; derive.kind='edges' needs 8 bits: convert the file"
        )
    cv2 = require("cv2", "opencv")
    luma = _blurred(images.as_channels(image, 1, name), derivation.edge_blur)
    edges = cv2.Canny(luma[..., 0], derivation.edge_low, derivation.edge_high)
    return images.as_channels(255 - edges[..., None], derivation.channels, name), image


def _blur(derivation: Derivation, image: Image, name: str) -> Pair:
    return _blurred(image, derivation.blur_sigma), image


def _blurred(image: Image, sigma: float) -> Image:
    if sigma == 0:
        return image
    cv2 = require("cv2", "opencv")
    # One by one, as OpenCV 5 takes no more than 128 channels. The kernel's size follows from sigma.
    planes = [cv2.GaussianBlur(plane, (0, 0), sigma) for plane in np.moveaxis(image, -1, 0)]
    return np.stack(planes, axis=-1)


def _downscale(derivation: Derivation, image: Image, name: str) -> Pair:
    height, width = image.shape[:2]
    small = (math.ceil(height / derivation.downscale), math.ceil(width / derivation.downscale))
    return images.resize(images.resize(image, small), (height, width)), image


def _mask(derivation: Derivation, image: Image, name: str) -> Pair:
    """Cut a hole, filled with gray.

    Integers are filled with the middle of their range, 128 or 32768; float32, whose range is not
    known here, with the mean of the pixels around the hole, each channel for itself.
    """
    hole = _draw_hole(derivation.seed, name, image.shape[:2], derivation.mask_share)
    source = image.copy()
    if np.issubdtype(image.dtype, np.integer):
        source[hole] = (np.iinfo(image.dtype).max + 1) // 2
    else:
        outside = np.ones(image.shape[:2], bool)
        outside[hole] = False
        # The hidden pixels must not count: the fill would tell of them.
        source[hole] = image[outside].mean(axis=0, dtype=np.float64)
    return source, image


def _draw_hole(seed: int, name: str, size: tuple[int, ...], share: float) -> tuple[slice, slice]:
    """Draw the rows and columns of an image's hole from (seed, name).

    Height to width is the image's, times a factor from 1/2 to 2 where the hole then fits; all
    places inside the image are equally likely. One pixel at least is left.
    """
    key = np.array([seed, zlib.crc32(os.fsencode(name))], np.uint64)
    rng = np.random.Generator(np.random.Philox(key=key))
    # The sides are sqrt(share * stretch) and sqrt(share / stretch) of the image's, at most 1.
    stretch = min(_MOST_STRETCH, 1 / share) ** rng.uniform(-1, 1)
    height = min(max(round(size[0] * math.sqrt(share * stretch)), 1), size[0])
    width = min(max(round(share * size[0] * size[1] / height), 1), size[1] - (height == size[0]))
    top, left = rng.integers(0, (size[0] - height, size[1] - width), endpoint=True)
    return slice(top, top + height), slice(left, left + width)


DERIVATIONS: dict[str, Callable[[Derivation, Image, str], Pair]] = {
    "gray": _gray,
    "lab": _lab,
    "edges": _edges,
    "blur": _blur,
    "downscale": _downscale,
    "mask": _mask,
}

# sRGB (IEC 61966-2-1) to XYZ in parts of the white point, D65: gray has a = b = 0. Written out
# because OpenCV's float32 conversion interpolates in a table: it is off by up to 0.47 in a.
_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_TO_XYZ = (_XYZ / _XYZ.sum(axis=1, keepdims=True)).T.astype(np.float32)
_FROM_XYZ = np.linalg.inv(_TO_XYZ)
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS > 0.04045, ((_LEVELS + 0.055) / 1.055) ** 2.4, _LEVELS / 12.92)
_LINEAR = _LINEAR.astype(np.float32)
_KNEE = 6 / 29  # below its cube, CIE's cube root goes on as a straight line


def rgb_to_lab(image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """Convert sRGB to CIE 1976 L*a*b* under D65.

    Returns:
        float32: L in 0..100, a in -87..99, b in -108..95. No 8-bit colour is lost by it.
    """
    xyz = _LINEAR[image] @ _TO_XYZ
    x, y, z = np.moveaxis(
        np.where(xyz > _KNEE**3, np.cbrt(xyz), xyz / (3 * _KNEE**2) + 4 / 29), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_rgb(
    lightness: Float[np.ndarray, "h w 1"], ab: Float[np.ndarray, "h w 2"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Convert CIE 1976 L*a*b* under D65 to sRGB.

    Args:
        lightness: L, from 0 to 100.
        ab: a and b.

    Returns:
        8-bit pixels; linear red, green and blue are clipped to the gamut.
    """
    y = (lightness + 16) / 116
    roots = np.concatenate([y + ab[..., :1] / 500, y, y - ab[..., 1:] / 200], axis=-1)
    xyz = np.where(roots > _KNEE, roots**3, 3 * _KNEE**2 * (roots - 4 / 29))
    linear = np.clip(xyz @ _FROM_XYZ, 0, 1)
    levels = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return np.rint(levels * 255).astype(np.uint8)
