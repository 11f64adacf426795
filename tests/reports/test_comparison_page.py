import csv
import html
import re
import sys

import pytest
from support.compared_runs import compared_run, with_config
from support.html_page import Page
from support.runs import tiny_run

from pix2pix_jax import InputError
from pix2pix_jax.evaluation.run_scores import ScoringOptions
from pix2pix_jax.evaluation.scorecard import choose_wanted
from pix2pix_jax.images import files as image_files
from pix2pix_jax.reports.comparison_page import build_panels, write_comparison
from pix2pix_jax.reports.comparison_pictures import choose_images, translate_images
from pix2pix_jax.reports.comparison_runs import collect
from pix2pix_jax.reports.numbers import format_significant
from pix2pix_jax.runs.folder import RunFolder

METRICS = ["l1", "psnr", "ssim"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison of two runs, one of which has a label with markup."""
    pytest.importorskip("matplotlib")
    output = tmp_path_factory.mktemp("comparison")
    folders = [output / "runs" / "instance", output / "runs" / "batch"]
    tiny_run(folders[0])
    tiny_run(folders[1], model__norm="batch")
    options, labels = ScoringOptions(), ["instance <norm>", "batch"]
    opened = [RunFolder(folder) for folder in folders]
    runs = collect(opened, labels, "best", choose_wanted(METRICS), options, output)
    images = translate_images(runs, choose_images(runs, 2), options)
    assert write_comparison(runs, METRICS, images, options, output) == []
    return runs, images, output


def test_all_files_are_written(compared):
    _, _, output = compared
    names = {"comparison.md", "comparison.csv", "comparison.html", "curves.png", "images.png"}
    assert names <= {path.name for path in output.iterdir()}
    sheet = image_files.read(output / "images.png")
    assert sheet.shape == (6 + 22 + 2 * (160 + 6), 6 + 4 * (160 + 6), 3)
    text = (output / "comparison.md").read_text()
    assert "| `model.norm` | `'instance'` | `'batch'` |" in text
    assert "](images.png)" in text
    assert "](curves.png)" in text
    assert len(re.findall(r"\*\*[\d.]+\*\*", text)) >= len(METRICS)
    assert "Warning" not in text


def test_curves_are_those_of_the_training(compared):
    runs, _, _ = compared
    panels = {panel.metric: panel.lines for panel in build_panels(runs, METRICS)}
    assert list(panels) == ["l1", "psnr"]
    assert list(panels["psnr"]) == ["instance <norm>", "batch"]
    with runs[1].folder.metrics_file.open() as file:
        rows = [(float(row["step"]), float(row["val_l1"])) for row in csv.DictReader(file)]
    assert panels["l1"]["batch"] == rows
    assert [step for step, _ in rows] == [3, 6]


def test_the_page_needs_no_other_file(compared):
    runs, images, output = compared
    text = (output / "comparison.html").read_text()
    page = Page(text)
    pictures = page.all("img")
    assert len(pictures) == 2 * 4
    assert all(picture["src"].startswith("data:image/jpeg;base64,") for picture in pictures)
    assert {picture["alt"] for picture in pictures} >= {f"instance <norm> of {images[0].name}"}
    assert not page.all("script")
    assert not page.all("link")
    assert not re.search(r"https?://|url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert "instance &lt;norm&gt;" in text
    assert "<norm>" not in text
    assert len(page.all("svg")) == 2 * (1 + 2)  # a plot and two legends for each of two metrics
    assert "model.norm" in page.text
    for run in runs:
        mean = run.scores.metrics["ssim"].mean
        assert format_significant(mean, 4, keep_zeros=True) in page.text


def test_every_translation_has_its_score_below_and_the_best_stands_out(compared):
    runs, images, output = compared
    page = Page((output / "comparison.html").read_text())
    scores = [[run.values[image.name]["l1"] for run in runs] for image in images]
    captions = page.all("figcaption")[: 4 * len(images)]  # source, two runs, target
    best = [caption.get("class") == "best" for caption in captions]
    expected = []
    for row in scores:
        expected += [False, *(score == min(row) for score in row), False]
    assert best == expected
    for score in (score for row in scores for score in row):
        assert format_significant(score, 3, keep_zeros=True) in page.text
    assert "Below each translation: its l1." in page.text


@pytest.mark.parametrize("same", [True, False])
def test_a_baseline_is_drawn_only_if_all_runs_have_it(tmp_path, same):
    pytest.importorskip("matplotlib")
    rows = [{"step": 1.0, "val_l1": 0.5}, {"step": 2.0, "val_l1": 0.25}]
    baselines = [{"mean_target_l1": 0.75}, {"mean_target_l1": 0.75 if same else 0.5}]
    runs = [
        compared_run(label, rows=rows, baselines=one, l1=0.25)
        for label, one in zip("ab", baselines, strict=True)
    ]
    write_comparison(runs, ["l1"], [], ScoringOptions(), tmp_path)
    assert ("mean target" in Page((tmp_path / "comparison.html").read_text()).text) == same


def test_runs_without_pictures_or_curves_still_have_a_page(tmp_path):
    runs = [compared_run("a", l1=0.5), with_config(compared_run("b", l1=0.25), data__root="x")]
    faults = write_comparison(runs, ["l1"], [], ScoringOptions(), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "comparison.csv",
        "comparison.html",
        "comparison.md",
    }
    assert len(faults) == 1
    for name in ("comparison.md", "comparison.html"):
        text = html.unescape((tmp_path / "out" / name).read_text())
        assert faults[0] in text


@pytest.mark.filterwarnings("error")
def test_no_text_from_a_run_becomes_markup_or_a_formula(tmp_path):
    pytest.importorskip("matplotlib")
    evil = "</script><script>alert(1)</script>$\\frac{$\"'"
    rows = [{"step": 1.0, f"val_{evil}": 0.5}, {"step": 2.0, f"val_{evil}": 0.25}]
    hardware = {"devices": evil, "device": evil, "machine": evil}
    runs = [
        with_config(compared_run(evil, rows=rows, hardware=hardware, l1=0.5), data__root=evil),
        compared_run("b", l1=0.25),
    ]
    write_comparison(runs, ["l1"], [], ScoringOptions(), tmp_path)
    page = Page((tmp_path / "comparison.html").read_text())
    assert not page.all("script")
    assert page.text.count("alert(1)") > 3
    outside_code = re.sub("`[^`]*`", "", (tmp_path / "comparison.md").read_text())
    assert "alert(1)" in outside_code
    assert "<" not in outside_code
    assert image_files.read(tmp_path / "curves.png").std() > 5


def test_without_matplotlib_the_error_gives_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = compared_run(rows=[{"step": 1.0, "val_l1": 0.5}], l1=0.5)
    with pytest.raises(InputError, match=r"pip install 'pix2pix_jax\[plots\]'"):
        write_comparison([run], ["l1"], [], ScoringOptions(), tmp_path)
