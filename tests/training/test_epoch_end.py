import json

import pytest

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.data import resident
from pix2pix_jax.training.run import prepare_run

pytestmark = pytest.mark.usefixtures("one_device")


def test_validation_pairs_on_the_devices_have_the_same_scores(
    tiny_config, trained, tmp_path, monkeypatch
):
    assert prepare_run(tiny_config, tmp_path / "run").resident == {}
    monkeypatch.setattr(resident, "on_cpu", lambda: False)
    tiny_config.eval.train_images = 2
    assert list(prepare_run(tiny_config, tmp_path / "run").resident) == ["val", "train"]
    summary = train_and_evaluate(tiny_config, tmp_path / "run").summary
    assert summary["val"] == json.loads((trained / "summary.json").read_text())["val"]
    tiny_config.data.device_share = 0.0
    assert prepare_run(tiny_config, tmp_path / "other").resident == {}
