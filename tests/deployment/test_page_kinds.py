"""The page in a browser, with runs whose results are larger or classes, and that take numbers."""

import numpy as np
import pytest

pytest.importorskip("selenium")
from support.browser import set_width, started_browser
from support.browser_page import Page, largest, noise, ours, png, served, write_whole_page
from support.generators import drawn_bundle

from pix2pix_jax import load_generator
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.runs.folder import RunFolder

SIDE = 32
NUMBERS = {
    "data__condition_names": ("hour", "room"),
    "data__condition_mean": (9.5, 7.0),
    "data__condition_deviation": (4.0, 1.0),
    "data__condition_low": (0.0, 7.0),
    "data__condition_high": (24.0, 7.0),
}


def write_pairs(folder, target):
    """Write two held-out pairs, and numbers beside them."""
    for number in range(2):
        for side, pixels in (("A", noise(SIDE, SIDE, 3) // (number + 1)), ("B", target)):
            path = folder / side / "val" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image_files.write(path, pixels)
    (folder / "conditions.csv").write_text("name,hour,room\n0,5.5,7\n1,6,7\n")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run with numbers whose results are twice as large, and one whose results are classes."""
    place = tmp_path_factory.mktemp("runs")
    classes = {"data__target_classes": 3, "loss__reconstruction": "cross_entropy"}
    found = []
    for name, changes, target in (
        ("larger", {"data__target_scale": 2, **NUMBERS}, noise(2 * SIDE, 2 * SIDE, 3)),
        ("classes", classes, noise(SIDE, SIDE, 1) % np.uint8(3)),
    ):
        write_pairs(place / "data" / name, target)
        changes = {"data__source": "folders", "data__image_size": SIDE} | changes
        drawn_bundle(place / name, factor=0.5, **changes)
        run = RunFolder(place / name, data_root=str(place / "data" / name))
        found.append((run, load_generator(place / name)))
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory, runs):
    with started_browser() as chrome:
        folder = write_whole_page(runs, tmp_path_factory.mktemp("pages") / "demo")
        with served(folder) as url:
            set_width(chrome, 1280)
            chrome.get(url)
            page = Page(chrome)
            page.wait(lambda: "to load" in page.status and not page.all(".busy"))
            yield page
            assert chrome.get_log("browser") == []


def with_numbers(generator, hour):
    return generator.with_condition({"hour": hour, "room": 7})


def test_a_larger_result_is_compared_with_its_enlarged_source(page, runs, one_device):
    folder, generator = runs[0]
    page.choose("larger")
    pairs = folder.load_pairs("val")
    source, hour = pairs[0][0], pairs.values[0][0]
    assert largest(page.pixels(".right"), ours(with_numbers(generator, hour), source)) <= 1
    np.testing.assert_array_equal(page.pixels(".left"), source.repeat(2, 0).repeat(2, 1))
    assert page.status.startswith("64 x 64 pixels in ")
    picture = noise(20, 51, 3)
    page.drop(png(picture))
    assert page.pixels(".right").shape == (40, 102, 3)
    assert largest(page.pixels(".right"), ours(with_numbers(generator, hour), picture)) <= 2


def test_numbers_have_a_slider_each_which_translates_again(page, runs, one_device):
    page.choose("larger")
    page.all("#examples button")[1].click()
    page.wait(lambda: "64 x 64" in page.status and not page.all(".busy"))
    first, second = page.all("#numbers label")
    folder, generator = runs[0]
    pairs = folder.load_pairs("val")
    assert first.text.split() == ["hour", f"{pairs.values[1][0]:g}"]
    assert not second.find_element("tag name", "input").is_enabled()  # it was always 7
    assert page.one("#with-target").is_displayed()
    move = """
        const slider = document.querySelector("#numbers input");
        slider.value = 20.5;
        for (const name of ["input", "change"]) slider.dispatchEvent(new Event(name));
    """
    before = page.pixels(".right")
    page.chrome.execute_script(move)
    page.wait(lambda: not page.all(".busy"))
    assert first.text.split() == ["hour", "20.5"]
    source = pairs[1][0]
    assert largest(page.pixels(".right"), ours(with_numbers(generator, 20.5), source)) <= 1
    assert largest(page.pixels(".right"), before) > 2
    assert not page.one("#with-target").is_displayed()  # that has other numbers
    page.drop(png(source))  # at the numbers that are set
    page.choose("classes")
    page.choose("larger")  # which keeps the numbers, as it keeps the picture
    page.wait(lambda: not page.all(".busy"))
    assert page.one("#numbers label").text.split() == ["hour", "20.5"]
    assert largest(page.pixels(".right"), ours(with_numbers(generator, 20.5), source)) <= 1


def test_classes_are_shown_in_their_colours(page, runs, one_device):
    folder, generator = runs[1]
    page.choose("classes")
    page.wait(lambda: not page.all(".busy"))
    page.all("#examples button")[0].click()
    page.wait(lambda: "32 x 32" in page.status and not page.all(".busy"))
    assert not page.one("#numbers").is_displayed()
    source, _ = folder.load_pairs("val")[0]
    expected = Encoding(1, classes=3).show(ours(generator, source))
    assert len(np.unique(expected.reshape(-1, 3), axis=0)) > 1
    assert (page.pixels(".right") == expected).mean() > 0.99
    picture = noise(40, 25, 3)
    page.drop(png(picture))
    expected = Encoding(1, classes=3).show(ours(generator, picture))
    assert (page.pixels(".right") == expected).mean() > 0.99
