import numpy as np

from pix2pix_jax.evaluation.metrics.distribution import SetScore
from pix2pix_jax.evaluation.scorecard import Scorecard, write_scorecard
from pix2pix_jax.evaluation.scoring import Evaluation
from pix2pix_jax.reports.saved_scores import SavedScore, read_evaluation


def test_scores_are_read_as_they_were_written(tmp_path):
    values = {"l1": np.array([0.5, 0.25]), "class_iou": np.array([np.nan, np.nan])}
    evaluation = Evaluation(("=a", "b\udcff"), values, {"l1": 0.375, "class_iou": float("nan")})
    about = {"checkpoint": 20, "epoch": 2.0, "config_hash": "0123456789ab"}
    card = Scorecard(about, evaluation, {"fid": SetScore(30.0), "kid": SetScore(0.5, 0.1)})
    write_scorecard(card, tmp_path)
    found = read_evaluation(tmp_path)
    scores = found.scores
    assert (scores.step, scores.epoch, scores.count) == (20, 2.0, 2)
    assert scores.config_hash == "0123456789ab"
    assert scores.metrics == {
        "l1": SavedScore(0.375, 0.125),
        "class_iou": SavedScore(None, None),
        "fid": SavedScore(30.0, None),
        "kid": SavedScore(0.5, 0.1),
    }
    assert found.about["checkpoint"] == 20
    l1 = {name: value["l1"] for name, value in found.values.items()}
    assert l1 == {"=a": 0.5, "b\udcff": 0.25}
    assert "\n'=a," in (tmp_path / "per_image.csv").read_text(errors="replace")


def test_a_folder_without_scores_has_none(tmp_path):
    assert read_evaluation(tmp_path) is None
    assert read_evaluation(tmp_path / "nowhere") is None
