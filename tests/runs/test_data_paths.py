"""A run that was moved, or that is used from another folder, finds its data."""

import json

import pytest
from support.image_files import BLUE, RED, save_pair

from pix2pix_jax import InputError
from pix2pix_jax.core.config import default_config
from pix2pix_jax.runs.folder import RunFolder


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with pairs and with a run of them, which was started there."""
    folder = tmp_path / "project"
    save_pair(folder / "pairs" / "val" / "ours.png")
    monkeypatch.chdir(folder)
    config = default_config()
    config.data.source, config.data.root = "side_by_side", "pairs"
    config.data.resize, config.data.image_size = "none", (4, 6)
    RunFolder("runs/maps").record_start(config, first_step=0, command="")
    return folder


def names(workdir, **options):
    return RunFolder(workdir, **options).load_pairs("val").names


def test_a_run_is_used_from_another_folder(project, tmp_path, monkeypatch):
    other = tmp_path / "other"
    save_pair(other / "pairs" / "val" / "theirs.png", BLUE, RED)
    monkeypatch.chdir(other)
    # Not the folder of the same name that is here.
    assert names(project / "runs" / "maps") == ("ours.png",)
    with pytest.raises(InputError, match="is inside the run's data set"):
        RunFolder(project / "runs" / "maps").refuse_output_in_data(project / "pairs" / "out")


def test_a_run_and_its_data_are_moved_together(project, tmp_path, monkeypatch):
    project.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    assert names("moved/runs/maps") == ("ours.png",)


def test_a_run_is_moved_alone(project, tmp_path, monkeypatch):
    (project / "runs" / "maps").rename(tmp_path / "maps")
    monkeypatch.chdir(tmp_path)
    assert names("maps") == ("ours.png",)


def test_data_that_is_gone_is_named_with_the_flag_that_helps(project, tmp_path, monkeypatch):
    (project / "pairs").rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    workdir = project / "runs" / "maps"
    with pytest.raises(InputError, match=f"{project}/pairs.*is now with --data_root"):
        names(workdir)
    assert names(workdir, data_root="elsewhere") == ("ours.png",)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no images found. .*; say where with --data_root$"):
        names(workdir, data_root="empty")
    with pytest.raises(InputError, match="--data_root nowhere: there is no such folder"):
        names(workdir, data_root="nowhere")
    # What reads no data needs none.
    RunFolder(workdir).refuse_output_in_data("out")


@pytest.mark.parametrize("paths", ["x", {"data.root": 3}, {"data.root": {"absolute": []}}])
def test_a_damaged_record_leaves_the_path_as_it_was_typed(project, paths):
    file = project / "runs" / "maps" / "run.json"
    file.write_text(json.dumps({"starts": [{"paths": paths}]}))
    assert names("runs/maps") == ("ours.png",)


def test_a_pair_that_is_gone_is_named(project):
    with pytest.raises(InputError, match=r"now there is no theirs\.png; evaluate the run again"):
        RunFolder("runs/maps").load_pairs("val", ["ours.png", "theirs.png"])


def test_a_folder_of_runs_names_them(project):
    with pytest.raises(InputError, match="runs: holds no run, but 1 of its folders do: maps"):
        RunFolder("runs").settings  # noqa: B018


def table_of(workdir, **options):
    """Return the value of the only number of the only validation pair."""
    pairs = RunFolder(workdir, **options).load_pairs("val")
    return pairs.values.tolist()


def test_a_table_in_the_data_comes_before_one_of_the_same_name_elsewhere(project, monkeypatch):
    for number, folder in enumerate((project, project / "pairs")):
        (folder / "n.csv").write_text(f"name,x\nours.png,{number}\n")
    start_with_table("n.csv")
    assert table_of("runs/n") == [[1]]
    # Data of the same names that is elsewhere brings its own table, or else takes the run's.
    save_pair(project / "others" / "val" / "ours.png")
    (project / "others" / "n.csv").write_text("name,x\nours.png,2\n")
    assert table_of("runs/n", data_root="others") == [[2]]
    start_with_table("pairs/n.csv")
    assert table_of("runs/n", data_root="others") == [[2]]
    (project / "others" / "n.csv").unlink()
    assert table_of("runs/n", data_root="others") == [[1]]


def start_with_table(table):
    config = default_config()
    config.data.source, config.data.root = "side_by_side", "pairs"
    config.data.resize, config.data.image_size = "none", (4, 6)
    config.data.condition, config.data.condition_names = table, ("x",)
    for name in ("mean", "deviation", "low", "high"):
        config.data[f"condition_{name}"] = (1.0,)
    RunFolder("runs/n").record_start(config, first_step=0, command="")
