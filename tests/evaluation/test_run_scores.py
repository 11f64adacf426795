import csv
import hashlib
import json

import jax
import numpy as np
import pytest
from support.runs import tiny_run

from pix2pix_jax import InputError
from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import save_json
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.data.configured_format import format_of
from pix2pix_jax.evaluation.metrics.table import METRICS, Metric
from pix2pix_jax.evaluation.pictures import picture_rows
from pix2pix_jax.evaluation.run_scores import (
    ScoringOptions,
    choose_step,
    find_checkpoints,
    score_checkpoint,
    whole_checkpoints,
    write_evaluation,
)
from pix2pix_jax.evaluation.scorecard import Wanted, choose_wanted
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.checkpoint_files import DamagedError
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import generator_of

WANTED = choose_wanted(["l1", "psnr", "ssim"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return RunFolder(tiny_run(tmp_path_factory.mktemp("runs") / "run"))


@pytest.fixture(scope="module")
def pairs(run):
    return run.load_pairs("test")


def test_scores_are_those_of_the_translated_pairs(run, pairs):
    generator, card = score_checkpoint(run, 6, pairs, WANTED, ScoringOptions())
    assert card.evaluation.names == pairs.names
    assert len(pairs) == 5
    rows = picture_rows(generator, pairs, range(5), mode="paper", batch_size=8)
    for number, (_, ours, target) in enumerate(rows):
        expected = np.abs(ours / 127.5 - target / 127.5).mean()  # of pixels rounded to 8 bits
        assert card.evaluation.values["l1"][number] == pytest.approx(expected, abs=2e-3)


def test_an_evaluation_says_what_was_evaluated(run, pairs, tmp_path):
    options = ScoringOptions(mode="deterministic")
    generator, card = score_checkpoint(run, 3, pairs, WANTED, options)
    write_evaluation(generator, pairs, card, tmp_path / "scores", METRICS["ssim"], options)
    found = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    about = {
        "run": str(run),
        "split": "test",
        "checkpoint": 3,
        "epoch": 1.0,
        "mode": "deterministic",
        "config_hash": run.hash,
        "n": 5,
    }
    assert found.items() >= about.items()
    assert set(found["metrics"]) == {"l1", "psnr", "ssim"}
    sheet = image_files.read(tmp_path / "scores" / "contact_sheet.png")
    # Two images of each kind, of 32 pixels enlarged five times, each with its caption.
    assert sheet.shape == (6 + 22 + 6 * (160 + 6 + 22), 6 + 3 * (160 + 6), 3)


@pytest.mark.parametrize("mode", ["paper", "deterministic"])
def test_scores_do_not_depend_on_the_batch(run, pairs, one_device, mode):
    cards = [
        score_checkpoint(run, 6, pairs, WANTED, ScoringOptions(mode=mode, batch_size=size))[1]
        for size in (1, 3, 8)
    ]
    for card in cards[1:]:
        for name, values in cards[0].evaluation.values.items():
            np.testing.assert_allclose(card.evaluation.values[name], values, rtol=1e-4, atol=1e-6)
        assert card.evaluation.scores == pytest.approx(cards[0].evaluation.scores, rel=1e-5)


@pytest.mark.usefixtures("one_device")
def test_no_batch_is_larger_than_wanted(run, pairs):
    sizes = []

    def measure(fake, target):
        sizes.append(len(fake))
        return np.zeros(len(fake))

    wanted = Wanted({"zero": Metric("zero", "own", "low", "", measure)})
    score_checkpoint(run, 6, pairs, wanted, ScoringOptions(batch_size=3))
    assert sizes == [1] * 5  # the CPU takes one at a time


@pytest.mark.parametrize(
    ("meta", "epochs"),
    [
        ({"pairs": 8, "global_batch": 2, "seed": 0, "first_step": 0, "first_epoch": 0}, 1.5),
        ({"pairs": 8, "global_batch": 2, "seed": 0, "first_step": 2, "first_epoch": 5}, 6.0),
        ({"imported": True}, None),
    ],
)
def test_checkpoints_have_the_epochs_of_their_timeline(run, tmp_path, meta, epochs):
    assert find_checkpoints(run) == {3: 1.0, 6: 2.0}
    save_json(run.config, tmp_path / "config.json")
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(6, {"generator": {"weight": np.zeros(1)}}, meta, None)
    assert find_checkpoints(RunFolder(tmp_path)) == {6: epochs}


def test_a_result_that_is_not_finite_is_named(run, pairs, tmp_path):
    variables = generator_of(run, "latest").variables
    broken = jax.tree.map(lambda leaf: leaf * np.nan, variables["params"])
    item = {"g_params": broken, "g_batch_stats": variables["batch_stats"], "g_ema": {}}
    save_json(run.config, tmp_path / "config.json")
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"generator": item}, {"imported": True}, None)
    with pytest.raises(InputError, match=f"{pairs.names[0]}: 3072 of 3072 values are nan or inf"):
        score_checkpoint(RunFolder(tmp_path), 1, pairs, WANTED, ScoringOptions())


def test_images_too_small_for_a_metric_are_refused(run, pairs):
    with pytest.raises(InputError, match="ms_ssim: images of 32x32 pixels; it needs at least 176"):
        score_checkpoint(run, 6, pairs, choose_wanted(["ms_ssim"]), ScoringOptions())


def test_a_folder_without_a_run_or_without_checkpoints_is_named(run, tmp_path):
    with pytest.raises(InputError, match="nowhere: not the folder of a run"):
        find_checkpoints(RunFolder(tmp_path / "nowhere"))
    save_json(run.config, tmp_path / "config.json")
    with pytest.raises(InputError, match=f"{tmp_path.name}/checkpoints: there is no checkpoint"):
        find_checkpoints(RunFolder(tmp_path))
    with pytest.raises(InputError, match="checkpoint '4': choose from best, latest, 3, 6"):
        choose_step(run, "4")


def test_the_best_checkpoint_is_that_of_the_run(run):
    with Checkpoints(run.path, read_only=True) as checkpoints:
        assert choose_step(run, "best") == checkpoints.best
    assert (choose_step(run, "latest"), choose_step(run, "3")) == (6, 3)


OWN = """
import jax.numpy as jnp
from pix2pix_jax.evaluation.metrics.table import Metric

def measure(fake, target):
    return jnp.max(jnp.abs(fake - target), axis=(1, 2, 3))

metric = Metric("worst", "own", "low", "units of [-1, 1]", measure)
"""


def test_a_run_is_trained_and_scored_by_an_own_metric(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    reference = f"{tmp_path / 'own.py'}:metric"
    changes = {"eval__metrics": ("psnr", reference), "checkpoint__best_metric": "worst"}
    run = RunFolder(tiny_run(tmp_path / "run", **changes))
    with run.metrics_file.open() as file:
        rows = {int(row["step"]): float(row["val_worst"]) for row in csv.DictReader(file)}
    best = choose_step(run, "best")
    assert rows[best] == min(rows.values())
    names = ["l1", reference]
    wanted = choose_wanted(names, code=OwnCode(given={"eval.metrics": names}))
    options = ScoringOptions("val")
    pairs = run.load_pairs("val")
    generator, card = score_checkpoint(run, best, pairs, wanted, options)
    assert card.scores["worst"].mean == pytest.approx(rows[best], rel=1e-4)
    output = tmp_path / "scores"
    write_evaluation(generator, pairs, card, output, wanted.metrics["worst"], options)
    found = json.loads((output / "metrics.json").read_text())
    source = (tmp_path / "own.py").read_bytes()
    assert found["own_metrics"] == {reference: hashlib.sha256(source).hexdigest()}
    assert set(found["metrics"]) == {"l1", "worst"}
    assert (output / "per_image.csv").read_text().startswith("name,l1,worst\n")


@pytest.mark.parametrize("damaged", [3, 6])
def test_a_damaged_checkpoint_is_left_out_unless_it_is_asked_for(tmp_path, damaged, caplog):
    run = RunFolder(tiny_run(tmp_path / "run"))
    assert whole_checkpoints(run) == [3, 6]
    for path in (run.checkpoints / str(damaged) / "generator").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    assert whole_checkpoints(run) == [{3: 6, 6: 3}[damaged]]
    assert any(line.startswith("left out: ") for line in caplog.messages)
    assert choose_step(run, "latest") == {3: 6, 6: 3}[damaged]
    with pytest.raises(DamagedError):
        choose_step(run, str(damaged))


@pytest.mark.parametrize(
    ("changes", "metric", "message"),
    [
        ({"target_classes": 3}, "fid", "class indices; they need gray or RGB"),
        ({"target_channels": 4}, "kid", "images of 4 channels; they need gray or RGB"),
    ],
)
def test_metrics_of_photos_refuse_other_images_before_any_is_made(changes, metric, message):
    config = default_config()
    config.data.update(changes)
    with pytest.raises(InputError, match=message):
        choose_wanted(["l1", metric]).refuse_unsuited(format_of(config), (64, 64))
