"""Initial values of the networks: what a layer declares, and how a run draws it.

Our layers declare their arrays with the initialisers of this module, which are drawn on the host:
`module.init` would compile the whole network only to throw its output away, in some 5 to 9 seconds.
Other initialisers, as in own networks, are computed by `module.init`.
"""

import contextlib
import contextvars
import dataclasses
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Key, PyTree

# Shapes and dtypes of a network's parameters and of its batch statistics.
Shapes = tuple[PyTree[jax.ShapeDtypeStruct], PyTree[jax.ShapeDtypeStruct]]

# Kinds of kernels; the paper's is `normal`, N(0, 0.02).
INITIALIZERS = ("kaiming", "normal", "orthogonal", "xavier")

# Whether our initialisers return boxes that hold them, see `make_blueprint`.
_recording = contextvars.ContextVar("recording", default=False)


@dataclasses.dataclass(frozen=True)
class Initializer:
    """Initial values of an array: normally distributed, or constant.

    A layer takes it like any initialiser of JAX: `self.param("kernel", KERNEL, shape)`, or
    `nn.Conv(features, (3, 3), kernel_init=KERNEL)`.

    Attributes:
        mean: Mean of the values.
        deviation: Their standard deviation; 0 means a constant.
        is_kernel: Whether `model.initializer` may replace it by another one of `INITIALIZERS`.
    """

    mean: float
    deviation: float = 0.0
    is_kernel: bool = False

    def __call__(self, key: Any, shape: Sequence[int], dtype: Any = jnp.float32) -> Any:
        """Return values in JAX, as `module.init` asks for them.

        Args:
            key: Random key; may be None for a constant.
            shape: Shape of the array.
            dtype: Dtype of the array.

        Returns:
            The array.
        """
        if _recording.get():
            return _Declared(jnp.zeros(shape, dtype), self)
        if not self.deviation:
            return jnp.full(shape, self.mean, dtype)
        return self.mean + self.deviation * jax.random.normal(key, shape, dtype)

    def draw(
        self, rng: np.random.Generator, shape: tuple[int, ...], kind: str = "normal"
    ) -> Float[np.ndarray, "..."]:
        """Return values drawn on the host.

        Args:
            rng: Source of random numbers.
            shape: Shape of the array.
            kind: One of `INITIALIZERS`; used by kernels only.

        Returns:
            A float32 array.
        """
        if not self.deviation:
            return np.full(shape, self.mean, np.float32)
        values = rng.standard_normal(shape, np.float32)
        other = self.is_kernel and kind != "normal" and len(shape) > 1
        if other and kind == "orthogonal":
            return _orthogonal(values)
        values *= np.float32(_deviation(kind, shape) if other else self.deviation)
        if self.mean:
            values += np.float32(self.mean)
        return values


KERNEL = Initializer(0.0, 0.02, is_kernel=True)  # Isola et al., 2017, appendix 6.2
SCALE = Initializer(1.0, 0.02)  # of norms, as in the reference
ZEROS = Initializer(0.0)
ONES = Initializer(1.0)


def _deviation(kind: str, shape: tuple[int, ...]) -> float:
    """Return the standard deviation of a kernel's values (PyTorch's initialisers, gain 1)."""
    receptive = math.prod(shape[:-2])
    fan_in, fan_out = receptive * shape[-2], receptive * shape[-1]
    return {
        "xavier": math.sqrt(2 / (fan_in + fan_out)),  # Glorot & Bengio, 2010
        "kaiming": math.sqrt(2 / fan_in),  # He et al., 2015
    }[kind]


def _orthogonal(values: Float[np.ndarray, "*k in out"]) -> Float[np.ndarray, "*k in out"]:
    """Return an orthogonal matrix, by QR with unique signs (Saxe et al., 2014)."""
    matrix = values.reshape(-1, values.shape[-1])
    wide = matrix.shape[0] < matrix.shape[1]
    q, r = np.linalg.qr(matrix.T if wide else matrix)
    q = q * np.sign(np.diagonal(r))
    return (q.T if wide else q).reshape(values.shape).astype(np.float32)


class _Declared(struct.PyTreeNode, nn.meta.AxisMetadata[Any]):
    """A value in a box with its initialiser; flax unboxes it when a layer reads it."""

    value: Any
    initializer: Initializer | None = struct.field(pytree_node=False)

    def unbox(self) -> Any:
        return self.value

    def replace_boxed(self, val: Any) -> "_Declared":
        return self.replace(value=val)

    def add_axis(self, index: int, params: dict[Any, Any]) -> "_Declared":
        # Several layers are stacked in one array, whose shape is not that of one kernel.
        return self.replace(initializer=None)

    def remove_axis(self, index: int, params: dict[Any, Any]) -> "_Declared":
        return self


@contextlib.contextmanager
def _record() -> Iterator[None]:
    """Let our initialisers return boxes that hold them."""
    token = _recording.set(True)
    try:
        yield
    finally:
        _recording.reset(token)


@dataclasses.dataclass(frozen=True)
class Blueprint:
    """A network's variables before they have values.

    Attributes:
        module: Generator or discriminator.
        image_shapes: NHWC shapes of its image arguments.
        shapes: Shapes and dtypes of its parameters and of its batch statistics.
        initializers: Initialiser of each array, in the order of the leaves of `shapes`; None if it
            is not one of ours.
    """

    module: nn.Module
    image_shapes: tuple[tuple[int, ...], ...]
    shapes: Shapes
    initializers: tuple[Initializer | None, ...]

    def compute_others(self, key: Key[Array, ""]) -> list[Array]:
        """Compute the arrays whose initialisers are not ours, by `module.init`.

        Args:
            key: Random key.

        Returns:
            These arrays alone, in the order of the leaves of `shapes`.
        """
        if None not in self.initializers:
            return []

        @jax.jit
        def init(key: Array) -> list[Array]:
            leaves = jax.tree.leaves(nn.meta.unbox(_init(self.module, key, self.image_shapes)))
            pairs = zip(leaves, self.initializers, strict=True)
            return [leaf for leaf, ours in pairs if ours is None]

        others: list[Array] = init(key)
        return others


def _init(module: nn.Module, key: Any, image_shapes: Sequence[tuple[int, ...]]) -> PyTree:
    """Call `module.init` on images of zeros; return `(params, batch_stats)`."""
    images = [jnp.zeros(shape, jnp.float32) for shape in image_shapes]
    # train=False: batch norm over devices has no axis of devices here.
    variables = module.init(key, *images, train=False)
    return variables.get("params", {}), variables.get("batch_stats", {})


def make_blueprint(module: nn.Module, *image_shapes: tuple[int, ...]) -> Blueprint:
    """Trace a network to find its variables, without computing anything.

    Args:
        module: Generator or discriminator.
        *image_shapes: NHWC shapes of its image arguments.

    Returns:
        Its variables before they have values.
    """

    def trace() -> PyTree:
        return jax.eval_shape(lambda: _init(module, jax.random.key(0), image_shapes))

    try:
        with _record():
            boxed = trace()
    except (AttributeError, TypeError):
        # Perhaps an own layer computes with what one of our initialisers returns; it needs an
        # array instead of a box. Any other error is raised again.
        boxed = trace()
    leaves = jax.tree.leaves(boxed, is_leaf=lambda leaf: isinstance(leaf, nn.meta.AxisMetadata))
    initializers = tuple(
        leaf.initializer if isinstance(leaf, _Declared) else None for leaf in leaves
    )
    return Blueprint(module, image_shapes, nn.meta.unbox(boxed), initializers)


def abstract_variables(module: nn.Module, *image_shapes: tuple[int, ...]) -> Shapes:
    """Return the shapes of a network's parameters and batch statistics.

    Args:
        module: Generator or discriminator.
        *image_shapes: NHWC shapes of its image arguments.

    Returns:
        Two trees of shapes and dtypes: `params` and `batch_stats`.
    """
    return make_blueprint(module, *image_shapes).shapes


def draw_variables(
    blueprints: Mapping[str, Blueprint], seed: int, initializer: str = "normal"
) -> dict[str, tuple[PyTree, PyTree]]:
    """Draw the initial values of some networks.

    Arrays of our initialisers are drawn on the host, each from (seed, its name), so that its values
    do not depend on other arrays. All others are computed by `module.init`.

    Args:
        blueprints: Networks by name; the name is part of the names of their arrays.
        seed: Seed of the run.
        initializer: One of `INITIALIZERS`, for kernels declared with `KERNEL`.

    Returns:
        Trees of arrays by the networks' names: `params` and `batch_stats`.
    """
    abstract = {name: blueprints[name].shapes for name in sorted(blueprints)}
    leaves, structure = jax.tree_util.tree_flatten_with_path(abstract)
    initializers = [ours for name in abstract for ours in blueprints[name].initializers]

    def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct, ours: Initializer) -> np.ndarray:
        key = np.array([seed, zlib.crc32(jax.tree_util.keystr(path).encode())], np.uint64)
        rng = np.random.Generator(np.random.Philox(key=key))
        return ours.draw(rng, leaf.shape, initializer).astype(leaf.dtype, copy=False)

    def compute() -> Iterator[Array]:
        for name in abstract:
            key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
            yield from blueprints[name].compute_others(key)

    known = [
        (*leaf, ours) for leaf, ours in zip(leaves, initializers, strict=True) if ours is not None
    ]
    with ThreadPoolExecutor() as pool:  # numpy draws without Python's lock
        drawn, computed = pool.map(lambda one: draw(*one), known), compute()
        values = [next(computed if ours is None else drawn) for ours in initializers]
    variables: dict[str, tuple[PyTree, PyTree]] = jax.tree.unflatten(structure, values)
    return variables
