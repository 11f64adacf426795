import csv
import json
import sys

import numpy as np
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.evaluation.metrics.distribution import InceptionMetrics, SetScore
from pix2pix_jax.evaluation.metrics.table import names_per
from pix2pix_jax.evaluation.scorecard import (
    Score,
    Scorecard,
    choose_wanted,
    compute_distributions,
    observe_with,
    write_scorecard,
)
from pix2pix_jax.evaluation.scored_batches import Compared
from pix2pix_jax.evaluation.scoring import Evaluation, tally


def card_of(distributions=None, about=None, **values):
    """Make a scorecard of given values per image."""
    names = tuple(f"{number}.png" for number in range(len(next(iter(values.values())))))
    arrays = {name: np.array(column, float) for name, column in values.items()}
    scores = {name: float(np.nanmean(column)) for name, column in arrays.items()}
    return Scorecard(about or {}, Evaluation(names, arrays, scores), distributions or {})


def test_scores_have_mean_deviation_and_number():
    scores = card_of(l1=[0.1, 0.2, 0.6], psnr=[1, 1, 1]).scores
    assert scores["l1"].mean == pytest.approx(0.3)
    assert scores["l1"].deviation == pytest.approx(np.sqrt(0.14 / 3))
    assert scores["l1"].count == 3
    assert scores["psnr"] == Score(1.0, 0.0, 3)


def test_images_without_a_value_are_not_counted():
    score = card_of(class_iou=[0.5, np.nan, 0.7]).scores["class_iou"]
    assert (score.mean, score.deviation) == pytest.approx((0.6, 0.1))
    assert score.count == 2


def test_a_missing_score_is_null_in_json(tmp_path):
    nothing = Evaluation(("a",), {"class_iou": np.array([np.nan])}, {"class_iou": float("nan")})
    write_scorecard(Scorecard({}, nothing, {}), tmp_path)
    text = (tmp_path / "metrics.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["metrics"]["class_iou"] == {"mean": None, "std": None, "n": 0}


def test_scores_of_sets_stand_beside_those_of_images():
    card = card_of({"fid": SetScore(12.5), "kid": SetScore(0.25, 0.5)}, l1=[0, 1])
    assert list(card.scores) == ["l1", "fid", "kid"]
    assert card.scores["fid"] == Score(12.5, None, 2)
    assert card.scores["kid"] == Score(0.25, 0.5, 2)
    assert card.as_json()["metrics"] == {
        "l1": {"mean": 0.5, "std": 0.5, "n": 2},
        "fid": {"mean": 12.5, "n": 2},
        "kid": {"mean": 0.25, "n": 2, "std": 0.5},
    }


def test_files_say_what_was_found(tmp_path):
    card = card_of(about={"split": "test"}, l1=[0.125, 0.25], psnr=[10, 20])
    write_scorecard(card, tmp_path / "new" / "folder")
    written = json.loads((tmp_path / "new" / "folder" / "metrics.json").read_text())
    assert (written["split"], written["n"]) == ("test", 2)
    assert written["metrics"]["psnr"] == {"mean": 15, "std": 5, "n": 2}
    with (tmp_path / "new" / "folder" / "per_image.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["name", "l1", "psnr"],
            ["0.png", "0.125", "10"],
            ["1.png", "0.25", "20"],
        ]


def test_unknown_metrics_are_refused_with_all_choices():
    with pytest.raises(InputError, match=r"'lpips': choose from .*fid.*inception_score.*ssim"):
        choose_wanted(["l1", "lpips"])
    with pytest.raises(InputError, match="--metrics is empty; choose from class_accuracy"):
        choose_wanted([])


def test_scores_say_which_files_they_depend_on(tmp_path):
    assert choose_wanted(["l1"]).about == {}
    assert choose_wanted(["class_iou"]).about == {"palette": "cityscapes"}
    wanted = choose_wanted(["kid", "l1", "fid"], weights="w.npz")
    assert (wanted.names, wanted.about) == (("l1", "fid", "kid"), {"inception_weights": "w.npz"})
    with pytest.raises(InputError, match="cannot be read as a palette"):
        choose_wanted(["class_iou"], palette=str(tmp_path / "none.json"))


def test_missing_weights_are_named(tmp_path):
    wanted = choose_wanted(["fid"], weights=str(tmp_path / "none.npz"))
    with pytest.raises(InputError, match=r"none\.npz"):
        wanted.gather(4)
    assert choose_wanted(["l1"]).gather(4) is None


PROJECTION = np.random.default_rng(0).standard_normal((48, 2048 + 1008)).astype(np.float32)


def project(images):
    """Stand in for the network: a cheap projection of images of 4x4 pixels."""
    assert images.dtype == np.uint8
    assert images.shape[1:] == (4, 4, 3)
    values = images.reshape(len(images), -1).astype(np.float32) @ PROJECTION / 500
    return values[:, :2048], values[:, 2048:]


def some_images(seed, n=6, channels=3):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 4, 4, channels)).astype(np.float32)


def score(names, fake, target, batch_size=6):
    inception = InceptionMetrics(project)
    observe = observe_with(inception)
    for start in range(0, len(fake), batch_size):
        observe(Compared(fake[start:][:batch_size], target[start:][:batch_size]))
    return compute_distributions(choose_wanted(names), inception)


def test_scores_of_sets_are_those_of_the_images_seen():
    fake, target = some_images(1), some_images(2)
    found = score(names_per("set"), fake, target, 4)
    assert list(found) == ["fid", "kid", "inception_score"]
    assert found["fid"].value > 1
    one_by_one = score(names_per("set"), fake, target, 1)
    for name, expected in found.items():
        assert one_by_one[name].value == pytest.approx(expected.value, rel=1e-4)
    same = score(["fid"], target, target, 4)
    assert list(same) == ["fid"]
    assert same["fid"].value == pytest.approx(0, abs=1e-3)


def test_gray_images_are_scored_as_rgb():
    gray = some_images(1, channels=1), some_images(2, channels=1)
    as_rgb = score(["fid"], *(side.repeat(3, axis=-1) for side in gray))
    assert score(["fid"], *gray) == as_rgb
    assert as_rgb["fid"].value > 1


def test_sets_of_one_image_or_many_bands_are_refused():
    with pytest.raises(InputError, match="at least two images on each side, not 1"):
        score(["fid"], some_images(1, 1), some_images(2, 1))
    bands = some_images(1, channels=5)
    with pytest.raises(InputError, match="images of 5 channels; they need gray or RGB"):
        score(["fid"], bands, bands)


def test_without_metrics_of_sets_nothing_is_gathered():
    assert observe_with(None) is None
    assert compute_distributions(choose_wanted(["l1"]), None) == {}


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    pairs = iter([((some_images(1, 1), some_images(2, 1)), ("a",))])
    with pytest.raises(InputError, match=r"cv2 is missing: pip install 'pix2pix_jax\[opencv\]'"):
        tally(pairs, choose_wanted(["keypoint_ratio"]).metrics)
