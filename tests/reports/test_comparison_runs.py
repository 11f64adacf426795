"""Where a comparison takes its scores from."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest
from support.runs import tiny_run

from pix2pix_jax import InputError
from pix2pix_jax.core.config_files import load_json, save_json
from pix2pix_jax.evaluation.run_scores import Options
from pix2pix_jax.evaluation.scorecard import choose_wanted
from pix2pix_jax.reports import comparison_runs as entries_module
from pix2pix_jax.reports.comparison_runs import collect, label_runs

WANTED = choose_wanted(["l1", "psnr", "ssim"])


@pytest.fixture
def runs(tmp_path):
    """Two runs on the same data."""
    made = tiny_run(tmp_path / "instance"), tiny_run(tmp_path / "batch", model__norm="batch")
    return [str(folder) for folder in made]


@pytest.fixture
def counted(monkeypatch):
    """Count how often a run is scored."""
    calls, real = [], entries_module.score_checkpoint

    def score(workdir, *arguments):
        calls.append(pathlib.Path(workdir).name)
        return real(workdir, *arguments)

    monkeypatch.setattr(entries_module, "score_checkpoint", score)
    return calls


def gather(runs, output, checkpoint="best", wanted=WANTED, options=Options()):  # noqa: B008
    return collect(runs, label_runs(runs, []), checkpoint, wanted, options, output)


def test_runs_are_scored_once_for_each_question(runs, tmp_path, counted):
    output = tmp_path / "out"
    first = gather(runs, output)
    assert counted == ["instance", "batch"]
    assert [entry.scores["n"] for entry in first] == [5, 5]
    assert first[0].mean("l1") == pytest.approx(
        np.mean([value["l1"] for value in first[0].values.values()]), rel=1e-4
    )
    again = gather(runs, output)
    fewer = gather(runs, output, wanted=choose_wanted(["ssim"]))
    assert counted == ["instance", "batch"]
    assert [entry.scores for entry in again] == [entry.scores for entry in first]
    assert fewer[1].mean("ssim") == first[1].mean("ssim")
    gather(runs[:1], output, wanted=choose_wanted(["l2"]))
    gather(runs[:1], output, checkpoint="3", wanted=choose_wanted(["l2"]))
    gather(runs[:1], output, wanted=choose_wanted(["l2"]), options=Options("val"))
    gather(runs[:1], output, wanted=choose_wanted(["l2"]), options=Options(mode="deterministic"))
    assert counted[2:] == ["instance"] * 4


def test_scores_in_the_runs_own_folder_are_used(runs, tmp_path, counted):
    (entry,) = gather(runs[:1], tmp_path / "out")
    own = pathlib.Path(runs[0], "evaluation", f"test_{entry.step}")
    shutil.copytree(tmp_path / "out" / "scores" / "1_instance", own)
    found = json.loads((own / "metrics.json").read_text())
    found["run"] = "another/way/to/the/same/folder"
    found["metrics"]["l1"]["mean"] = 0.125
    (own / "metrics.json").write_text(json.dumps(found))
    (entry,) = gather(runs[:1], tmp_path / "elsewhere")
    assert entry.mean("l1") == 0.125
    assert counted == ["instance"]


@pytest.mark.parametrize("change", ["config", "checkpoint", "other run", "no table"])
def test_scores_that_may_be_stale_are_not_used(runs, tmp_path, counted, change):
    output = tmp_path / "out"
    (entry,) = gather(runs[:1], output)
    kept = output / "scores" / "1_instance"
    if change == "config":
        config = load_json(pathlib.Path(runs[0], "config.json"))
        config.eval.train_images = 1
        save_json(config, pathlib.Path(runs[0], "config.json"))
    elif change == "checkpoint":
        path = pathlib.Path(runs[0], "checkpoints", str(entry.step))
        later = (kept / "metrics.json").stat().st_mtime + 10
        os.utime(path, (later, later))
    elif change == "other run":
        moved = shutil.copytree(
            runs[0], str(tmp_path / "copy" / "instance"), copy_function=shutil.copy2
        )
        runs = [moved]
    else:
        (kept / "per_image.csv").unlink()
    gather(runs[:1], output)
    assert counted == ["instance", "instance"]


@pytest.mark.parametrize("kind", ["nowhere", "empty", "without checkpoints"])
def test_a_folder_without_checkpoints_is_named_before_any_run_is_scored(
    runs, tmp_path, counted, kind
):
    folder = tmp_path / "odd"
    if kind != "nowhere":
        folder.mkdir()
    if kind == "without checkpoints":
        shutil.copy(pathlib.Path(runs[0], "config.json"), folder)
    with pytest.raises(InputError, match=r"odd.*(not the folder of a run|holds no checkpoint)"):
        gather([*runs, str(folder)], tmp_path / "out")
    assert counted == []
