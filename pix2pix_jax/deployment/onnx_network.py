"""A generator as ONNX operations, found by tracing the module itself.

A generator is blocks (`models.blocks.ConvBlock`) with a few operations between them: additions,
concatenations, a tanh. JAX traces the module, and each block is one opaque operation of the trace.
So the graph follows from the code of the networks, also from own networks that are made of these
blocks, and there is no second description of a network that could differ from the first.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, PyTree

from pix2pix_jax.deployment.onnx_blocks import Arrays, Known, add_block, refuse
from pix2pix_jax.deployment.onnx_graph import Graph

_block = core.Primitive("block")
_block.def_abstract_eval(lambda x, *beside, shape, number: x.update(shape=shape))
_Block = tuple[Known, Arrays, Arrays]  # with its parameters and its statistics
_AXES = {0: 0, 1: 2, 2: 3, 3: 1}  # of NHWC, in NCHW


def add_network(
    graph: Graph,
    module: nn.Module,
    variables: PyTree,
    source: str,
    shape: tuple[int, int, int],
    condition: tuple[str, int] | None = None,
) -> str:
    """Add the operations of a generator in the mode `deterministic`.

    Dropout is off. Instance and group norm use the statistics of each image, batch norm the running
    ones.

    Args:
        graph: The graph.
        module: The generator; it computes in float32.
        variables: Its `params` and `batch_stats`.
        source: Name of the images in [-1, 1], NCHW.
        shape: Height, width and channels of an image that the network takes. The graph takes all
            sizes that the network does.
        condition: Name of the normalised numbers beside each image, and how many there are; None:
            the network takes none.

    Returns:
        The name of the result, in [-1, 1], NCHW.

    Raises:
        InputError: The network has an operation that is not known here; the message has its name.
    """
    inputs = [source] if condition is None else [source, condition[0]]
    trace, blocks = _trace(module, variables, shape, 0 if condition is None else condition[1])
    names: dict[object, str] = dict(zip(trace.invars, inputs, strict=True))
    for equation in _needed(trace):
        if equation.primitive is not _block and equation.primitive.name not in _BETWEEN:
            raise refuse(_name(equation))
        if not all(isinstance(each, core.Var) and each in names for each in equation.invars):
            raise refuse(f"{_name(equation)} with a constant")
        inputs = [names[each] for each in equation.invars]
        if equation.primitive is _block:
            result = add_block(graph, inputs, *blocks[equation.params["number"]])
        else:
            result = _BETWEEN[equation.primitive.name](graph, equation, inputs)
        names[equation.outvars[0]] = result
    return names[trace.outvars[0]]


def _trace(
    module: nn.Module, variables: PyTree, shape: tuple[int, int, int], numbers: int
) -> tuple[core.Jaxpr, list[_Block]]:
    """Trace a generator; return the trace, and the blocks by their numbers in it."""
    blocks: list[_Block] = []

    def stand_in(
        call: Callable[..., Array],
        arguments: Any,
        named: Any,
        context: nn.module.InterceptorContext,
    ) -> Array:
        result = call(*arguments, **named)  # what it does inside is not needed, only its shape
        block = context.module
        if not isinstance(block, Known) or context.method_name != "__call__":
            return result
        found = block.variables
        blocks.append((block, found.get("params", {}), found.get("batch_stats", {})))
        given = [each for each in arguments if each is not None]  # without numbers, none embedded
        stands: Array = _block.bind(*given, shape=result.shape, number=len(blocks) - 1)
        return stands

    def apply(source: Array, *condition: Array) -> Any:
        beside: Any = dict(zip(("condition",), condition, strict=False))
        with nn.intercept_methods(stand_in):
            return module.apply(variables, source, train=False, **beside)

    shapes = [(1, *shape), (1, numbers)] if numbers else [(1, *shape)]
    closed = jax.make_jaxpr(apply)(*(jax.ShapeDtypeStruct(each, jnp.float32) for each in shapes))
    return closed.jaxpr, blocks


def _needed(trace: core.Jaxpr) -> list[core.JaxprEqn]:
    """Return the equations that the result depends on: not those inside of blocks."""
    needed = {each for each in trace.outvars if isinstance(each, core.Var)}
    equations = []
    for equation in reversed(trace.eqns):
        if needed.intersection(equation.outvars):
            equations.append(equation)
            needed |= {each for each in equation.invars if isinstance(each, core.Var)}
    return equations[::-1]


def _add_concatenation(graph: Graph, equation: core.JaxprEqn, inputs: list[str]) -> str:
    return graph.add("Concat", *inputs, axis=_AXES[equation.params["dimension"]])


# Operations between blocks.
_BETWEEN: dict[str, Callable[[Graph, core.JaxprEqn, list[str]], str]] = {
    "add": lambda graph, _, inputs: graph.add("Add", *inputs),
    "concatenate": _add_concatenation,
    "tanh": lambda graph, _, inputs: graph.add("Tanh", *inputs),
}


def _name(equation: core.JaxprEqn) -> str:
    return str(equation.params.get("name", equation.primitive.name))
