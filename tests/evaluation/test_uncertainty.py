import json

import numpy as np
import pytest
from support.generators import drawn_bundle
from support.runs import tiny_run
from support.scripts import refused, run_script

from pix2pix_jax import load_generator
from pix2pix_jax.core.config_files import load_json, save_json
from pix2pix_jax.evaluation.uncertainty import (
    measure_uncertainty,
    rank_correlation,
    sparsification,
)
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import generator_of

RNG = np.random.default_rng(0)


def test_figures_of_known_orders():
    error = RNG.random(1000)
    assert rank_correlation(error**2, error) == pytest.approx(1)
    assert rank_correlation(-error, error) == pytest.approx(-1)
    assert sparsification(error**2, error) == pytest.approx(0)
    assert sparsification(-error, error) == pytest.approx(2, abs=0.1)  # as bad as can be
    chance = [sparsification(RNG.random(1000), error) for _ in range(20)]
    assert np.mean(chance) == pytest.approx(1, abs=0.05)
    constant = np.ones(1000)
    assert np.isnan(rank_correlation(constant, error))
    assert np.isnan(sparsification(constant, error))


def test_ties_have_their_mean_rank():
    deviation, error = np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0, 4.0])
    # Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: covariance 4.5, variances 4.5 and 5.
    assert rank_correlation(deviation, error) == pytest.approx(4.5 / np.sqrt(4.5 * 5))


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run whose two levels have dropout, which has no weights: it was trained without."""
    run = tiny_run(tmp_path_factory.mktemp("runs") / "run")
    config = load_json(run / "config.json")
    config.model.dropout_placement = "paper"
    save_json(config, run / "config.json")
    return run


def test_evaluate_says_how_deviation_and_error_go_together(workdir, tmp_path):
    flags = ("--workdir", workdir, "--metrics", "l1", "--output", "scores")
    status, out, error = run_script("evaluate", *flags, "--draws", 3, folder=tmp_path)
    assert status == 0, error
    assert "3 draws: rank correlation of deviation and error" in out
    found = json.loads((tmp_path / "scores" / "metrics.json").read_text())["uncertainty"]
    folder = RunFolder(workdir)
    generator = generator_of(folder)
    expected = measure_uncertainty(generator, folder.load_pairs("test"), 3)
    assert found["draws"] == 3
    assert found["rank_correlation"] == pytest.approx(expected.rank_correlation)
    assert -1 <= found["rank_correlation"] <= 1
    assert found["sparsification"] == pytest.approx(expected.sparsification)
    assert 0 < found["spread"] < 10
    assert 0 < found["l1"] < 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--workdir", "RUN", "--mode", "deterministic"), "draws=2 with mode 'deterministic'"),
        (("--images", ".", "--targets", ".", "--output", "o"), "--draws translates with a run"),
    ],
)
def test_evaluations_without_draws_are_one_line(workdir, tmp_path, flags, message):
    flags = [workdir if flag == "RUN" else flag for flag in flags]
    assert refused(run_script("evaluate", *flags, "--draws", 2, folder=tmp_path), message)


def test_draws_of_lab_are_compared_as_rgb(tmp_path):
    for number in range(2):
        path = tmp_path / "photos" / "val" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image_files.write(path, RNG.integers(0, 256, (16, 16, 3), np.uint8))
    changes = {
        "derive__kind": "lab",
        "data__source": "single",
        "data__source_channels": 1,
        "data__target_channels": 2,
        "model__dropout_placement": "paper",
    }
    bundle = drawn_bundle(tmp_path / "run", **changes)
    folder = RunFolder(bundle, data_root=str(tmp_path / "photos"))
    found = measure_uncertainty(load_generator(bundle), folder.load_pairs("val"), 3)
    assert found.draws == 3
    assert 0 < found.l1 < 2
