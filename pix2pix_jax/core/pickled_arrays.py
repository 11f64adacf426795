"""Pickles of NumPy's arrays, read without running anything that they ask for.

A pickle names functions, and its reader calls them. This reader knows three names, those of an
array; for each it has a stand-in of its own, so that nothing of NumPy is called either.
"""

import io
import math
import os
import pathlib
import pickle
import pickletools
from typing import Any

import numpy as np

from pix2pix_jax.core.errors import InputError

_KINDS = {"f2", "f4", "f8"}  # types of arrays
_MOST_REMEMBERED = 10**5  # objects: the reader sets aside room for the highest number in the file


class _RefusedError(Exception):
    """What was found instead of arrays."""


class _StandIn:
    """Takes the place of a function or class in the file; refuses whatever is not overridden."""

    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        raise _RefusedError("a call")

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError("an object with a state")


class _DtypeState(_StandIn):
    __slots__ = ("kind", "order")

    def __init__(self, kind: str) -> None:
        self.kind, self.order = kind, "<"

    def __setstate__(self, state: Any) -> None:
        # Version, byte order, and then what plain numbers do not have.
        if not (isinstance(state, tuple) and len(state) == 8 and state[1] in ("<", ">")):
            raise _RefusedError("an array of another type than numbers")
        self.order = state[1]


class _ArrayState(_StandIn):
    __slots__ = ("array",)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if not isinstance(dtype, _DtypeState) or not isinstance(content, bytes):
            raise _RefusedError("an array of another type than numbers")
        array = np.frombuffer(content, dtype.order + dtype.kind)
        if array.size != math.prod(shape):
            raise _RefusedError(f"an array of shape {shape} with {array.size} values")
        self.array = array.reshape(shape, order="F" if fortran else "C")


class _Ndarray(_StandIn):
    __slots__ = ()


class _Dtype(_StandIn):
    __slots__ = ()

    def __call__(self, *arguments: Any) -> _DtypeState:
        if not arguments or arguments[0] not in _KINDS:
            raise _RefusedError("an array of another type than numbers")
        return _DtypeState(arguments[0])


class _Reconstruct(_StandIn):
    __slots__ = ()

    def __call__(self, *arguments: Any) -> _ArrayState:
        if not arguments or not isinstance(arguments[0], _Ndarray):
            raise _RefusedError("an array of another class than NumPy's")
        return _ArrayState()


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stand_ins = {
            ("numpy.core.multiarray", "_reconstruct"): _Reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): _Reconstruct,
            ("numpy", "ndarray"): _Ndarray,
            ("numpy", "dtype"): _Dtype,
        }
        if (module, name) not in stand_ins:
            raise _RefusedError(f"{module}.{name}"[:100])
        return stand_ins[module, name]()


def read_pickled_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read a pickle of nested dicts of arrays of floating-point numbers.

    Args:
        path: The file, such as those that `pickle.dump` writes of Flax's parameters.

    Returns:
        Arrays by the names of the dicts that they are in, joined by slashes.

    Raises:
        InputError: The file is missing, damaged, or holds anything else; nothing of it was run.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    content = path.read_bytes()
    try:
        for operation, argument, _ in pickletools.genops(content):
            if operation.name == "LONG_BINPUT" and int(argument or 0) > _MOST_REMEMBERED:
                raise _RefusedError("too many objects")
        found = _collect(_Reader(io.BytesIO(content)).load())
    except _RefusedError as refused:
        raise InputError(
            f"{path}: refused: it holds more than arrays ({refused}), and reading it as Python "
            "does could run code from the file"
        ) from None
    except Exception as error:  # a damaged pickle raises nearly anything
        raise InputError(
            f"{path}: cannot be read as a pickle of arrays ({type(error).__name__}: truncated or "
            "another kind?)"
        ) from None
    if not found:
        raise InputError(f"{path}: holds no arrays")
    return found


def _collect(content: Any) -> dict[str, np.ndarray]:
    """Gather the arrays of nested dicts."""
    found: dict[str, np.ndarray] = {}
    left: list[tuple[tuple[str, ...], Any]] = [((), content)]
    visited = set()
    while left:
        names, value = left.pop()
        if isinstance(value, _ArrayState):
            found["/".join(names)] = value.array
            continue
        # A dict that is in several places, or in itself, could be without end.
        if not isinstance(value, dict) or id(value) in visited:
            raise _RefusedError(type(value).__name__.lstrip("_"))
        visited.add(id(value))
        if not all(isinstance(name, str) for name in value):
            raise _RefusedError("a name that is no text")
        left += [((*names, name), inner) for name, inner in value.items()]
    return found
