"""Own code is traced before a run starts, to see whether it returns what a step needs.

Apart from `own_code`, since commands read configurations before they import JAX.
"""

from collections.abc import Callable
from typing import Any

import jax

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.core.own_code_files import Reference

_LONGEST = 300  # characters of another library's message


def trace(
    code: OwnCode, key: str, reference: str, call: str, function: Callable[..., Any], *inputs: Any
) -> Any:
    """Call own code with arrays without values.

    Args:
        code: Where it was loaded.
        key: Config key that refers to it.
        reference: The reference.
        call: How it is called, for the message.
        function: Makes the call.
        *inputs: Arguments of `function`: arrays, or their shapes and dtypes.

    Returns:
        Shapes and dtypes of what `function` returns.

    Raises:
        InputError: It raises an error; the message says in which of its lines.
    """
    try:
        return jax.eval_shape(function, *inputs)
    except InputError:
        raise
    except Exception as error:  # it is the user's code: whatever is wrong there is theirs
        wanted = Reference(key, reference)
        reason = code.describe_failure(wanted, error)
        raise InputError(f"{wanted}: called as {call}; {reason[:_LONGEST]}") from error


def trace_number(
    code: OwnCode, key: str, reference: str, call: str, function: Callable[..., Any], *inputs: Any
) -> None:
    """Raise InputError unless a call of own code returns one number; arguments as for `trace`."""
    found = trace(code, key, reference, call, function, *inputs)
    if getattr(found, "shape", None) != ():
        raise InputError(
            f"{Reference(key, reference)}: called as {call}; it returns {describe(found)}, "
            "expected one number"
        )


def describe(found: Any) -> str:
    """Describe what `trace` returned, for a message."""
    if isinstance(found, tuple):
        return f"({', '.join(map(describe, found))})"
    if hasattr(found, "shape"):
        return f"{found.dtype}{list(found.shape)}"
    return f"an object of type {type(found).__name__}"
