"""Runs that end or slow down on a plateau: their scores are set, so that one comes when wanted."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from support.runs import assert_bit_equal, final_state

from pix2pix_jax import InputError, train_and_evaluate
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.training import epoch_end, plateaus
from pix2pix_jax.training.plateaus import Plateaus
from pix2pix_jax.training.run import prepare_run
from pix2pix_jax.training.state import TrainState

pytestmark = pytest.mark.usefixtures("one_device")


@pytest.fixture(autouse=True)
def stalling(monkeypatch):
    """Every evaluation scores an L1 of 0.5."""
    original = epoch_end.evaluate

    def evaluate(*arguments, **options):
        found = original(*arguments, **options)
        return dataclasses.replace(found, scores={**found.scores, "l1": 0.5})

    monkeypatch.setattr(epoch_end, "evaluate", evaluate)


def rows_of(workdir):
    with (workdir / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_ends_on_a_plateau_with_a_checkpoint_and_says_why(tiny_config, tmp_path, caplog):
    caplog.set_level("INFO", logger="pix2pix_jax")
    tiny_config.train.update(epochs=9, stop_when="plateau", patience=2)
    tiny_config.checkpoint.every_epochs = 9
    run = tmp_path / "run"
    result = train_and_evaluate(tiny_config, run)
    why = "plateau: val l1 has not got better for 2 evaluations"
    assert (result.step, result.stopped_by, result.summary["ended_by"]) == (9, None, why)
    assert json.loads((run / "summary.json").read_text())["val"]["l1"] == 0.5
    with Checkpoints(run, read_only=True) as checkpoints:
        assert checkpoints.steps == [9]
    assert f"done: 3 epochs in {result.summary['seconds']:.0f} s, ended by a {why}; " in caplog.text

    # Given again, it is complete. Killed before its summary, it writes that and takes no step.
    assert train_and_evaluate(tiny_config, run).summary == result.summary
    assert "complete at step 9; set train.stop_when='' to go on" in caplog.text
    (run / "summary.json").unlink()
    again = train_and_evaluate(tiny_config, run)
    assert (again.step, again.summary["ended_by"]) == (9, why)
    assert [row["step"] for row in rows_of(run)] == ["3", "6", "9"]

    tiny_config.train.update(epochs=4, stop_when="")
    assert "ended_by" not in train_and_evaluate(tiny_config, run).summary
    assert [row["step"] for row in rows_of(run)] == ["3", "6", "9", "12"]


def test_rates_drop_on_a_plateau_and_a_stop_changes_nothing(tiny_config, tmp_path):
    tiny_config.train.epochs = 5
    tiny_config.lr.update(schedule="plateau", plateau_patience=1, plateau_factor=0.5)
    train_and_evaluate(tiny_config, tmp_path / "whole")
    rates = [float(row["learning_rate"]) for row in rows_of(tmp_path / "whole")]
    assert rates == pytest.approx([2e-4, 2e-4, 1e-4, 5e-5, 2.5e-5])

    tiny_config.train.steps = 10  # ends in the middle of an epoch
    train_and_evaluate(tiny_config, tmp_path / "parts")
    tiny_config.train.steps = 0
    train_and_evaluate(tiny_config, tmp_path / "parts")
    rates = [float(row["learning_rate"]) for row in rows_of(tmp_path / "parts")]
    # The evaluation after step 10 counts as well: from there on, the rate is lower.
    assert rates == pytest.approx([2e-4, 2e-4, 1e-4, 5e-5, 2.5e-5, 1.25e-5])

    tiny_config.train.epochs = 3
    train_and_evaluate(tiny_config, tmp_path / "short")
    tiny_config.train.epochs = 5
    train_and_evaluate(tiny_config, tmp_path / "short")
    assert rows_of(tmp_path / "short")[-1]["learning_rate"] == "2.5e-05"
    assert_bit_equal(final_state(tmp_path / "short"), final_state(tmp_path / "whole"))


def test_scores_before_a_change_of_the_data_do_not_count(tiny_config, trained):
    tiny_config.train.update(epochs=4, stop_when="plateau", patience=2)
    (trained / "metrics.csv").write_text("step,epoch,val_l1\n3,1,0.1\n6,2,0.2\n")
    row = {"step": 9.0, "val_l1": 0.3}
    found = Plateaus(prepare_run(tiny_config, trained))
    found.add(row)
    assert found.end_at(9)
    assert found.last_step(9) == 9
    tiny_config.seed = 7
    found = Plateaus(prepare_run(tiny_config, trained, allow_change=True))
    found.add(row)
    assert not found.end_at(9)
    assert found.last_step(9) == 12


def test_all_processes_do_what_the_first_one_has_found(tiny_config, tmp_path, monkeypatch):
    tiny_config.lr.schedule = "plateau"
    tiny_config.train.stop_when = "plateau"
    monkeypatch.setattr(plateaus, "from_main", lambda found: np.array([3, 2], np.int32))
    found = Plateaus(prepare_run(tiny_config, tmp_path / "run"))
    assert found.end_at(3)
    assert found.rate_factor == pytest.approx(0.2**2)


def test_updates_are_scaled_only_if_rates_depend_on_scores():
    state = TrainState(*[{}] * 9)
    updates = {"kernel": np.ones(3, np.float32)}
    assert state.scaled(updates) is updates
    scaled = state.replace(rate_factor=np.float32(0.25)).scaled(updates)
    np.testing.assert_array_equal(scaled["kernel"], np.full(3, 0.25, np.float32))


@pytest.mark.parametrize("key", ["train.stop_when", "lr.schedule"])
def test_a_plateau_needs_validation_pairs(tiny_config, tmp_path, key):
    tiny_config.data.synthetic_pairs = (3, 0, 0)
    tiny_config[key] = "plateau"
    with pytest.raises(InputError, match=f"{key}='plateau': there are no validation pairs"):
        prepare_run(tiny_config, tmp_path)
