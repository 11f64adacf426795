"""TrainState: everything that a step changes, as arrays only."""

import math
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jaxtyping import Float, PyTree


class TrainState(struct.PyTreeNode):
    """Both networks, both optimisers, the step and the seed.

    All fields are arrays or trees of arrays (typed Any: abstract trees pass through as well).

    Attributes:
        step: Number of steps taken, int32.
        rng: The run's random key. It never changes: a step's randomness is a function of this key,
            the step's number and the example's place in the global batch.
        g_params: Parameters of the generator.
        g_batch_stats: Running statistics of the generator's batch norms; empty without any.
        g_opt_state: State of the generator's optimiser.
        g_ema: Moving average of the generator's parameters; empty where none is kept.
        d_params: Parameters of the discriminator; empty, like all of its, where there is none.
        d_batch_stats: Running statistics of the discriminator's batch norms.
        d_opt_state: State of the discriminator's optimiser.
    """

    step: Any
    rng: Any
    g_params: Any
    g_batch_stats: Any
    g_opt_state: Any
    g_ema: Any
    d_params: Any
    d_batch_stats: Any
    d_opt_state: Any


def abstract_variables(
    module: nn.Module, *shapes: tuple[int, ...]
) -> tuple[PyTree[jax.ShapeDtypeStruct], PyTree[jax.ShapeDtypeStruct]]:
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


def create_train_state(
    generator: nn.Module,
    discriminator: nn.Module | None,
    g_tx: optax.GradientTransformation,
    d_tx: optax.GradientTransformation,
    *,
    source_shape: tuple[int, ...],
    target_shape: tuple[int, ...],
    seed: int,
    initializer: str = "normal",
    with_ema: bool = False,
) -> TrainState:
    """Create the state of step 0.

    Args:
        generator: The generator.
        discriminator: The discriminator; None for regression alone.
        g_tx: Optimiser of the generator.
        d_tx: Optimiser of the discriminator.
        source_shape: Height, width and channels of a source image.
        target_shape: Height, width and channels of a target image.
        seed: Seed of everything random in the run.
        initializer: Of kernels, one of `INITIALIZERS`.
        with_ema: Whether a moving average of the generator's parameters is kept.

    Returns:
        The state. Under `jax.eval_shape` it is the abstract state that a restore asks for.
    """
    source, target = (1, *source_shape), (1, *target_shape)
    # One tree, so that the two networks' arrays have different names and thus different values.
    abstract = {"g": abstract_variables(generator, source), "d": ({}, {})}
    if discriminator is not None:
        abstract["d"] = abstract_variables(discriminator, source, target)
    drawn = jax.tree.map(jnp.asarray, draw_variables(abstract, seed, initializer))
    (g_params, g_batch_stats), (d_params, d_batch_stats) = drawn["g"], drawn["d"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        rng=jax.random.key(seed),
        g_params=g_params,
        g_batch_stats=g_batch_stats,
        g_opt_state=g_tx.init(g_params),
        g_ema=jax.tree.map(jnp.copy, g_params) if with_ema else {},
        d_params=d_params,
        d_batch_stats=d_batch_stats,
        d_opt_state=d_tx.init(d_params),
    )
