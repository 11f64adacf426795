"""The program that times the reference's own training steps.

    python scripts/benchmarking/peer.py '{"clone": DIR, "root": DATASET, "batch_size": 1, ...}'

It runs as a single file, without this package and JAX. It measures nothing but the clone: its
options, its model class, its `optimize_parameters`, its data loader.
"""

import contextlib
import dataclasses
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

# Beside this file, whose folder comes first on Python's path.
from clones import Clone
from protocol import Answer, CannotMeasureError, one_line, serve, take_peak_memory


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is to be measured.

    Attributes:
        clone: Folder of the user's clone of the reference.
        root: Folder of the data set.
        pairs: Number of its training pairs.
        batch_size: Pairs in a step.
        image_size: Height and width of the images that the networks see.
        load_size: Height and width that they are cropped from.
        base_features: Features of the outermost layer of both networks.
        levels: Levels of the U-Net.
        steps: Steps of a repetition.
        gpu: Whether it runs on the first GPU instead of the CPU.
        options: Changes from outside: `channels_last`, `bf16`, `compile`.
    """

    clone: str
    root: str
    pairs: int
    batch_size: int
    image_size: int
    load_size: int
    base_features: int
    levels: int
    steps: int
    gpu: bool
    options: list[str]


class Peer:
    """The reference's model and data loader, used on request as in its training script."""

    def __init__(self, asked: Asked) -> None:
        """Store what is to be measured."""
        self._asked = asked
        self._torch: Any
        self._model: Any
        self._loader: Iterator[dict[str, Any]] | None = None
        self._no_loader = ""
        self._batch: dict[str, Any] = {}

    def prepare(self) -> Answer:
        """Build model and data loader, and take the first step."""
        clone = Clone(self._asked.clone)
        begun = time.monotonic()
        import torch

        self._torch = torch
        if self._asked.gpu and not torch.cuda.is_available():
            raise CannotMeasureError(
                "this PyTorch has no CUDA: it cannot use the GPU that JAX uses"
            )
        options = clone.parse(self._flags(), gpu=self._asked.gpu)
        self._model = clone.build_model(options)
        self._tune()
        if clone.has_loader:
            # Epoch after epoch, as in its training script.
            dataset = clone.open_data(options)
            self._loader = itertools.chain.from_iterable(itertools.repeat(dataset))
        else:
            self._no_loader = "the reference's data loader needs torchvision, which is missing"
        self._batch = self._make_batch()
        prepared = time.monotonic()
        self._take_step(self._batch)
        self._finish()
        return {
            "device": torch.cuda.get_device_name() if self._asked.gpu else "cpu",
            "threads": torch.get_num_threads(),
            "versions": {"torch": torch.__version__},
            "prepare_seconds": prepared - begun,
            "first_step_seconds": time.monotonic() - prepared,
            "start_memory_gb": take_peak_memory(),
            "no_loader": self._no_loader,
        }

    def _flags(self) -> dict[str, object]:
        """Return the reference's flags for this measurement."""
        asked = self._asked
        return {
            "--dataroot": asked.root,
            "--name": "benchmark",
            "--checkpoints_dir": tempfile.mkdtemp(dir=asked.root),
            "--model": "pix2pix",
            "--dataset_mode": "aligned",
            "--netG": f"unet_{2**asked.levels}",
            "--norm": "instance",
            "--ngf": asked.base_features,
            "--ndf": asked.base_features,
            "--batch_size": asked.batch_size,
            # Whole batches only, as in this package.
            "--max_dataset_size": asked.pairs // asked.batch_size * asked.batch_size,
            "--load_size": asked.load_size,
            "--crop_size": asked.image_size,
        }

    def _tune(self) -> None:
        """Change the model from outside, as in the variant."""
        for name in ("netG", "netD"):
            network = getattr(self._model, name)
            if "channels_last" in self._asked.options:
                network = network.to(memory_format=self._torch.channels_last)
            if "compile" in self._asked.options:
                network = self._torch.compile(network)
            setattr(self._model, name, network)

    def _make_batch(self) -> dict[str, Any]:
        """Draw images in the form of the data loader's."""
        asked = self._asked
        shape = (asked.batch_size, 3, asked.image_size, asked.image_size)
        sides = {name: self._torch.rand(shape) * 2 - 1 for name in ("A", "B")}
        paths = [""] * asked.batch_size
        return {**sides, "A_paths": paths, "B_paths": paths}

    def _take_step(self, batch: dict[str, Any]) -> None:
        self._set_input(batch)
        with self._precision():
            self._model.optimize_parameters()

    def _set_input(self, batch: dict[str, Any]) -> None:
        self._model.set_input(batch)
        if "channels_last" in self._asked.options:
            layout = self._torch.channels_last
            self._model.real_A = self._model.real_A.to(memory_format=layout)
            self._model.real_B = self._model.real_B.to(memory_format=layout)

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        if "bf16" not in self._asked.options:
            return contextlib.nullcontext()
        kind = "cuda" if self._asked.gpu else "cpu"
        return self._torch.autocast(kind, self._torch.bfloat16)

    def _finish(self) -> None:
        """Wait until the device has finished."""
        if self._asked.gpu:
            self._torch.cuda.synchronize()

    def run(self) -> Answer:
        """Take the steps of one repetition on one batch that is kept in memory."""
        return self._time(lambda: self._batch)

    def run_loop(self) -> Answer:
        """Take the steps of one repetition on batches of the reference's data loader."""
        assert self._loader is not None
        return self._time(self._loader.__next__)

    def _time(self, take: Callable[[], dict[str, Any]]) -> Answer:
        waited, begun = 0.0, time.monotonic()
        for _ in range(self._asked.steps):
            before = time.monotonic()
            batch = take()
            waited += time.monotonic() - before
            self._take_step(batch)
        self._finish()
        seconds = time.monotonic() - begun
        return {
            "milliseconds": 1000 * seconds / self._asked.steps,
            "waiting_share": waited / seconds,
            "memory_gb": take_peak_memory(),
        }

    def infer(self, batches: int) -> Answer:
        """Translate one batch again and again, from and to host memory, as its test script does."""
        begun = time.monotonic()
        for _ in range(batches):
            self._set_input(self._batch)
            with self._torch.no_grad(), self._precision():
                self._model.forward()
            self._model.fake_B.float().cpu()
        return {"milliseconds": 1000 * (time.monotonic() - begun) / batches}

    def device_memory(self) -> Answer:
        """Return the peak memory of the GPU; None on the CPU, where the process's counts."""
        peak = self._torch.cuda.max_memory_allocated() / 1e9 if self._asked.gpu else None
        return {"device_memory_gb": peak}


def describe(error: Exception) -> str:
    """Return one line about what went wrong."""
    if "out of memory" in str(error):
        return "out of device memory"
    return one_line(error)


def main() -> None:
    """Serve requests for the measurement of the command line."""
    asked = Asked(**json.loads(sys.argv[1]))
    peer = Peer(asked)
    handlers = {
        "run": peer.run,
        "run_loop": peer.run_loop,
        "infer": peer.infer,
        "device_memory": peer.device_memory,
    }
    serve(peer.prepare, handlers, describe)


if __name__ == "__main__":
    main()
