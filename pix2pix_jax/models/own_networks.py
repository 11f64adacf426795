"""Own networks are asked for their outputs' shapes before a run starts."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from pix2pix_jax.core.errors import InputError

Shape = tuple[int, int, int]  # height, width, channels
_BATCH = 2
_LONGEST = 200  # characters of another library's message


def check_generator(
    module: nn.Module, reference: str, source_shape: Shape, target_shape: Shape
) -> None:
    """Raise InputError unless an own generator maps sources to targets.

    Args:
        module: The generator, without an axis name.
        reference: Its reference in the config.
        source_shape: Height, width and channels of a source.
        target_shape: Height, width and channels of a target.
    """
    what = f"model.generator={reference!r}: called as module(source, train=..., dropout_keys=...)"
    source = jnp.zeros((_BATCH, *source_shape))
    keys = jax.random.split(jax.random.key(0), _BATCH)
    output = _shape_of(what, module, source, dropout_keys=keys)
    expected = (_BATCH, *target_shape)
    found = getattr(output, "shape", type(output).__name__)
    if found != expected:
        raise InputError(
            f"{what} on images of shape {source.shape}: gives {found}, expected {expected}"
        )


def check_discriminator(
    module: nn.Module, reference: str, source_shape: Shape, target_shape: Shape
) -> None:
    """Raise InputError unless an own discriminator gives a tuple of scales.

    Args:
        module: The discriminator, without an axis name.
        reference: Its reference in the config.
        source_shape: Height, width and channels of a source.
        target_shape: Height, width and channels of a target.
    """
    what = f"model.discriminator={reference!r}: called as module(source, image, train=...)"
    images = (jnp.zeros((_BATCH, *shape)) for shape in (source_shape, target_shape))
    scales = _shape_of(what, module, *images)
    if not _are_scales(scales):
        raise InputError(
            f"{what}: expected a tuple of scales, each (logits, tuple of features) with logits of "
            f"shape ({_BATCH}, height, width, 1)"
        )


def _are_scales(scales: Any) -> bool:
    if not isinstance(scales, tuple) or not scales:
        return False
    return all(
        isinstance(scale, tuple)
        and len(scale) == 2
        and isinstance(scale[1], tuple)
        and len(getattr(scale[0], "shape", ())) == 4
        for scale in scales
    )


def _shape_of(what: str, module: nn.Module, *images: Array, **options: Any) -> Any:
    """Trace a network in both modes, and return the shapes of what it gives in training."""

    def apply() -> Any:
        variables = module.init(jax.random.key(0), *images, train=False)
        output, _ = module.apply(variables, *images, train=True, mutable=["batch_stats"], **options)
        return output

    return _in_one_line(what, lambda: jax.eval_shape(apply))


def _in_one_line(what: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except InputError:
        raise
    except Exception as error:  # it is the user's code: whatever is wrong there is theirs to mend
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{what}: {reason[:_LONGEST]}") from error
