"""Initial values of the networks, drawn on the host, and the shapes that they have."""

import math
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

# Shapes and dtypes of a network's parameters and of its batch statistics.
Shapes = tuple[PyTree[jax.ShapeDtypeStruct], PyTree[jax.ShapeDtypeStruct]]


def abstract_variables(module: nn.Module, *shapes: tuple[int, ...]) -> Shapes:
    """Return the shapes of a network's parameters and batch statistics.

    Args:
        module: Generator or discriminator.
        *shapes: NHWC shapes of its image arguments.

    Returns:
        Two trees of shapes and dtypes: `params` and `batch_stats`.
    """
    inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]

    def init(key: jax.Array, *images: jax.Array) -> PyTree:
        # train=False: batch norm over devices has no axis of devices here.
        return module.init(key, *images, train=False)

    variables = jax.eval_shape(init, jax.random.key(0), *inputs)
    return variables["params"], variables.get("batch_stats", {})


def _scale(kind: str, shape: tuple[int, ...]) -> float:
    """Return the standard deviation of a kernel's values (PyTorch's initialisers, gain 1)."""
    receptive = math.prod(shape[:-2])
    fan_in, fan_out = receptive * shape[-2], receptive * shape[-1]
    return {
        "normal": 0.02,  # Isola et al., 2017, appendix 6.2
        "xavier": math.sqrt(2 / (fan_in + fan_out)),  # Glorot & Bengio, 2010
        "kaiming": math.sqrt(2 / fan_in),  # He et al., 2015
    }[kind]


def _draw_kernel(
    kind: str, rng: np.random.Generator, shape: tuple[int, ...]
) -> Float[np.ndarray, "k k in out"]:
    values = rng.standard_normal(shape, np.float32)
    if kind != "orthogonal":
        return np.float32(_scale(kind, shape)) * values
    # Saxe et al., 2014: the nearest thing to a rotation, by QR with signs made unique.
    matrix = values.reshape(-1, shape[-1])
    wide = matrix.shape[0] < matrix.shape[1]
    q, r = np.linalg.qr(matrix.T if wide else matrix)
    q = q * np.sign(np.diagonal(r))
    return (q.T if wide else q).reshape(shape).astype(np.float32)


INITIALIZERS = ("kaiming", "normal", "orthogonal", "xavier")


_CONSTANTS = {"bias": 0, "mean": 0, "var": 1, "u": 1}


def draw_variables(abstract: PyTree, seed: int, initializer: str = "normal") -> PyTree:
    """Draw initial values: kernels as asked for, norm scales N(1, 0.02); constants elsewhere.

    Each array is drawn on the host from (seed, its name): `module.init` compiles the whole network
    only to throw its output away, some 5 to 9 seconds.

    Args:
        abstract: Tree of shapes, as from `abstract_variables`.
        seed: Seed of the run.
        initializer: Of kernels, one of `INITIALIZERS`; the paper's is `normal`, N(0, 0.02).

    Returns:
        A tree of float32 arrays.
    """

    def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        key = np.array([seed, zlib.crc32(jax.tree_util.keystr(path).encode())], np.uint64)
        rng = np.random.Generator(np.random.Philox(key=key))
        name = path[-1].key
        if name == "kernel":
            return _draw_kernel(initializer, rng, leaf.shape)
        if name == "scale":
            return 1 + np.float32(0.02) * rng.standard_normal(leaf.shape, np.float32)
        return np.full(leaf.shape, _CONSTANTS[name], np.float32)

    leaves, structure = jax.tree_util.tree_flatten_with_path(abstract)
    with ThreadPoolExecutor() as pool:  # numpy draws without Python's lock
        drawn = list(pool.map(lambda leaf: draw(*leaf), leaves))
    return jax.tree.unflatten(structure, drawn)
