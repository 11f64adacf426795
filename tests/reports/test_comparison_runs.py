import json
import os
import pathlib
import shutil

import jax
import numpy as np
import pytest
from support.compared_runs import compared_run, with_config
from support.runs import tiny_run

from pix2pix_jax import InputError, load_generator
from pix2pix_jax.core.config_files import load_json, save_json
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.evaluation.metrics.distribution import LEAST_FOR_FID
from pix2pix_jax.evaluation.run_scores import ScoringOptions
from pix2pix_jax.evaluation.scorecard import choose_wanted
from pix2pix_jax.reports.comparison_runs import collect, find_faults, label_runs
from pix2pix_jax.runs.folder import RunFolder

WANTED = choose_wanted(["l1", "psnr", "ssim"])


@pytest.fixture
def runs(tmp_path):
    """Two runs on the same data."""
    made = tiny_run(tmp_path / "instance"), tiny_run(tmp_path / "batch", model__norm="batch")
    return [str(folder) for folder in made]


def gather(runs, output, checkpoint="best", wanted=WANTED, options=ScoringOptions()):  # noqa: B008
    folders = [RunFolder(run) for run in runs]
    return collect(folders, label_runs(runs, []), checkpoint, wanted, options, output)


def scored(output):
    """Return the scores that a comparison has measured, with the time of each."""
    return {
        path.parent.name: path.stat().st_mtime_ns for path in output.glob("scores/*/metrics.json")
    }


def test_runs_are_scored_and_described(runs, tmp_path):
    first, second = gather(runs, tmp_path / "out")
    assert set(scored(tmp_path / "out")) == {"1_instance", "2_batch"}
    assert (first.label, second.label) == ("instance", "batch")
    assert (first.scores.count, second.scores.count) == (5, 5)
    mean = np.mean([value["l1"] for value in first.values.values()])
    assert first.scores.metrics["l1"].mean == pytest.approx(mean, rel=1e-4)
    params = load_generator(runs[0]).variables["params"]
    assert first.parameters == sum(leaf.size for leaf in jax.tree.leaves(params))
    assert first.seconds > 0
    assert "cpu" in first.hardware


def test_scores_are_measured_once_for_each_question(runs, tmp_path):
    output = tmp_path / "out"
    first = gather(runs, output)
    times = scored(output)
    again = gather(runs, output)
    fewer = gather(runs, output, wanted=choose_wanted(["ssim"]))
    assert scored(output) == times
    assert [run.scores for run in again] == [run.scores for run in first]
    assert fewer[1].scores.metrics["ssim"] == first[1].scores.metrics["ssim"]


@pytest.mark.parametrize(
    "question",
    [
        {"wanted": choose_wanted(["l2"])},
        {"checkpoint": "3"},
        {"options": ScoringOptions("val")},
        {"options": ScoringOptions(mode="deterministic")},
    ],
    ids=["metrics", "checkpoint", "split", "mode"],
)
def test_another_question_is_measured_again(runs, tmp_path, question):
    gather(runs, tmp_path / "out")
    before = scored(tmp_path / "out")
    gather(runs[:1], tmp_path / "out", **question)
    after = scored(tmp_path / "out")
    assert after["1_instance"] != before["1_instance"]
    assert after["2_batch"] == before["2_batch"]


def test_scores_in_the_runs_own_folder_are_used(runs, tmp_path):
    (run,) = gather(runs[:1], tmp_path / "out")
    own = pathlib.Path(runs[0], "evaluation", f"test_{run.step}")
    shutil.copytree(tmp_path / "out" / "scores" / "1_instance", own)
    found = json.loads((own / "metrics.json").read_text())
    found["run"] = "another/way/to/the/same/folder"
    found["metrics"]["l1"]["mean"] = 0.125
    (own / "metrics.json").write_text(json.dumps(found))
    (run,) = gather(runs[:1], tmp_path / "elsewhere")
    assert run.scores.metrics["l1"].mean == 0.125
    assert scored(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b'{"metrics": 3}', b'name,l1\n"x'])
@pytest.mark.parametrize("file", ["metrics.json", "per_image.csv"])
def test_damaged_scores_are_measured_again(runs, tmp_path, file, content):
    output = tmp_path / "out"
    (run,) = gather(runs[:1], output)
    (output / "scores" / "1_instance" / file).write_bytes(content)
    (again,) = gather(runs[:1], output)
    assert again.values == run.values


def test_scores_of_an_own_metric_that_has_changed_are_measured_again(runs, tmp_path):
    def measure(summary):
        (tmp_path / "own.py").write_text(
            "from pix2pix_jax.evaluation.metrics.table import Metric\n"
            f"m = Metric('m', 'own', 'low', '', lambda a, b: abs(a - b).{summary}((1, 2, 3)))\n"
        )
        name = f"{tmp_path / 'own.py'}:m"
        wanted = choose_wanted([name], code=OwnCode(given={"eval.metrics": [name]}))
        gather(runs[:1], tmp_path / "out", wanted=wanted)
        return scored(tmp_path / "out")

    first = measure("mean")
    assert measure("mean") == first
    assert measure("max") != first


@pytest.mark.parametrize("change", ["config", "checkpoint", "other run", "no table"])
def test_scores_that_may_be_stale_are_not_used(runs, tmp_path, change):
    output = tmp_path / "out"
    (run,) = gather(runs[:1], output)
    before = scored(output)
    kept = output / "scores" / "1_instance"
    if change == "config":
        config = load_json(pathlib.Path(runs[0], "config.json"))
        config.eval.train_images = 1
        save_json(config, pathlib.Path(runs[0], "config.json"))
    elif change == "checkpoint":
        path = pathlib.Path(runs[0], "checkpoints", str(run.step))
        later = (kept / "metrics.json").stat().st_mtime + 10
        os.utime(path, (later, later))
    elif change == "other run":
        moved = tmp_path / "copy" / "instance"
        runs = [str(shutil.copytree(runs[0], moved, copy_function=shutil.copy2))]
    else:
        (kept / "per_image.csv").unlink()
    gather(runs[:1], output)
    assert scored(output).keys() == before.keys()
    assert scored(output) != before


@pytest.mark.parametrize("kind", ["nowhere", "empty", "without checkpoints"])
def test_a_folder_without_checkpoints_is_refused_before_any_run_is_scored(runs, tmp_path, kind):
    folder = tmp_path / "odd"
    if kind != "nowhere":
        folder.mkdir()
    if kind == "without checkpoints":
        shutil.copy(pathlib.Path(runs[0], "config.json"), folder)
    with pytest.raises(InputError, match=r"odd.*(not the folder of a run|no checkpoint)"):
        gather([*runs, str(folder)], tmp_path / "out")
    assert scored(tmp_path / "out") == {}


def test_labels_are_those_given_or_names_or_paths():
    assert label_runs(["runs/a", "runs/b/"], []) == ["a", "b"]
    assert label_runs(["x/run", "y/run"], []) == ["x/run", "y/run"]
    assert label_runs(["x/run", "y/run"], ["one", "two"]) == ["one", "two"]
    with pytest.raises(InputError, match="--labels has 1, but there are 2 runs"):
        label_runs(["a", "b"], ["one"])
    with pytest.raises(InputError, match="two runs have the label 'a'"):
        label_runs(["a", "a"], [])
    assert label_runs(["x/a\nb", "x/c"], []) == ["a\\nb", "c"]
    assert label_runs(["a"], ["\x1b[31mred\udcff"]) == ["\\x1b[31mred\\udcff"]
    with pytest.raises(InputError, match="two runs have the label"):
        label_runs(["a", "b"], ["one\n", "one\\n"])
    with pytest.raises(InputError, match="two runs have the label 'one'"):
        label_runs(["a", "b"], ["one", "one"])


@pytest.mark.parametrize(
    ("change", "listed"),
    [
        ({"data__direction": "BtoA"}, "data.direction: 'AtoB' -> 'BtoA'"),
        ({"data__image_size": (64,)}, "data.image_size: (256, 256) -> (64,)"),
        ({"derive__kind": "gray"}, "derive.kind: '' -> 'gray'"),
        ({"data__root": "elsewhere"}, "data.root: '' -> 'elsewhere'"),
    ],
)
def test_runs_on_other_data_are_a_fault_that_lists_the_keys(change, listed):
    assert find_faults([compared_run("a"), with_config(compared_run("b"), **change)], []) == [
        f"b: other data than a: {listed}"
    ]


def test_numbers_beside_the_same_images_are_no_other_data():
    other = with_config(compared_run("b"), data__condition="n.csv", data__condition_mean=(1.0,))
    assert find_faults([compared_run("a"), other], []) == []


def test_another_seed_means_other_data_only_if_the_seed_decides_the_data():
    def runs(source):
        pair = [with_config(compared_run(label), data__source=source) for label in "ab"]
        pair[1].config.seed = 7
        return pair

    assert find_faults(runs("folders"), []) == []
    assert find_faults(runs("synthetic"), []) == ["b: other data than a: seed: 0 -> 7"]


def test_runs_scored_on_other_images_are_a_fault():
    runs = [compared_run("a", images=("x", "y", "z")), compared_run("b", images=("y", "w"))]
    assert find_faults(runs, []) == [
        "b: scored on 2 images, a on 3; they share 1, and only these are compared one by one"
    ]


def test_a_fid_of_few_images_is_a_fault():
    few, many = (tuple(map(str, range(n))) for n in (LEAST_FOR_FID - 1, LEAST_FOR_FID))
    (fault,) = find_faults([compared_run("a", images=few)], ["fid"])
    assert fault.startswith(f"fid of {LEAST_FOR_FID - 1} images: with fewer than {LEAST_FOR_FID}")
    assert find_faults([compared_run("a", images=few)], ["kid"]) == []
    assert find_faults([compared_run("a", images=many)], ["fid"]) == []


def test_seconds_on_different_hardware_are_a_fault():
    one, other = ({"devices": count, "device": "cpu", "machine": "Linux"} for count in ("1", "2"))
    same = [compared_run("a", hardware=one), compared_run("b", hardware=one)]
    assert find_faults(same, []) == []
    (fault,) = find_faults([same[0], compared_run("b", hardware=other)], [])
    assert fault.endswith("different hardware: a: 1 x cpu, Linux; b: 2 x cpu, Linux")
