"""How exactly the programs of a run compute on accelerators.

On the CPU none of this changes a value: there, products of float32 are float32, and the same
program always gives the same bits.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax
from ml_collections import ConfigDict

F = TypeVar("F", bound=Callable[..., Any])

# Leaves out kernels that add in varying order, and chooses none by how long it took.
_DETERMINISTIC = {"xla_gpu_deterministic_ops": True}


@dataclasses.dataclass(frozen=True)
class Exactness:
    """How exactly programs compute.

    Attributes:
        precision: Least precision of matrix products and convolutions of float32: float32,
            tensorfloat32, bfloat16, or default.
        deterministic: Whether programs give the same bits every time, also on a GPU.
    """

    precision: str = "default"
    deterministic: bool = False

    def applied_to(self, function: F) -> F:
        """Return a function whose products have this precision, if they name none themselves.

        Args:
            function: It is traced, alone or as a part of a program. Its gradients are, too.
        """
        if self.precision == "default":  # JAX's own setting may still ask for another one
            return function

        @functools.wraps(function)
        def traced(*arguments: Any, **named: Any) -> Any:
            with jax.default_matmul_precision(self.precision):
                return function(*arguments, **named)

        return cast(F, traced)

    @property
    def compiler_options(self) -> dict[str, bool]:
        """Options to compile programs with on this platform, as `jax.jit` takes them."""
        return dict(_DETERMINISTIC) if self.deterministic and jax.default_backend() == "gpu" else {}

    def jit(self, function: Callable[..., Any], static: tuple[str, ...] = ()) -> Callable[..., Any]:
        """Return a function that is compiled at its first call and computes this exactly.

        Args:
            function: The function.
            static: Names of its arguments that are not arrays.
        """
        compiled: Callable[..., Any] = jax.jit(
            self.applied_to(function),
            static_argnames=static,
            compiler_options=self.compiler_options,
        )
        return compiled


USUAL = Exactness()


def exactness_of(config: ConfigDict) -> Exactness:
    """Return how exactly a run computes.

    Args:
        config: Its configuration, with all keys.
    """
    # Products of bfloat16 are exact in float32; other precisions would only be slower.
    precision = config.model.precision if config.model.dtype == "float32" else "default"
    return Exactness(precision, config.train.deterministic)
