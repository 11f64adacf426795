"""Affine and elastic changes of training pairs, the same for both sides; on the device."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, Key, Real

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.encoding import Encoding

# Numbers of the draws, for `fold_in`; own augmentations count up from 8.
_AFFINE, _ELASTIC = 2**31, 2**31 + 1

Crisp = bool | tuple[bool, ...]  # of all channels, or of each


@dataclasses.dataclass(frozen=True)
class Warp:
    """How far a pair is moved. What is off costs nothing and draws no numbers.

    Attributes:
        affine: Largest rotation, in degrees; largest scaling, as a share: 0.1 is from 1 / 1.1 to
            1.1; largest shear, in degrees; largest translation, as a share of the image's sides.
            Each is drawn uniformly, in both directions, and is about the image's centre.
        elastic: Largest displacement of the points of a grid, in pixels, and their spacing;
            between them it is interpolated by cubic splines (after Simard et al., 2003).

    Raises:
        InputError: A value is out of its range, or the displacement could fold the image.
    """

    affine: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    elastic: tuple[float, ...] = (0.0, 32.0)

    def __post_init__(self) -> None:
        most = (180, 4, 60, 1)
        if len(self.affine) != 4 or not all(
            0 <= each <= limit for each, limit in zip(self.affine, most, strict=True)
        ):
            raise InputError(
                f"augment.affine={self.affine}: give the largest rotation in degrees (0 to 180), "
                "scaling as a share (0 to 4), shear in degrees (0 to 60) and translation as a "
                "share of the side (0 to 1)"
            )
        if len(self.elastic) != 2 or not 0 <= 2 * self.elastic[0] < self.elastic[1]:
            raise InputError(
                f"augment.elastic={self.elastic}: give the largest displacement and the spacing of "
                "the grid, both in pixels; the first must be less than half of the second, or the "
                "image would fold"
            )

    @property
    def on(self) -> bool:
        """Whether anything is moved."""
        return any(self.affine) or self.elastic[0] > 0

    def apply(
        self,
        key: Key[Array, ""],
        image: Real[Array, "h w c"],
        *,
        nearest: Crisp,
        scale: float = 1.0,
    ) -> Real[Array, "h w c"]:
        """Move an image; a key moves all images in the same way, with regard to their scale.

        What comes in from outside is the image, mirrored at its border.

        Args:
            key: The example's key.
            image: An image as stored.
            nearest: Whether to take the nearest pixel, as for class indices, instead of
                interpolating linearly; or that of each channel.
            scale: How many of the image's pixels are one in `elastic`.

        Returns:
            The image, in its dtype if `nearest`, else float32.
        """
        places = self._places(key, image.shape[:2], scale)
        if isinstance(nearest, bool):
            return _sample(image, places, nearest=nearest)
        crisp, mixed = np.flatnonzero(nearest), np.flatnonzero(~np.array(nearest))
        moved = [
            _sample(image[..., channels], places, nearest=kept).astype(jnp.float32)
            for channels, kept in ((crisp, True), (mixed, False))
        ]
        order = np.argsort(np.concatenate([crisp, mixed]))
        return jnp.concatenate(moved, axis=-1)[..., order]

    def _places(
        self, key: Key[Array, ""], size: tuple[int, ...], scale: float
    ) -> Float[Array, "2 h w"]:
        """Return where in the image each pixel of the moved image comes from."""
        places = _grid(size)
        if any(self.affine):
            places = _moved(jax.random.fold_in(key, _AFFINE), places, self.affine)
        if self.elastic[0]:
            strength, spacing = (scale * length for length in self.elastic)
            places += _bent(jax.random.fold_in(key, _ELASTIC), size, strength, spacing)
        return places


NO_WARP = Warp()


def _sample(
    image: Real[Array, "h w c"], places: Float[Array, "2 h w"], *, nearest: bool
) -> Real[Array, "h w c"]:
    """Read an image at places, those outside of it mirrored at its border."""
    order = 0 if nearest else 1
    moved = jax.vmap(
        lambda channel: map_coordinates(channel, list(places), order, mode="mirror"),
        in_axes=-1,
        out_axes=-1,
    )(image.astype(jnp.float32))
    return moved.astype(image.dtype) if nearest else moved


def _grid(size: tuple[int, ...]) -> Float[Array, "2 h w"]:
    rows, columns = jnp.meshgrid(*map(jnp.arange, size), indexing="ij")
    return jnp.stack([rows, columns]).astype(jnp.float32)


def _moved(
    key: Key[Array, ""], places: Float[Array, "2 h w"], strengths: tuple[float, ...]
) -> Float[Array, "2 h w"]:
    """Turn, scale, shear and shift places."""
    rotation, scaling, shear, translation = strengths
    draws = jax.random.uniform(key, (5,), minval=-1, maxval=1)
    angle = draws[0] * math.radians(rotation)
    factor = jnp.exp(draws[1] * math.log1p(scaling))
    slope = jnp.tan(draws[2] * math.radians(shear))
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    # Rotation times shear, over the scale; by rows and columns.
    matrix = jnp.stack(
        [
            jnp.stack([cosine, cosine * slope - sine]),
            jnp.stack([sine, sine * slope + cosine]),
        ]
    )
    sides = jnp.array(places.shape[1:], jnp.float32)
    centre = ((sides - 1) / 2)[:, None, None]
    shift = (draws[3:] * translation * sides)[:, None, None]
    turned = jnp.einsum(
        "ij,jhw->ihw", matrix / factor, places - centre, precision=jax.lax.Precision.HIGHEST
    )
    return turned + centre + shift


def _bent(
    key: Key[Array, ""], size: tuple[int, ...], strength: float, spacing: float
) -> Float[Array, "2 h w"]:
    """Draw displacements at the points of a grid, and interpolate them."""
    points = [max(round(side / spacing), 1) + 1 for side in size]
    draws = jax.random.uniform(key, (2, *points), minval=-strength, maxval=strength)
    return jax.image.resize(draws, (2, *size), "cubic", precision=jax.lax.Precision.HIGHEST)


def crisp_channels(parts: tuple[Encoding, ...]) -> Crisp:
    """Return which stored channels cannot be interpolated: of classes, or with missing pixels."""
    each = {_is_crisp(part) for part in parts}
    if len(each) == 1:
        return each.pop()
    return tuple(_is_crisp(part) for part in parts for _ in range(part.channels))


def _is_crisp(part: Encoding) -> bool:
    return bool(part.classes) or part.no_data is not None
