"""A browser without a window, driven by Selenium."""

import contextlib
import shutil

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    # A camera that shows a moving pattern, and may be used without a question.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


@contextlib.contextmanager
def started_browser():
    """Start a browser; yields its driver. Skips the test if there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    found = [path for path in map(shutil.which, BROWSERS) if path is not None]
    driver = shutil.which("chromedriver")
    if not found or driver is None:
        pytest.skip("needs a browser: chromium (or Chrome) and chromedriver on the PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


class Shown:
    """A page in the browser."""

    def __init__(self, chrome):
        self.chrome = chrome

    def one(self, selector):
        return self.chrome.find_element("css selector", selector)

    def all(self, selector):
        return self.chrome.find_elements("css selector", selector)


def set_width(chrome, width):
    """Give the window a width, as of a phone if it is narrow."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
