"""The report in a browser, opened from disk."""

import json

import numpy as np
import pytest

pytest.importorskip("jinja2")
pytest.importorskip("selenium")
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from support.browser import Shown, set_width, started_browser

from pix2pix_jax.core.config import default_config
from pix2pix_jax.images import files as image_files
from pix2pix_jax.reports.run_page import write_report
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.writers import CsvWriter

COMMAND = "python scripts/train.py --config configs/maps.py"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "maps & <b>more #1"
    (run / "samples").mkdir(parents=True)
    config = default_config()
    config.train.epochs = 3
    RunFolder(run).record_start(config, first_step=0, command=COMMAND)
    writer = CsvWriter(run / "metrics.csv", 0)
    for epoch in range(4):
        picture = np.full((40, 60, 3), 80 * epoch, np.uint8)
        image_files.write(run / "samples" / f"epoch_{epoch:04d}.png", picture)
        if epoch:
            row = {"epoch": float(epoch), "g_loss": epoch / 8, "val_l1": 1 / epoch}
            row["images_per_second"] = 1234.5 * epoch
            writer.scalars(10 * epoch, row)
    (run / "summary.json").write_text(json.dumps({"steps": 30, "epochs": 3}))
    return write_report(run)


@pytest.fixture(scope="module")
def chrome():
    with started_browser() as started:
        yield started


@pytest.fixture
def page(chrome, report):
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chrome.get(report.as_uri())
    yield Page(chrome)
    # Errors of the script and everything that the page's policy blocks are in the log.
    assert chrome.get_log("browser") == []


class Page(Shown):
    @property
    def shown(self):
        """Label of the picture shown, and the red value at its centre."""
        red = self.chrome.execute_script(
            "const canvas = document.createElement('canvas');"
            "const context = canvas.getContext('2d');"
            "context.drawImage(document.getElementById('picture'), 0, 0);"
            "return context.getImageData(30, 20, 1, 1).data[0];"
        )
        return self.one("#label").text, red

    @property
    def g_loss(self):
        charts = self.all(".chart")
        (chart,) = [one for one in charts if "Generator loss" in one.text]
        return chart

    def wait(self, condition):
        WebDriverWait(self.chrome, 10, poll_frequency=0.05).until(lambda _: condition())


def test_it_opens_from_disk_on_the_newest_picture(page):
    assert page.one("h1").text == "maps & <b>more #1"
    assert page.shown == ("epoch 3", pytest.approx(240, abs=3))
    assert page.one("#slider").get_attribute("aria-valuetext") == "epoch 3"
    assert not page.one(".strip").is_displayed()


def test_the_slider_changes_the_picture_and_the_numbers_beside_the_curves(page):
    assert "0.375" in page.g_loss.text
    slider = page.one("#slider")
    slider.send_keys(Keys.ARROW_LEFT)
    assert page.shown == ("epoch 2", pytest.approx(160, abs=3))
    assert "0.25" in page.g_loss.text
    assert "step 20, epoch 2" in page.g_loss.text
    slider.send_keys(Keys.HOME)
    assert page.shown == ("epoch 0", pytest.approx(0, abs=3))
    assert slider.get_attribute("aria-valuetext") == "epoch 0"


def test_numbers_read_the_same_before_and_after_the_slider_moves(page):
    slider = page.one("#slider")
    slider.send_keys(Keys.ARROW_LEFT)
    (speed,) = [chart for chart in page.all(".chart") if "Images per second" in chart.text]
    assert "2,469" in speed.text
    slider.send_keys(Keys.ARROW_RIGHT)
    for chart in page.all(".chart"):
        label = chart.find_element(By.CSS_SELECTOR, "svg[role=img]").get_attribute("aria-label")
        for output in chart.find_elements(By.CSS_SELECTOR, "output"):
            assert f" to {output.text}" in label  # as written before the script has run


def test_play_goes_through_all_pictures_and_stops_at_the_last(page):
    play = page.one("#play")
    play.click()
    assert page.shown[0] == "epoch 0"
    assert play.get_attribute("aria-pressed") == "true"
    seen = set()
    page.wait(lambda: seen.add(page.one("#label").text) or len(seen) == 4)
    page.wait(lambda: play.get_attribute("aria-pressed") == "false")
    assert page.shown == ("epoch 3", pytest.approx(240, abs=3))


def test_play_can_be_stopped_where_it_is(page):
    page.one("#play").click()
    page.wait(lambda: page.one("#label").text == "epoch 1")
    page.one("#play").click()
    assert "Play" in page.one("#play").text
    assert page.one("#play").get_attribute("aria-pressed") == "false"


def test_a_picture_of_the_strip_is_shown_large(page):
    page.one("#strip summary").click()
    page.all(".strip button")[1].click()
    assert page.shown == ("epoch 1", pytest.approx(80, abs=3))
    assert page.one("#slider").get_attribute("value") == "1"
    assert len(page.all("[aria-current]")) == 1


def test_the_pointer_on_a_curve_shows_the_numbers_there(page):
    plot = page.g_loss.find_element(By.CSS_SELECTOR, "svg[role=img]")
    width = plot.size["width"]
    actions = webdriver.ActionChains(page.chrome, duration=0)
    actions.move_to_element_with_offset(plot, int(-0.2 * width), 0).perform()
    assert "step 10, epoch 1" in page.g_loss.text
    assert "0.125" in page.g_loss.text
    actions.move_to_element(page.one("h1")).perform()
    assert "step 30, epoch 3" in page.g_loss.text


def test_all_keys_of_the_config_unfold(page):
    changed, whole = page.all("#config table")
    assert [row.text for row in changed.find_elements(By.CSS_SELECTOR, "tbody tr")] == [
        "train.epochs 3 200"
    ]
    assert not whole.is_displayed()
    page.one("#config summary").click()
    assert whole.is_displayed()
    assert "optimizer.learning_rate 0.0002 0.0002" in whole.text


def test_the_command_to_resume_is_copied_or_selected(page):
    button = page.one("#copy")
    button.click()
    page.wait(lambda: button.text != "Copy")
    if button.text != "Copied":  # the browser does not let a page from disk write the clipboard
        assert page.chrome.execute_script("return String(getSelection())") == COMMAND
    assert page.one("#command").text == COMMAND


@pytest.mark.parametrize("width", [320, 390, 800, 1600])
@pytest.mark.parametrize("unfolded", [False, True])
def test_no_width_of_window_scrolls_sideways(page, width, unfolded):
    set_width(page.chrome, width)
    if unfolded:
        page.chrome.execute_script(
            "document.querySelectorAll('details').forEach((one) => { one.open = true; });"
        )
    found = page.chrome.execute_script("return document.documentElement.scrollWidth")
    assert found <= width
    assert page.one("#picture").size["width"] > 0.6 * min(width, 700)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colour_scheme_of_the_system(page, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    ground = page.one("body").value_of_css_property("background-color")
    levels = [int(part) for part in ground.strip("rgba()").split(",")[:3]]
    assert (min(levels) > 200) if scheme == "light" else (max(levels) < 50)
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
