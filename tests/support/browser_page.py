"""The page of `demo` in a browser, as tests use it."""

import base64
import contextlib
import io
import pathlib
import threading

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from support import tiny
from support.browser import Shown

from pix2pix_jax import translate
from pix2pix_jax.deployment.page import write_page
from pix2pix_jax.deployment.page_runtime import CACHE, PACKAGE, VERSION
from pix2pix_jax.deployment.page_server import PageServer

ARCHIVE = pathlib.Path(CACHE).expanduser() / f"{PACKAGE}-{VERSION}.tgz"


def write_whole_page(runs, output):
    """Write a page that works; return its folder. Skips the test if a part is not there."""
    if not ARCHIVE.is_file():
        pytest.skip(f"needs {ARCHIVE.name} in {CACHE}: npm pack {PACKAGE}@{VERSION} there")
    with pytest.MonkeyPatch.context() as patch:
        tiny.see_one_device(patch)
        write_page(runs, output)
    return output


@contextlib.contextmanager
def served(folder):
    """Serve a page; yields its address."""
    with PageServer(folder, 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.url
        server.shutdown()


class Page(Shown):
    """What tests do with the page, and see of it."""

    def wait(self, condition):
        WebDriverWait(self.chrome, 30, poll_frequency=0.02).until(lambda _: condition())

    @property
    def status(self):
        return self.one("#status").text

    def choose(self, label):
        """Go to a tab, if the page is not there."""
        tabs = {each.text: each for each in self.all("#views label")}
        if not tabs[label].find_element(By.TAG_NAME, "input").is_selected():
            tabs[label].click()
            self.wait(lambda: not self.all(".busy"))

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

    def using(self, module, expression, *given):
        """Evaluate an expression with a module of the page, as `module`, and with `given`."""
        script = f"""
            const given = [...arguments], done = given.pop();
            import("./{module}").then((module) => done({expression}));
        """
        return self.chrome.execute_async_script(script, *given)

    def call(self, function, image, *arguments):
        """Call a function of pixels.js with an image."""
        height, width, channels = image.shape
        size = {"height": height, "width": width, "channels": channels}
        kind = "Uint8Array" if image.dtype == np.uint8 else "Float32Array"
        picture = f"{{ ...given[0], data: {kind}.from(given[1]) }}"
        called = f"Array.from(module.{function}({picture}, ...given[2]).data)"
        return self.using("pixels.js", called, size, image.ravel().tolist(), arguments)


def png(image):
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


def largest(a, b):
    return int(np.abs(a.astype(int) - b).max())


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def ours(generator, source):
    (fake,) = translate(generator, [source], mode="deterministic", batch_size=1)
    return fake
