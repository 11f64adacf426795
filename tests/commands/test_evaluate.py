"""`evaluate`, by its flags, what it prints and the files it leaves."""

import csv
import functools
import json
import shutil

import jax
import numpy as np
import pytest
from support.runs import tiny_run
from support.scripts import refused, run_script

from pix2pix_jax.commands.shared_flags import choose_names
from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import load_json, save_json
from pix2pix_jax.evaluation import scorecard
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.folder import RunFolder

RNG = np.random.default_rng(0)


evaluate = functools.partial(run_script, "evaluate")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def folders(tmp_path):
    for side in ("ours", "theirs"):
        (tmp_path / side).mkdir()
        for number in range(4):
            image = RNG.integers(0, 256, (16, 16, 3), np.uint8)
            image_files.write(tmp_path / side / f"{number}.png", image)
    return tmp_path / "ours", tmp_path / "theirs"


def test_a_run_needs_its_folder_alone(workdir, tmp_path):
    status, out, error = run_script("evaluate", "--workdir", workdir, folder=tmp_path)
    assert status == 0, error
    assert "l1 0." in out
    (folder,) = (workdir / "evaluation").glob("test_*")
    assert f"written to {folder}" in out
    assert {path.name for path in folder.iterdir()} == {
        "contact_sheet.png",
        "metrics.json",
        "per_image.csv",
    }


def test_runs_with_class_indices_are_scored_by_metrics_of_classes(tmp_path):
    for classes, names in ((0, ["l1", "psnr", "ssim"]), (3, ["class_iou", "pixel_accuracy"])):
        config = default_config()
        config.data.target_classes = classes
        save_json(config, tmp_path / "config.json")
        assert choose_names(None, tmp_path) == names
        assert choose_names("l1, l2", tmp_path) == ["l1", "l2"]
    assert choose_names(None, None) == ["l1", "psnr", "ssim"]


def test_flags_choose_split_checkpoint_mode_metrics_and_folder(workdir, tmp_path):
    status, out, error = evaluate(
        *("--workdir", workdir, "--split", "val", "--checkpoint", 3, "--mode", "deterministic"),
        *(
            "--metrics",
            "psnr, l2",
            "--sort_by",
            "l2",
            "--batch_size",
            2,
            "--output",
            tmp_path / "o",
        ),
    )
    assert status == 0, error
    found = json.loads((tmp_path / "o" / "metrics.json").read_text())
    chosen = [found[key] for key in ("split", "checkpoint", "mode", "n")]
    assert chosen == ["val", 3, "deterministic", 3]
    assert list(found["metrics"]) == ["psnr", "l2"]
    with (tmp_path / "o" / "per_image.csv").open() as file:
        rows = list(csv.DictReader(file))
    mean = np.mean([float(row["psnr"]) for row in rows])
    assert mean == pytest.approx(found["metrics"]["psnr"]["mean"], rel=1e-4)
    assert f"psnr {mean:.4g} +- " in out


def test_all_checkpoints_become_a_table_and_a_plot(workdir, tmp_path):
    pytest.importorskip("matplotlib")
    status, _, error = evaluate(
        "--workdir", workdir, "--over_checkpoints", "--metrics", "l1,psnr", "--output", tmp_path
    )
    assert status == 0, error
    with (tmp_path / "test_over_checkpoints.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["epoch"]) for row in rows] == [("3", "1.0"), ("6", "2.0")]
    for row in rows:
        found = json.loads((tmp_path / row["step"] / "metrics.json").read_text())
        assert float(row["l1"]) == found["metrics"]["l1"]["mean"]
        assert (tmp_path / row["step"] / "contact_sheet.png").is_file()
    assert rows[0]["l1"] != rows[1]["l1"]
    assert image_files.read(tmp_path / "test_over_checkpoints.png").std() > 10


def test_any_two_folders_are_scored(folders, tmp_path):
    status, out, error = evaluate(
        *("--images", folders[0], "--targets", folders[1]),
        *("--metrics", "l1,ssim", "--sort_by", "ssim", "--output", tmp_path / "scores"),
    )
    assert status == 0, error
    assert "(n 4)" in out
    found = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert (found["images"], found["n"]) == (str(folders[0]), 4)
    assert (tmp_path / "scores" / "contact_sheet.png").is_file()


def test_scores_of_sets_need_no_metric_of_images(folders, tmp_path, monkeypatch):
    seen = []

    def features(variables, images, *, batch_size):
        seen.append((variables, batch_size))
        values = np.resize(images.reshape(len(images), -1), (len(images), 2048 + 1008)) / 255
        return values[:, :2048].astype(np.float32), values[:, 2048:].astype(np.float32)

    monkeypatch.setattr(scorecard, "features", features)
    monkeypatch.setattr(scorecard, "load_inception", lambda path: {"file": path})
    status, out, error = evaluate(
        *("--images", folders[0], "--targets", folders[1], "--metrics", "fid,inception_score"),
        *("--inception_weights", "w.npz", "--batch_size", 3, "--output", tmp_path / "scores"),
    )
    assert status == 0, error
    assert seen == [({"file": "w.npz"}, 3)] * 4
    assert "warning: FID of 4 fake and 4 real images: with fewer than 2048" in out
    found = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert set(found["metrics"]) == {"fid", "inception_score"}
    assert found["inception_weights"] == "w.npz"
    assert not (tmp_path / "scores" / "contact_sheet.png").exists()


RUN = ["--workdir", "RUN"]
FOLDERS = ["--images", "OURS", "--targets", "THEIRS"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --workdir --images is required"),
        ([*RUN, "--images", "OURS"], "not allowed with argument --workdir"),
        (["--images", "OURS", "--output", "OUT"], "--images and --targets go together"),
        ([*RUN, "--targets", "OURS"], "--images and --targets go together"),
        (FOLDERS, "--images needs --output"),
        ([*FOLDERS, "--output", "OUT", "--over_checkpoints"], "it needs --workdir"),
        ([*RUN, "--over_checkpoints", "--checkpoint", "3"], "not allowed with argument"),
        ([*RUN, "--batch_size", "0"], "expected a whole number from 1 to 4096"),
        ([*RUN, "--mode", "eval"], "invalid choice: 'eval'"),
        ([*RUN, "--metrics", "lpips"], "--metrics 'lpips': choose from class_accuracy"),
        ([*RUN, "--metrics", ","], "--metrics is empty; choose from"),
        ([*RUN, "--sort_by", "ms_ssim"], "--sort_by 'ms_ssim': choose from l1, psnr, ssim"),
        (
            [*RUN, "--metrics", "fid", "--sort_by", "fid"],
            "choose from none: --metrics has no metric of single images",
        ),
        ([*RUN, "--split", "holdout"], "split 'holdout': choose from train, val, test"),
        ([*RUN, "--checkpoint", "4"], "checkpoint '4': choose from best, latest, 3, 6"),
        ([*RUN, "--metrics", "ms_ssim"], "ms_ssim: images of 32x32 pixels"),
        ([*RUN, "--metrics", "class_iou", "--palette", "none.json"], "cannot be read as a palette"),
        ([*RUN, "--metrics", "fid", "--inception_weights", "no.pth"], "no.pth"),
        (["--workdir", "NOWHERE"], "not the folder of a run"),
        (["--workdir", "EMPTY"], "there is no checkpoint"),
        (["--workdir", "MOVED", "--output", "DATA"], "is inside the run's data set"),
        ([*FOLDERS, "--output", "OURS"], "is inside the folder of scored images"),
        (
            ["--images", "OURS", "--targets", "NOWHERE", "--output", "OUT"],
            "there is no such folder",
        ),
    ],
)
def test_mistakes_are_one_line(workdir, folders, tmp_path, arguments, message):
    config = load_json(workdir / "config.json")
    (tmp_path / "empty").mkdir()
    save_json(config, tmp_path / "empty" / "config.json")
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "checkpoints").symlink_to(workdir / "checkpoints")
    config.data.root = str(tmp_path / "data")
    save_json(config, moved / "config.json")
    places = {
        "RUN": workdir,
        "OURS": folders[0],
        "THEIRS": folders[1],
        "OUT": tmp_path / "out",
        "NOWHERE": tmp_path / "nowhere",
        "EMPTY": tmp_path / "empty",
        "MOVED": moved,
        "DATA": tmp_path / "data" / "scores",
    }
    assert refused(evaluate(*(places.get(one, one) for one in arguments)), message)
    assert not (tmp_path / "out").exists()


def test_a_moved_run_is_scored_on_data_that_a_flag_gives(workdir, pairs_folder, tmp_path):
    shutil.copytree(workdir, tmp_path / "run")
    config = load_json(workdir / "config.json")
    config.data.source, config.data.root = "side_by_side", str(pairs_folder)
    RunFolder(tmp_path / "run").record_start(config, first_step=6, command="")
    scores = {}
    for root in ("", tmp_path / "elsewhere"):
        if root:
            pairs_folder.rename(root)
            assert refused(evaluate("--workdir", tmp_path / "run"), "is now with --data_root")
        flags = ("--data_root", root) if root else ()
        output = tmp_path / f"scores{bool(root)}"
        status, _, error = evaluate("--workdir", tmp_path / "run", "--output", output, *flags)
        assert status == 0, error
        scores[bool(root)] = json.loads((output / "metrics.json").read_text())
    assert scores[True]["metrics"] == scores[False]["metrics"]
    assert scores[True]["data_root"] == str(tmp_path / "elsewhere")


def test_an_image_with_more_pixels_than_the_flag_allows_is_refused(folders, tmp_path):
    flags = ("--images", folders[0], "--targets", folders[1], "--output", tmp_path / "out")
    assert refused(evaluate(*flags, "--max_pixels", 255), "more than data.max_pixels=255 allows")
    assert evaluate(*flags, "--max_pixels", 256)[0] == 0


@pytest.mark.parametrize("name", ["evaluate", "sample", "compare"])
def test_compiled_programs_are_never_those_of_the_runs_folder(workdir, tmp_path, name, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(workdir, run)
    config = load_json(run / "config.json")
    config.compilation_cache = str(tmp_path / "strangers")
    save_json(config, run / "config.json")
    (tmp_path / "mine").mkdir(mode=0o700)
    before = jax.config.jax_compilation_cache_dir
    monkeypatch.chdir(tmp_path)
    flags = {
        "evaluate": ("--workdir", run),
        "sample": ("--workdir", run, "--split", "val", "--output", "out"),
        "compare": (run, "--output", "out"),
    }
    try:
        cache = ("--compilation_cache", tmp_path / "mine")
        status, _, error = run_script(name, *flags[name], *cache, folder=tmp_path)
        assert status == 0, error
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "mine")
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
    assert not (tmp_path / "strangers").exists()
