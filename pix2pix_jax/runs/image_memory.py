"""Whether a batch of large images fits into memory, judged before anything is allocated.

What a translation needs at least is estimated from shapes alone: its images, and the largest output
of any layer. So a batch that is refused could not have been translated.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from pix2pix_jax.core.devices import on_cpu
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.memory import available_bytes
from pix2pix_jax.runs.generator import Generator

_HARMLESS = 2**24  # pixels of a batch that are never too many


def refuse_too_large(generator: Generator, height: int, width: int, count: int) -> None:
    """Raise InputError if a batch cannot fit into the memory of this machine.

    On other devices than the CPU nothing is judged: they say so themselves when memory is short,
    whereas a system ends the process without a word.

    Args:
        generator: The generator.
        height: Height of the images, as the network sees them.
        width: Their width.
        count: Number of images in a batch, padding included.
    """
    if count * height * width <= _HARMLESS or not on_cpu():
        return
    memory = available_bytes()
    need = count * _least_bytes(generator, (1, height, width, generator.form.source.depth))
    if memory is None or need <= memory:
        return
    raise InputError(
        f"{count} images of {height} x {width} pixels (height, width) need at least "
        f"{need / 1e9:,.1f} GB of memory, {memory / 1e9:,.1f} GB are free; use --fit resize, "
        "or make the images smaller"
    )


def _least_bytes(generator: Generator, shape: tuple[int, ...]) -> int:
    """Return the bytes of a source and of the largest output of a layer, for one image."""

    def outputs(variables: PyTree, source: Any) -> PyTree:
        return generator.module.apply(
            variables, source, train=False, capture_intermediates=True, mutable="intermediates"
        )

    source = jax.ShapeDtypeStruct(shape, jnp.float32)
    leaves = jax.tree.leaves(jax.eval_shape(outputs, generator.variables, source))
    largest = max(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)
    return math.prod(shape) * 4 + largest
