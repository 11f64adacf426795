"""How an image of any size is brought to a size that a network takes, and its result back."""

import dataclasses

import numpy as np
from jaxtyping import Float, Shaped

from pix2pix_jax.core.scales import scaled
from pix2pix_jax.images.notebook_image import NotebookImage
from pix2pix_jax.runs.generator import Generator

_SIZES_PER_OCTAVE = 8  # sides to which images that need padding are padded, from a side to twice it

Size = tuple[int, int]


def fitted_size(generator: Generator, size: Size) -> Size:
    """Return the size at which the network sees an image.

    Each size has a program of its own, which takes longer to compile than to run. So there are few:
    an image that the network takes as it is stays as it is, but one that must be padded is padded
    to one of at most 16 sides between a number of pixels and twice as many. That adds less than an
    eighth to a side, or the least that the network needs. Only the image itself decides, so its
    result does not depend on other images.

    Args:
        generator: The generator, whose `fit` decides.
        size: Height and width of the image.

    Returns:
        Height and width.
    """
    if generator.fit == "resize":
        return generator.image_size
    if not any(side % generator.multiple for side in size):
        return size
    height, width = size
    return _padded(height, generator.multiple), _padded(width, generator.multiple)


def _padded(side: int, multiple: int) -> int:
    step = multiple
    while step * 2 * _SIZES_PER_OCTAVE <= side:
        step *= 2
    return -(-side // step) * step


def fit(generator: Generator, source: Shaped[np.ndarray, "h w c"]) -> Shaped[np.ndarray, "h2 w2 c"]:
    """Resize or pad a source to its `fitted_size`; padding mirrors the image."""
    height, width = fitted_size(generator, source.shape[:2])
    if generator.fit == "resize":
        return generator.form.source.resize(source, (height, width))
    spare = height - source.shape[0], width - source.shape[1]
    return np.pad(source, ((0, spare[0]), (0, spare[1]), (0, 0)), mode="symmetric")


def unfit(
    generator: Generator, source: Shaped[np.ndarray, "h w c"], fake: Float[np.ndarray, "h2 w2 d"]
) -> NotebookImage:
    """Return a fake as stored, in the size of its source times the run's scale of targets.

    Args:
        generator: The generator.
        source: The source, before `fit`.
        fake: The network's answer in [-1, 1].

    Returns:
        The image to write, (height, width, channels): the target, or for Lab its RGB.
    """
    height, width = scaled(source.shape[:2], generator.form.scale)
    stored = generator.form.target.from_network(fake)
    if generator.fit == "resize":
        # What the network gives is data everywhere, whatever its value.
        whole = dataclasses.replace(generator.form.target, no_data=None)
        stored = whole.resize(stored, (height, width))
    # A copy, as Pillow's arrays are read-only.
    result = np.array(generator.form.finish(source, stored[:height, :width]))
    return NotebookImage.of(result, generator.form.written, generator.form.bands)
