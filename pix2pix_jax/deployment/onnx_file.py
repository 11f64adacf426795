"""An ONNX file: from images as stored to images as stored."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from pix2pix_jax.core.errors import require
from pix2pix_jax.deployment.about import Translate, as_texts
from pix2pix_jax.deployment.onnx_graph import Graph
from pix2pix_jax.deployment.onnx_network import add_network
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.pixels import white
from pix2pix_jax.images.stacked import SourceEncoding
from pix2pix_jax.runs.generator import Generator

# Names of the inputs and the output.
SOURCE, CONDITION, FAKE = "source", "condition", "fake"


def write(
    path: pathlib.Path, generator: Generator, about: dict[str, Any], *, weights: str = "float32"
) -> None:
    """Write a generator as an ONNX file.

    Its input `source` and its output `fake` are images as stored (batch, height, width, channels),
    of any batch, height and width that the network takes; those of `fake` may be
    `data.target_scale` times as large. If it takes numbers beside the image, they are the input
    `condition` (batch, numbers), float32 in the units of their table. Its mode is `deterministic`.

    Args:
        path: The file.
        generator: The generator; it computes in float32.
        about: The file's metadata, see `about.describe`.
        weights: `float32`, or `float16` for a file of half the size, whose kernels are rounded.

    Raises:
        InputError: A package is missing, the network has a part that ONNX cannot hold, or it is too
            large.
    """
    form, size = generator.form, generator.image_size
    graph = Graph(weights)
    source = _add_reading(graph, form.source)
    shape = (*size, form.source.depth)
    axes, inputs, condition = ("batch", "height", "width"), {}, None
    if generator.numbers is not None:
        mean, deviation = generator.numbers.mean, generator.numbers.deviation
        inputs[CONDITION] = ("float32", ("batch", len(mean)))
        condition = _add_normalising(graph, mean, deviation), len(mean)
    network = generator.module, generator.variables
    fake = add_network(graph, *network, source, shape, condition)
    _add_writing(graph, form.target, fake)
    # Names only: what is called alike must be equal.
    sides = axes[1:] if form.scale == 1 else ("fake_height", "fake_width")
    content = graph.model(
        {SOURCE: (form.source.dtype, (*axes, form.source.channels)), **inputs},
        {FAKE: (form.target.dtype, ("batch", *sides, form.target.channels))},
        as_texts(about | {"weights": weights}),
    )
    path.write_bytes(content)


def load(path: pathlib.Path) -> Translate:
    """Return what runs an ONNX file on the CPU.

    Raises:
        InputError: The package onnxruntime is not installed.
    """
    session = require("onnxruntime", "onnx").InferenceSession(
        path.read_bytes(), providers=["CPUExecutionProvider"]
    )

    def translate(source: np.ndarray, condition: np.ndarray | None = None) -> np.ndarray:
        beside = {} if condition is None else {CONDITION: condition.astype(np.float32)}
        (fake,) = session.run([FAKE], {SOURCE: source, **beside})
        return np.asarray(fake)

    return translate


def _add_normalising(graph: Graph, mean: Sequence[float], deviation: Sequence[float]) -> str:
    """Add what `Numbers.normalised` does; return the name of the result."""
    centre, unit = (graph.constant(np.array([row], np.float32)) for row in (mean, deviation))
    return graph.add("Div", graph.add("Sub", CONDITION, centre), unit)


def _add_reading(graph: Graph, side: SourceEncoding) -> str:
    """Add what `Encoding.to_network` does; return the name of images in [-1, 1], NCHW."""
    parts, start = [], 0
    for part in side.parts:
        stored = SOURCE
        if len(side.parts) > 1:
            limits = (start, start + part.channels)
            first, last, axis = (graph.constant(np.array([each])) for each in (*limits, -1))
            stored = graph.add("Slice", SOURCE, first, last, axis)
            start += part.channels
        parts.append(_add_part(graph, part, stored))
    x = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=-1)
    return graph.add("Transpose", x, perm=[0, 3, 1, 2])


def _add_part(graph: Graph, side: Encoding, stored: str) -> str:
    """Add the reading of one source; return the name of images in [-1, 1], NHWC."""
    if side.classes:
        numbers = np.arange(side.classes, dtype=np.int32).reshape(1, 1, 1, -1)
        matches = graph.add("Equal", graph.cast(stored, "int32"), graph.constant(numbers))
        x, half = graph.cast(matches, "float32"), 0.5
    else:
        x, half = graph.cast(stored, "float32"), side.half
        x = graph.add("Sub", x, graph.constant(side.low))
    x = graph.add("Div", x, graph.constant(half))
    x = graph.add("Sub", x, graph.constant(1.0))
    return x if side.no_data is None else _fill(graph, side.no_data, stored, x)


def _fill(graph: Graph, no_data: str, stored: str, x: str) -> str:
    """Add that pixels without data become 0; return the name of the result."""
    stored, mark = graph.cast(stored, "float32"), float(no_data)
    if np.isnan(mark):  # any of the channels
        found = graph.cast(graph.add("IsNaN", stored), "float32")
        missing = graph.add("ReduceMax", found, axes=[-1], keepdims=1)
    else:  # all of them
        found = graph.cast(graph.add("Equal", stored, graph.constant(mark)), "float32")
        missing = graph.add("ReduceMin", found, axes=[-1], keepdims=1)
    return graph.add("Where", graph.cast(missing, "bool"), graph.constant(0.0), x)


def _add_writing(graph: Graph, side: Encoding, x: str) -> None:
    """Add what `Encoding.from_network` does; the result is the output."""
    x = graph.add("Transpose", x, perm=[0, 2, 3, 1])
    if side.classes:
        graph.cast(graph.add("ArgMax", x, axis=-1, keepdims=1), side.dtype, name=FAKE)
        return
    x = graph.add("Mul", graph.add("Add", x, graph.constant(1.0)), graph.constant(side.half))
    if side.dtype == "float32":
        graph.add("Add", x, graph.constant(side.low), name=FAKE)
        return
    x = graph.add("Round", graph.add("Add", x, graph.constant(side.low)))  # halves to even: as rint
    limits = graph.constant(0.0), graph.constant(white(np.dtype(side.dtype)))
    graph.cast(graph.add("Clip", x, *limits), side.dtype, name=FAKE)
