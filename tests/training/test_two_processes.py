"""Two processes of four virtual devices each, started by the documented command."""

import json
import pathlib
import signal
import socket
import time

import jax
import numpy as np
import pytest
from support.scripts import start_process

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.core.config_files import load_config, override
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.training.run import prepare_run

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "demo.py"
KEYS = {
    "data.image_size": "32",
    "data.synthetic_pairs": "16,3,2",
    "data.workers": "2",
    "model.base_features": "4",
    "model.discriminator_layers": "2",
    "train.global_batch_size": "16",  # an epoch has one step
    "train.epochs": "1000",
    # As on accelerators: calls of a loop, and pairs on the devices, here of both processes.
    "train.steps_per_call": "2",
    "data.resident": "spread",
    # Adam moves weights without a gradient by their rounding noise, the discriminator's before the
    # generator's gradient is taken.
    "optimizer.learning_rate": "0.0",
    "checkpoint.every_epochs": "1",
    "checkpoint.keep": "1000",
    "log.tensorboard": "False",
    "log.report": "False",
}


def start(folder, devices, *flags, **changes):
    keys = [f"--config.{key}={value}" for key, value in (KEYS | changes).items()]
    arguments = ["--config", CONFIG, *keys, *flags, "--workdir", folder / "run"]
    return start_process("train", *arguments, folder=folder, devices=devices)


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def mean_of_gradients(config, workdir):
    """Return Adam's first moment after step 1: a fixed share of that step's gradient."""
    # Shapes of a run in an empty folder: the other one has gone beyond the end of this config.
    abstract = jax.eval_shape(prepare_run(config, workdir / "none").create_state)
    with Checkpoints(workdir, read_only=True) as checkpoints:
        state = checkpoints.restore(1, {"training": abstract.items()["training"]})["training"]
    moments = state["g_opt_state"][0].mu, state["d_opt_state"][0].mu
    return np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(moments)])


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run of two processes; the second one was asked to stop."""
    folder = tmp_path_factory.mktemp("two_processes")
    flags = [f"--distributed.coordinator=localhost:{free_port()}", "--distributed.num_processes=2"]
    both = [start(folder, 4, *flags, f"--distributed.process_id={i}") for i in (0, 1)]
    try:
        deadline = time.monotonic() + 300
        while not (folder / "run" / "checkpoints" / "2").exists():
            assert time.monotonic() < deadline
            assert all(process.poll() is None for process in both), both[0].communicate()
            time.sleep(0.1)
        both[1].send_signal(signal.SIGTERM)
        outputs = [process.communicate(timeout=120) for process in both]
    finally:
        for process in both:
            process.kill()
    return folder, [process.returncode for process in both], outputs


def test_all_processes_stop_at_the_same_step_and_one_of_them_writes(stopped):
    folder, statuses, outputs = stopped
    assert statuses == [128 + signal.SIGTERM] * 2, outputs
    with Checkpoints(folder / "run", read_only=True) as checkpoints:
        last = checkpoints.latest
    assert f"saved step {last} in" in outputs[0][0]
    assert "training pairs are spread over the devices" in outputs[0][0]
    assert "epoch" in outputs[0][0]
    assert "epoch" not in outputs[1][0]
    starts = json.loads((folder / "run" / "run.json").read_text())["starts"]
    assert [entry["hardware"]["processes"] for entry in starts] == [2]
    assert starts[0]["hardware"]["devices"] == 8


def test_the_gradients_of_two_processes_are_those_of_one(stopped, tmp_path):
    folder, _, _ = stopped
    config = load_config(CONFIG)
    for key, value in KEYS.items():
        override(config, key, value)
    config.train.steps = 1
    train_and_evaluate(config, tmp_path)
    ours, theirs = (mean_of_gradients(config, run) for run in (folder / "run", tmp_path))
    assert np.linalg.norm(theirs) > 0
    assert np.linalg.norm(ours - theirs) < 1e-5 * np.linalg.norm(theirs)


def test_one_process_of_two_devices_goes_on_where_two_of_four_stopped(stopped):
    folder, _, _ = stopped
    with Checkpoints(folder / "run", read_only=True) as checkpoints:
        last = checkpoints.latest
    process = start(folder, 2, **{"train.epochs": str(last + 2)})
    out, error = process.communicate(timeout=240)
    assert process.returncode == 0, error
    assert f"goes on from step {last} " in out
    assert json.loads((folder / "run" / "summary.json").read_text())["steps"] == last + 2
