"""What bands mean survives every conversion, and large images have a way in."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.derive import Derivation
from pix2pix_jax.data.preparation.check import check
from pix2pix_jax.data.preparation.convert import combine, derive, patches
from pix2pix_jax.images.files import read_picture


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def save_infrared(path, bands):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, bands, photometric="rgb", extrasamples=[0])


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_infrared_bands_stay_bands_through_combine_and_patches(tmp_path):
    bands = noise(8, 6, 4)
    for side in ("A", "B"):
        save_infrared(tmp_path / side / "1.tif", bands)
    combine(str(tmp_path / "A"), str(tmp_path / "B"), str(tmp_path / "both" / "train"))
    patches(str(tmp_path / "both"), str(tmp_path / "cut"), (4, 6))
    for file in ("both/train/1.tif", "cut/train/1_0_0.tif"):
        found = read_picture(tmp_path / file)
        assert found.kind == "bands"
        np.testing.assert_array_equal(found.pixels[:4], np.hstack([bands, bands])[:4])


def test_alpha_stays_alpha_through_combine(tmp_path):
    for side, channels in (("A", 3), ("B", 4)):
        save(tmp_path / side / "1.png", noise(8, 6, channels))
    combine(str(tmp_path / "A"), str(tmp_path / "B"), str(tmp_path / "both"))
    found = read_picture(tmp_path / "both" / "1.png")
    assert found.kind == "RGBA"
    assert (found.pixels[:, :6, 3] == 255).all()


def test_infrared_does_not_become_the_alpha_of_its_partner(tmp_path):
    save_infrared(tmp_path / "A" / "1.tif", noise(8, 6, 4))
    save(tmp_path / "B" / "1.png", noise(8, 6, 3))
    message = r"1\.tif: 4 and 3 channels, .* neither colours nor alpha.*data\.source=folders"
    with pytest.raises(InputError, match=message):
        combine(str(tmp_path / "A"), str(tmp_path / "B"), str(tmp_path / "both"))


def test_a_check_finds_bands_among_images_with_alpha(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.png", noise(8, 8, 3))
    save_infrared(tmp_path / "3.tif", noise(8, 8, 4))
    titles = {finding.title: finding.cases for finding in check(str(tmp_path), "single").findings}
    assert titles["another kind"] == ("all/3.tif: 4 x uint8, most are 3 x uint8",)


def test_the_limit_of_pixels_is_an_option_wherever_images_are_read(tmp_path):
    for side in ("A", "B"):
        save(tmp_path / side / "1.png", noise(8, 6, 3))
    save(tmp_path / "both" / "1.png", noise(8, 12, 3))
    gray = Derivation("gray")
    calls = [
        lambda most: combine(f"{tmp_path}/A", f"{tmp_path}/B", f"{tmp_path}/1", max_pixels=most),
        lambda most: patches(f"{tmp_path}/both", f"{tmp_path}/2", (4, 6), max_pixels=most),
        lambda most: derive(f"{tmp_path}/A", f"{tmp_path}/3", gray, max_pixels=most),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"pixels, more than data\.max_pixels=47 allows"):
            call(47)
        assert call(96)
    assert "more than" in check(str(tmp_path / "A"), "single", max_pixels=47).seen[0].problem
    assert not check(str(tmp_path / "A"), "single", max_pixels=48).seen[0].problem
