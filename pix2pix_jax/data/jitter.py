"""Random changes of the colours of one image, and holes in it; on the device."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.pixels import LUMA

# Numbers of the draws, for `fold_in`; see `augment`.
_BRIGHTNESS, _CONTRAST, _SATURATION, _CUTOUT = range(4, 8)


def jitter_colours(
    key: Key[Array, ""], image: Float[Array, "h w c"], strengths: tuple[float, ...]
) -> Float[Array, "h w c"]:
    """Change brightness, contrast and saturation by random factors, like torchvision's ColorJitter.

    If an image does not have three channels, its saturation is unchanged and its gray is their
    mean.
    """
    brightness, contrast, saturation = strengths
    image = (image + 1) / 2
    if brightness:
        image = _blend(image, jnp.zeros(()), _factor(key, _BRIGHTNESS, brightness))
    if contrast:
        image = _blend(image, jnp.mean(_gray(image)), _factor(key, _CONTRAST, contrast))
    if saturation and image.shape[-1] == len(LUMA):
        image = _blend(image, _gray(image), _factor(key, _SATURATION, saturation))
    return 2 * image - 1


def _factor(key: Key[Array, ""], draw: int, strength: float) -> Float[Array, ""]:
    key = jax.random.fold_in(key, draw)
    return jax.random.uniform(key, minval=1 - strength, maxval=1 + strength)


def _blend(
    image: Float[Array, "h w c"], other: Float[Array, "..."], factor: Float[Array, ""]
) -> Float[Array, "h w c"]:
    """Interpolate from `other` (factor 0) to the image (factor 1), or beyond; clipped to [0, 1]."""
    return jnp.clip(factor * image + (1 - factor) * other, 0, 1)


def _gray(image: Float[Array, "h w c"]) -> Float[Array, "h w 1"]:
    is_rgb = image.shape[-1] == len(LUMA)
    weights = jnp.array(LUMA) if is_rgb else jnp.full(image.shape[-1], 1 / image.shape[-1])
    return jnp.sum(image * weights[None, None], axis=-1, keepdims=True)


def jitter_parts(
    jitter: Callable[[Array], Array],
    source: Float[Array, "n h w c"],
    coloured: tuple[tuple[int, bool], ...],
) -> Float[Array, "n h w c"]:
    """Change the colours of each source that has some, all by the same factors.

    Args:
        jitter: Changes the colours of images.
        source: The sources, stacked.
        coloured: From `coloured_parts`; (): one source, which has colours.
    """
    if not coloured:
        return jitter(source)
    ends = np.cumsum([count for count, _ in coloured]).tolist()
    parts = jnp.split(source, ends[:-1], axis=-1)
    changed = [
        jitter(part) if has else part for part, (_, has) in zip(parts, coloured, strict=True)
    ]
    return jnp.concatenate(changed, axis=-1)


def has_colours(part: Encoding) -> bool:
    """Return whether a source is a picture, whose colours may be changed, and no classes."""
    return not part.classes


def coloured_parts(parts: tuple[Encoding, ...]) -> tuple[tuple[int, bool], ...]:
    """Return for each of several sources how many channels networks see, and if they are colours.

    Beside others, RGB and 8-bit gray are pictures; bands, 16-bit gray and float32 are measurements,
    such as heights, whose values mean something.
    """
    return tuple(
        (
            part.depth,
            has_colours(part)
            and part.dtype != "float32"
            and (part.channels == 3 or (part.channels, part.dtype) == (1, "uint8")),
        )
        for part in parts
    )


def cut_out(
    key: Key[Array, ""], image: Float[Array, "h w c"], share: float
) -> Float[Array, "h w c"]:
    """Set a square to 0, mid-gray (DeVries & Taylor, 2017, section 3).

    Its centre is any pixel with equal probability, so the square may extend beyond the border.
    """
    height, width, _ = image.shape
    side = max(1, round(share * min(height, width)))
    centre = jax.random.randint(
        jax.random.fold_in(key, _CUTOUT), (2,), 0, jnp.array([height, width])
    )
    top, left = centre - side // 2

    def within(first: Array, length: int) -> Bool[Array, " length"]:
        places = jnp.arange(length)
        return (places >= first) & (places < first + side)

    hole = within(top, height)[:, None] & within(left, width)[None]
    return jnp.where(hole[..., None], 0.0, image)
