import dataclasses
import json

import jax
import numpy as np
import pytest
from support.runs import tiny_run

from pix2pix_jax import InputError, load_generator
from pix2pix_jax.core.config_files import load_json, save_json
from pix2pix_jax.evaluation import run_scores as score_runs
from pix2pix_jax.evaluation.run_scores import (
    Options,
    choose_step,
    config_hash,
    evaluation_folder,
    find_checkpoints,
    load_split,
    refuse_output_in_data,
    score_checkpoint,
    write_evaluation,
)
from pix2pix_jax.evaluation.scorecard import choose_wanted
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.checkpoints import Checkpoints

WANTED = choose_wanted(["l1", "psnr", "ssim"])


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def pairs(workdir):
    return load_split(workdir, "test")


def test_scores_are_those_of_the_translated_pairs(workdir, pairs):
    generator, card = score_checkpoint(workdir, 6, pairs, WANTED, Options())
    assert card.evaluation.names == pairs.names
    assert len(pairs) == 5
    fakes = score_runs.picture_rows(generator, pairs, range(5), mode="paper", batch_size=8)
    for number, (_, ours, target) in enumerate(fakes):
        expected = np.abs(ours / 127.5 - target / 127.5).mean()  # of pixels rounded to 8 bits
        assert card.evaluation.values["l1"][number] == pytest.approx(expected, abs=2e-3)


def test_an_evaluation_says_what_was_evaluated(workdir, pairs, tmp_path):
    options = Options(mode="deterministic")
    generator, card = score_checkpoint(workdir, 3, pairs, WANTED, options)
    write_evaluation(generator, pairs, card, tmp_path / "scores", "ssim", options)
    found = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert (
        found.items()
        >= {
            "run": str(workdir),
            "split": "test",
            "checkpoint": 3,
            "epoch": 1.0,
            "mode": "deterministic",
            "config_hash": config_hash(workdir),
            "n": 5,
        }.items()
    )
    assert set(found["metrics"]) == {"l1", "psnr", "ssim"}
    sheet = image_files.read(tmp_path / "scores" / "contact_sheet.png")
    # Two images of each kind, of 32 pixels grown five times, each with its caption.
    assert sheet.shape == (6 + 22 + 6 * (160 + 6 + 22), 6 + 3 * (160 + 6), 3)


@pytest.mark.parametrize("mode", ["paper", "deterministic"])
def test_scores_do_not_depend_on_the_batch(workdir, pairs, one_device, mode):
    cards = [
        score_checkpoint(workdir, 6, pairs, WANTED, Options(mode=mode, batch_size=size))[1]
        for size in (1, 3, 8)
    ]
    for card in cards[1:]:
        for name, values in cards[0].evaluation.values.items():
            np.testing.assert_allclose(card.evaluation.values[name], values, rtol=1e-4, atol=1e-6)
        assert card.evaluation.scores == pytest.approx(cards[0].evaluation.scores, rel=1e-5)


def test_no_batch_is_larger_than_wanted(workdir, pairs, monkeypatch):
    sizes = []
    real = score_runs.evaluate

    def evaluate(*arguments, observe, **options):
        return real(
            *arguments, observe=lambda both: (sizes.append(len(both[0])), observe(both)), **options
        )

    monkeypatch.setattr(score_runs, "evaluate", evaluate)
    score_checkpoint(workdir, 6, pairs, WANTED, Options(batch_size=3))
    assert sizes == [3, 2]


def test_checkpoints_have_the_epochs_of_their_timeline(workdir, monkeypatch):
    assert find_checkpoints(workdir) == {3: 1.0, 6: 2.0}
    changed = {"pairs": 8, "global_batch": 2, "seed": 0, "first_step": 2, "first_epoch": 5}
    monkeypatch.setattr(Checkpoints, "restore_meta", lambda *_: changed)
    assert find_checkpoints(workdir) == {3: 5.25, 6: 6.0}
    monkeypatch.setattr(Checkpoints, "restore_meta", lambda *_: {"imported": "G.pth"})
    assert find_checkpoints(workdir) == {3: None, 6: None}


def test_a_result_that_is_not_finite_is_named(workdir, pairs, monkeypatch):
    def load(*arguments):
        generator = load_generator(*arguments)
        broken = jax.tree.map(lambda leaf: leaf * np.nan, generator.variables)
        return dataclasses.replace(generator, variables=broken)

    monkeypatch.setattr(score_runs, "load_generator", load)
    with pytest.raises(InputError, match=f"{pairs.names[0]}: 3072 of 3072 values are nan or inf"):
        score_checkpoint(workdir, 6, pairs, WANTED, Options())


def test_images_too_small_for_a_metric_are_refused(workdir, pairs):
    with pytest.raises(InputError, match="ms_ssim: images of 32x32 pixels; it needs at least 176"):
        score_checkpoint(workdir, 6, pairs, choose_wanted(["ms_ssim"]), Options())


def test_some_pairs_are_read_by_their_names(workdir, pairs):
    some = load_split(workdir, "test", [pairs.names[3], pairs.names[0]])
    assert some.names == (pairs.names[3], pairs.names[0])
    np.testing.assert_array_equal(some[0][1], pairs[3][1])


@pytest.mark.parametrize("split", ["tests", ""])
def test_a_split_that_does_not_exist_is_refused_with_the_choices(workdir, split):
    with pytest.raises(InputError, match=f"split '{split}': choose from train, val, test"):
        load_split(workdir, split)


def test_a_split_without_pairs_is_refused(workdir, tmp_path):
    config = load_json(workdir / "config.json")
    config.data.synthetic_pairs = (3, 3, 0)
    save_json(config, tmp_path / "config.json")
    with pytest.raises(InputError, match="the test split has no pairs"):
        load_split(tmp_path, "test")


def test_a_folder_that_is_no_run_or_has_no_checkpoints_is_named(workdir, tmp_path):
    with pytest.raises(InputError, match="nowhere: not the folder of a run"):
        find_checkpoints(tmp_path / "nowhere")
    save_json(load_json(workdir / "config.json"), tmp_path / "config.json")
    with pytest.raises(InputError, match=f"{tmp_path.name}/checkpoints: holds no checkpoint"):
        find_checkpoints(tmp_path)
    with pytest.raises(InputError, match="checkpoint '4': choose from best, latest, 3, 6"):
        choose_step(workdir, "4")


def test_the_best_checkpoint_is_that_of_the_run(workdir):
    with Checkpoints(workdir, read_only=True) as checkpoints:
        assert choose_step(workdir, "best") == checkpoints.best
    assert (choose_step(workdir, "latest"), choose_step(workdir, "3")) == (6, 3)


def test_each_mode_has_its_own_folder(workdir):
    assert evaluation_folder(workdir, 6, Options("val")) == workdir / "evaluation" / "val_6"
    other = evaluation_folder(workdir, 6, Options("val", "deterministic"))
    assert other == workdir / "evaluation" / "val_6_deterministic"


def test_results_are_not_written_among_the_pairs(workdir, tmp_path):
    config = load_json(workdir / "config.json")
    refuse_output_in_data(tmp_path, workdir)  # drawn pairs lie nowhere
    config.data.root = str(tmp_path / "data")
    save_json(config, tmp_path / "config.json")
    with pytest.raises(InputError, match="lies in the run's data set"):
        refuse_output_in_data(tmp_path / "data" / "scores", tmp_path)
    refuse_output_in_data(tmp_path / "scores", tmp_path)
