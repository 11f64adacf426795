"""Runs on Weights & Biases, in its offline mode: nothing leaves the machine."""

import struct
import time

import numpy as np
import pytest

from pix2pix_jax import InputError, train_and_evaluate
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.writers import WandbWriter

_BLOCK = 2**15
wandb = pytest.importorskip("wandb", reason="needs the extra wandb")


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")


def read_records(path):
    """Yield the complete records of a .wandb file, which has the form of a LevelDB log."""
    data, place, parts = path.read_bytes(), 7, []
    while place + 7 <= len(data):
        left = _BLOCK - place % _BLOCK
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        if place + 7 + length > len(data):  # it is still being written
            break
        parts.append(data[place + 7 : place + 7 + length])
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield b"".join(parts)
            parts = []


def parse_record(data):
    from wandb.proto import wandb_internal_pb2

    record = wandb_internal_pb2.Record()
    record.ParseFromString(data)
    return record


def wait_for_records(path):
    """Return the records of a file once the last one is there.

    wandb's own process goes on writing for a moment after `finish` has returned.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        records = [parse_record(data) for data in read_records(path)]
        if records and records[-1].WhichOneof("record_type") == "exit":
            return records
        time.sleep(0.05)
    raise AssertionError(f"{path} was never completed")


def logged_of(workdir):
    """Return what the runs in a folder have logged, a dict for each record, in order."""
    (path,) = workdir.glob("wandb/offline-run-*/run-*.wandb")
    histories = [r.history for r in wait_for_records(path) if r.HasField("history")]
    return [
        {item.key or ".".join(item.nested_key): item.value_json for item in history.item}
        for history in histories
    ]


@pytest.mark.usefixtures("offline")
def test_scalars_and_pictures_are_logged_under_their_step(tmp_path):
    writer = WandbWriter(RunFolder(tmp_path), "project", {"seed": 1})
    writer.scalars(3, {"g_loss": 0.5})
    writer.image(3, "epoch_0001", np.zeros((4, 6, 3), np.uint8))
    writer.scalars(6, {"g_loss": 0.25})
    writer.close()
    rows = logged_of(tmp_path)
    assert [row["_step"] for row in rows] == ["3", "6"]
    assert [row["g_loss"] for row in rows] == ["0.5", "0.25"]
    assert any("samples" in name for name in rows[0])


@pytest.mark.usefixtures("offline")
def test_a_resumed_run_keeps_its_id(tmp_path):
    ids = []
    for _ in range(2):
        writer = WandbWriter(RunFolder(tmp_path), "project", {})
        writer.close()
        ids.append((tmp_path / "wandb_id.txt").read_text())
    assert ids[0] == ids[1]
    assert len(ids[0].strip()) >= 6


@pytest.mark.usefixtures("one_device", "offline")
def test_a_run_logs_its_losses_and_validation_images(tiny_config, tmp_path):
    tiny_config.log.wandb = True
    tiny_config.train.epochs = 1
    train_and_evaluate(tiny_config, tmp_path / "run")
    rows = logged_of(tmp_path / "run")
    names = {name for row in rows for name in row}
    losses = {"g_loss", "g_loss_gan", "g_loss_l1", "d_loss", "d_loss_real", "d_loss_fake"}
    assert losses | {"val_l1"} <= names
    assert any(name.startswith("samples") for name in names)


def test_being_logged_out_is_one_line(tmp_path, monkeypatch):
    def refuse(**_):
        raise wandb.errors.UsageError("No API key configured.\nUse `wandb login` to log in.")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(InputError, match=r"^log.wandb=True: No API key.*WANDB_MODE=offline$"):
        WandbWriter(RunFolder(tmp_path), "project", {})
