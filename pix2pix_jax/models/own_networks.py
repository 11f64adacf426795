"""Own networks are traced before a run starts, to see whether they return what a step needs."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.core.own_code_trace import trace

Shape = tuple[int, int, int]  # height, width, channels
_BATCH = 2


def check_generator(
    module: nn.Module, reference: str, code: OwnCode, *, source_shape: Shape, target_shape: Shape
) -> None:
    """Raise InputError unless an own generator maps sources to targets.

    Args:
        module: The generator, without an axis name.
        reference: Its reference in the config.
        code: Where it was loaded.
        source_shape: Height, width and channels of a source.
        target_shape: Height, width and channels of a target.
    """
    key, call = "model.generator", "module(source, train=..., dropout_keys=...)"
    output = _trace(code, key, reference, call, module, source_shape, dropout=True)
    expected = (_BATCH, *target_shape)
    found = getattr(output, "shape", f"an object of type {type(output).__name__}")
    if found != expected:
        raise InputError(
            f"{key}={reference!r}: called as {call} with images of shape "
            f"{(_BATCH, *source_shape)} it gives {found}, expected {expected}"
        )


def check_discriminator(
    module: nn.Module, reference: str, code: OwnCode, *, source_shape: Shape, target_shape: Shape
) -> None:
    """Raise InputError unless an own discriminator returns a tuple of scales.

    Args:
        module: The discriminator, without an axis name.
        reference: Its reference in the config.
        code: Where it was loaded.
        source_shape: Height, width and channels of a source.
        target_shape: Height, width and channels of a target.
    """
    key, call = "model.discriminator", "module(source, image, train=...)"
    scales = _trace(code, key, reference, call, module, source_shape, target_shape)
    is_tuple = isinstance(scales, tuple) and len(scales) > 0
    if not is_tuple or not all(map(_is_scale, scales)):
        raise InputError(
            f"{key}={reference!r}: called as {call}; expected a tuple of scales, each (logits, "
            f"tuple of features) with logits of shape ({_BATCH}, height, width, 1)"
        )


def refuse_numbers(key: str, name: str, numbers: int) -> None:
    """Raise InputError if own code is to take numbers beside the image.

    Args:
        key: The key of the config.
        name: The reference to own code.
        numbers: How many numbers it is to take.
    """
    if numbers:
        raise InputError(
            f"{key}={shown(name)}: own networks take no numbers beside the image; choose one of "
            "the package's networks, or leave the numbers out"
        )


def _is_scale(scale: Any) -> bool:
    """Return whether this is logits and features; an array is not taken for a pair."""
    if not isinstance(scale, tuple) or len(scale) != 2:
        return False
    logits, features = scale
    shape: tuple[int, ...] = getattr(logits, "shape", ())
    if len(shape) != 4 or shape[0] != _BATCH or shape[-1] != 1:
        return False
    return isinstance(features, tuple) and all(hasattr(each, "shape") for each in features)


def _trace(
    code: OwnCode,
    key: str,
    reference: str,
    call: str,
    module: nn.Module,
    *image_shapes: Shape,
    dropout: bool = False,
) -> Any:
    """Trace a network as inference and training call it; return what it returns in training."""

    def apply() -> Any:
        images = [jnp.zeros((_BATCH, *shape)) for shape in image_shapes]
        keys = jax.random.split(jax.random.key(0), _BATCH)
        options: dict[str, Any] = {"dropout_keys": keys} if dropout else {}
        variables = module.init(jax.random.key(0), *images, train=False)
        output, _ = module.apply(variables, *images, train=True, mutable=["batch_stats"], **options)
        return output

    return trace(code, key, reference, call, apply)
