"""Augmentation on the device, with the same geometric change for source and target.

Inputs are images as stored, NHWC; results are float32 in [-1, 1].
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key, Real
from ml_collections import ConfigDict

from pix2pix_jax.core.choices import JITTER_SIDES
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.data.jitter import (
    coloured_parts,
    cut_out,
    has_colours,
    jitter_colours,
    jitter_parts,
)
from pix2pix_jax.data.numbers import as_arguments
from pix2pix_jax.data.own_augmentations import apply_own, load_own
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.warps import NO_WARP, Crisp, Warp, crisp_channels
from pix2pix_jax.images.scaling import at_size

_QUARTER_TURNS = tuple(functools.partial(jnp.rot90, k=turns) for turns in range(4))
# Keys of the section `augment` that are applied here.
_ON_DEVICE = (
    "flip",
    "vertical_flip",
    "rotate",
    "color_jitter",
    "jitter_side",
    "cutout",
)
# Numbers of the draws, for `fold_in`. Crop and flip use the two keys of `split`, which equal those
# of `fold_in` with 0 and 1.
_VERTICAL_FLIP, _ROTATION = 2, 3  # 4 to 7: `jitter`; from 2**31: `warps`


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How training pairs are augmented. What is off costs nothing and draws no numbers.

    Attributes:
        image_size: Height and width of the random crop of each source; there is none if the
            images have this size.
        flip: Whether to mirror pairs left to right with probability 1/2.
        vertical_flip: Whether to mirror pairs top to bottom with probability 1/2.
        rotate: Whether to rotate pairs by 0, 90, 180 or 270 degrees, each with probability 1/4;
            needs a square `image_size`.
        color_jitter: Strengths of brightness, contrast and saturation, in this order, each in
            [0, 1]: factors are drawn from [1 - strength, 1 + strength].
        jitter_side: Which side is jittered: `source`, `target`, or `both`, with the same factors.
        cutout: Side of a square hole in the source, as a share of its shorter side, in [0, 1), at
            least one pixel; 0 for none.
        warp: Affine and elastic changes.
        scale: How many times as large as sources targets are, see `core.scales`.

    Raises:
        InputError: A value is out of its range, or `rotate` is on with an `image_size` that is not
            square.
    """

    image_size: tuple[int, int]
    flip: bool = True
    vertical_flip: bool = False
    rotate: bool = False
    color_jitter: tuple[float, ...] = (0.0, 0.0, 0.0)
    jitter_side: str = "source"
    cutout: float = 0.0
    warp: Warp = NO_WARP
    scale: float = 1.0

    def __post_init__(self) -> None:
        height, width = self.image_size
        if self.rotate and height != width:
            raise InputError(
                f"augment.rotate=True with data.image_size={self.image_size}: quarter turns need a "
                "square; make it square, or set augment.rotate=False"
            )
        if len(self.color_jitter) != 3 or not all(0 <= each <= 1 for each in self.color_jitter):
            raise InputError(
                f"augment.color_jitter={self.color_jitter}: give three strengths in [0, 1], for "
                "brightness, contrast and saturation"
            )
        if self.jitter_side not in JITTER_SIDES:
            raise InputError(
                f"augment.jitter_side={self.jitter_side!r}: choose from {', '.join(JITTER_SIDES)}"
            )
        if not 0 <= self.cutout < 1:
            raise InputError(f"augment.cutout={self.cutout}: must be in [0, 1)")

    def jitters(self, side: str) -> bool:
        """Whether the colours of a side, `source` or `target`, are jittered."""
        return any(self.color_jitter) and self.jitter_side in (side, "both")


class Examples(NamedTuple):
    """Training examples as the networks see them.

    Attributes:
        source: Sources in [-1, 1], which may differ in size from all others.
        target: Targets in [-1, 1].
        weight: How much each pixel counts, in [0, 1]; None: all count alike.
        condition: Normalised numbers beside the images; None: there are none.
    """

    source: Float[Array, "n h w c"]
    target: Float[Array, "n h2 w2 d"]
    weight: Float[Array, "n h2 w2 1"] | None = None
    condition: Float[Array, "n k"] | None = None

    @property
    def beside(self) -> dict[str, Array]:
        """Keyword arguments of the networks, beside images: none without numbers."""
        return as_arguments(self.condition)

    @property
    def judged_source(self) -> Float[Array, "n h2 w2 c"]:
        """Sources at the size of targets, as the discriminator sees them."""
        height, width = self.target.shape[1:3]
        return at_size(self.source, (height, width))

    def kept(self, image: Float[Array, "n h w d"]) -> Float[Array, "n h w d"]:
        """Return an image whose pixels fade to 0, mid-gray, as far as they do not count."""
        return image if self.weight is None else image * self.weight


Augment = Callable[[Array, Array, Array], Examples]


def augment(
    keys: Key[Array, " n"],
    source: Real[Array, "n h w c"],
    target: Real[Array, "n h2 w2 d"],
    *,
    options: Augmentation,
    encode_source: Callable[[Array], Array],
    encode_target: Callable[[Array], Array],
    crisp: tuple[Crisp, Crisp] = (False, False),
    coloured: tuple[tuple[int, bool], ...] = (),
    own: tuple[Callable[[Array, Array, Array], tuple[Array, Array]], ...] = (),
    weigh: Callable[[Array, Array], Array | None] = lambda source, target: None,
    weigh_classes: Callable[[Array], Array | None] = lambda target: None,
    blank: Callable[[Array, Array], Array] = lambda stored, source: source,
) -> Examples:
    """Crop, mirror and rotate pairs, encode them, then jitter colours and cut a hole.

    Both sides of a pair are moved in the same way. Only affine and elastic changes interpolate:
    otherwise pairs stay aligned to the pixel. Class indices stay classes.

    Args:
        keys: A random key for each pair, so that its draws do not depend on its place in the batch.
        source: Images as stored, at the size they were loaded with.
        target: Their targets.
        options: What to do.
        encode_source: Maps stored sources, NHWC, to float32 in [-1, 1] with any number of channels.
        encode_target: The same for targets.
        crisp: Whether the values of sources, and of targets, must not be interpolated: classes; or
            of each channel as stored.
        coloured: For each of several sources, how many channels the networks see of it, and whether
            these are colours that `color_jitter` may change; (): one source, which has colours.
        own: Own augmentations of one example, `(key, source, target)`, applied last.
        weigh: Says how much each pixel of stored pairs counts, see `PairFormat.data_weight`.
        weigh_classes: Says the same of targets in [-1, 1], see `PairFormat.class_weight`.
        blank: Sets sources to 0 where their stored pixels hold no data, see `Encoding.blank`.

    Returns:
        Sources of `options.image_size`, and their targets, in [-1, 1].
    """
    # The two sides draw separately: the same keys give the same draws.
    move_source, move_target = (
        jax.vmap(functools.partial(_move, options=options, nearest=nearest, scale=scale))
        for nearest, scale in zip(crisp, (1.0, options.scale), strict=True)
    )
    jitter = jax.vmap(functools.partial(jitter_colours, strengths=options.color_jitter))
    source, target = move_source(keys, source), move_target(keys, target)
    weight, stored = weigh(source, target), source
    source, target = encode_source(source), encode_target(target)
    if options.jitters("source"):
        source = jitter_parts(functools.partial(jitter, keys), source, coloured)
        source = blank(stored, source)
    if options.jitters("target"):
        target = jitter(keys, target)
    if options.cutout:
        source = jax.vmap(functools.partial(cut_out, share=options.cutout))(keys, source)
    for number, function in enumerate(own):
        source, target = apply_own(number, function, keys, source, target)
    classed = weigh_classes(target)
    if classed is not None:
        weight = classed if weight is None else weight * classed
    return Examples(source, target, weight)


def _move(
    key: Key[Array, ""],
    image: Real[Array, "h w c"],
    options: Augmentation,
    nearest: Crisp,
    scale: float,
) -> Real[Array, "h2 w2 c"]:
    """Warp, crop, mirror and rotate an image; a key moves both sides in the same way.

    Args:
        key: The example's key.
        image: An image as stored.
        options: What to do.
        nearest: See `Warp.apply`.
        scale: How many times as large as the source the image is.
    """
    if options.warp.on:
        image = options.warp.apply(key, image, nearest=nearest, scale=scale)
    crop_key, flip_key = jax.random.split(key)
    size = scaled(options.image_size, scale)
    if image.shape[:2] != size:
        # Drawn in pixels of the coarser side, so that both sides begin at a whole pixel.
        step = round(scale / min(options.scale, 1))
        places = [image.shape[axis] // step - size[axis] // step + 1 for axis in range(2)]
        top, left = jax.random.randint(crop_key, (2,), 0, jnp.array(places)) * step
        image = lax.dynamic_slice(image, (top, left, 0), (*size, image.shape[-1]))
    if options.flip:
        image = jnp.where(jax.random.bernoulli(flip_key), image[:, ::-1], image)
    if options.vertical_flip:
        upside_down = jax.random.bernoulli(jax.random.fold_in(key, _VERTICAL_FLIP))
        image = jnp.where(upside_down, image[::-1], image)
    if options.rotate:
        turns = jax.random.randint(jax.random.fold_in(key, _ROTATION), (), 0, 4)
        image = lax.switch(turns, _QUARTER_TURNS, image)
    return image


def build_augment(
    section: ConfigDict,
    form: PairFormat,
    image_size: tuple[int, int],
    *,
    code: OwnCode = NO_OWN_CODE,
) -> Augment:
    """Build the augmentation of training pairs.

    Args:
        section: The section `augment` of a configuration.
        form: The format of the pairs.
        image_size: Height and width of the sources that the networks see.
        code: What may run of own code.

    Returns:
        A function of keys, stored sources and stored targets, see `augment`.

    Raises:
        InputError: A value is out of its range, or does not suit pairs of this format.
    """
    chosen = {name: section[name] for name in _ON_DEVICE}
    warp = Warp(section.affine, section.elastic)
    options = Augmentation(image_size=image_size, warp=warp, scale=form.scale, **chosen)
    parts = form.source.parts
    for side, other, kinds in (("source", "target", parts), ("target", "source", (form.target,))):
        if options.jitters(side) and not any(map(has_colours, kinds)):
            classes = ",".join(str(part.classes) for part in kinds)
            raise InputError(
                f"augment.color_jitter={options.color_jitter} with data.{side}_classes={classes}: "
                f"classes have no colours; set augment.jitter_side={other}, or no jitter"
            )
    if any(options.color_jitter) and form.is_lab:
        raise InputError(
            f"augment.color_jitter={options.color_jitter} with derive.kind='lab': brightness and "
            "saturation are defined for RGB; set no jitter, or derive.kind=gray"
        )
    if section.extra and form.lacks_data:
        raise InputError(
            f"augment.extra={','.join(section.extra)} with pixels that do not count (data.mask, "
            "data.source_no_data, data.target_no_data): own code may move pixels, and their "
            "weights would stay where they are; set augment.extra=()"
        )
    own = tuple(load_own(reference, form, image_size, code) for reference in section.extra)
    return functools.partial(
        augment,
        options=options,
        encode_source=form.source.to_network,
        encode_target=lambda target: form.target.to_network(form.image_of(target)),
        crisp=(crisp_channels(parts), form.masked or crisp_channels((form.target,))),
        coloured=coloured_parts(parts) if len(parts) > 1 else (),
        own=own,
        weigh=form.data_weight,
        weigh_classes=form.class_weight,
        blank=form.source.blank,
    )
