"""The time of a step by kernel."""

import jax
import jax.numpy as jnp
import pytest
from benchmarking.kernels import summarise, time_by_kernel


def test_kernels_of_one_name_are_added_up():
    events = [("fusion.1", 2e6), ("fusion.23.clone.1", 4e6), ("conv", 1e6), ("conv_7", 1e6)]
    found = summarise(events, steps=2)
    assert (found["launches"], found["busy_ms"]) == (2, pytest.approx(4))
    assert found["kernels"] == [
        {"name": "fusion", "ms": 3.0, "launches": 1.0},
        {"name": "conv", "ms": 1.0, "launches": 1.0},
    ]


def test_a_profile_of_this_machine_has_what_was_run():
    multiply = jax.jit(lambda x: jnp.tanh(x @ x).sum())
    x = jnp.ones((200, 200))
    multiply(x).block_until_ready()
    found = time_by_kernel(lambda: multiply(x).block_until_ready(), steps=1)
    assert found["busy_ms"] > 0
    assert all(kernel["launches"] >= 1 for kernel in found["kernels"])
