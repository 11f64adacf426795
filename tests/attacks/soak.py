"""A long run of tiny steps: do memory, open files and threads stay as they are?

    python -m tests.attacks.soak --steps 20000

Needs Linux. Every epoch of 100 steps ends with an evaluation, a checkpoint and a report. After each
epoch the process counts its resident memory, its open files and its threads. The second half of the
run is compared with the first, without the first tenth, in which programs are compiled.
"""

import argparse
import logging
import os
import pathlib
import statistics
import sys
import tempfile
import threading

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.core.config_files import load_config, override
from tests.attacks import tiny_run

_PAIRS = 100  # steps in an epoch
_MOST_GROWTH = 0.05  # share of the memory


class Counts(logging.Handler):
    """Counts what the process holds whenever an epoch has ended."""

    def __init__(self):
        super().__init__()
        self.megabytes, self.files, self.threads = [], [], []

    def emit(self, record):
        if record.getMessage().startswith("epoch "):
            pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
            self.megabytes.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
            self.files.append(len(list(pathlib.Path("/proc/self/fd").iterdir())))
            self.threads.append(threading.active_count())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000)
    flags = parser.parse_args()
    counts, logger = Counts(), logging.getLogger("pix2pix_jax")
    logger.setLevel(logging.INFO)
    logger.addHandler(counts)
    logger.propagate = False
    config = load_config("demo")
    changes = {
        "data.synthetic_pairs": f"{_PAIRS},4,2",
        "train.epochs": str(flags.steps // _PAIRS),
        "checkpoint.every_epochs": "1",
        "eval.every_epochs": "1",
    }
    for key, value in {**tiny_run.KEYS, **changes}.items():
        override(config, key, value)
    with tempfile.TemporaryDirectory(prefix="soak_") as folder:
        result = train_and_evaluate(config, pathlib.Path(folder, "run"))
    grown = False
    print(f"{result.step} steps, {len(counts.files)} checkpoints, evaluations and reports")
    for name, values in vars(counts).items():
        if name in ("megabytes", "files", "threads"):
            rest = values[len(values) // 10 :]
            first, second = rest[: len(rest) // 2], rest[len(rest) // 2 :]
            before, after = statistics.median(first), statistics.median(second)
            grown |= after > before * (1 + _MOST_GROWTH if name == "megabytes" else 1)
            print(f"{name:10} first half {before:.0f}, second {after:.0f}, most {max(values):.0f}")
    print("GROWN" if grown else "flat")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
