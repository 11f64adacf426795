import numpy as np
import pytest
from support.pictures import smooth, spoiled

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.table import Metric, choose_metrics, names_per
from pix2pix_jax.evaluation.scoring import Tally

NOISE = np.random.default_rng(0).uniform(-1, 1, (3, 6, 5, 3)).astype(np.float32)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_scores_of_a_set_do_not_depend_on_its_batches(batch_size):
    pytest.importorskip("cv2")
    names = [name for name in names_per("image") if name != "ms_ssim"]
    target = smooth(0, 3, 40, 40)
    fake = spoiled(target)
    tallies = [Tally(choose_metrics(names)) for _ in range(2)]
    values = tallies[0].add(fake, target)
    parts = []
    for start in range(0, 3, batch_size):
        chunk = slice(start, start + batch_size)
        parts.append(tallies[1].add(fake[chunk], target[chunk]))
    whole, pieces = (tally.scores() for tally in tallies)
    assert list(whole) == names
    for name in names:
        assert pieces[name] == pytest.approx(whole[name], rel=1e-6)
        together = np.concatenate([part[name] for part in parts])
        np.testing.assert_allclose(together, values[name], rtol=1e-6)
    assert whole["l1"] == pytest.approx(values["l1"].mean())
    assert whole["ssim"] == pytest.approx(values["ssim"].mean())


def test_what_several_metrics_share_is_measured_once():
    calls = []

    def measure(fake, target):
        calls.append(len(fake))
        return np.ones((len(fake), 2))

    metrics = {
        name: Metric(name, "own", "low", "", measure, score)
        for name, score in (("first", lambda x: x[..., 0]), ("second", lambda x: x[..., 1]))
    }
    tally = Tally(metrics)
    tally.add(NOISE, NOISE)
    assert calls == [3]
    assert tally.scores() == {"first": 3, "second": 3}


def test_label_metrics_share_what_they_measure():
    metrics = choose_metrics(["class_iou", "pixel_accuracy"])
    assert metrics["class_iou"].measure is metrics["pixel_accuracy"].measure


@pytest.mark.parametrize(
    ("measured", "score"),
    [(np.zeros(()), None), (np.zeros((3, 1)), None), (np.zeros(2), None), (np.zeros(2), sum)],
)
def test_a_metric_without_one_entry_per_image_is_refused(measured, score):
    metric = Metric("mine", "own", "low", "", lambda fake, target: measured, score)
    message = rf"metric 'mine': measures an array of shape \({str(measured.shape)[1:-1]}\) in 3 "
    with pytest.raises(InputError, match=message):
        Tally({"mine": metric}).add(NOISE, NOISE)


def test_a_set_without_images_has_no_score():
    with pytest.raises(InputError, match="no images"):
        Tally(choose_metrics(["l1"])).scores()


def test_an_image_without_a_value_is_left_out_of_the_mean():
    measure = lambda fake, target: np.asarray(fake)[:, 0, 0, 0]  # noqa: E731
    tally = Tally({"own": Metric("own", "own", "low", "", measure)})
    values = np.array([0.5, np.nan, 0.25], np.float32).reshape(3, 1, 1, 1)
    tally.add(values[:2], values[:2])
    tally.add(values[2:], values[2:])
    assert tally.scores() == {"own": 0.375}
    nothing = Tally({"own": Metric("own", "own", "low", "", measure)})
    nothing.add(values[1:2], values[1:2])
    assert np.isnan(nothing.scores()["own"])
