import pytest

from pix2pix_jax.reports.run_charts import (
    BestScore,
    collect_scores,
    loss_charts,
    metric_charts,
    other_charts,
)
from pix2pix_jax.reports.svg_chart import AREA
from pix2pix_jax.runs.record import Record, Summary


def test_validation_and_training_share_a_chart_with_the_nearest_baseline():
    rows = [
        {"step": 1.0, "val_l1": 0.2, "train_l1": 0.1, "val_mine": 9.0},
        {"step": 2.0, "val_l1": 0.4},
    ]
    baselines = {"copy_source_l1": 0.9, "mean_target_l1": 0.5, "mean_target_l2": 0.3}
    l1, mine = metric_charts(rows, baselines)
    assert [(line.label, line.values) for line in l1.lines] == [
        ("validation", [0.2, 0.4]),
        ("training", [0.1, None]),
    ]
    assert l1.note == "units of [-1, 1], lower is better"
    assert l1.guide == (AREA.top, "mean target")
    assert (mine.title, mine.note, mine.guide) == ("mine", "", None)


def test_every_column_is_in_exactly_one_chart():
    names = ["g_loss", "g_loss_gan", "g_loss_l1", "g_loss_features", "d_loss", "d_loss_real"]
    names += ["val_l1", "train_l1", "val_fid", "learning_rate", "images_per_second", "odd"]
    rows = [{"step": 1.0, "epoch": 1.0, **{name: float(k) for k, name in enumerate(names)}}]
    drawn = [*loss_charts(rows), *metric_charts(rows, {}), *other_charts(rows)]
    values = [line.ends[1] for chart in drawn for line in chart.lines]
    assert sorted(values) == list(range(len(names)))
    assert [chart.title for chart in drawn[:5]] == [
        "Generator loss",
        "Features loss",
        "Adversarial loss",
        "L1 loss",
        "Discriminator loss",
    ]


@pytest.mark.parametrize(
    ("metric", "best"),
    [("l1", BestScore(0.2, 20.0)), ("psnr", BestScore(0.5, 10.0)), ("mine", None)],
)
def test_the_best_value_depends_on_the_direction_of_the_metric(metric, best):
    column = f"val_{metric}"
    rows = [{"step": 10.0, column: 0.5}, {"step": 20.0, column: 0.2}, {"step": 30.0, column: 0.4}]
    (score,) = collect_scores(Record({}, [], rows, None))
    assert (score.name, score.value, score.best) == (metric, 0.4, best)


def test_scores_at_the_end_replace_those_of_the_table():
    summary = Summary(validation={"l1": 0.1}, baselines={"mean_target_l1": 0.5, "copy_psnr": 9.0})
    rows = [{"step": 10.0, "val_l1": 0.5, "val_ssim": 0.8}]
    l1, ssim = collect_scores(Record({}, [], rows, summary))
    assert (l1.value, l1.baselines) == (0.1, {"mean target": 0.5})
    assert (ssim.value, ssim.baselines) == (0.8, {})
