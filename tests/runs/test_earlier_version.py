"""A run of version 0.1.0 still loads, has the same scores, and can be continued.

The archive holds a run that version 0.1.0 trained (16 pixels, 4 features, batch norm, a moving
average, checkpoints of steps 50 and 100) and its scores of the test pairs. `expected.npz` holds
what that version made of it: a hash of the generator's variables at each checkpoint, one
translation in each mode, and the validation L1 after a third epoch. No value of the translations is
within 0.002 levels of a rounding border, so another machine's rounding errors do not change them.
"""

import csv
import hashlib
import json
import pathlib
import tarfile

import jax
import numpy as np
import pytest

from pix2pix_jax import load_generator, train_and_evaluate, translate
from pix2pix_jax.evaluation.run_scores import ScoringOptions, find_checkpoints, score_checkpoint
from pix2pix_jax.evaluation.scorecard import choose_wanted
from pix2pix_jax.runs.folder import RunFolder

ARCHIVE = pathlib.Path(__file__).with_name("run_of_0.1.0.tar.gz")

pytestmark = pytest.mark.usefixtures("one_device")


@pytest.fixture
def unpacked(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.fixture
def run(unpacked):
    return unpacked / "run"


@pytest.fixture
def expected(unpacked):
    with np.load(unpacked / "expected.npz") as arrays:
        return dict(arrays)


def digest(tree):
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        digest.update(jax.tree_util.keystr(path, simple=True, separator=".").encode())
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("step", [50, 100])
def test_its_generator_has_the_same_variables(run, expected, step):
    generator = load_generator(run, step)
    assert digest(generator.variables) == expected[f"parameters_{step}"]


@pytest.mark.parametrize("mode", ["paper", "deterministic"])
def test_its_translations_are_the_same_to_the_byte(run, expected, mode):
    (fake,) = translate(load_generator(run), [expected["source"]], names=["a.png"], mode=mode)
    assert np.ptp(fake) > 20
    np.testing.assert_array_equal(fake, expected[mode])


def test_its_scores_are_the_same(run):
    folder = RunFolder(run)
    assert find_checkpoints(folder) == {50: 1.0, 100: 2.0}
    wanted = choose_wanted(["l1", "psnr", "ssim"])
    _, card = score_checkpoint(folder, 100, folder.load_pairs("test"), wanted, ScoringOptions())
    found = card.as_json()
    saved = folder.evaluation("test", 100, "paper") / "metrics.json"
    before = json.loads(saved.read_text())
    for name, scores in before.pop("metrics").items():
        assert found["metrics"][name] == pytest.approx(scores, rel=1e-5)
    # The path is the one at which the run was then.
    assert {**found, "run": before["run"]}.items() >= before.items()


def test_it_goes_on_where_it_ended(run, expected):
    config = RunFolder(run).config.copy_and_resolve_references()
    config.train.epochs = 3
    result = train_and_evaluate(config, run)
    assert result.summary["steps"] == 150
    # Another number of threads moves it by 1e-4; the epoch before, it was higher by 4.5e-3.
    assert result.summary["val"]["l1"] == pytest.approx(float(expected["resumed_l1"]), abs=1e-3)
    with (run / "metrics.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["50", "100", "150"]
    _, start = json.loads((run / "run.json").read_text())["starts"]
    assert start["first_step"] == 100
    assert start["changed"] == ["train.epochs: 2 -> 3"]
    assert find_checkpoints(RunFolder(run)) == {50: 1.0, 100: 2.0, 150: 3.0}
