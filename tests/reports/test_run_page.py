import base64
import itertools
import json
import pathlib
import re

import numpy as np
import pytest
from PIL import Image
from support.html_page import Page
from support.run_files import COMMAND, SUMMARY, draw_sample, make_run

from pix2pix_jax.core.config import default_config, flatten
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.reports.run_page import write_report
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.writers import CsvWriter

SECTIONS = {"pictures", "curves", "baselines", "resume", "config", "machine"}


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "maps_run")


def report_of(run):
    path = write_report(run)
    assert path == run / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def test_a_complete_run_has_every_section_and_number(run):
    draw_sample(run, "test.png", 9)
    found = report_of(run)
    assert found.ids >= SECTIONS
    assert found.sample_labels == ["epoch 0", "epoch 1", "epoch 2", "epoch 3", "epoch 4"]
    for words in [
        "maps_run complete step 40, epoch 4;",
        "Validation l1 0.125 units of [-1, 1], lower is better; best so far",
        "Validation psnr 20.5 dB, higher is better; best 19 at step 10",
        "Images per second 60 during training; 3.4 % of the time spent waiting for data",
        "Time 1 h 2 min",
        "Test pairs",
        "Generator loss",
        "Discriminator loss",
        "this run 0.125 mean target 0.5 copy source 0.75",
        "with a larger train.epochs",
        "data.image_size (32,) (256, 256) train.epochs 4 200",
        f"All {len(flatten(default_config()))} keys",
        "platform cpu",
        "python 3.",
        "from step 0",
    ]:
        assert words in found.text
    assert found.text.count(COMMAND) == 2


def test_what_was_seen_while_training_has_its_epoch(run):
    assert "findings" not in report_of(run).ids
    writer = CsvWriter(run / "metrics.csv", 40)
    for epoch in range(5, 40):
        row = {"epoch": epoch, "val_l1": 0.5, "output_variation": 0.01}
        writer.scalars(1000 * epoch, {name: float(value) for name, value in row.items()})
    found = report_of(run)
    assert "findings" in found.ids
    assert (
        "Seen while training epoch 6: the outputs ignore their source: from pair to pair they vary "
        "only 1% as much as the targets."
    ) in found.text
    assert "epoch 34: val l1 has not got better for 30 evaluations (best 0.025). " in found.text


def test_a_run_in_progress_says_how_far_it_is(tmp_path):
    found = report_of(make_run(tmp_path / "run", epochs=3, complete=False))
    assert "in progress step 30 of 40, epoch 3 of 4;" in found.text
    assert found.all("progress", value="0.75")
    assert "To resume from the newest checkpoint, run the same command" in found.text
    assert "baselines" not in found.ids


def test_a_run_whose_length_is_not_known_yet_shows_its_epochs(tmp_path):
    run = make_run(tmp_path / "run", epochs=0, complete=False)
    CsvWriter(run / "metrics.csv", 0).scalars(5, {"epoch": 0.5, "g_loss": 1.0})
    found = report_of(run)
    assert "step 5, epoch 0.5 of 4;" in found.text
    assert found.all("progress", value="0.125")


def test_a_run_that_counts_steps_shows_its_steps(tmp_path):
    run = make_run(tmp_path / "run", complete=False)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"train.steps": 160}))
    found = report_of(run)
    assert "step 40 of 160, epoch 4;" in found.text
    assert found.all("progress", value="0.25")


def test_settings_changed_at_a_start_are_listed(run):
    config = default_config()
    config.train.epochs = 8
    config.data.image_size = (32,)
    RunFolder(run).record_start(config, first_step=40, command=COMMAND)
    found = report_of(run)
    assert re.search(r"from step 40 on 8 \W cpu .* changed: train.epochs: 4 -> 8", found.text)


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
def test_missing_files_are_left_out_and_listed(run, kept):
    for name in set(FILES) - set(kept):
        path = run / name
        if path.is_dir():
            for picture in path.iterdir():
                picture.unlink()
            path.rmdir()
        else:
            path.unlink()
    found = report_of(run)
    listed = {"config.json", "run.json", "metrics.csv"} - set(kept)
    assert ("Missing or broken" in found.text) == bool(listed)
    assert all(name in found.text for name in listed)
    assert ("pictures" in found.ids) == ("samples" in kept)
    assert ("config" in found.ids) == ("config.json" in kept)
    assert ("machine" in found.ids) == ("resume" in found.ids) == ("run.json" in kept)
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
        b'{"starts": [{}, 7, {"hardware": 1, "changed": 2}], "val": {"l1": null}}',
        b"\0" * 9,
    ],
)
def test_an_incomplete_file_does_no_harm(run, name, content):
    (run / name).write_bytes(content)
    found = report_of(run)
    assert "maps_run" in found.text
    assert found.sample_labels[-1] == "epoch 4"


def test_a_broken_picture_is_left_out_and_listed(run):
    path = run / "samples" / "epoch_0002.png"
    path.write_bytes(path.read_bytes()[:60])
    (run / "samples" / "epoch_0003.png").unlink()
    (run / "samples" / "epoch_0003.png").mkdir()
    found = report_of(run)
    assert found.sample_labels == ["epoch 0", "epoch 1", "epoch 4"]
    assert "samples/epoch_0002.png , samples/epoch_0003.png" in found.text


def test_an_empty_folder_has_a_report_and_a_missing_one_is_refused(tmp_path):
    found = report_of(tmp_path)
    assert "No numbers yet" in found.text
    assert not found.ids & {"pictures", "config", "machine", "baselines"}
    with pytest.raises(InputError, match="nowhere: no such folder"):
        write_report(tmp_path / "nowhere")


def test_one_row_is_drawn_as_a_dot(tmp_path):
    run = make_run(tmp_path / "run", epochs=0, complete=False)
    (run / "metrics.csv").write_text("step,epoch,g_loss\n1,0.1,2.5\n")
    assert len(report_of(run).all("circle")) == 1


def test_two_hundred_epochs_show_every_tenth(tmp_path):
    run = make_run(tmp_path / "run")
    for epoch in range(201):
        draw_sample(run, f"epoch_{epoch:04d}.png", epoch)
    assert report_of(run).sample_labels == [f"epoch {epoch}" for epoch in range(0, 201, 10)]


def test_pictures_of_epochs_and_steps_are_in_the_order_of_their_steps(run):
    for step in (4, 15, 1500):
        draw_sample(run, f"step_{step:08d}.png", 7)
    draw_sample(run, "epoch_0009.png", 7)
    draw_sample(run, "training_pairs.png", 7)
    shown = ["epoch 0", "step 4", "epoch 1", "step 15", "epoch 2", "epoch 3", "epoch 4", "epoch 9"]
    found = report_of(run)
    assert found.sample_labels == [*shown, "step 1,500"]
    steps = [float(one["data-step"]) for one in found.all("img") if "data-step" in one]
    assert steps == [0, 4, 10, 15, 20, 30, 40, 90, 1500]


def test_pictures_keep_their_colours_and_large_ones_are_made_small(run):
    large = np.kron(np.eye(2, dtype=np.uint8), np.ones((700, 1000), np.uint8))[..., None]
    image_files.write(run / "samples" / "test.png", large * np.array([200, 40, 90], np.uint8))
    (shown,) = report_of(run).all("img", width="640", height="448")
    data = shown["src"].removeprefix("data:image/jpeg;base64,")
    (run / "again.jpg").write_bytes(base64.b64decode(data, validate=True))
    with Image.open(run / "again.jpg") as picture:
        assert picture.size == (640, 448)
        colours = [picture.getpixel(place) for place in ((10, 10), (630, 10))]
    np.testing.assert_allclose(colours, [(200, 40, 90), (0, 0, 0)], atol=4)


def test_the_report_stays_small(tmp_path):
    run = make_run(tmp_path / "run", complete=False)
    coarse = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((776, 1036), Image.Resampling.BICUBIC))
    Image.fromarray(picture).save(run / "samples" / "epoch_0000.png")
    for epoch in range(1, 41):
        path = run / "samples" / f"epoch_{epoch:04d}.png"
        path.unlink(missing_ok=True)
        path.hardlink_to(run / "samples" / "epoch_0000.png")
    rows = [f"{step},{step / 100},{1 / step},{step % 7}" for step in range(1, 20001)]
    (run / "metrics.csv").write_text("\n".join(["step,epoch,g_loss,val_l1", *rows]))
    write_report(run)
    assert (run / "report.html").stat().st_size < 3e6


def test_text_from_the_run_is_no_markup(tmp_path):
    evil = "<script>alert('&amp;')</script>\""
    run = make_run(tmp_path / "<script>alert(1)<!--")
    RunFolder(run).record_start(default_config(), first_step=1, command=evil)
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


def test_a_folder_whose_name_is_not_utf_8_has_a_report(tmp_path):
    run = make_run(pathlib.Path(f"{tmp_path}/caf\udce9"))
    assert "caf?" in report_of(run).text


def test_a_report_that_cannot_be_written_leaves_the_old_one(run, monkeypatch):
    write_report(run)
    before = (run / "report.html").read_text()

    def write_half(self, text, **options):
        self.write_bytes(text[:100].encode())
        raise OSError("No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_text", write_half)
    with pytest.raises(OSError, match="No space left"):
        write_report(run)
    assert (run / "report.html").read_text() == before
    assert not list(run.glob(".report*"))
