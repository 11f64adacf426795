"""The program that times this package's training steps.

    python -m benchmarking.ours '{"case": {...}, "root": DATASET, "steps": N}'

`steps` is the number of steps in a repetition; `protocol` describes requests and answers.
"""

import hashlib
import json
import pathlib
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, cast

import jax
import numpy as np

from benchmarking.cases import Case, build_config
from benchmarking.kernels import time_by_kernel
from benchmarking.protocol import Answer, CannotMeasureError, one_line, serve, take_peak_memory
from pix2pix_jax.core.devices import (
    calls_ahead,
    describe_hardware,
    enable_compilation_cache,
    hold,
)
from pix2pix_jax.models import convolutions
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.translation import translate_batch
from pix2pix_jax.training.feeding import Call, CompiledCalls, Feed, Loop, build_feed
from pix2pix_jax.training.run import Run, prepare_run
from pix2pix_jax.training.state import TrainState


class Trainer:
    """A run that takes steps on request, by the same calls as training."""

    def __init__(self, case: Case, root: str, steps: int, cache: str) -> None:
        """Store what is to be trained.

        Args:
            case: The case.
            root: Folder of the data set.
            steps: Steps of a repetition; no call crosses the end of one.
            cache: Folder of compiled programs; '' compiles again.
        """
        self._case, self._root, self._steps, self._cache = case, root, steps, cache
        self._run: Run
        self._state: TrainState
        self._calls: Iterator[Call]
        self._compiled: CompiledCalls

    def prepare(self) -> Answer:
        """Load the data, compile the step, take the first one, and return figures of all that."""
        begun = time.monotonic()
        enable_compilation_cache(self._cache)
        config = build_config(self._case, pathlib.Path(self._root))
        # This folder is not created, because only training writes to it.
        self._run = prepare_run(config, pathlib.Path(self._root, "none"))
        if self._case.product_rows is not None:
            convolutions.MOST_PRODUCT_ROWS = self._case.product_rows
        loop = cast(Loop | None, self._case.loop or None)
        feed = build_feed(self._run, loop)
        if feed.path != self._case.data:
            raise CannotMeasureError(_why_not(self._case.data, feed))
        self._calls = feed.calls(0, self._run.halts.stop, self._end_of_repetition)
        self._state = jax.block_until_ready(hold(self._run.create_state()))
        first = next(self._calls)
        prepared = time.monotonic()
        self._compiled = feed.compile(self._state, first[1])
        compiled = time.monotonic()
        self._state, metrics = self._compiled(self._state, *first)
        jax.block_until_ready((self._state, metrics))
        return {
            **describe_hardware(),
            "prepare_seconds": prepared - begun,
            "compile_seconds": compiled - prepared,
            "first_step_seconds": time.monotonic() - compiled,
            "steps_per_call": feed.steps_per_call,
            "global_batch": self._run.timeline.global_batch,
            "xla_gflop": self._count_by_xla(),
            **_memory_of_program(self._compiled.largest),
            "start_memory_gb": take_peak_memory(),
        }

    def _end_of_repetition(self, step: int) -> int:
        """Return the end of a step's repetition; the first step is a repetition of its own."""
        return 1 if step == 0 else 1 + ((step - 1) // self._steps + 1) * self._steps

    def _count_by_xla(self) -> float | None:
        """Return XLA's count of a step's operations on one device, in 10^9; None if it has none.

        In a looped call it counts one step.
        """
        flops = (self._compiled.largest.cost_analysis() or {}).get("flops", 0)
        return flops / 1e9 if flops > 0 else None

    def run(self) -> Answer:
        """Take the steps of one repetition."""
        taken, waited = 0, 0.0
        pending: deque[Any] = deque()
        begun = time.monotonic()
        while taken < self._steps:
            before = time.monotonic()
            count, arguments = next(self._calls)
            waited += time.monotonic() - before
            self._state, metrics = self._compiled(self._state, count, arguments)
            taken += count
            pending.append(metrics)
            if len(pending) > calls_ahead():
                jax.device_get(pending.popleft())
        jax.block_until_ready((self._state, metrics))
        seconds = time.monotonic() - begun
        return {
            "milliseconds": 1000 * seconds / taken,
            "waiting_share": waited / seconds,
            "memory_gb": take_peak_memory(),
        }

    def infer(self, batches: int) -> Answer:
        """Translate batches as large as in training, from and to host memory."""
        run, size = self._run, self._case.image_size
        variables = {"params": self._state.g_params, "batch_stats": self._state.g_batch_stats}
        form, exactness = run.splits.train.form, run.parts.exactness
        generator = Generator(
            run.networks.generator, variables, (size, size), form, exactness=exactness
        )
        batch = run.timeline.global_batch
        source = np.stack([run.splits.val[number % 2][0] for number in range(batch)])
        names = [str(number) for number in range(batch)]
        begun = time.monotonic()
        for _ in range(batches):
            translate_batch(generator, source, names, mode="paper", batch_size=batch)
        return {"milliseconds": 1000 * (time.monotonic() - begun) / batches}

    def save(self) -> Answer:
        """Save the state as training does, and take a repetition while it is written."""
        take_peak_memory()
        with tempfile.TemporaryDirectory(dir=self._root) as workdir:
            begun = time.monotonic()
            with Checkpoints(pathlib.Path(workdir)) as checkpoints:
                checkpoints.save(1, self._state.items(), self._run.meta(), None)
                started = time.monotonic()
                peak = self.run()["memory_gb"]
                checkpoints.wait()
            return {
                "save_blocked_seconds": started - begun,
                "save_memory_gb": max(peak, take_peak_memory()),
            }

    def digest(self) -> Answer:
        """Return a digest of the state: equal ones mean that every bit is equal."""
        arrays = jax.device_get(jax.tree.leaves((self._state.g_params, self._state.d_params)))
        digest = hashlib.sha256()
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
        return {"digest": digest.hexdigest()}

    def kernels(self) -> Answer:
        """Return the time of a step by kernel, from the profile of a repetition."""
        return {"profile": time_by_kernel(self.run, self._steps)}

    def device_memory(self) -> Answer:
        """Return the peak memory of the first device; None on the CPU."""
        stats = jax.local_devices()[0].memory_stats() or {}
        peak = stats.get("peak_bytes_in_use")
        return {"device_memory_gb": None if peak is None else peak / 1e9}


def _why_not(wanted: str, feed: Feed) -> str:
    """Say why pairs reach the step in another way than requested."""
    if wanted == "resident" and feed.steps_per_call == 1:
        return (
            "not measured: resident pairs need several steps in one call (train.steps_per_call), "
            "which are not used on the CPU: inside a loop its convolutions are some 50 times slower"
        )
    return f"not measured: here the pairs are {feed.path}, not {wanted}"


def _memory_of_program(compiled: Any) -> Answer:
    """Return the memory that the compiled program needs on one device, in GB."""
    memory = compiled.memory_analysis()
    if memory is None:
        return {}
    return {
        "arguments_gb": memory.argument_size_in_bytes / 1e9,
        "temporaries_gb": memory.temp_size_in_bytes / 1e9,
        # Results that do not reuse the memory of an argument.
        "results_gb": (memory.output_size_in_bytes - memory.alias_size_in_bytes) / 1e9,
    }


def describe(error: Exception) -> str:
    """Return one line about what went wrong."""
    if isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error):
        return "out of device memory"
    return one_line(error)


def main() -> None:
    """Serve requests for the case of the command line."""
    asked = json.loads(sys.argv[1])
    overrides = tuple((key, text) for key, text in asked["case"].pop("overrides"))
    case = Case(**asked["case"], overrides=overrides)
    trainer = Trainer(case, asked["root"], asked["steps"], asked["cache"])
    handlers: dict[str, Callable[..., Answer]] = {
        "run": trainer.run,
        "infer": trainer.infer,
        "save": trainer.save,
        "device_memory": trainer.device_memory,
        "digest": trainer.digest,
        "kernels": trainer.kernels,
    }
    serve(trainer.prepare, handlers, describe)


if __name__ == "__main__":
    main()
