"""`train`, by its flags, what it prints and the files it leaves."""

import json
import pathlib
import signal
import time

import numpy as np
import pytest
from PIL import Image
from support.scripts import refused, run_process, run_script, start_process

from pix2pix_jax.commands.train import parse_arguments
from pix2pix_jax.core.config_files import load_config, override

ROOT = pathlib.Path(__file__).parents[2]
TINY = [
    "--config.data.image_size=32",
    "--config.data.synthetic_pairs=6,2,2",
    "--config.model.base_features=4",
    "--config.model.levels=2",
    "--config.model.discriminator_layers=1",
    "--config.train.epochs=1",
    "--config.lr.schedule=constant",  # runs of any length share one compiled step
    "--config.log.tensorboard=False",
]


def demo(*arguments):
    return ["--config", "demo", *TINY, *arguments]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which the processes find each other's compiled programs."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, home):
    folder = tmp_path_factory.mktemp("trained")
    status, out, error = run_process("train", *demo(), folder=folder, home=home)
    assert status == 0, error
    assert error == ""
    lines = out.splitlines()
    assert [line.partition(": ")[0] for line in lines[:2]] == ["source", "target"]
    begins = [line.partition(" ")[0] for line in lines[2:8]]
    assert begins == ["folder:", "devices:", "pairs:", "parameters:", "length:", "next:"]
    assert lines[-4].startswith("step 6: evaluated in ")
    assert ": val l1 " in lines[-4]
    assert lines[-3].startswith("epoch 1/1, step 6: d_loss ")
    assert lines[-2].startswith("step 6: checkpoint, ")
    return folder / "runs" / "demo"


def test_train_writes_to_runs_under_the_configs_name(trained):
    assert json.loads((trained / "summary.json").read_text())["steps"] == 6


def test_the_record_holds_the_command_line(trained):
    record = json.loads((trained / "run.json").read_text())
    command = f"python {ROOT / 'scripts' / 'train.py'} --config demo --config.data.image_size=32"
    assert record["starts"][0]["command"].startswith(command)


def test_compiled_programs_are_kept_in_the_users_home(trained, home):
    assert list((home / ".cache" / "pix2pix_jax").iterdir())


def test_sigterm_saves_and_the_same_command_resumes(trained, home, tmp_path):
    arguments = demo(
        "--config.data.synthetic_pairs=50,2,2",
        "--config.train.epochs=16",  # seconds, in which the signal comes
        "--config.checkpoint.every_epochs=16",
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
    assert f"saved step {saved_step(tmp_path)} in run" in out
    saved = saved_step(tmp_path)
    assert 5 <= saved < 800
    status, out, error = run_process("train", *arguments, folder=tmp_path, home=home)
    assert status == 0, error
    assert f"from step {saved} (epoch {saved // 50 + 1} of 16)" in out
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] == 800


def saved_step(folder):
    (step,) = (int(path.name) for path in (folder / "run" / "checkpoints").iterdir())
    return step


@pytest.fixture
def train(tmp_path, one_device):
    """Run train in this process, with the compilation cache that this process has."""

    def call(*arguments):
        return run_script("train", *demo(*arguments), folder=tmp_path)

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.model.base_featurs=3"], "Did you mean config.model.base_features?"),
        (["--config.train.epochs=many"], "config.train.epochs='many': must be a whole number"),
        (["--config.model.generator=unett"], "model.generator='unett': choose from"),
        (["--config.data.source=folder"], "data.source='folder': choose from"),
        (
            ["--config.data.image_size=100", "--config.model.levels=0"],
            "sides must be multiples of 16",
        ),
        (["--config.data.source=side_by_side"], "configs/demo.py"),
        (["--workdir", "file/run"], "Not a directory"),
        (["--config", ROOT / "configs" / "map.py"], "maps.py"),
        (["--epochs", "3"], "--epochs: did you mean --config.train.epochs=3 (see --help)"),
        (["--config.train.epochs"], "config.train.epochs: a value is missing"),
        (["--distributed.process_id=1"], "error: --distributed.coordinator, --distributed.num_p"),
        (["--distributed.num_processes=0"], "error: argument --distributed.num_processes: '0'"),
        (["--distributed.auto", "--distributed.process_id=1"], "leave out the other --distributed"),
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
def test_an_unusable_file_ends_training_before_it_starts(train, tmp_path, pairs, name, message):
    BAD_FILES[name](pairs / "train" / name)
    result = train("--config.data.source=side_by_side", f"--config.data.root={pairs}")
    assert refused(result, message)
    assert not (tmp_path / "runs").exists()


def test_unusable_files_can_be_skipped_and_are_counted(train, pairs):
    for name, make in BAD_FILES.items():
        make(pairs / "train" / name)
    data = ("--config.data.source=side_by_side", f"--config.data.root={pairs}")
    status, out, error = train(*data, "--config.data.on_error=skip")
    assert status == 0, error
    assert "skipped 3 of 5 pairs" in out


def test_deterministic_is_a_flag_that_sets_its_key():
    flags, overrides = parse_arguments(["--config", "demo", "--deterministic"])
    config = load_config(flags.config)
    for key, text in overrides:
        override(config, key, text)
    assert config.train.deterministic
    assert parse_arguments(["--config", "demo"])[1] == []
