"""The page in a browser: what a visitor gives it, and what comes back."""

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from support.browser import set_width, started_browser
from support.browser_page import Page, largest, noise, ours, png, served, write_whole_page
from support.generators import drawn_bundle

from pix2pix_jax import load_generator
from pix2pix_jax.deployment.page_runtime import VERSION
from pix2pix_jax.images import color, pixels
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.runs.fitting import fitted_size
from pix2pix_jax.runs.folder import RunFolder

SIDE = 64
# The network's file differs by at most one level, and its result is resized: bicubic weights are
# negative in part, so that their sizes add up to at most 1.25 squared.
AFTER_RESIZING = 2


@pytest.fixture(scope="module")
def chrome():
    with started_browser() as started:
        yield started


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What stands for a run whose sources are label maps."""
    folder = tmp_path_factory.mktemp("runs") / "labels"
    return drawn_bundle(folder, data__direction="BtoA", data__image_size=SIDE, factor=0.5)


@pytest.fixture(scope="module")
def generator(run):
    return load_generator(run)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A run of the same pairs with other weights, and its generator."""
    folder = tmp_path_factory.mktemp("runs") / "other <b>"
    drawn_bundle(folder, data__direction="BtoA", data__image_size=SIDE, factor=0.4)
    return RunFolder(folder), load_generator(folder)


@pytest.fixture(scope="module")
def folder(chrome, tmp_path_factory, run, generator, other):
    output = tmp_path_factory.mktemp("pages") / "demo"
    return write_whole_page([(RunFolder(run), generator), other], output)


@pytest.fixture(scope="module")
def url(folder):
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def loaded(chrome, url):
    """The page with its first example: loading it takes longer than all tests."""
    set_width(chrome, 1280)
    chrome.get(url)
    page = Page(chrome)
    page.wait(lambda: "to load" in page.status and not page.all(".busy"))
    return page


@pytest.fixture
def opened(loaded, one_device):
    """The page with both runs side by side, or as the test before has left it."""
    yield loaded
    # Errors of the scripts and everything that the page's policy blocks are in the log.
    assert loaded.chrome.get_log("browser") == []


@pytest.fixture
def page(opened):
    """The page with the first run alone."""
    opened.choose("labels")
    return opened


def result_of(number):
    return f".results figure:nth-child({number + 1}) canvas"


def test_runs_of_the_same_sources_open_side_by_side(opened, run, generator, other):
    source, _ = RunFolder(run).load_pairs("val")[0]
    np.testing.assert_array_equal(opened.pixels(".source canvas"), source)
    for number, each in enumerate((generator, other[1])):
        assert largest(opened.pixels(result_of(number)), ours(each, source)) <= 1
    assert largest(opened.pixels(result_of(0)), opened.pixels(result_of(1))) > 10
    assert [each.text for each in opened.all(".results .name")] == ["labels", "other <b>"]
    assert all(each.text.endswith(" ms") for each in opened.all(".results .time"))
    assert opened.status.startswith("2 results, 64 x 64 pixels in ")
    assert opened.one(".expected img").is_displayed() > opened.one("#comparison").is_displayed()
    for width, columns in ((390, 1), (1280, 2)):
        set_width(opened.chrome, width)
        assert len({each.rect["x"] for each in opened.all(".results figure")}) == columns
        assert opened.chrome.execute_script("return document.body.scrollWidth") <= width


def test_a_picture_goes_through_all_runs_and_each_result_is_saved(opened, generator):
    picture = noise(50, 90, 3)
    opened.drop(png(picture))
    assert opened.status.startswith("2 results, 90 x 50 pixels in ")
    assert largest(opened.pixels(result_of(0)), ours(generator, picture)) <= AFTER_RESIZING
    assert not opened.one(".expected").is_displayed()
    other = opened.pixels(result_of(1))
    saved = "HTMLAnchorElement.prototype.click = function () { document.title = this.download; }"
    opened.chrome.execute_script(saved)
    opened.all(".results button")[1].click()
    opened.wait(lambda: opened.chrome.title == "other <b>.png")
    opened.choose("other <b>")  # which keeps the picture
    np.testing.assert_array_equal(opened.pixels(".left"), picture)
    np.testing.assert_array_equal(opened.pixels(".right"), other)
    opened.all("#examples button")[0].click()
    opened.wait(lambda: "64 x 64" in opened.status and not opened.all(".busy"))


def test_it_opens_on_a_held_out_picture_and_states_sizes_and_times(page, run, generator):
    source, _ = RunFolder(run).load_pairs("val")[0]
    np.testing.assert_array_equal(page.pixels(".left"), source)
    assert largest(page.pixels(".right"), ours(generator, source)) <= 1
    assert page.status.startswith("64 x 64 pixels in ")
    assert "deterministic mode" in page.one("#about").text
    assert f"onnxruntime-web {VERSION}" in page.one("#about").text
    assert len(page.all("#examples button")) == 2


def test_a_dropped_picture_is_translated_as_by_sample(page, generator):
    picture = noise(90, 50, 3)  # taller and narrower than the network's
    page.drop(png(picture))
    np.testing.assert_array_equal(page.pixels(".left"), picture)
    result = page.pixels(".right")
    expected = ours(generator, picture)
    assert expected.std() > 10
    assert largest(result, expected) <= AFTER_RESIZING
    assert (result == expected).mean() > 0.9


def test_an_example_that_comes_late_is_not_taken(page):
    script = """
        const load = window.fetch;
        const later = new Promise((begin) => { window.begin = begin; });
        window.fetch = (path) => later.then(() => load(path)).finally(() => setTimeout(window.end));
        document.querySelector("#examples button").click();
        window.fetch = load;
    """
    page.chrome.execute_script(script)
    page.drop(png(noise(20, 30, 3)))
    page.chrome.execute_async_script("[window.end] = arguments; window.begin();")
    page.wait(lambda: not page.all(".busy"))
    assert page.pixels(".left").shape == (20, 30, 3)


def test_transparent_parts_are_white(page):
    page.drop(png(np.zeros((8, 8, 4), np.uint8)))
    assert (page.pixels(".left") == 255).all()


def test_a_file_that_is_no_picture_is_refused_in_plain_words(page):
    page.drop(b"nothing")
    assert "This file cannot be read as a picture." in page.one("#error").text
    page.drop(png(noise(4, 4, 3)))
    assert not page.one("#error").is_displayed()


def test_the_line_follows_keys_and_the_pointer(page):
    slider, frame = page.one("#compare > input"), page.one(".frame")
    slider.send_keys(Keys.HOME)
    assert slider.get_attribute("aria-valuetext") == "source 0 %, result 100 %"
    slider.send_keys(Keys.ARROW_RIGHT)
    assert "source 1 %" in slider.get_attribute("aria-valuetext")
    quarter = frame.size["width"] // 4
    drag = ActionChains(page.chrome, duration=0).move_to_element(frame).click_and_hold()
    drag.move_by_offset(quarter, 0).release().perform()
    assert abs(float(slider.get_attribute("value")) - 75) <= 1
    line = page.one(".line").rect
    assert abs(line["x"] - frame.rect["x"] - 3 * quarter) <= 5


def test_what_is_drawn_is_translated(page, generator):
    page.one("#draw").click()
    page.one(".empty").click()
    canvas = page.one("#drawing canvas")
    page.all(".tools input")[1].click()  # rectangle
    colour = page.all(".colours input")[2]
    colour.click()
    wanted = [int(level) for level in colour.get_attribute("value").split(",")]
    before = page.pixels("#drawing canvas")
    assert len(np.unique(before.reshape(-1, 3), axis=0)) == 1
    drag = ActionChains(page.chrome, duration=0).move_to_element(canvas).click_and_hold()
    drag.move_by_offset(40, 60).release().perform()
    drawing = page.pixels("#drawing canvas")
    rows, columns = np.nonzero((drawing != before).any(axis=-1))
    assert (drawing[rows, columns] == wanted).all()
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert len(rows) == height * width
    assert height > width
    assert abs(rows.min() - SIDE // 2) <= 1
    assert abs(columns.min() - SIDE // 2) <= 1
    page.wait(lambda: not page.all(".busy"))
    np.testing.assert_array_equal(page.pixels(".left"), drawing)
    assert largest(page.pixels(".right"), ours(generator, drawing)) <= 1
    page.one(".undo").click()
    np.testing.assert_array_equal(page.pixels("#drawing canvas"), before)


def test_keys_draw_too(page):
    page.one(".empty").click()
    page.all(".tools input")[0].click()  # brush
    page.chrome.execute_script("document.querySelector('.width input').value = 1")
    page.one("#drawing canvas").send_keys(" ", Keys.ARROW_RIGHT * 4, Keys.ARROW_DOWN * 2, " ")
    drawing = page.pixels("#drawing canvas")
    assert ((drawing != drawing[0, 0]).any(axis=-1)).sum() == 7
    page.one("#draw").click()
    assert not page.one("#drawing").is_displayed()


def test_the_camera_is_opened_when_asked_for_and_closed_again(page):
    page.one("#camera").click()
    playing = "return document.querySelector('video').videoWidth"
    page.wait(lambda: page.chrome.execute_script(playing) > 0)
    page.one("#shoot").click()
    page.wait(lambda: page.pixels(".left").shape[1] == page.chrome.execute_script(playing))
    page.one("#camera").click()
    assert page.chrome.execute_script("return document.querySelector('video').srcObject") is None
    page.wait(lambda: not page.all(".busy"))


@pytest.mark.parametrize("size", [(9, 31), (31, 9), (40, 50), (11, 12), (16, 20)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_images_are_resized_to_the_same_bits(page, size, kind):
    image = noise(16, 20, 3 if kind == np.uint8 else 2).astype(kind)
    found = np.array(page.call("resize", image, *size)).reshape(*size, -1)
    np.testing.assert_array_equal(found, pixels.resize(image, size))


@pytest.mark.parametrize("size", [(40, 25), (31, 9), (7, 20), (48, 60)])
def test_classes_are_resized_to_the_same_pixels(page, size):
    image = noise(32, 32, 1)
    found = np.array(page.call("resize", image, *size, True)).reshape(*size, 1)
    np.testing.assert_array_equal(found, Encoding(1, classes=256).resize(image, size))


def test_images_are_padded_to_the_same_sizes(page, generator):
    sizes = [(height, width) for height in (1, 31, 32, 65, 128, 1000) for width in (32, 33, 700)]
    padding = "given[0].map(([height, width]) => module.paddedSize(height, width, given[1]))"
    found = page.using("pixels.js", padding, sizes, generator.multiple)
    padded = dataclasses.replace(generator, fit="pad")
    assert [tuple(size) for size in found] == [fitted_size(padded, size) for size in sizes]


def test_other_conversions_are_those_of_the_package(page):
    image = noise(16, 16, 3)
    luma = pixels.as_channels(image, 1, "image")
    np.testing.assert_array_equal(page.call("gray", image), luma.ravel())
    padded = np.pad(image[:3], ((0, 5), (0, 4), (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(page.call("pad", image[:3], 8, 20), padded.ravel())
    lab = color.rgb_to_lab(image)
    lightness = page.call("lightness", image)
    np.testing.assert_allclose(lightness, lab[..., 0].ravel(), atol=1e-4)  # float32 of up to 100
    ab = {"data": lab[..., 1:].ravel().tolist()}
    np.testing.assert_array_equal(page.call("fromLab", lab[..., :1], ab), image.ravel())


@pytest.mark.parametrize("width", [320, 390, 800, 1600])
def test_no_width_of_window_scrolls_sideways(page, width):
    set_width(page.chrome, width)
    for panel in ("#draw", "#camera"):
        page.one(panel).click()
        found = page.chrome.execute_script("return document.documentElement.scrollWidth")
        assert found <= width
        page.one(panel).click()
    page.wait(lambda: not page.all(".busy"))
    assert page.one(".frame").size["width"] > 0.4 * min(width, 1100)


def test_models_are_kept_up_to_a_size(opened):
    kept = """(() => {
        const released = [], kept = new module.Kept(10, (value) => released.push(value));
        for (const name of "abc") kept.add(name, name.toUpperCase(), 5);
        const found = [...released, kept.get("a"), kept.get("b") ?? "none", kept.get("c")];
        kept.add("d", "D", 20);
        return [...found, ...released.slice(1), kept.get("d")];
    })()"""
    assert opened.using("kept.js", kept) == ["B", "A", "none", "C", "C", "A", "D"]


def test_a_run_that_cannot_be_loaded_does_not_stop_the_others(opened, folder):
    (folder / json.loads((folder / "page.json").read_text())["runs"][0]["model"]).unlink()
    opened.chrome.refresh()
    opened.wait(lambda: opened.status.startswith("1 of 2 results, 64 x 64 pixels in "))
    failed = opened.one(".results figure")
    assert "The model could not be loaded: the server answered 404" in failed.text
    assert not failed.find_element("tag name", "canvas").is_displayed()
    opened.chrome.get_log("browser")  # which has the 404
