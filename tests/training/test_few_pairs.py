"""Runs on sets of a few pairs, with none held out."""

import json

import pytest
from support.image_files import save_pair
from support.scripts import refused, run_script
from support.tiny import TINY

from pix2pix_jax.runs.checkpoints import Checkpoints

pytestmark = pytest.mark.usefixtures("one_device")


def test_a_run_on_one_pair_without_validation_ends_well_and_its_generator_is_used(tmp_path):
    save_pair(tmp_path / "set" / "0.png", size=(32, 32))
    keys = {**TINY, "log.report": True, "checkpoint.every_epochs": 2}
    del keys["data.synthetic_pairs"]
    arguments = ["--data", "set", *(f"--config.{key}={value}" for key, value in keys.items())]
    status, out, error = run_script("train", *arguments, folder=tmp_path)
    assert (status, error) == (0, "")
    assert out.startswith("layout: 1 pair side by side in one file")
    assert "no validation pairs" in out
    assert "no pairs were held out to score" in out
    run = tmp_path / "runs" / "set"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["steps"] == 2
    assert "val" not in summary
    assert (run / "samples" / "epoch_0002.png").exists()
    assert "No scores: no pairs were held out" in (run / "report.html").read_text()
    with Checkpoints(run, read_only=True) as checkpoints:
        assert checkpoints.best == checkpoints.latest == 2

    status, out, _ = run_script("train", *arguments, folder=tmp_path)
    assert status == 0
    assert out.startswith("config: runs/set/config.json from the first start is used")
    assert "complete at step 2" in out

    options = ("--split", "train", "--output", "out")
    status, out, error = run_script("sample", "--workdir", run, *options, folder=tmp_path)
    assert status == 0, error
    assert "step 2" in out + error
    result = run_script("evaluate", "--workdir", run, "--split", "val", folder=tmp_path)
    assert refused(result, "the val split has no pairs")
