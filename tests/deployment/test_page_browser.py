"""The page in a browser: what a visitor gives it, and what comes back."""

import base64
import dataclasses
import io
import pathlib
import threading

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from support import tiny
from support.browser import set_width, started_browser
from support.generators import drawn_bundle

from pix2pix_jax import load_generator, translate
from pix2pix_jax.deployment.page import write_page
from pix2pix_jax.deployment.page_runtime import CACHE, PACKAGE, VERSION
from pix2pix_jax.deployment.page_server import PageServer
from pix2pix_jax.images import color, pixels
from pix2pix_jax.runs.fitting import fitted_size
from pix2pix_jax.runs.folder import RunFolder

SIDE = 64
ARCHIVE = pathlib.Path(CACHE).expanduser() / f"{PACKAGE}-{VERSION}.tgz"
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
def url(chrome, tmp_path_factory, run, generator):
    if not ARCHIVE.is_file():
        pytest.skip(f"needs {ARCHIVE.name} in {CACHE}: npm pack {PACKAGE}@{VERSION} there")
    output = tmp_path_factory.mktemp("pages") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        tiny.see_one_device(patch)
        write_page([(RunFolder(run), generator)], output)
    with PageServer(output, 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.url
        server.shutdown()


@pytest.fixture(scope="module")
def opened(chrome, url):
    """The page with its first example: loading it takes longer than all tests."""
    set_width(chrome, 1280)
    chrome.get(url)
    page = Page(chrome)
    page.wait(lambda: "to load" in page.status)
    return page


@pytest.fixture
def page(opened, one_device):
    yield opened
    # Errors of the scripts and everything that the page's policy blocks are in the log.
    assert opened.chrome.get_log("browser") == []


class Page:
    def __init__(self, chrome):
        self.chrome = chrome

    def one(self, selector):
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, condition):
        WebDriverWait(self.chrome, 30, poll_frequency=0.02).until(lambda _: condition())

    @property
    def status(self):
        return self.one("#status").text

    def pixels(self, selector):
        """The pixels of a canvas."""
        script = "return document.querySelector(arguments[0]).toDataURL()"
        _, _, data = self.chrome.execute_script(script, selector).partition(",")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    def drop(self, content, name="a.png"):
        """Drop a file, and wait for what comes of it."""
        script = """
            const [text, name, done] = arguments;
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name));
            document.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
            const wait = () => (document.querySelector(".busy") ? setTimeout(wait, 5) : done());
            wait();
        """
        self.chrome.execute_async_script(script, base64.b64encode(content).decode(), name)

    def call(self, function, image, *arguments):
        """Call a function of pixels.js with an image."""
        script = """
            const [name, { data, ...size }, kind, rest, done] = arguments;
            import("./pixels.js").then((pixels) => {
                const image = { ...size, data: globalThis[kind].from(data) };
                done(Array.from(pixels[name](image, ...rest).data));
            });
        """
        height, width, channels = image.shape
        given = {"height": height, "width": width, "channels": channels}
        kind = "Uint8Array" if image.dtype == np.uint8 else "Float32Array"
        given["data"] = image.ravel().tolist()
        return self.chrome.execute_async_script(script, function, given, kind, arguments)


def png(image):
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


def largest(a, b):
    return int(np.abs(a.astype(int) - b).max())


def ours(generator, source):
    (fake,) = translate(generator, [source], mode="deterministic", batch_size=1)
    return fake


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


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


def test_images_are_padded_to_the_same_sizes(page, generator):
    sizes = [(height, width) for height in (1, 31, 32, 65, 128, 1000) for width in (32, 33, 700)]
    script = """
        const [sizes, multiple, done] = arguments;
        import("./pixels.js").then(({ paddedSize }) => {
            done(sizes.map(([height, width]) => paddedSize(height, width, multiple)));
        });
    """
    found = page.chrome.execute_async_script(script, sizes, generator.multiple)
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
