import csv
import sys

import numpy as np
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.reports.png_plots import (
    Panel,
    build_checkpoint_panels,
    plot_panels,
    title_of,
    write_curves,
    x_axis_of,
)
from pix2pix_jax.reports.saved_scores import SavedScores


def found(step, epoch, **metrics):
    """Return what metrics.json says about a checkpoint."""
    scores = {name: {"mean": mean, "std": std, "n": 5} for name, (mean, std) in metrics.items()}
    return {
        "checkpoint": step,
        "epoch": epoch,
        "n": 5,
        "config_hash": "0123456789ab",
        "metrics": scores,
    }


THREE = [
    found(10, 1.0, l1=(0.5, 0.1), kid=(0.2, 0.1)),
    found(20, 2.0, l1=(0.4, 0.1), kid=(0.1, 0.1)),
    found(25, 2.5, l1=(0.3, 0.1), kid=(-0.05, 0.1)),
]


def drawn(path):
    """Return the picture, and the number of its pixels with a saturated colour: lines."""
    image = image_files.read(path).astype(int)
    return image, int(np.sum(np.ptp(image, axis=-1) > 60))


def test_the_table_has_a_row_for_each_checkpoint(tmp_path):
    pytest.importorskip("matplotlib")
    write_curves(THREE, tmp_path / "new", "test")
    with (tmp_path / "new" / "test.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "epoch", "n", "l1", "l1_std", "kid", "kid_std"]
    assert [(row["step"], row["epoch"], row["l1"]) for row in rows] == [
        ("10", "1.0", "0.5"),
        ("20", "2.0", "0.4"),
        ("25", "2.5", "0.3"),
    ]


def test_the_plot_has_a_panel_for_each_metric(tmp_path):
    pytest.importorskip("matplotlib")
    write_curves(THREE, tmp_path, "two")
    alone = [{**one, "metrics": {"l1": one["metrics"]["l1"]}} for one in THREE]
    write_curves(alone, tmp_path, "one")
    (two, ink), (one, less) = (drawn(tmp_path / f"{name}.png") for name in ("two", "one"))
    assert two.shape[1] == pytest.approx(2 * one.shape[1], abs=2)
    assert ink > less > 100


def test_missing_values_and_epochs_leave_gaps(tmp_path):
    pytest.importorskip("matplotlib")
    gaps = [found(10, None, class_iou=(None, None)), found(20, None, class_iou=(0.5, 0.1))]
    write_curves(gaps, tmp_path, "gaps")
    assert (tmp_path / "gaps.csv").read_text().splitlines()[1:] == ["10,,5,,", "20,,5,0.5,0.1"]
    assert (tmp_path / "gaps.png").is_file()
    write_curves(gaps[:1], tmp_path, "nothing")
    assert (tmp_path / "nothing.csv").is_file()
    assert not (tmp_path / "nothing.png").exists()


def test_labels_may_hold_any_text_and_many_runs_are_told_apart(tmp_path):
    pytest.importorskip("matplotlib")
    labels = ["_hidden", "$a_b", "50%", *(f"run {number}" for number in range(9))]
    lines = {label: [(0.0, place / 2), (1.0, place + 0.5)] for place, label in enumerate(labels)}
    plot_panels([Panel("l1", lines)], tmp_path / "many.png", "step")
    plot_panels([Panel("l1", dict(list(lines.items())[:2]))], tmp_path / "two.png", "step")
    assert drawn(tmp_path / "many.png")[1] > 3 * drawn(tmp_path / "two.png")[1]


def test_titles_give_unit_and_direction():
    assert title_of("psnr") == "psnr (dB, higher is better)"
    assert title_of("fid") == "fid (lower is better)"
    assert title_of("mine") == "mine"


def test_without_matplotlib_the_error_gives_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"matplotlib.*pip install 'pix2pix_jax\[plots\]'"):
        write_curves(THREE, tmp_path, "test")


@pytest.mark.parametrize(
    ("epoch", "places", "axis"), [(2.5, [1, 2, 2.5], "epoch"), (None, [10, 20, 25], "step")]
)
def test_curves_run_over_the_epochs_or_the_steps(epoch, places, axis):
    contents = [*THREE[:2], {**THREE[2], "epoch": epoch}]
    checkpoints = [SavedScores.from_json(content) for content in contents]
    assert x_axis_of(checkpoints) == axis
    l1, kid = build_checkpoint_panels(checkpoints)
    assert (l1.metric, kid.metric) == ("l1", "kid")
    assert l1.lines == {"": list(zip(places, [0.5, 0.4, 0.3], strict=True))}
    # Deviations over images would hide the curve.
    assert (l1.spread, kid.spread) == ([], [0.1, 0.1, 0.1])
