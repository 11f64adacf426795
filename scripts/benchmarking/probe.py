"""The program that describes the hardware and measures how fast it multiplies matrices.

python -m benchmarking.probe '["float32", "bfloat16"]'
"""

import json
import os
import pathlib
import platform
import sys
import time

import jax
import jax.numpy as jnp

from benchmarking.arithmetic import known_peak
from benchmarking.protocol import Answer, one_line, serve
from pix2pix_jax.core.devices import describe_hardware, describe_versions

_SIDES = {"cpu": 2048}  # sides of the matrices; on others, large enough to fill an accelerator
_LARGE = 8192
_PRODUCTS, _REPETITIONS = 4, 5


def measure_peak(dtype: str) -> float:
    """Multiply square matrices of random values on the first device.

    Args:
        dtype: Dtype of the matrices. Products have JAX's default precision, as in training.

    Returns:
        TFLOP/s of the fastest of some repetitions of several products.
    """
    side = _SIDES.get(jax.default_backend(), _LARGE)
    # Random, since devices are faster with constant values; and scaled so that no product grows.
    left = jax.random.normal(jax.random.key(0), (side, side), jnp.dtype(dtype)) / side**0.5
    multiply = jax.jit(jnp.matmul)
    product = jax.block_until_ready(multiply(left, left))
    seconds = []
    for _ in range(_REPETITIONS):
        begun = time.monotonic()
        for _ in range(_PRODUCTS):
            product = multiply(left, product)
        jax.block_until_ready(product)
        seconds.append(time.monotonic() - begun)
    return _PRODUCTS * 2 * side**3 / min(seconds) / 1e12


def _processor() -> str:
    """Return the name of the host's processor, if the system knows it."""
    lines = pathlib.Path("/proc/cpuinfo")
    if lines.exists():
        for line in lines.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    """Describe the hardware, with its peak for each dtype of the command line."""
    dtypes = json.loads(sys.argv[1])

    def describe() -> Answer:
        hardware = describe_hardware()
        device = str(hardware["device"])
        return {
            "hardware": hardware | {"processors": os.cpu_count(), "processor": _processor()},
            "versions": describe_versions(),
            "measured_peaks": {dtype: measure_peak(dtype) for dtype in dtypes},
            "known_peaks": {dtype: known_peak(device, dtype) for dtype in dtypes},
        }

    serve(describe, {}, one_line)


if __name__ == "__main__":
    main()
