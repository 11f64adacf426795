"""A digest of a tree of arrays: it differs as soon as one bit does."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from pix2pix_jax.core.devices import held_here

_THREADS = 4  # hashlib leaves the interpreter to other threads


def digest_of(tree: PyTree) -> str:
    """Return the SHA-256 of a tree of arrays, in hexadecimal digits.

    Args:
        tree: Arrays of the host or of devices, random keys included. Arrays of several processes
            are held whole by each.

    Returns:
        The digest of the arrays' names in the tree, their dtypes, shapes and bytes. It does not
        depend on where the arrays are, nor on the kinds of containers they are in.
    """
    named = named_leaves(tree)
    with ThreadPoolExecutor(_THREADS) as pool:
        lines = pool.map(lambda name: _line(name, named[name]), sorted(named))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """Return the leaves of a tree by their names, such as `g_params.down_0.kernel`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _line(name: str, leaf: jax.Array | np.ndarray) -> str:
    """Describe one array: its name, dtype, shape, and the digest of its bytes."""
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)  # as in a checkpoint
    if isinstance(leaf, jax.Array):
        leaf = held_here(leaf)
    array = np.ascontiguousarray(leaf)
    content = hashlib.sha256(array.reshape(-1).view(np.uint8).data).hexdigest()
    return f"{name} {leaf.dtype} {leaf.shape} {content}"
