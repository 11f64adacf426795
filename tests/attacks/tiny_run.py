"""The run that the attacks are made on: how it is started, and what it must end with."""

import csv
import os
import pathlib
import subprocess
import sys

from pix2pix_jax.runs.checkpoints import Checkpoints

ROOT = pathlib.Path(__file__).parents[2]
KEYS = {
    "data.image_size": "32",
    "data.synthetic_pairs": "12,4,2",
    "data.workers": "2",
    "model.base_features": "4",
    "model.levels": "2",
    "model.discriminator_layers": "1",
    "train.epochs": "12",
    "lr.decay_epochs": "6",
    "checkpoint.every_epochs": "3",
    "eval.every_epochs": "2",
    "log.every_steps": "5",
}
# Columns of metrics.csv that measure time.
_TIMES = ("images_per_second", "seconds_per_1000_steps")


def command(workdir):
    """Return the command that starts the run, or goes on with it."""
    keys = [f"--config.{key}={value}" for key, value in KEYS.items()]
    script = ROOT / "scripts" / "train.py"
    return [sys.executable, str(script), "--config", "demo", *keys, "--workdir", str(workdir)]


def environment(home):
    """Return the variables of the run: one device of the CPU, compiled programs in `home`."""
    own = {"HOME": str(home), "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **own, "XLA_FLAGS": ""}


def start(workdir, home):
    """Start the run in a process of its own, with pipes for its output."""
    return subprocess.Popen(
        command(workdir),
        env=environment(home),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
    )


def finish(workdir, home, seconds=300):
    """Run to the end; return the exit status, the output and the errors."""
    process = start(workdir, home)
    try:
        out, error = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, out, error


def digest_of_state(workdir):
    """Return the last step, and the digests of its checkpoint, after a look at the bits."""
    return max(digests_of(workdir).items())


def digests_of(workdir):
    """Return the digests of each checkpoint's items by its step, after a look at the bits."""
    with Checkpoints(workdir, read_only=True) as checkpoints:
        for step in checkpoints.steps:
            checkpoints.verify(step)
        return {step: meta["digests"] for step, meta in checkpoints.metas.items()}


def table_of(workdir):
    """Return the rows of metrics.csv without what measures time."""
    with (pathlib.Path(workdir) / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: row[name] for name in row if name not in _TIMES} for row in rows]


def files_of(workdir):
    """Return the names of all files, but those whose names hold a time or belong to Orbax."""
    folder = pathlib.Path(workdir)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    inner = {name for name in names if name.startswith(("checkpoints/", "tensorboard/"))}
    steps = {f"checkpoints/{path.name}" for path in (folder / "checkpoints").iterdir()}
    return sorted(names - inner | steps)
