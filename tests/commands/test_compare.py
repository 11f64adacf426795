"""`compare`, by its flags, what it prints and the files it leaves."""

import functools
import sys

import pytest
from support.runs import tiny_run
from support.scripts import refused, run_script

from pix2pix_jax.core.config_files import load_json, save_json

pytest.importorskip("matplotlib")


compare = functools.partial(run_script, "compare")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [tiny_run(folder / "one"), tiny_run(folder / "two", data__image_size=16)]


def test_runs_become_a_table_curves_and_pictures(runs, tmp_path):
    status, out, error = run_script("compare", *runs, "--output", "out", folder=tmp_path)
    assert status == 0, error
    assert "| run | l1" in out
    assert "| two | " in out
    assert "warning: two: other data than one: data.image_size: (32,) -> (16,)" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "comparison.csv",
        "comparison.html",
        "comparison.md",
        "curves.png",
        "images.png",
        "scores",
    }


def test_a_pattern_is_one_entry(runs, tmp_path):
    for number, run in enumerate((runs[0], runs[0], runs[1])):
        (tmp_path / f"{'aab'[number]}_seed{number}").symlink_to(run)
    places = [str(tmp_path / f"{name}_seed*") for name in "ab"]
    out_flags = ("--labels", "a,b", "--images", 1, "--output", tmp_path / "out")
    status, out, error = compare(*places, *out_flags)
    assert status == 0, error
    assert "| a | 2 | " in out
    assert "| b | l1 | " in out
    assert "warning: a: two of its runs have the seed 0" in out
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "a: translations of its first run, a_seed0." in page


def test_flags_choose_labels_split_metrics_and_images(runs, tmp_path):
    status, out, error = compare(
        *(*runs, "--labels", "32 pixels,16 pixels", "--split", "val", "--metrics", "l2"),
        *("--checkpoint", "3", "--images", 0, "--output", tmp_path / "out"),
    )
    assert status == 0, error
    assert "16 pixels: scoring step 3" in out
    assert "| 32 pixels | " in out
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "Scores of the val pairs" in text
    assert "| run | l2" in text
    assert not (tmp_path / "out" / "images.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ONE"], "the following arguments are required: --output"),
        (["--output", "OUT"], "the following arguments are required: RUN"),
        (["ONE", "NOWHERE", "--output", "OUT"], "not the folder of a run"),
        (["ONE", "EMPTY", "--output", "OUT"], "there is no checkpoint"),
        (["ONE", "ONE", "--output", "OUT"], "two runs have the label"),
        (["ONE", "TWO", "--labels", "x", "--output", "OUT"], "--labels has 1, but there are 2"),
        (["ONE", "no_seed*", "--output", "OUT"], "'no_seed*': no folder matches this pattern"),
        (["ONE", "--metrics", "lpips", "--output", "OUT"], "--metrics 'lpips': choose from"),
        (["ONE", "--split", "holdout", "--output", "OUT"], "split 'holdout': choose from"),
        (["ONE", "--checkpoint", "4", "--output", "OUT"], "choose from best, latest, 3, 6"),
        (["MOVED", "--output", "DATA"], "is inside the run's data set"),
        (["ONE", "--images", "-1", "--output", "OUT"], "expected a whole number from 0 to 100"),
    ],
)
def test_mistakes_are_one_line(runs, tmp_path, arguments, message):
    config = load_json(runs[0] / "config.json")
    (tmp_path / "empty").mkdir()
    save_json(config, tmp_path / "empty" / "config.json")
    (tmp_path / "moved").mkdir()
    config.data.root = str(tmp_path / "data")
    save_json(config, tmp_path / "moved" / "config.json")
    places = {
        "ONE": runs[0],
        "TWO": runs[1],
        "OUT": tmp_path / "out",
        "NOWHERE": tmp_path / "nowhere",
        "EMPTY": tmp_path / "empty",
        "MOVED": tmp_path / "moved",
        "DATA": tmp_path / "data" / "new",
    }
    assert refused(compare(*(places.get(one, one) for one in arguments)), message)
    assert not (tmp_path / "out").exists()


def test_missing_matplotlib_is_named_before_any_work(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, out, error = compare(*runs, "--output", tmp_path / "out")
    assert (status, out) == (2, "")
    assert "pip install 'pix2pix_jax[plots]'" in error
