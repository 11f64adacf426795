"""`Shaping` of `pair_format.py`: the sizes that pairs are resized to."""

import pytest

from pix2pix_jax.core.choices import RESIZES
from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.shaping import Shaping, build_shaping

IMAGE, LOAD = (256, 512), (286, 572)


def shaping(mode, *, training=True, image_size=IMAGE, load_size=LOAD):
    return Shaping(mode, image_size, load_size, training)


@pytest.mark.parametrize(
    ("mode", "training", "size", "expected"),
    [
        ("resize_and_crop", True, (600, 600), LOAD),
        ("resize_and_crop", False, (600, 600), IMAGE),
        ("resize_and_crop", True, (10, 10), LOAD),
        ("resize", True, (600, 600), IMAGE),
        ("resize", False, (600, 600), IMAGE),
        ("crop", True, (600, 700), (600, 700)),
        ("crop", False, (256, 512), IMAGE),
        ("none", True, IMAGE, IMAGE),
        ("none", False, IMAGE, IMAGE),
        ("scale_width", True, (512, 1024), IMAGE),
        ("scale_width", False, (128, 256), IMAGE),
        ("scale_width_and_crop", True, (600, 1144), (300, 572)),
        ("scale_width_and_crop", False, (256, 512), LOAD),
        ("scale_width_and_crop", True, (300, 571), (301, 572)),
        ("scale_width_and_crop", True, (1000, 572), (1000, 572)),
    ],
)
def test_an_image_is_resized_as_the_mode_says(mode, training, size, expected):
    assert shaping(mode, training=training).scaled(size, "a.png") == expected


@pytest.mark.parametrize(
    ("mode", "size", "message"),
    [
        ("none", (256, 511), "256 x 511 pixels .* expected data.image_size=.256, 512.; set that"),
        ("none", (600, 600), "after data.resize='none', .* or choose data.resize=resize$"),
        ("scale_width", (600, 600), "512 x 512 pixels .*after data.resize='scale_width'"),
        ("crop", (255, 600), "255 x 600 pixels .*too small for a crop of data.image_size=.256, 5"),
        ("crop", (600, 511), "600 x 511 pixels .* choose data.resize=resize_and_crop$"),
        ("scale_width_and_crop", (100, 600), "95 x 572 pixels .*too small for a crop"),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_an_image_that_does_not_fit_is_an_error_that_gives_its_name(mode, size, message, training):
    with pytest.raises(InputError, match=message) as error:
        shaping(mode, training=training).scaled(size, "a.png")
    assert str(error.value).startswith("a.png: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("mode", RESIZES)
def test_uniform_modes_bring_images_to_the_same_size(mode):
    sizes = [IMAGE] if mode == "none" else [(256, 512), (512, 1024), (300, 600), (375, 700)]
    if mode == "scale_width":
        sizes = sizes[:3]  # of one proportion
    found = {shaping(mode).scaled(size, "a.png") for size in sizes}
    assert (len(found) == 1) == shaping(mode).uniform
    assert shaping(mode).uniform == (mode not in ("crop", "scale_width_and_crop"))


def test_an_image_keeps_at_least_one_row():
    wide = shaping("scale_width", image_size=(1, 8)).scaled((1, 1000), "a.png")
    assert wide == (1, 8)


@pytest.mark.parametrize("training", [True, False])
def test_shaping_is_built_from_the_config(training):
    config = default_config()
    built = build_shaping(resolve(config).data, training=training)
    assert built == Shaping("resize_and_crop", (256, 256), (286, 286), training)
    config.data.resize, config.data.image_size, config.data.load_size = "crop", (64, 128), (70,)
    built = build_shaping(resolve(config).data, training=training)
    assert built == Shaping("crop", (64, 128), (70, 70), training)
