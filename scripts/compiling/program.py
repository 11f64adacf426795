"""Compile the call that a run would make, for a device that is not here.

JAX compiles for a topology, the description of devices, as it does for devices. Nothing is run.
"""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding
from jaxtyping import PyTree

from compiling import hlo
from compiling.counts import StepCounts, count, step_of
from compiling.planning import Planned
from compiling.plugins import cuda_major
from compiling.targets import Target
from pix2pix_jax.core.devices import DEVICES
from pix2pix_jax.training.calls import argument_axes, compile_train_step, make_looped_call

_ON_CHIP = "S(1)"  # layouts of arrays in a TPU's memory on the chip


@dataclasses.dataclass(frozen=True)
class Compiled:
    """The compiled call of a run.

    Attributes:
        seconds: How long compiling took.
        text: The program; '' if the compiler found that it does not fit.
        memory: Bytes of `arguments`, `temporaries` and `results` that take no argument's place.
        refusal: What the compiler said if it does not fit, else ''.
    """

    seconds: float
    text: str
    memory: dict[str, int]
    refusal: str = ""


def find_devices(target: Target, number: int, package: str) -> list[Any]:
    """Return devices that programs can be compiled for, but not run on.

    Args:
        target: What they are.
        number: How many, on one host.
        package: The compiler, as from `plugins.find_compiler`.
    """
    name = target.topology(number)
    if target.is_gpu:
        described = topologies.get_topology_desc(
            platform="cuda", topology=name, target_config=target.description(cuda_major(package))
        )
    else:
        described = topologies.get_topology_desc(platform="tpu", topology_name=name)
    return list(described.devices)[:number]


def compile_call(planned: Planned, devices: Sequence[Any]) -> Compiled:
    """Compile the call of a run.

    Args:
        planned: The run.
        devices: As from `find_devices`, or real ones; as many as the run has.
    """
    call, state, arguments = _call(planned, devices)
    begun = time.monotonic()
    refusal, compiled = "", None
    try:
        compiled = call.lower(state, arguments).compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        refusal = str(error).strip().splitlines()[0]
    seconds = time.monotonic() - begun
    if compiled is None:
        return Compiled(seconds, "", {}, refusal)
    found = compiled.memory_analysis()
    memory = {
        "arguments": found.argument_size_in_bytes,
        "temporaries": found.temp_size_in_bytes,
        "results": found.output_size_in_bytes - found.alias_size_in_bytes,
    }
    return Compiled(seconds, compiled.as_text(), memory)


def _call(planned: Planned, devices: Sequence[Any]) -> tuple[Any, PyTree, PyTree]:
    """Return the call, the state and the arguments of a run, as `training.feeding` makes them."""
    flat = _is_flat(planned)
    call = make_looped_call(
        planned.step,
        steps=planned.steps_per_call if planned.target.is_gpu else None,
        shapes=planned.pairs.shapes if flat else None,
        spread_over=DEVICES if planned.storage == "spread" else None,
    )
    sides = planned.pairs.sides(planned.pairs_on_device, flat=flat)
    steps = planned.timeline.steps_per_epoch if planned.storage else planned.steps_per_call
    arguments: dict[str, Any] = {
        **sides,
        "indices": jax.ShapeDtypeStruct((steps, planned.device_batch), jnp.int32),
        "example": jax.ShapeDtypeStruct((planned.device_batch,), jnp.int32),
        "span": jax.ShapeDtypeStruct((2,), jnp.int32),
    }
    if planned.devices == 1:
        placed = _placed((planned.state, arguments), SingleDeviceSharding(devices[0]))
        return compile_train_step(call, devices), *placed
    axes = argument_axes(planned.storage, planned.pairs.shapes)
    mesh = Mesh(np.array(devices), (DEVICES,))
    state = _placed(planned.state, NamedSharding(mesh, PartitionSpec()))
    spread = {
        name: _placed(leaf, NamedSharding(mesh, PartitionSpec()))
        if axes[name] is None
        else _placed(
            jax.ShapeDtypeStruct((planned.devices, *leaf.shape), leaf.dtype),
            NamedSharding(mesh, PartitionSpec(DEVICES)),
        )
        for name, leaf in arguments.items()
    }
    return compile_train_step(call, devices, axes), state, spread


def _is_flat(planned: Planned) -> bool:
    """Return whether each image on the device is a row of values, see `data.resident`."""
    return planned.target.platform == "tpu" and planned.storage is not None


def _placed(tree: PyTree, sharding: Any) -> PyTree:
    """Return shapes with a place."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )


def count_flop(planned: Planned) -> float | None:
    """Return the operations of a step on one device, as XLA counts them in the CPU's program."""
    sides = planned.pairs.sides(planned.device_batch, flat=False)
    example = jax.ShapeDtypeStruct((planned.device_batch,), jnp.int32)
    lowered = jax.jit(planned.lone_step).lower(planned.state, {**sides, "example": example})
    return (lowered.cost_analysis() or {}).get("flops")


def count_step(planned: Planned, text: str) -> StepCounts:
    """Count what one step of a compiled call is."""
    program = hlo.parse(text)
    on_chip = _ON_CHIP if planned.target.platform == "tpu" else ""
    sides = planned.pairs.sides(planned.pairs_on_device, flat=_is_flat(planned))
    apart = {side.shape for side in sides.values()}
    name = step_of(program, on_chip=on_chip)
    return count(program, name, apart=apart, on_chip=on_chip)
