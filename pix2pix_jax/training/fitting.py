"""Whether a run fits into memory, judged before anything is allocated.

What a step needs at least is estimated from shapes alone:

- parameters, the two moments of Adam and the moving average, in float32, once on each device;
- a batch of sources, targets and fakes;
- what the generator keeps for the backward pass: the output of each of its blocks, with or without
  `model.remat`.

What compiled steps need besides the state was 1.6 to 9 times the latter two (CPU, JAX 0.10). So a
run that passes may still run out of memory, but one that is refused could not have taken a step.
"""

import dataclasses
import logging
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from ml_collections import ConfigDict

from pix2pix_jax.core.devices import on_cpu
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.memory import available_bytes
from pix2pix_jax.models.blocks import ConvBlock
from pix2pix_jax.models.build import Networks
from pix2pix_jax.models.initial import Shapes

logger = logging.getLogger(__name__)

_FLOAT = 4  # bytes of a parameter
_ADAM = 3  # a parameter and its two moments
_USUAL = 1.5  # times the least that a step needs: above, a warning


@dataclasses.dataclass(frozen=True)
class Need:
    """What a step needs at least on one device.

    Attributes:
        parameters: Number of parameters of both networks.
        state: Bytes of parameters, optimisers and moving average.
        batch: Bytes of the images and of what is kept for the backward pass.
    """

    parameters: int
    state: int
    batch: int

    @property
    def total(self) -> int:
        """Bytes."""
        return self.state + self.batch


def estimate(config: ConfigDict, networks: Networks, device_batch: int) -> Need:
    """Estimate what a step needs at least; see the module.

    Args:
        config: A resolved configuration.
        networks: Its networks.
        device_batch: Pairs per device in a step.

    Returns:
        The need of one device.
    """
    g_count = count_parameters(networks.generator_shapes)
    d_count = count_parameters(networks.discriminator_shapes)
    averages = g_count if config.train.ema_decay else 0
    state = _FLOAT * (_ADAM * (g_count + d_count) + averages)
    pixels = math.prod(networks.source_shape) + 2 * math.prod(networks.target_shape)
    images = device_batch * pixels * jnp.dtype(config.model.dtype).itemsize
    kept = -(-device_batch // config.train.accumulate) * _bytes_of_blocks(networks)
    return Need(g_count + d_count, state, images + kept)


def count_parameters(shapes: Shapes | None) -> int:
    """Return the number of parameters of a network; 0 if there is none."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes[0] if shapes else {}))


def _bytes_of_blocks(networks: Networks) -> int:
    """Return the bytes of the outputs of the generator's blocks, for one image."""
    module = networks.generator
    if getattr(module, "remat", False):
        module = module.clone(remat=False)
    params, batch_stats = networks.generator_shapes
    source = jax.ShapeDtypeStruct((1, *networks.source_shape), jnp.float32)

    def outputs(variables: PyTree, source: Any) -> PyTree:
        is_block = lambda module, _: isinstance(module, ConvBlock)  # noqa: E731
        _, found = module.apply(
            variables, source, train=False, capture_intermediates=is_block, mutable="intermediates"
        )
        return found

    variables = {"params": params, "batch_stats": batch_stats}
    found = jax.tree.leaves(jax.eval_shape(outputs, variables, source))
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in found)


def refuse_too_large(config: ConfigDict, networks: Networks, device_batch: int) -> None:
    """Raise InputError if a step cannot fit into the memory that there is.

    Args:
        config: A resolved configuration.
        networks: Its networks.
        device_batch: Pairs per device in a step.
    """
    need = estimate(config, networks, device_batch)
    if on_cpu():
        copies, memory, where = jax.local_device_count(), available_bytes(), "this machine"
    else:
        stats = jax.local_devices()[0].memory_stats() or {}
        copies, memory, where = 1, stats.get("bytes_limit"), "a device"
    if memory is None or copies * need.total * _USUAL <= memory:
        return
    on_devices = f" on {copies} devices" if copies > 1 else ""
    message = (
        f"a step needs at least {copies * need.total / 1e9:,.1f} GB of memory{on_devices}: "
        f"{copies * need.state / 1e9:,.1f} GB for {need.parameters:,} parameters, "
        f"{copies * need.batch / 1e9:,.1f} GB for a batch of {device_batch} at data.image_size="
        f"{config.data.image_size}; {where} has {memory / 1e9:,.1f} GB free. {_hint(need)}"
    )
    if copies * need.total > memory:
        raise InputError(message)
    logger.warning("%s if the system ends the run", message)


def _hint(need: Need) -> str:
    """Say which keys lower the larger part of the need."""
    if need.state > need.batch:
        return (
            "Lower model.base_features, model.discriminator_features, model.levels or model.blocks"
        )
    return "Lower data.image_size, train.batch_size or model.base_features"
