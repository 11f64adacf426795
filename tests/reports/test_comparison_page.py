"""Pictures, curves and pages of a comparison."""

import csv
import dataclasses
import html
import html.parser
import re
import sys

import numpy as np
import pytest
from support.made_entries import entry_of, with_config
from support.runs import tiny_run

from pix2pix_jax import InputError
from pix2pix_jax.evaluation.run_scores import Options
from pix2pix_jax.evaluation.scorecard import choose_wanted
from pix2pix_jax.images import files as image_files
from pix2pix_jax.reports.comparison_page import build_panels, write_comparison
from pix2pix_jax.reports.comparison_pictures import choose_images, draw_images
from pix2pix_jax.reports.comparison_runs import collect
from pix2pix_jax.reports.numbers import written

METRICS = ["l1", "psnr", "ssim"]
WANTED = choose_wanted(METRICS)


def test_images_are_those_that_all_runs_have():
    two = [entry_of("a", names=tuple("abcdef")), entry_of("b", names=tuple("fdbxa"))]
    assert choose_images(two, 2) == ["a", "f"]
    assert choose_images(two, 9) == ["a", "b", "d", "f"]
    assert choose_images(two, 0) == []
    assert choose_images([two[0], entry_of("b", names=("q",))], 3) == []


class Page(html.parser.HTMLParser):
    """What a page refers to, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words = [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison of two runs, one with a name that is no HTML."""
    pytest.importorskip("matplotlib")
    output = tmp_path_factory.mktemp("comparison")
    runs = [output / "runs" / "instance", output / "runs" / "batch"]
    tiny_run(runs[0])
    tiny_run(runs[1], model__norm="batch")
    options, labels = Options(), ["instance <norm>", "batch"]
    entries = collect(list(map(str, runs)), labels, "best", WANTED, options, output)
    shown = draw_images(entries, choose_images(entries, 2), options)
    assert write_comparison(entries, METRICS, shown, options, output) == []
    return entries, shown, output


def test_every_run_translates_the_same_images(compared):
    entries, shown, _ = compared
    names = list(entries[0].values)
    assert [one.name for one in shown] == [names[0], names[4]]
    for one in shown:
        assert [picture.shape for picture in one.all] == [(32, 32, 3)] * 4
        assert np.any(one.answers[0] != one.answers[1])
        for entry, answer in zip(entries, one.answers, strict=True):
            found = np.abs(answer / 127.5 - one.target / 127.5).mean()
            assert found == pytest.approx(entry.values[one.name]["l1"], abs=2e-3)


def test_the_files_are_all_there(compared):
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
    entries, _, _ = compared
    panels = {panel.metric: panel.lines for panel in build_panels(entries, METRICS)}
    assert list(panels) == ["l1", "psnr"]
    assert list(panels["psnr"]) == ["instance <norm>", "batch"]
    with (entries[1].workdir / "metrics.csv").open() as file:
        rows = [(float(row["step"]), float(row["val_l1"])) for row in csv.DictReader(file)]
    assert panels["l1"]["batch"] == rows
    assert [step for step, _ in rows] == [3, 6]


def test_the_page_needs_no_other_file(compared):
    entries, shown, output = compared
    text = (output / "comparison.html").read_text()
    page = Page(text)
    images = page.all("img")
    assert len(images) == 2 * 4
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in images)
    assert {image["alt"] for image in images} >= {f"instance <norm> of {shown[0].name}"}
    assert not page.all("script")
    assert not page.all("link")
    assert not re.search(r"https?://|url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert "instance &lt;norm&gt;" in text
    assert "<norm>" not in text
    assert len(page.all("svg")) == 2 * (1 + 2)  # a plot and two legends for each of two metrics
    assert "model.norm" in page.text
    for entry in entries:
        assert written(entry.mean("ssim"), 4) in page.text


def test_runs_without_pictures_or_curves_have_a_page_all_the_same(tmp_path):
    runs = [entry_of("a", l1=0.5), with_config(entry_of("b", l1=0.25), data__root="x")]
    faults = write_comparison(runs, ["l1"], [], Options(), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "comparison.csv",
        "comparison.html",
        "comparison.md",
    }
    assert len(faults) == 1
    for name in ("comparison.md", "comparison.html"):
        text = html.unescape((tmp_path / "out" / name).read_text())
        assert faults[0] in text


def test_missing_packages_name_their_extras(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    rows = [{"step": 1.0, "val_l1": 0.5}]
    run = entry_of(l1=0.5)
    run = dataclasses.replace(run, record=dataclasses.replace(run.record, rows=rows))
    with pytest.raises(InputError, match=r"pip install 'pix2pix_jax\[plots\]'"):
        write_comparison([run], ["l1"], [], Options(), tmp_path)
