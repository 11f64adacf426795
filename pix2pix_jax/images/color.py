"""Conversions between sRGB and CIE 1976 L*a*b* under D65."""

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

# sRGB (IEC 61966-2-1) to XYZ relative to the white point, so that gray has a = b = 0. OpenCV's
# float32 conversion is not used: it interpolates in a table, and is off by up to 0.47 in a.
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
_KNEE = 6 / 29  # CIE's cube root continues as a straight line below the cube of this


def rgb_to_lab(image: UInt8[np.ndarray, "*n h w 3"]) -> Float[np.ndarray, "*n h w 3"]:
    """Convert 8-bit sRGB to L*a*b*.

    Returns:
        float32: L in 0..100, a in -87..99, b in -108..95. `lab_to_rgb` restores every 8-bit colour.
    """
    xyz = _LINEAR[image] @ _TO_XYZ
    x, y, z = np.moveaxis(
        np.where(xyz > _KNEE**3, np.cbrt(xyz), xyz / (3 * _KNEE**2) + 4 / 29), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_rgb(
    lightness: Float[np.ndarray, "*n h w 1"], ab: Float[np.ndarray, "*n h w 2"]
) -> UInt8[np.ndarray, "*n h w 3"]:
    """Convert L*a*b* to 8-bit sRGB.

    Args:
        lightness: L, from 0 to 100.
        ab: a and b.

    Returns:
        Levels 0 to 255; linear red, green and blue are clipped to the gamut.
    """
    return np.asarray(_to_rgb(np, np.matmul, lightness, ab))


def lab_to_rgb_on_device(
    lightness: Float[Array, "*n h w 1"], ab: Float[Array, "*n h w 2"]
) -> UInt8[Array, "*n h w 3"]:
    """Do what `lab_to_rgb` does, under `jit`; in rare cases a level is rounded the other way."""
    # The default precision of products on GPU and TPU is too low.
    return jnp.asarray(_to_rgb(jnp, partial(jnp.matmul, precision="highest"), lightness, ab))


def _to_rgb(xp: Any, product: Any, lightness: Any, ab: Any) -> Any:
    y = (lightness + 16) / 116
    roots = xp.concatenate([y + ab[..., :1] / 500, y, y - ab[..., 1:] / 200], axis=-1)
    xyz = xp.where(roots > _KNEE, roots**3, 3 * _KNEE**2 * (roots - 4 / 29))
    linear = xp.clip(product(xyz, _FROM_XYZ), 0, 1)
    levels = xp.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return xp.rint(levels * 255).astype(np.uint8)
