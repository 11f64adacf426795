import base64
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.reports import pages
from pix2pix_jax.reports.pages import encode_picture


def decode(encoded, path):
    """Write an encoded picture to a file and read it with Pillow."""
    text = encoded.uri.removeprefix("data:image/jpeg;base64,")
    path.write_bytes(base64.b64decode(text, validate=True))
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_pictures_keep_their_colours_and_sharp_edges(tmp_path):
    mask = np.kron(np.eye(2, dtype=np.uint8), np.ones((32, 48), np.uint8))[..., None]
    picture = mask * np.array([200, 40, 90], np.uint8)
    found = decode(encode_picture(picture, (100, 100), 90), tmp_path / "a.jpg")
    np.testing.assert_allclose(found.astype(int), picture, atol=6)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((700, 1000, 3), (200, 140)), ((700, 100, 3), (43, 300)), ((30, 20, 3), (20, 30))],
)
def test_a_picture_above_the_limit_is_made_smaller(shape, size, tmp_path):
    encoded = encode_picture(np.zeros(shape, np.uint8), (300, 200), 75)
    assert (encoded.width, encoded.height) == size
    assert decode(encoded, tmp_path / "a.jpg").shape[:2] == size[::-1]


def test_a_gray_picture_becomes_rgb(tmp_path):
    found = decode(encode_picture(np.full((9, 9, 1), 7, np.uint8), (9, 9), 90), tmp_path / "a.jpg")
    np.testing.assert_allclose(found, np.full((9, 9, 3), 7), atol=1)


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
    style = pathlib.Path(pages.__file__).with_name("style.css").read_text()
    colours = dict(re.findall(r"--([\w-]+): #(\w+);", style.split("@media")[scheme]))
    for ground in ("card", "page"):
        for text in ("ink", "soft", "accent"):
            assert contrast(colours[text], colours[ground]) >= 4.5
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert contrast(colours["card"], colours["done"]) >= 4.5
    assert contrast(colours["ink"], colours["notice"]) >= 4.5
    for line in range(4):
        assert contrast(colours[f"line{line}"], colours["card"]) >= 3
