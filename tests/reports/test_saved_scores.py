import numpy as np

from pix2pix_jax.evaluation.metrics.distribution import SetScore
from pix2pix_jax.evaluation.scorecard import Scorecard, write_scorecard
from pix2pix_jax.evaluation.scoring import Evaluation
from pix2pix_jax.reports.saved_scores import SavedScore, read_image_values, read_scores


def test_scores_are_read_as_they_were_written(tmp_path):
    values = {"l1": np.array([0.5, 0.25]), "class_iou": np.array([np.nan, np.nan])}
    evaluation = Evaluation(("a", "b\udcff"), values, {"l1": 0.375, "class_iou": float("nan")})
    about = {"checkpoint": 20, "epoch": 2.0, "config_hash": "0123456789ab"}
    card = Scorecard(about, evaluation, {"fid": SetScore(30.0), "kid": SetScore(0.5, 0.1)})
    write_scorecard(card, tmp_path)
    scores = read_scores(tmp_path)
    assert (scores.step, scores.epoch, scores.count) == (20, 2.0, 2)
    assert scores.config_hash == "0123456789ab"
    assert scores.metrics == {
        "l1": SavedScore(0.375, 0.125),
        "class_iou": SavedScore(None, None),
        "fid": SavedScore(30.0, None),
        "kid": SavedScore(0.5, 0.1),
    }
    images = read_image_values(tmp_path)
    assert {name: value["l1"] for name, value in images.items()} == {"a": 0.5, "b\udcff": 0.25}
