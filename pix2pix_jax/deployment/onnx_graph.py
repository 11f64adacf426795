"""A graph of ONNX operations, which grows by one operation at a time.

Images are NCHW here, as ONNX's convolutions want them.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.errors import InputError, require

OPSET = 17  # of January 2022: every onnxruntime, and onnxruntime-web, runs it
# What protobuf, in which ONNX files are written, can hold; some bytes are left for the graph.
_MOST_BYTES = 2**31 - 2**24
# Dtype and shape by name; an axis of any length has a name.
Values = Mapping[str, tuple[str, tuple[str | int, ...]]]


class Graph:
    """Operations and constants of a graph under construction; values are known by their names.

    Attributes:
        weights: Dtype in which kernels are stored, `float32` or `float16`; the graph computes in
            float32 with either.
    """

    def __init__(self, weights: str = "float32") -> None:
        """Start without operations.

        Args:
            weights: See `Graph`.

        Raises:
            InputError: The package onnx is not installed.
        """
        require("onnx", "onnx")
        # By its whole name: the package itself binds only some of its modules.
        self._helper = importlib.import_module("onnx.helper")
        self._from_array = importlib.import_module("onnx.numpy_helper").from_array
        self.weights = weights
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, operation: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add an operation.

        Args:
            operation: Its name in ONNX.
            inputs: Names of its inputs.
            name: Name of its result; '' for one that says which operation it is.
            attributes: Its attributes.

        Returns:
            The name of its result.
        """
        name = name or f"{operation.lower()}_{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(operation, inputs, [name], name, **attributes))
        return name

    def constant(self, value: Shaped[np.ndarray, "..."] | float) -> str:
        """Add an array, or a number as float32; return its name."""
        array = np.asarray(value, np.float32) if isinstance(value, float | int) else np.array(value)
        name = f"constant_{len(self._constants)}"
        self._constants.append(self._from_array(array, name))
        return name

    def kernel(self, array: Shaped[np.ndarray, "a b k k"]) -> str:
        """Add the weights of a convolution, stored as `weights` says; return the name."""
        with np.errstate(over="ignore"):  # what is beyond float16 shows when files are compared
            name = self.constant(np.ascontiguousarray(array, self.weights))
        return name if self.weights == "float32" else self.cast(name, "float32")

    def cast(self, value: str, dtype: str, name: str = "") -> str:
        """Add a conversion to a dtype; return the name of its result."""
        kind = self._helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.add("Cast", value, name=name, to=kind)

    def model(self, inputs: Values, outputs: Values, about: Mapping[str, str]) -> bytes:
        """Finish the graph.

        Args:
            inputs: The inputs.
            outputs: The outputs.
            about: Texts of the file's metadata.

        Returns:
            The content of a file.

        Raises:
            InputError: The weights are too large for one file.
        """
        size = sum(constant.ByteSize() for constant in self._constants)
        if size > _MOST_BYTES:
            raise InputError(
                f"{size:,} bytes of weights: one ONNX file holds {_MOST_BYTES:,}; store them with "
                "--weights float16, or choose --format stablehlo"
            )
        graph = self._helper.make_graph(
            self._nodes,
            "generator",
            self._described(inputs),
            self._described(outputs),
            self._constants,
        )
        opset = self._helper.make_opsetid("", OPSET)
        model = self._helper.make_model_gen_version(
            graph, opset_imports=[opset], producer_name="pix2pix_jax"
        )
        self._helper.set_model_props(model, dict(about))
        importlib.import_module("onnx.checker").check_model(model, full_check=True)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _described(self, values: Values) -> list[Any]:
        described = []
        for name, (dtype, shape) in values.items():
            kind = self._helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            described.append(self._helper.make_tensor_value_info(name, kind, shape))
        return described
