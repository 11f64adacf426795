"""The scripts as a user runs them: in a process of their own."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).parent.parent
TINY = [
    "--config.data.image_size=32",
    "--config.data.synthetic_pairs=6,2,2",
    "--config.model.base_features=4",
    "--config.model.discriminator_layers=2",
    "--config.train.epochs=1",
    "--config.log.tensorboard=False",
]


def start(name, *arguments, folder, **options):
    environment = dict(os.environ, XLA_FLAGS="", HOME=str(folder / "home"))
    # The commands of the README work from a checkout without installing it as well.
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def run(name, *arguments, folder):
    process = start(name, *arguments, folder=folder)
    out, error = process.communicate(timeout=300)
    return process.returncode, out, error


def demo(*arguments):
    return ["--config", ROOT / "configs" / "demo.py", *TINY, *arguments]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    status, out, error = run("train", *demo(), folder=folder)
    assert status == 0, error
    assert "epoch 1/1" in out
    assert "val l1" in out
    return folder


def test_train_writes_to_runs_under_the_configs_name(trained):
    summary = json.loads((trained / "runs" / "demo" / "summary.json").read_text())
    assert summary["steps"] == 6
    record = json.loads((trained / "runs" / "demo" / "run.json").read_text())
    assert "train.py --config" in record["starts"][0]["command"]


def test_sample_needs_the_workdir_alone(trained, tmp_path):
    photo = tmp_path / "photo.jpg"
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(photo)
    workdir = trained / "runs" / "demo"
    status, out, error = run(
        "sample", "--workdir", workdir, "--input", photo, "--output", "out", folder=tmp_path
    )
    assert status == 0, error
    assert "step 6: 1 images in out" in out
    with Image.open(tmp_path / "out" / "photo.png") as fake:
        assert fake.size == (50, 40)
    status, out, _ = run(
        "sample", "--workdir", workdir, "--split", "test", "--output", "test", folder=tmp_path
    )
    assert status == 0
    assert len(list((tmp_path / "test").iterdir())) == 2


def test_sigterm_saves_and_the_same_command_goes_on(tmp_path):
    arguments = demo(
        "--config.data.synthetic_pairs=500,2,2", "--config.log.every_steps=5", "--workdir", "run"
    )
    process = start("train", *arguments, folder=tmp_path)
    rows = tmp_path / "run" / "metrics.csv"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        if rows.exists() and rows.read_text().count("\n") > 1:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=100)
    assert process.returncode == 143, error
    assert "the same command goes on from there" in out
    (saved,) = (int(path.name) for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert 5 <= saved < 500
    status, out, error = run("train", *arguments, folder=tmp_path)
    assert status == 0, error
    assert f"goes on from step {saved} (epoch 1 of 1)" in out
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] == 500


def folder_with(tmp_path, name, make):
    folder = tmp_path / "pairs"
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(folder / split / f"{number}.png")
    make(folder / "train" / name)
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.model.base_featurs=3"], "Did you mean config.model.base_features?"),
        (["--config.train.epochs=many"], "config.train.epochs=many: expected a value of type int"),
        (["--config.model.generator=unett"], "model.generator='unett': choose from"),
        (["--config.data.source=folder"], "data.source='folder': choose from"),
        (["--config.data.image_size=100"], "sides must be multiples of 16"),
        (["--config.data.source=side_by_side"], "configs/demo.py"),
        (["--workdir", "file/run"], "Not a directory"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(tmp_path, arguments, message):
    (tmp_path / "file").write_text("")
    status, _, error = run("train", *demo(*arguments), folder=tmp_path)
    assert status == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("cut.png", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 40), "cut.png"),
        ("text.jpg", lambda path: path.write_text("hello"), "text.jpg: not an image file"),
        (
            "odd.png",
            lambda path: Image.fromarray(np.zeros((32, 63, 3), np.uint8)).save(path),
            "odd.png: 63 pixels wide",
        ),
    ],
)
def test_a_bad_file_is_named_or_skipped_with_a_count(tmp_path, name, make, message):
    root = folder_with(tmp_path, name, make)
    arguments = demo("--config.data.source=side_by_side", f"--config.data.root={root}")
    status, _, error = run("train", *arguments, folder=tmp_path)
    assert status == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()
    status, out, error = run("train", *arguments, "--config.data.on_error=skip", folder=tmp_path)
    assert status == 0, error
    assert "skipped 1 of 3 pairs" in out


def test_a_missing_config_names_those_that_exist(tmp_path):
    missing = ROOT / "configs" / "map.py"
    status, _, error = run("train", "--config", missing, folder=tmp_path)
    assert status == 2
    assert "maps.py" in error
    assert len(error.strip().splitlines()) == 1


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
def test_a_mistake_in_sampling_is_one_line_and_status_2(trained, tmp_path, arguments, message):
    workdir = trained / "runs" / "demo"
    status, _, error = run(
        "sample", "--workdir", workdir, "--output", "out", *arguments, folder=tmp_path
    )
    assert status == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
