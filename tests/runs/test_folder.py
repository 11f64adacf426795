import json
import pathlib

import numpy as np
import pytest
from support.runs import tiny_run

from pix2pix_jax import InputError
from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import load_json, save_json
from pix2pix_jax.runs.folder import RunFolder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return RunFolder(tiny_run(tmp_path_factory.mktemp("runs") / "run"))


def record(folder, config, first_step=0):
    RunFolder(folder).record_start(config, first_step=first_step, command="python train.py")
    return json.loads((folder / "run.json").read_text())["starts"]


def test_it_knows_everything_that_a_run_leaves(tmp_path):
    folder = RunFolder(
        tiny_run(tmp_path / "run", log__tensorboard=True, log__report=True, train__epochs=1)
    )
    known = [value for value in vars(folder).values() if isinstance(value, pathlib.Path)]
    assert {*folder.path.iterdir()} <= {*known}
    assert folder.report_file.is_file()


def test_a_run_may_be_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert RunFolder("~/run").path == tmp_path / "run"


def test_nothing_is_read_or_made_before_it_is_asked_for(tmp_path):
    folder = RunFolder(tmp_path / "none")
    assert str(folder) == str(tmp_path / "none")
    assert not folder.path.exists()
    for ask in (lambda: folder.config, lambda: folder.settings, lambda: folder.networks):
        with pytest.raises(InputError, match="none: not the folder of a run"):
            ask()


def test_config_is_as_the_user_gave_it_and_settings_are_filled_in(run):
    assert run.config.data.image_size == (32,)
    assert run.settings.data.image_size == (32, 32)
    assert run.networks.source_shape == run.networks.target_shape == (32, 32, 3)


def test_a_hash_stands_for_every_key(run, tmp_path):
    save_json(run.config, tmp_path / "config.json")
    folder = RunFolder(tmp_path)
    assert folder.hash == run.hash
    assert len(run.hash) == 12
    config = load_json(tmp_path / "config.json")
    config.seed = 1
    save_json(config, tmp_path / "config.json")
    assert folder.hash != run.hash


def test_each_start_is_recorded_with_what_changed(tmp_path):
    config = default_config()
    record(tmp_path / "run", config)
    config.train.epochs = 7
    first, second = record(tmp_path / "run", config, first_step=40)
    assert (first["first_step"], first["changed"]) == (0, [])
    assert (second["first_step"], second["changed"]) == (40, ["train.epochs: 200 -> 7"])
    assert first["command"] == "python train.py"
    assert {"versions", "hardware", "time"} <= first.keys()
    assert load_json(tmp_path / "run" / "config.json").train.epochs == 7


def test_after_a_start_the_new_config_counts(tmp_path):
    folder, config = RunFolder(tmp_path), default_config()
    folder.record_start(config, first_step=0, command="")
    assert folder.settings.train.epochs == 200
    config.train.epochs = 7
    folder.record_start(config, first_step=1, command="")
    assert folder.settings.train.epochs == 7


@pytest.mark.parametrize("text", ["", "[]", '{"starts": 3}', '{"begins": []}'])
def test_a_damaged_record_is_named_and_left_alone(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    message = r"run\.json: is not .*; move it away to continue"
    with pytest.raises(InputError, match=message):
        RunFolder(tmp_path).record_start(default_config(), first_step=0, command="")
    assert (tmp_path / "run.json").read_text() == text
    assert not (tmp_path / "config.json").exists()


def test_some_pairs_are_read_by_their_names(run):
    pairs = run.load_pairs("test")
    some = run.load_pairs("test", [pairs.names[3], pairs.names[0]])
    assert some.names == (pairs.names[3], pairs.names[0])
    np.testing.assert_array_equal(some[0][1], pairs[3][1])


@pytest.mark.parametrize("split", ["tests", ""])
def test_a_split_that_does_not_exist_is_refused_with_the_choices(run, split):
    with pytest.raises(InputError, match=f"split '{split}': choose from train, val, test"):
        run.load_pairs(split)


def test_a_split_without_pairs_is_refused(run, tmp_path):
    config = load_json(run.config_file)
    config.data.synthetic_pairs = (3, 3, 0)
    save_json(config, tmp_path / "config.json")
    with pytest.raises(InputError, match="the test split has no pairs"):
        RunFolder(tmp_path).load_pairs("test")


def test_each_mode_has_its_own_evaluation():
    folder = RunFolder("run")
    assert folder.evaluation("val", 6, "paper") == pathlib.Path("run/evaluation/val_6")
    other = folder.evaluation("val", 6, "deterministic")
    assert other == pathlib.Path("run/evaluation/val_6_deterministic")


def test_results_are_not_written_among_the_pairs(run, tmp_path):
    run.refuse_output_in_data(tmp_path)  # drawn pairs are in no folder
    config = load_json(run.config_file)
    config.data.root = str(tmp_path / "data")
    save_json(config, tmp_path / "config.json")
    folder = RunFolder(tmp_path)
    for output in ("data", "data/scores"):
        with pytest.raises(InputError, match="is inside the run's data set"):
            folder.refuse_output_in_data(tmp_path / output)
    folder.refuse_output_in_data(tmp_path / "scores")
