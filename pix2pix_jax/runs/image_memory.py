"""Whether a batch of large images fits into memory, judged before anything is allocated.

What a translation needs at least is estimated from shapes alone: its images, and the largest output
of any layer. So a batch that is refused could not have been translated.
"""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from pix2pix_jax.core.devices import on_cpu
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.memory import available_bytes
from pix2pix_jax.models.initial import abstract_variables
from pix2pix_jax.runs.generator import Generator

_HARMLESS = 2**24  # pixels of a batch that are never too many
# A program takes at most so many times its largest output: 8 to 14 for the built-in networks, as
# XLA's CPU backend compiled them.
_OUTPUTS_AT_ONCE = 14
# What a tile may take: a share of the memory, and on the CPU, which other programs use too, no more
# than leaves 2 GB enough for all.
_SHARE, _MOST_ON_CPU, _UNKNOWN = 1 / 4, 0.75e9, 8e9


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
        f"{need / 1e9:,.1f} GB of memory, {memory / 1e9:,.1f} GB are free; use --fit tile, or "
        "--fit resize"
    )


def largest_square(generator: Generator) -> int:
    """Return the side of the largest square image whose translation takes a fair share of memory.

    Args:
        generator: The generator.

    Returns:
        The side in pixels; it need not be one that the network takes.
    """
    height, width = generator.image_size
    least = _least_bytes(generator, (1, height, width, generator.form.source.depth))
    return math.isqrt(int(_fair_bytes() * height * width / (_OUTPUTS_AT_ONCE * least)))


def _fair_bytes() -> float:
    if on_cpu():
        free = available_bytes()
        return _MOST_ON_CPU if free is None else min(free * _SHARE, _MOST_ON_CPU)
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    return float(limit or _UNKNOWN) * _SHARE


def _least_bytes(generator: Generator, shape: tuple[int, ...]) -> int:
    """Return the bytes of a source and of the largest output of a layer, for one image."""
    return math.prod(shape) * 4 + _largest_output(generator.module, shape)


@functools.cache
def _largest_output(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Return the bytes of the largest output of a layer; from the network's trace alone."""
    params, batch_stats = abstract_variables(module, shape)

    def outputs(variables: PyTree, source: Any) -> PyTree:
        return module.apply(
            variables, source, train=False, capture_intermediates=True, mutable="intermediates"
        )

    variables = {"params": params, "batch_stats": batch_stats}
    leaves = jax.tree.leaves(
        jax.eval_shape(outputs, variables, jax.ShapeDtypeStruct(shape, jnp.float32))
    )
    return max(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)
