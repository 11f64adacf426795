"""Augmentations from own code (`augment.extra`)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.core.own_code_trace import describe, trace
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.data.pair_format import PairFormat

_OWN = 8  # number of the first one's draw, for `fold_in`; those before it are those of `augment`


def load_own(
    reference: str, form: PairFormat, image_size: tuple[int, int], code: OwnCode
) -> Callable[[Array, Array, Array], tuple[Array, Array]]:
    """Load an own augmentation, and check that it keeps shapes and types.

    Args:
        reference: A reference to own code.
        form: The format of the pairs.
        image_size: Height and width of the sources that the networks see.
        code: What may run of own code.

    Returns:
        A function of a key, a source and its target, in [-1, 1].

    Raises:
        InputError: It changes shapes or types, or cannot be loaded.
    """
    key, names = "augment.extra", ("key", "source", "target")
    function = code.function(reference, key, *names)
    call = f"{reference.rpartition(':')[2]}({', '.join(names)})"
    pair = tuple(
        jax.ShapeDtypeStruct((*scaled(image_size, scale), side.depth), jnp.float32)
        for side, scale in ((form.source, 1.0), (form.target, form.scale))
    )
    found = trace(code, key, reference, call, function, jax.random.key(0), *pair)
    if describe(tuple(found) if isinstance(found, list) else found) != describe(pair):
        raise InputError(
            f"{key}={reference!r}: called as {call}; it returns {describe(found)}, expected "
            f"{describe(pair)}"
        )
    return function


def apply_own(
    number: int,
    function: Callable[[Array, Array, Array], tuple[Array, Array]],
    keys: Key[Array, " n"],
    source: Float[Array, "n h w c"],
    target: Float[Array, "n h2 w2 d"],
) -> tuple[Float[Array, "n h w c"], Float[Array, "n h2 w2 d"]]:
    """Apply an own augmentation to each example, with a key of its own.

    Args:
        number: Its number among the own augmentations.
        function: As from `load_own`.
        keys: A key for each example.
        source: Sources in [-1, 1].
        target: Their targets.
    """
    own_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, _OWN + number)
    source, target = jax.vmap(function)(own_keys, source, target)
    return source, target
