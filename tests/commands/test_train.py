"""train.py and sample.py: each as a user runs it, in a process of its own; mistakes mostly in this.

What costs here is the start of JAX (a second) and compiling a step (many).
"""

import json
import pathlib
import shutil
import signal
import sys
import time
import types

import numpy as np
import pytest
from PIL import Image
from support.scripts import run_process, run_script, start_process

from pix2pix_jax.core.config_files import load_json, save_json

ROOT = pathlib.Path(__file__).parents[2]
TINY = [
    "--config.data.image_size=32",
    "--config.data.synthetic_pairs=6,2,2",
    "--config.model.base_features=4",
    "--config.model.levels=2",
    "--config.model.discriminator_layers=1",
    "--config.train.epochs=1",
    "--config.lr.schedule=constant",  # one step for runs of any length: compiled once
    "--config.log.tensorboard=False",
]


def demo(*arguments):
    return ["--config", ROOT / "configs" / "demo.py", *TINY, *arguments]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home for all processes, whose compiled programs they find there."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, home):
    folder = tmp_path_factory.mktemp("trained")
    status, out, error = run_process("train", *demo(), folder=folder, home=home)
    assert status == 0, error
    assert "epoch 1/1" in out
    assert "val l1" in out
    return folder


def test_train_writes_to_runs_under_the_configs_name(trained):
    summary = json.loads((trained / "runs" / "demo" / "summary.json").read_text())
    assert summary["steps"] == 6
    record = json.loads((trained / "runs" / "demo" / "run.json").read_text())
    assert "train.py --config" in record["starts"][0]["command"]


def test_compiled_programs_are_kept_in_the_users_home(trained, home):
    assert list((home / ".cache" / "pix2pix_jax").iterdir())


def test_sample_needs_the_workdir_alone(trained, home, tmp_path):
    photo = tmp_path / "photo.jpg"
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(photo)
    flags = ("--workdir", trained / "runs" / "demo")
    status, out, error = run_process(
        "sample", *flags, "--input", photo, "--output", "out", folder=tmp_path, home=home
    )
    assert status == 0, error
    assert "step 6: 1 images in out" in out
    with Image.open(tmp_path / "out" / "photo.png") as fake:
        assert fake.size == (50, 40)
    status, out, error = run_process(
        "sample", *flags, "--split", "test", "--output", "test", folder=tmp_path, home=home
    )
    assert status == 0, error
    assert len(list((tmp_path / "test").iterdir())) == 2


def test_sigterm_saves_and_the_same_command_goes_on(trained, home, tmp_path):
    arguments = demo(
        "--config.data.synthetic_pairs=50,2,2",
        "--config.train.epochs=40",  # seconds, in which the signal comes
        "--config.checkpoint.every_epochs=40",
        "--config.eval.every_epochs=0",
        "--config.log.every_steps=5",
        *("--workdir", "run"),
    )
    process = start_process("train", *arguments, folder=tmp_path, home=home)
    rows = tmp_path / "run" / "metrics.csv"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        if rows.exists() and rows.read_text().count("\n") > 1:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=100)
    assert process.returncode == 143, error
    assert "the same command goes on from there" in out
    (saved,) = (int(path.name) for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert 5 <= saved < 2000
    status, out, error = run_process("train", *arguments, folder=tmp_path, home=home)
    assert status == 0, error
    assert f"goes on from step {saved} (epoch {saved // 50 + 1} of 40)" in out
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] == 2000


def refused(result, message):
    """Return whether a script has printed one line of error and nothing else went wrong."""
    status, _, error = result
    lines = error.strip().splitlines()
    return status == 2 and len(lines) == 1 and lines[0].startswith("error: ") and message in error


@pytest.fixture
def train(monkeypatch, capsys, tmp_path, one_device):
    """Run train.py in this process, as far as that leaves nothing behind in it."""
    # It sets how this process keeps memory, for good.
    monkeypatch.setitem(
        sys.modules, "pix2pix_jax.commands.allocator", types.ModuleType("allocator")
    )

    def call(*arguments):
        arguments = demo("--config.compilation_cache=", *arguments)
        return run_script(monkeypatch, capsys, "train", *arguments, folder=tmp_path)

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.model.base_featurs=3"], "Did you mean config.model.base_features?"),
        (["--config.train.epochs=many"], "config.train.epochs=many: expected a value of type int"),
        (["--config.model.generator=unett"], "model.generator='unett': choose from"),
        (["--config.data.source=folder"], "data.source='folder': choose from"),
        (
            ["--config.data.image_size=100", "--config.model.levels=0"],
            "sides must be multiples of 16",
        ),
        (["--config.data.source=side_by_side"], "configs/demo.py"),
        (["--workdir", "file/run"], "Not a directory"),
        (["--config", ROOT / "configs" / "map.py"], "maps.py"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(train, tmp_path, arguments, message):
    (tmp_path / "file").write_text("")
    assert refused(train(*arguments), message)
    assert not (tmp_path / "runs").exists()


BAD_FILES = {
    "cut.png": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 40),
    "text.jpg": lambda path: path.write_text("hello"),
    "odd.png": lambda path: Image.fromarray(np.zeros((32, 63, 3), np.uint8)).save(path),
}


@pytest.fixture
def pairs(tmp_path):
    """A data set of two pairs to train and two to validate."""
    folder = tmp_path / "pairs"
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(folder / split / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cut.png", "cut.png"),
        ("text.jpg", "text.jpg: not an image file"),
        ("odd.png", "odd.png: 63 pixels wide"),
    ],
)
def test_a_bad_file_is_named(train, tmp_path, pairs, name, message):
    BAD_FILES[name](pairs / "train" / name)
    result = train("--config.data.source=side_by_side", f"--config.data.root={pairs}")
    assert refused(result, message)
    assert not (tmp_path / "runs").exists()


def test_bad_files_end_the_process_or_are_skipped_with_a_count(tmp_path, home, pairs):
    for name, make in BAD_FILES.items():
        make(pairs / "train" / name)
    arguments = demo("--config.data.source=side_by_side", f"--config.data.root={pairs}")
    assert refused(run_process("train", *arguments, folder=tmp_path, home=home), "cut.png")
    assert not (tmp_path / "runs").exists()
    arguments.append("--config.data.on_error=skip")
    status, out, error = run_process("train", *arguments, folder=tmp_path, home=home)
    assert status == 0, error
    assert "skipped 3 of 5 pairs" in out


@pytest.fixture
def workdir(trained, tmp_path):
    """A copy of the run which leaves this process the cache that it has."""
    copy = shutil.copytree(trained / "runs" / "demo", tmp_path / "run")
    config = load_json(copy / "config.json")
    config.compilation_cache = ""
    save_json(config, copy / "config.json")
    return copy


def test_a_mistake_in_sampling_ends_the_process_with_status_2(trained, home, tmp_path):
    flags = ("--workdir", trained / "runs" / "demo", "--output", "out", "--split", "tset")
    result = run_process("sample", *flags, folder=tmp_path, home=home)
    assert refused(result, "split 'tset': choose from")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workdir", "none", "--input", "x.png"], "none: not the folder of a run"),
        (["--checkpoint", "7", "--split", "val"], "'7': choose from best, latest, 6"),
        (["--split", "tset"], "split 'tset': choose from"),
        (["--input", "none.png"], "none.png: there is no such file"),
        (["--input", ".", "--seed", "-1"], "--seed"),
        (["--input", ".", "--batch_size", "0"], "--batch_size"),
    ],
)
def test_a_mistake_in_sampling_is_one_line_and_status_2(
    monkeypatch, capsys, workdir, tmp_path, arguments, message
):
    flags = ("--workdir", workdir, "--output", "out")
    result = run_script(monkeypatch, capsys, "sample", *flags, *arguments, folder=tmp_path)
    assert refused(result, message)
    assert not (tmp_path / "out").exists()
