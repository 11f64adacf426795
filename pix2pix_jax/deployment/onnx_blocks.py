"""The networks' block (`models.blocks.ConvBlock`) as ONNX operations, with all of its variants."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.deployment.onnx_graph import Graph
from pix2pix_jax.models.blocks import (
    ACTIVATIONS,
    ClassShares,
    ConvBlock,
    identity,
    nearest_conv,
    shuffled_conv,
    spectral_normalize,
)
from pix2pix_jax.models.conditioning import Embedding
from pix2pix_jax.models.convolutions import conv, down_conv, up_conv
from pix2pix_jax.models.layers import NORMS_WITHOUT_CONSTANTS, group_count
from pix2pix_jax.models.normalization import EPSILON
from pix2pix_jax.models.resnet import reflect_conv

Kernel = Float[np.ndarray, "k k in out"]
Vector = Float[np.ndarray, " c"]
Arrays = Mapping[str, Any]  # parameters or statistics of a block, by the names of its layers
Known = ConvBlock | ClassShares | Embedding  # modules that are known here as a whole


def refuse(what: object) -> InputError:
    """Return the error for what ONNX cannot hold.

    Args:
        what: Name of an operation or a function.
    """
    return InputError(
        f"{what}: this part of the network has no counterpart in ONNX; choose --format stablehlo, "
        "which holds every network"
    )


def add_block(
    graph: Graph, inputs: Sequence[str], block: Known, params: Arrays, stats: Arrays
) -> str:
    """Add the operations of a block.

    Args:
        graph: The graph.
        inputs: Names of the features, NCHW, and of the embedded numbers if there are any; or of the
            numbers that are to be embedded.
        block: The block; only its attributes are used.
        params: Its parameters.
        stats: Its running statistics.

    Returns:
        The name of the result.

    Raises:
        InputError: It has an own activation or convolution.
    """
    x, *embedded = inputs
    if isinstance(block, Embedding):
        for name in sorted(params):
            x = _add_swish(graph, _add_dense(graph, x, params[name]))
        return x
    if isinstance(block, ClassShares):
        doubled = graph.add("Mul", graph.add("Softmax", x, axis=1), graph.constant(2.0))
        return graph.add("Sub", doubled, graph.constant(1.0))
    layer = {name: np.asarray(array) for name, array in params["conv"].items()}
    kernel = layer["kernel"]
    if block.spectral_norm:
        kernel = np.asarray(spectral_normalize(params["conv"]["kernel"], stats["conv"]["u"])[0])
    # A norm that removes constants makes the bias inert: it is kept in checkpoints, and not added.
    adds = block.use_bias and block.norm not in NORMS_WITHOUT_CONSTANTS
    x = _add_activation(graph, x, block.before)
    x = _add_convolution(graph, x, block.convolve, kernel, layer["bias"] if adds else None)
    x = _add_norm(graph, x, block, params.get("norm", {}), stats.get("norm", {}))
    if embedded:
        x = _add_film(graph, x, embedded[0], params["film"]["dense"])
    return _add_activation(graph, x, block.after)


def _add_dense(graph: Graph, x: str, params: Arrays) -> str:
    kernel, bias = (graph.constant(np.asarray(params[name])) for name in ("kernel", "bias"))
    return graph.add("Add", graph.add("MatMul", x, kernel), bias)


def _add_film(graph: Graph, x: str, embedded: str, params: Arrays) -> str:
    """Add x * (1 + scale) + shift, of which a dense layer gives both, one after the other."""
    kernel, bias = (np.asarray(params[name]) for name in ("kernel", "bias"))
    half = len(bias) // 2
    scale, shift = (
        _add_dense(graph, embedded, {"kernel": kernel[:, part], "bias": bias[part] + offset})
        for part, offset in ((slice(half), np.float32(1)), (slice(half, None), np.float32(0)))
    )
    shape = graph.constant(np.array([0, -1, 1, 1]))
    scale, shift = (graph.add("Reshape", each, shape) for each in (scale, shift))
    return graph.add("Add", graph.add("Mul", x, scale), shift)


def _add_activation(graph: Graph, x: str, function: Callable[..., Any]) -> str:
    for known, add in _ACTIVATIONS:
        if function is known:
            return add(graph, x)
    raise refuse(f"activation {_name(function)}")


def _add_swish(graph: Graph, x: str) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x))


def _add_mish(graph: Graph, x: str) -> str:
    return graph.add("Mul", x, graph.add("Tanh", graph.add("Softplus", x)))


def _add_gelu(graph: Graph, x: str) -> str:
    """Add x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), which is flax's gelu."""
    cube = graph.add("Mul", graph.add("Mul", x, x), x)
    inner = graph.add("Add", x, graph.add("Mul", cube, graph.constant(0.044715)))
    tanh = graph.add("Tanh", graph.add("Mul", inner, graph.constant(math.sqrt(2 / math.pi))))
    half = graph.add("Mul", x, graph.constant(0.5))
    return graph.add("Mul", half, graph.add("Add", tanh, graph.constant(1.0)))


# Pairs, as not all of these functions can be keys of a dict.
_ACTIVATIONS: tuple[tuple[Callable[..., Any], Callable[[Graph, str], str]], ...] = (
    (identity, lambda _, x: x),
    (ACTIVATIONS["relu"], lambda graph, x: graph.add("Relu", x)),
    (ACTIVATIONS["leaky_relu"], lambda graph, x: graph.add("LeakyRelu", x, alpha=0.2)),
    (ACTIVATIONS["swish"], _add_swish),
    (ACTIVATIONS["mish"], _add_mish),
    (ACTIVATIONS["gelu"], _add_gelu),
)


def _add_convolution(
    graph: Graph, x: str, convolve: Callable[..., Any], kernel: Kernel, bias: Vector | None
) -> str:
    bound = convolve if isinstance(convolve, functools.partial) else functools.partial(convolve)
    if bound.func not in _CONVOLUTIONS or bound.args:
        raise refuse(f"convolution {_name(bound.func)}")
    return _CONVOLUTIONS[bound.func](graph, x, kernel, bias, **bound.keywords)


def _biases(graph: Graph, bias: Vector | None) -> list[str]:
    return [] if bias is None else [graph.constant(bias)]


def _add_conv(
    graph: Graph, x: str, kernel: Kernel, bias: Vector | None, *, stride: int = 1, padding: int = 0
) -> str:
    weights = graph.kernel(kernel.transpose(3, 2, 0, 1))
    steps, around = [stride] * 2, [padding] * 4
    return graph.add("Conv", x, weights, *_biases(graph, bias), strides=steps, pads=around)


def _add_down_conv(graph: Graph, x: str, kernel: Kernel, bias: Vector | None) -> str:
    return _add_conv(graph, x, kernel, bias, stride=2, padding=1)


def _add_up_conv(graph: Graph, x: str, kernel: Kernel, bias: Vector | None) -> str:
    # Ours has the layout of flax, whose transposed convolution does not reverse the kernel.
    weights = graph.kernel(kernel[::-1, ::-1].transpose(2, 3, 0, 1))
    return graph.add(
        "ConvTranspose",
        *(x, weights, *_biases(graph, bias)),
        strides=[2, 2],
        pads=[1] * 4,
        output_padding=[4 - kernel.shape[0]] * 2,
    )


def _add_nearest_conv(
    graph: Graph, x: str, kernel: Kernel, bias: Vector | None, *, factor: int = 2
) -> str:
    scales = graph.constant(np.array([1, 1, factor, factor], np.float32))
    repeated = graph.add(
        "Resize",
        *(x, "", scales),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return _add_conv(graph, repeated, kernel, bias, padding=1)


def _add_shuffled_conv(
    graph: Graph, x: str, kernel: Kernel, bias: Vector | None, *, factor: int = 2
) -> str:
    # The bias belongs to the channels after the shuffle, each of which comes from several before.
    bias = None if bias is None else np.tile(bias, factor**2)
    x = _add_conv(graph, x, kernel, bias, padding=1)
    return graph.add("DepthToSpace", x, blocksize=factor, mode="DCR")


def _add_reflect_conv(graph: Graph, x: str, kernel: Kernel, bias: Vector | None) -> str:
    pad = kernel.shape[0] // 2
    pads = graph.constant(np.array([0, 0, pad, pad] * 2))
    return _add_conv(graph, graph.add("Pad", x, pads, mode="reflect"), kernel, bias)


_CONVOLUTIONS: dict[Callable[..., Any], Callable[..., str]] = {
    conv: _add_conv,
    down_conv: _add_down_conv,
    up_conv: _add_up_conv,
    nearest_conv: _add_nearest_conv,
    shuffled_conv: _add_shuffled_conv,
    reflect_conv: _add_reflect_conv,
}


def _add_norm(graph: Graph, x: str, block: ConvBlock, params: Arrays, stats: Arrays) -> str:
    if block.norm == "none":
        return x
    if block.norm == "batch":
        arrays = params["scale"], params["bias"], stats["mean"], stats["var"]
        constants = [graph.constant(np.asarray(array)) for array in arrays]
        return graph.add("BatchNormalization", x, *constants, epsilon=EPSILON)
    if block.norm == "group":
        return _add_group_norm(graph, x, block.features, params["GroupNorm_0"])
    ones, zeros = np.ones(block.features, np.float32), np.zeros(block.features, np.float32)
    scale, bias = params.get("scale", ones), params.get("bias", zeros)
    return _add_instance_norm(graph, x, np.asarray(scale), np.asarray(bias))


def _add_instance_norm(graph: Graph, x: str, scale: Vector, bias: Vector) -> str:
    constants = graph.constant(scale), graph.constant(bias)
    return graph.add("InstanceNormalization", x, *constants, epsilon=EPSILON)


def _add_group_norm(graph: Graph, x: str, features: int, params: Arrays) -> str:
    """Normalise groups of channels as if each were one long channel, then scale the channels."""
    groups = group_count(features)
    grouped = graph.add("Reshape", x, graph.constant(np.array([0, groups, -1])))
    ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
    normal = _add_instance_norm(graph, grouped, ones, zeros)
    normal = graph.add("Reshape", normal, graph.add("Shape", x))
    scale, bias = (np.asarray(params[name]).reshape(1, -1, 1, 1) for name in ("scale", "bias"))
    scaled = graph.add("Mul", normal, graph.constant(scale))
    return graph.add("Add", scaled, graph.constant(bias))


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", repr(function))
