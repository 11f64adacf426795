"""Random changes of what the discriminator sees (DiffAugment: Zhao et al., 2020).

With few pairs a discriminator learns them by heart, and what it tells the generator is noise. If it
sees both targets and fakes only after random changes through which gradients pass, it cannot.
"""

import dataclasses
from functools import partial
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from pix2pix_jax.core.choices import DISCRIMINATOR_CHANGES


@runtime_checkable
class Change(Protocol):
    """A change of one image, by draws of its key, with the probability `share`."""

    def __call__(self, key: Array, image: Array, *, share: Array | float) -> Array:
        """Return the image, changed or not."""
        ...


@dataclasses.dataclass(frozen=True)
class DiffAugment:
    """Which changes are made, and how often.

    Attributes:
        kinds: Some of `DISCRIMINATOR_CHANGES`; empty for none.
        share: Share of images that each kind changes, in [0, 1]; with a `target`, the largest one.
        target: 0: `share` is fixed. Otherwise it starts at 0, and rises while the mean sign of the
            discriminator's answers to targets is above this number, which says that it knows them
            too well, and falls while it is below (Karras et al., 2020, section 3: 0.6).
        images: Number of images in which the share moves from 0 to 1.
    """

    kinds: tuple[str, ...] = ()
    share: float = 1.0
    target: float = 0.0
    images: int = 100_000

    @property
    def adaptive(self) -> bool:
        """Whether the share follows the discriminator's answers."""
        return bool(self.kinds) and self.target > 0

    def apply(
        self,
        keys: Key[Array, " n"],
        share: Float[Array, ""] | float,
        source: Float[Array, "n h w c"],
        image: Float[Array, "n h2 w2 d"],
    ) -> tuple[Float[Array, "n h w c"], Float[Array, "n h2 w2 d"]]:
        """Change sources and the images that are judged with them, both by the same draws.

        Args:
            keys: A key for each example.
            share: Share of images that each kind changes.
            source: Sources in [-1, 1].
            image: Targets or fakes in [-1, 1].
        """
        for number, kind in enumerate(DISCRIMINATOR_CHANGES):
            if kind in self.kinds:
                change = jax.vmap(partial(_CHANGES[kind], share=share))
                draws = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
                source, image = change(draws, source), change(draws, image)
        return source, image

    def next_share(
        self, share: Float[Array, ""], sign: Float[Array, ""], images: int | Array
    ) -> Float[Array, ""]:
        """Return the share after a step.

        Args:
            share: The share before it.
            sign: Mean sign of the discriminator's answers to the targets of the step.
            images: Number of targets in the step.
        """
        change = jnp.sign(sign - self.target) * images / self.images
        return jnp.clip(share + change, 0, self.share).astype(jnp.float32)


NO_CHANGES = DiffAugment()


def _is_chosen(key: Key[Array, ""], share: Array | float) -> Array:
    return jax.random.uniform(jax.random.fold_in(key, 0)) < share


def _change_colour(
    key: Key[Array, ""], image: Float[Array, "h w c"], *, share: Array | float
) -> Float[Array, "h w c"]:
    """Add to the brightness, then change saturation and contrast by random factors."""
    draws = jax.random.uniform(jax.random.fold_in(key, 1), (3,))
    offset, saturation, contrast = jnp.where(
        _is_chosen(key, share),
        jnp.stack([draws[0] - 0.5, 2 * draws[1], draws[2] + 0.5]),
        jnp.array([0.0, 1.0, 1.0]),
    )
    image = image + offset
    gray = jnp.mean(image, axis=-1, keepdims=True)
    image = gray + (image - gray) * saturation
    mean = jnp.mean(image)
    return mean + (image - mean) * contrast


def _translate(
    key: Key[Array, ""], image: Float[Array, "h w c"], *, share: Array | float
) -> Float[Array, "h w c"]:
    """Shift an image by up to an eighth of its sides; what comes in is 0, mid-gray."""
    height, width, _ = image.shape
    most = jnp.array([height / 8, width / 8])
    draws = jax.random.uniform(jax.random.fold_in(key, 1), (2,), minval=-1, maxval=1)
    shift = jnp.where(_is_chosen(key, share), jnp.round(draws * most), 0).astype(jnp.int32)
    border = -(-height // 8), -(-width // 8)
    padded = jnp.pad(image, ((border[0],) * 2, (border[1],) * 2, (0, 0)))
    start = (border[0] - shift[0], border[1] - shift[1], 0)
    return lax.dynamic_slice(padded, start, image.shape)


def _cut_out(
    key: Key[Array, ""], image: Float[Array, "h w c"], *, share: Array | float
) -> Float[Array, "h w c"]:
    """Set a rectangle of half the sides to 0; its centre is anywhere in the image."""
    height, width, _ = image.shape
    centre = jax.random.uniform(jax.random.fold_in(key, 1), (2,))

    def within(place: Array, length: int) -> Array:
        return jnp.abs((jnp.arange(length, dtype=place.dtype) + 0.5) / length - place) < 0.25

    hole = within(centre[0], height)[:, None] & within(centre[1], width)[None]
    return jnp.where((hole & _is_chosen(key, share))[..., None], 0.0, image)


_CHANGES: dict[str, Change] = {
    "color": _change_colour,
    "translation": _translate,
    "cutout": _cut_out,
}
