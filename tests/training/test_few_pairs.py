"""Runs on sets of a few pairs, with none held out."""

import json

import pytest
from support.image_files import save_pair
from support.scripts import refused, run_script

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.runs.checkpoints import Checkpoints

pytestmark = pytest.mark.usefixtures("one_device")


def test_a_run_on_one_pair_without_validation_ends_well_and_its_generator_is_used(
    tiny_config, tmp_path, caplog
):
    caplog.set_level("INFO", logger="pix2pix_jax")
    save_pair(tmp_path / "set" / "train" / "0.png", size=(32, 32))
    tiny_config.data.source, tiny_config.data.root = "side_by_side", str(tmp_path / "set")
    tiny_config.log.report = True
    result = train_and_evaluate(tiny_config, tmp_path / "run")
    assert result.step == 2
    assert "val" not in json.loads((tmp_path / "run" / "summary.json").read_text())
    assert "no validation pairs" in caplog.text
    assert "no pairs were held out to score" in caplog.text
    assert (tmp_path / "run" / "samples" / "epoch_0002.png").exists()
    assert "No scores: no pairs were held out" in (tmp_path / "run" / "report.html").read_text()
    with Checkpoints(tmp_path / "run", read_only=True) as checkpoints:
        assert checkpoints.best == checkpoints.latest == 2
    run = ("--workdir", tmp_path / "run")
    status, out, error = run_script(
        "sample", *run, "--split", "train", "--output", tmp_path / "out"
    )
    assert status == 0, error
    assert "step 2" in out + error
    result = run_script("evaluate", *run, "--split", "val")
    assert refused(result, "no images found")
