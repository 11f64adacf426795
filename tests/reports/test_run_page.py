import html.parser
import itertools
import json
import pathlib
import re

import numpy as np
import pytest

pytest.importorskip("jinja2")
from PIL import Image

from pix2pix_jax.core.config import default_config, flatten
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.reports import numbers
from pix2pix_jax.reports import run_charts as curves
from pix2pix_jax.reports import run_page as page
from pix2pix_jax.reports import run_pictures as pictures
from pix2pix_jax.reports import svg_chart as chart
from pix2pix_jax.runs import folder as workdir
from pix2pix_jax.runs import record
from pix2pix_jax.runs.writers import CsvWriter

COMMAND = "python scripts/train.py --config configs/maps.py --config.train.epochs=4"
SECTIONS = {"pictures", "curves", "baselines", "go-on", "config", "machine"}
SUMMARY = {
    "steps": 40,
    "epochs": 4,
    "seconds": 3725.4,
    "images_per_second": 61.25,
    "data_wait_share": 0.034,
    "val": {"l1": 0.125, "psnr": 20.5},
    "baseline": {"mean_target_l1": 0.5, "copy_source_l1": 0.75},
}


class Page(html.parser.HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words = [], []
        self.shown = True
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.shown = tag not in ("style", "script")

    def handle_endtag(self, tag):
        self.shown = True

    def handle_data(self, data):
        if self.shown:
            self.words.append(data)

    def all(self, tag, **wanted):
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and all(attributes.get(key) == wanted[key] for key in wanted)
        ]

    @property
    def ids(self):
        return {attributes["id"] for _, attributes in self.elements if "id" in attributes}

    @property
    def strip(self):
        """Labels of the pictures over the run."""
        return [one["data-label"] for one in self.all("img") if "data-label" in one]


def draw_sample(run, name, level):
    (run / "samples").mkdir(exist_ok=True)
    image_files.write(run / "samples" / name, np.full((32, 48, 3), level, np.uint8))


def write_rows(run, epochs):
    writer = CsvWriter(run / "metrics.csv", 0)
    for step in range(5, 10 * epochs + 1, 5):
        losses = {"g_loss": 40 / step, "g_loss_gan": 1.0, "g_loss_l1": 0.4, "d_loss": 0.5}
        row = {"epoch": step / 10, "learning_rate": 2e-4, **losses, "d_loss_real": 0.25}
        if step % 10 == 0:
            row |= {"val_l1": 1 / step, "val_psnr": 20 - step / 10, "images_per_second": 60.0}
        writer.scalars(step, row)


def make_run(run, epochs=4, complete=True):
    """Write the files of a run as the training does."""
    run.mkdir()
    config = default_config()
    config.train.epochs = 4
    config.data.image_size = (32,)
    workdir.record_start(run, config, first_step=0, command=COMMAND)
    write_rows(run, epochs)
    for epoch in range(epochs + 1):
        draw_sample(run, f"epoch_{epoch:04d}.png", 50 * epoch)
    if complete:
        (run / "summary.json").write_text(json.dumps(SUMMARY))
    return run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "maps_run")


def report_of(run):
    path = page.write_report(run)
    assert path == run / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def test_a_complete_run_has_every_section_and_number(run):
    draw_sample(run, "test.png", 9)
    found = report_of(run)
    assert found.ids >= SECTIONS
    assert found.strip == ["epoch 0", "epoch 1", "epoch 2", "epoch 3", "epoch 4"]
    for words in [
        "maps_run complete step 40, epoch 4;",
        "Validation l1 0.125 units of [-1, 1], lower is better; the best so far",
        "Validation psnr 20.5 dB, higher is better; best 19 at step 10",
        "Images per second 60 while training; 3.4 % of the time waiting for data",
        "Time 1 h 2 min",
        "Test pairs",
        "Generator loss",
        "Discriminator loss",
        "this run 0.125 mean target 0.5 copy source 0.75",
        "With a larger train.epochs",
        "data.image_size (32,) (256, 256) train.epochs 4 200",
        f"All {len(flatten(default_config()))} keys",
        "platform cpu",
        "python 3.",
        "from step 0",
    ]:
        assert words in found.text
    assert found.text.count(COMMAND) == 2


def test_a_run_in_progress_says_how_far_it_is(tmp_path):
    found = report_of(make_run(tmp_path / "run", epochs=3, complete=False))
    assert "in progress step 30 of 40, epoch 3 of 4;" in found.text
    assert found.all("progress", value="0.75")
    assert "the same command goes on from the newest checkpoint" in found.text
    assert "baselines" not in found.ids


def test_steps_wanted_are_unknown_before_the_first_epochs_end(tmp_path):
    run = make_run(tmp_path / "run", epochs=0, complete=False)
    CsvWriter(run / "metrics.csv", 0).scalars(5, {"epoch": 0.5, "g_loss": 1.0})
    found = report_of(run)
    assert "step 5, epoch 0.5 of 4;" in found.text
    assert found.all("progress", value="0.125")


def test_a_run_that_counts_steps_has_no_epochs_wanted(tmp_path):
    run = make_run(tmp_path / "run", complete=False)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"train.steps": 160}))
    found = report_of(run)
    assert "step 40 of 160, epoch 4;" in found.text
    assert found.all("progress", value="0.25")


def test_steps_wanted_follow_the_newest_epochs_after_a_change_of_batch(tmp_path):
    run = make_run(tmp_path / "run", epochs=2, complete=False)
    CsvWriter(run / "metrics.csv", 20).scalars(25, {"epoch": 3.0})
    assert "step 25 of 30, epoch 3 of 4;" in report_of(run).text


def test_the_file_needs_nothing_but_itself(run):
    draw_sample(run, "test.png", 9)
    found = report_of(run)
    text = re.sub('data:image/jpeg;base64,[^"]+', "", (run / "report.html").read_text())
    assert not re.search(r"https?:|[\"'(=]//|@import|url\(|fetch\(|XMLHttp", text, re.IGNORECASE)
    assert not found.all("link")
    for _, attributes in found.elements:
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith("#")
        assert not {"srcset", "action", "poster"} & set(attributes)
    (policy,) = found.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


FILES = ("config.json", "run.json", "metrics.csv", "summary.json", "samples")


@pytest.mark.parametrize(
    "kept", [*itertools.combinations(FILES, 1), *itertools.combinations(FILES, 4)]
)
def test_files_that_are_missing_are_left_out_and_named(run, kept):
    for name in set(FILES) - set(kept):
        path = run / name
        if path.is_dir():
            for picture in path.iterdir():
                picture.unlink()
            path.rmdir()
        else:
            path.unlink()
    found = report_of(run)
    named = {"config.json", "run.json", "metrics.csv"} - set(kept)
    assert ("Missing or broken" in found.text) == bool(named)
    assert all(name in found.text for name in named)
    assert ("pictures" in found.ids) == ("samples" in kept)
    assert ("config" in found.ids) == ("config.json" in kept)
    assert ("machine" in found.ids) == ("go-on" in found.ids) == ("run.json" in kept)
    assert ("No numbers yet" in found.text) == ("metrics.csv" not in kept)
    assert ("complete" in found.text) == ("summary.json" in kept)


@pytest.mark.parametrize("name", FILES[:4])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, 2]",
        b"null",
        b'"\xff\xfe',
        b'{"starts": 7, "val": 3, "steps": "x"}',
        b"\0" * 9,
    ],
)
def test_a_file_that_is_half_there_does_no_harm(run, name, content):
    (run / name).write_bytes(content)
    found = report_of(run)
    assert "maps_run" in found.text
    assert found.strip[-1] == "epoch 4"


def test_a_broken_picture_is_left_out_and_named(run):
    path = run / "samples" / "epoch_0002.png"
    path.write_bytes(path.read_bytes()[:60])
    (run / "samples" / "epoch_0003.png").unlink()
    (run / "samples" / "epoch_0003.png").mkdir()
    found = report_of(run)
    assert found.strip == ["epoch 0", "epoch 1", "epoch 4"]
    assert "samples/epoch_0002.png , samples/epoch_0003.png" in found.text


def test_an_empty_folder_has_a_report_and_a_missing_one_is_refused(tmp_path):
    found = report_of(tmp_path)
    assert "No numbers yet" in found.text
    assert not found.ids & {"pictures", "config", "machine", "baselines"}
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        page.write_report(tmp_path / "nowhere")


def test_one_row_is_drawn_as_a_dot(tmp_path):
    run = make_run(tmp_path / "run", epochs=0, complete=False)
    (run / "metrics.csv").write_text("step,epoch,g_loss\n1,0.1,2.5\n")
    (one,) = curves.loss_charts(record.read_rows(run / "metrics.csv"))
    assert one.lines[0].dots == [(chart.RIGHT, (chart.TOP + chart.BOTTOM) / 2)]
    assert len(report_of(run).all("circle")) == 1


def test_cells_without_a_finite_number_are_no_points(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(
        "step,g_loss,val_l1\n1,3.5,\n2,nan,0.5\n3,inf,0.25\n4,1e300,\n,7,7\nx,7,7\n-1,7,7\n"
        "6,oops,1,8\n5,1.5"
    )
    assert record.read_rows(path) == [
        {"step": 1, "g_loss": 3.5},
        {"step": 2, "val_l1": 0.5},
        {"step": 3, "val_l1": 0.25},
        {"step": 4},
        {"step": 5, "g_loss": 1.5},
        {"step": 6, "val_l1": 1},
    ]
    (loss,) = curves.loss_charts(record.read_rows(path))
    assert loss.data == {"steps": [1, 5], "epochs": [None, None], "lines": [[3.5, 1.5]]}


def test_a_curve_passes_through_the_places_of_its_numbers():
    rows = [{"step": 0.0, "val_l1": 0.0}, {"step": 50.0}, {"step": 100.0, "val_l1": 5.0}]
    (one,) = curves.metric_charts(rows, {})
    assert one.lines[0].points == [(chart.LEFT, chart.BOTTOM), (chart.RIGHT, chart.TOP)]
    assert one.lines[0].path == f"M{chart.LEFT}.0 {chart.BOTTOM}.0L{chart.RIGHT}.0 {chart.TOP}.0"
    assert [text for _, text in one.x_ticks] == ["step 0", "20", "40", "60", "80", "100"]
    assert [text for _, text in one.y_ticks] == ["0", "1", "2", "3", "4", "5"]


def test_validation_and_training_share_a_chart_with_the_nearest_baseline():
    rows = [
        {"step": 1.0, "val_l1": 0.2, "train_l1": 0.1, "val_fid": 9.0},
        {"step": 2.0, "val_l1": 0.4},
    ]
    baselines = {"copy_source_l1": 0.9, "mean_target_l1": 0.5, "mean_target_l2": 0.3}
    l1, fid = curves.metric_charts(rows, baselines)
    assert [(line.label, line.values) for line in l1.lines] == [
        ("validation", [0.2, 0.4]),
        ("training", [0.1, None]),
    ]
    assert l1.guide == (chart.TOP, "mean target")
    assert (fid.title, fid.note, fid.guide) == ("fid", "", None)


def test_every_column_is_in_exactly_one_chart():
    names = ["g_loss", "g_loss_gan", "g_loss_l1", "g_loss_features", "d_loss", "d_loss_real"]
    names += ["val_l1", "train_l1", "val_fid", "learning_rate", "images_per_second", "odd"]
    rows = [{"step": 1.0, "epoch": 1.0, **{name: float(k) for k, name in enumerate(names)}}]
    drawn = [*curves.loss_charts(rows), *curves.metric_charts(rows, {}), *curves.other_charts(rows)]
    values = [line.ends[1] for one in drawn for line in one.lines]
    assert sorted(values) == list(range(len(names)))
    assert "Features loss" in [one.title for one in drawn]


def test_a_long_table_is_folded_to_means():
    rows = [{"step": float(step), "g_loss": float(step)} for step in range(1, 1001)]
    (one,) = curves.loss_charts(rows)
    assert one.note == "each point is the mean of 3 rows"
    assert len(one.steps) == 334
    assert (one.steps[0], one.lines[0].values[0]) == (3, 2)
    assert (one.steps[-1], one.lines[0].values[-1]) == (1000, 1000)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 5.0, [0, 1, 2, 3, 4, 5]),
        (0.12, 0.43, [0.1, 0.2, 0.3, 0.4, 0.5]),
        (-3.0, 2.0, [-3, -2, -1, 0, 1, 2]),
        (0.0, 600.0, [0, 200, 400, 600]),
        (2.0, 2.0, [1, 1.5, 2, 2.5, 3]),
        (0.0, 0.0, [-1, -0.5, 0, 0.5, 1]),
        (3e-30, 3e-30, [1e-30, 2e-30, 3e-30, 4e-30, 5e-30]),
    ],
)
def test_ticks_are_round_and_enclose_the_range(low, high, expected):
    np.testing.assert_allclose(chart.ticks(low, high), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(50))
def test_ticks_of_any_range_are_few_and_even(seed):
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.normal(size=2) * 10.0 ** rng.integers(-20, 20, 2))
    found = chart.ticks(float(low), float(high))
    assert 2 <= len(found) <= 7
    assert found[0] <= low + 1e-9 * (high - low)
    assert found[-1] >= high - 1e-9 * (high - low)
    np.testing.assert_allclose(np.diff(found), found[1] - found[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, []),
        (1, [0]),
        (21, list(range(21))),
        (22, [*range(0, 21, 2), 21]),
        (201, list(range(0, 201, 10))),
        (202, [*range(0, 201, 20), 201]),
    ],
)
def test_many_items_are_thinned_evenly_with_first_and_last(count, expected):
    assert pictures.thin(range(count)) == expected


def test_two_hundred_epochs_show_every_tenth(tmp_path):
    run = make_run(tmp_path / "run")
    for epoch in range(201):
        draw_sample(run, f"epoch_{epoch:04d}.png", epoch)
    assert report_of(run).strip == [f"epoch {epoch}" for epoch in range(0, 201, 10)]


def test_pictures_of_epochs_and_steps_are_in_one_order(run):
    for step in (4, 15, 1500):
        draw_sample(run, f"step_{step:08d}.png", 7)
    draw_sample(run, "epoch_0009.png", 7)
    draw_sample(run, "training_pairs.png", 7)
    shown = ["epoch 0", "step 4", "epoch 1", "step 15", "epoch 2", "epoch 3", "epoch 4", "epoch 9"]
    found = report_of(run)
    assert found.strip == [*shown, "step 1,500"]
    steps = [float(one["data-step"]) for one in found.all("img") if "data-step" in one]
    assert steps == [0, 4, 10, 15, 20, 30, 40, 90, 1500]


def test_pictures_keep_their_colours_and_large_ones_are_made_small(run):
    large = np.kron(np.eye(2, dtype=np.uint8), np.ones((700, 1000), np.uint8))[..., None]
    image_files.write(run / "samples" / "test.png", large * np.array([200, 40, 90], np.uint8))
    encoded = pictures.encode(run / "samples" / "test.png")
    assert (encoded.width, encoded.height) == (640, 448)
    found = report_of(run).all("img", src=encoded.uri)
    assert [(one["width"], one["height"]) for one in found] == [("640", "448")]
    (run / "again.jpg").write_bytes(decoded(encoded.uri))
    with Image.open(run / "again.jpg") as picture:
        assert picture.size == (640, 448)
        colours = [picture.getpixel(place) for place in ((10, 10), (630, 10))]
    np.testing.assert_allclose(colours, [(200, 40, 90), (0, 0, 0)], atol=4)


def decoded(uri):
    import base64

    return base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"), validate=True)


def test_a_picture_that_has_changed_is_read_again(run):
    path = run / "samples" / "epoch_0004.png"
    before = pictures.encode(path)
    assert pictures.encode(path) is before
    image_files.write(path, np.full((16, 48, 3), 3, np.uint8))
    assert pictures.encode(path).height == 16


def test_the_report_stays_small(tmp_path):
    run = make_run(tmp_path / "run", complete=False)
    coarse = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((776, 1036), Image.Resampling.BICUBIC))
    (run / "samples").mkdir(exist_ok=True)
    Image.fromarray(picture).save(run / "samples" / "epoch_0000.png")
    for epoch in range(1, 41):
        path = run / "samples" / f"epoch_{epoch:04d}.png"
        path.unlink(missing_ok=True)
        path.hardlink_to(run / "samples" / "epoch_0000.png")
    rows = [f"{step},{step / 100},{1 / step},{step % 7}" for step in range(1, 20001)]
    (run / "metrics.csv").write_text("\n".join(["step,epoch,g_loss,val_l1", *rows]))
    page.write_report(run)
    assert (run / "report.html").stat().st_size < 3e6


def test_text_from_the_run_is_no_markup(tmp_path):
    evil = "<script>alert('&amp;')</script>\""
    run = make_run(tmp_path / "<script>alert(1)<!--")
    workdir.record_start(run, default_config(), first_step=1, command=evil)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {evil: evil}))
    (run / "metrics.csv").write_text("step,val_</script>,</script><i>\n1,2,3\n")
    scores = {"val": {"l1": 0.5, evil: 1}, "baseline": {f"{evil}_l1": 0.25}}
    (run / "summary.json").write_text(json.dumps(SUMMARY | {"seconds": evil} | scores))
    found = report_of(run)
    plain = report_of(make_run(tmp_path / "plain"))
    text = (run / "report.html").read_text()
    charts = len(found.all("figure", **{"class": "chart"}))
    assert charts == 2
    assert len(found.all("script")) == charts + 1  # their numbers, and the page's own script
    assert text.count("<script") == text.count("</script>") == charts + 1
    assert "<script>alert(1)<!--" in found.text
    assert evil in found.text
    assert found.ids == plain.ids


def test_a_folder_whose_name_is_no_text_has_a_report(tmp_path):
    run = make_run(pathlib.Path(f"{tmp_path}/caf\udce9"))
    assert "caf?" in report_of(run).text


def test_the_report_takes_the_place_of_the_old_one_whole(run, monkeypatch):
    page.write_report(run)
    before = (run / "report.html").read_text()

    def write_half(self, text, **options):
        self.write_bytes(text[:100].encode())
        raise OSError("No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_text", write_half)
    with pytest.raises(OSError, match="No space left"):
        page.write_report(run)
    assert (run / "report.html").read_text() == before
    assert not list(run.glob(".report*"))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (40.4, "40 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (86400 * 3 + 4 * 3600 + 59, "3 d 4 h"),
        (3601, "1 h"),
    ],
)
def test_durations_are_written_as_people_say_them(seconds, expected):
    assert numbers.duration(seconds) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, "3"),
        (186320.0, "186,320"),
        (0.123456, "0.1235"),
        (1234.56, "1,235"),
        (5e-5, "0.00005"),
        (-0.5, "-0.5"),
        (1e-12, "1e-12"),
        (float("nan"), "nan"),
        ("half", "half"),
        (True, "True"),
    ],
)
def test_numbers_are_written_with_four_digits(value, expected):
    assert numbers.number(value) == expected


def luminance(colour):
    """Relative luminance of WCAG 2, from #rgb or #rrggbb."""
    digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
    levels = np.array([int(digits[k : k + 2], 16) for k in (0, 2, 4)]) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart(scheme):
    style = pathlib.Path(page.__file__).with_name("style.css").read_text()
    colours = dict(re.findall(r"--([\w-]+): #(\w+);", style.split("@media")[scheme]))
    for ground in ("card", "page"):
        for text in ("ink", "soft", "accent"):
            assert contrast(colours[text], colours[ground]) >= 4.5
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert contrast(colours["card"], colours["done"]) >= 4.5
    assert contrast(colours["ink"], colours["notice"]) >= 4.5
    for line in range(4):
        assert contrast(colours[f"line{line}"], colours["card"]) >= 3
