"""A StableHLO file, by `jax.export`: from images as stored to images as stored.

JAX alone runs it, on a CPU, a GPU or a TPU, without this package and the code of the network. JAX
promises to read such a file for six months after its version.
"""

import contextlib
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxtyping import Array

from pix2pix_jax.deployment.about import Translate
from pix2pix_jax.runs.generator import Generator

PLATFORMS = ("cpu", "cuda", "tpu")


def write(path: pathlib.Path, generator: Generator, *, own: bool = False) -> str:
    """Write a generator as a StableHLO file for `PLATFORMS`.

    It holds one function of images as stored (batch, height, width, channels) and, if the network
    takes numbers beside the image, of these (batch, numbers), float32 in the units of their table.
    Its mode is `deterministic`, and its products have the precision of the run.

    Args:
        path: The file.
        generator: The generator.
        own: Whether the network is own code. If that cannot be traced for any height and width, the
            file takes images of the training's size only; or even single ones.

    Returns:
        The shapes that the file takes, such as `(batch, 256*height, 256*width, 3)`.
    """
    channels, multiple = generator.form.source.channels, generator.multiple
    height, width = generator.image_size
    taken = [f"batch, {multiple}*height, {multiple}*width, {channels}"]
    if own:
        taken += [f"batch, {height}, {width}, {channels}", f"1, {height}, {width}, {channels}"]
    exported, shape = _export(generator, taken)
    path.write_bytes(exported.serialize())
    return f"({shape})"


def load(path: pathlib.Path) -> Translate:
    """Return what runs a StableHLO file on JAX's first device."""
    call = jax.jit(export.deserialize(bytearray(path.read_bytes())).call)
    return lambda source, *condition: np.asarray(
        call(source, *(each.astype(np.float32) for each in condition if each is not None))
    )


def _export(generator: Generator, taken: Sequence[str]) -> tuple[export.Exported, str]:
    """Export for the first of some shapes for which the network can be traced."""
    numbers = generator.numbers

    def translate(source: Array, *condition: Array) -> Array:
        x, beside = generator.form.source.to_network(source), dict[str, Any]()
        if numbers is not None:
            mean, deviation = (jnp.array([row]) for row in (numbers.mean, numbers.deviation))
            beside["condition"] = (condition[0] - mean) / deviation
        fake = generator.module.apply(generator.variables, x, train=False, **beside)
        return jnp.asarray(generator.form.target.stored(jnp.asarray(fake)))

    program = jax.jit(generator.exactness.applied_to(translate))
    # Padding by reflection needs more than three rows.
    least = [f"{side} >= 2" for side in ("height", "width")] if generator.multiple < 8 else []

    def attempt(shape: str) -> tuple[export.Exported, str]:
        sizes = export.symbolic_shape(shape, constraints=least if "height" in shape else [])
        given = [jax.ShapeDtypeStruct(sizes, generator.form.source.dtype)]
        if numbers is not None:
            count = len(numbers.names)
            given.append(jax.ShapeDtypeStruct((sizes[0], count), jnp.float32))
        return export.export(program, platforms=PLATFORMS)(*given), shape

    for shape in taken[:-1]:
        with contextlib.suppress(Exception):  # own code raises anything if a size is no number
            return attempt(shape)
    return attempt(taken[-1])
