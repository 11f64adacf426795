"""What the tests of the networks share: inputs, initial values, equations of a trace."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from pix2pix_jax.models import perceptual
from pix2pix_jax.models.initial import abstract_variables, draw_variables, make_blueprint
from pix2pix_jax.models.normalization import EPSILON

# AlexNet of the perceptual loss with four features in each layer.
SMALL_ALEXNET = tuple(
    (pool, tuple((number, 4, *rest) for number, _, *rest in layers))
    for pool, layers in perceptual.BLOCKS["alex"]
)


def small_alexnet(monkeypatch, path):
    """Make AlexNet have four features in each layer, and write weights of it to a file."""
    monkeypatch.setitem(perceptual.BLOCKS, "alex", SMALL_ALEXNET)
    images = jnp.zeros((1, 32, 32, 3))
    params = perceptual.Features("alex").init(jax.random.key(0), images)["params"]
    rng, arrays = np.random.default_rng(0), {}
    for name, layer in params.items():
        name = name.replace("_", ".")
        shape = layer["kernel"].transpose(3, 2, 0, 1).shape
        arrays[f"{name}.weight"] = rng.normal(0, 0.5, shape).astype(np.float32)
        arrays[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    for number in range(5):
        arrays[f"lin{number}.model.1.weight"] = rng.uniform(0, 1, (1, 4, 1, 1)).astype(np.float32)
    np.savez(path, **arrays)
    return path


def count(tree):
    """Return the number of values in a tree of arrays or shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def draw(number, *shape):
    """Return normal random values, drawn by NumPy: JAX would compile for each shape."""
    return jnp.asarray(np.random.default_rng(number).standard_normal(shape), jnp.float32)


def variables_of(module, *images):
    """Return initial values of a generator or discriminator for images such as these."""
    blueprint = make_blueprint(module, *(image.shape for image in images))
    params, stats = draw_variables({"": blueprint}, 0)[""]
    return jax.tree.map(jnp.asarray, {"params": params, "batch_stats": stats})


def initial(module, x, **arguments):
    """Return the initial values of a layer, as flax draws them."""
    return module.init(jax.random.key(0), jnp.asarray(x), **arguments)


def apply(module, variables, x, **arguments):
    """Apply a module, compiled."""
    return jax.jit(functools.partial(module.apply, **arguments))(variables, x)


def normalised(x, axes):
    """Return values with mean 0 and variance 1 along some axes, by NumPy."""
    x = np.asarray(x, np.float64)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + EPSILON)


def equations(jaxpr):
    """Yield each equation of a traced function, including those of functions inside it."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from equations(inner)


def trace(module, *shape, **arguments):
    """Return the equations of a generator in training."""
    source = jax.ShapeDtypeStruct(shape, jnp.float32)
    params, stats = abstract_variables(module, shape)

    def call(variables, source):
        return module.apply(variables, source, train=True, **arguments)

    variables = {"params": params, "batch_stats": stats}
    return list(equations(jax.make_jaxpr(call)(variables, source).jaxpr))


def mask_shapes(module, *shape, **arguments):
    """Return height, width and channels of the dropout masks of a generator, in order."""
    drawn = [e for e in trace(module, *shape, **arguments) if e.primitive.name == "random_bits"]
    return [equation.outvars[0].aval.shape[1:] for equation in drawn]
