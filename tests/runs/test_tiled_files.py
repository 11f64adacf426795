import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from support.networks import variables_of

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.configured_format import build_format
from pix2pix_jax.data.pair_format import PHOTOS
from pix2pix_jax.images.files import read_stored
from pix2pix_jax.models.unet import UNet
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.image_folders import translate_folder
from pix2pix_jax.runs.tiling import Tiling
from pix2pix_jax.runs.translation import translate

pytestmark = pytest.mark.usefixtures("one_device")
NOISE = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GEO = [
    (33550, "d", 3, (0.5, 0.5, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 440720.0, 3751320.0, 0.0), True),
    (34735, "H", 8, (1, 1, 0, 1, 3072, 0, 1, 26711), True),
]


def make_generator(form=PHOTOS, fit="tile"):
    """Build a generator of random weights that translates in tiles of 32 pixels."""
    module = UNet(form.target.channels, 4, 2)
    variables = variables_of(module, np.zeros((1, 32, 32, form.source.depth), np.float32))
    tiling = Tiling(32, 20)
    return Generator(module, variables, (32, 32), form, fit=fit, multiple=4, tiling=tiling)


@pytest.fixture(scope="module")
def generator():
    return make_generator()


def write_geotiff(path, image=NOISE, **options):
    tifffile.imwrite(path, image, photometric="rgb", extratags=GEO, iccprofile=SRGB, **options)


def test_a_geotiff_is_translated_in_tiles_to_a_geotiff(generator, tmp_path):
    write_geotiff(tmp_path / "a.tif", rowsperstrip=7, compression="zlib")
    (path,) = translate_folder(generator, tmp_path / "a.tif", tmp_path / "out")
    assert path == tmp_path / "out" / "a.tif"
    (expected,) = translate(generator, [NOISE], names=["a.tif"])
    np.testing.assert_array_equal(read_stored(path), expected)
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags
        assert [tags[code].value for code, *_ in GEO] == [value for *_, value, _ in GEO]
        assert tags[34675].value == SRGB


@pytest.mark.parametrize("fit", ["resize", "pad"])
def test_a_geotiff_stays_one_without_tiles_too_and_others_become_png(tmp_path, fit):
    write_geotiff(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", NOISE, photometric="rgb")
    Image.fromarray(NOISE).save(tmp_path / "c.jpg", icc_profile=SRGB)
    written = translate_folder(make_generator(fit=fit), tmp_path, tmp_path / "out")
    assert [path.name for path in written] == ["a.tif", "b.png", "c.png"]
    with tifffile.TiffFile(written[0]) as tiff:
        assert tiff.pages[0].tags[33922].value == GEO[1][3]
    with Image.open(written[2]) as picture:
        assert picture.info["icc_profile"] == SRGB


def test_half_of_an_image_lies_nowhere(generator, tmp_path):
    write_geotiff(tmp_path / "a.tif")
    (path,) = translate_folder(generator, tmp_path / "a.tif", tmp_path / "out", side="right")
    (expected,) = translate(generator, [NOISE[:, 45:]], names=["a.tif"])
    np.testing.assert_array_equal(read_stored(path), expected)
    with tifffile.TiffFile(path) as tiff:
        assert 33922 not in tiff.pages[0].tags


def test_a_photo_is_colourised_row_by_row(tmp_path):
    config = default_config()
    config.derive.kind = "lab"
    config.data.source_channels, config.data.target_channels = 1, 2
    lab = make_generator(build_format(config.data, config.derive))
    tifffile.imwrite(tmp_path / "a.tif", NOISE, photometric="rgb", rowsperstrip=8)
    (path,) = translate_folder(lab, tmp_path / "a.tif", tmp_path / "out")
    source = lab.form.read_source(tmp_path / "a.tif")
    (expected,) = translate(lab, [source], names=["a.tif"])
    np.testing.assert_array_equal(read_stored(path), expected)


def test_a_file_that_is_damaged_inside_is_left_out_and_leaves_nothing(generator, tmp_path, caplog):
    write_geotiff(tmp_path / "a.tif")
    write_geotiff(tmp_path / "b.tif", rowsperstrip=7, compression="zlib")
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        place = tiff.pages[0].dataoffsets[-2]
    with (tmp_path / "b.tif").open("r+b") as file:
        file.seek(place)
        file.write(bytes(60))
    with pytest.raises(InputError, match=r"b\.tif: cannot be read as an image"):
        translate_folder(generator, tmp_path, tmp_path / "out")
    written = translate_folder(generator, tmp_path, tmp_path / "out", on_error="skip")
    assert [path.name for path in written] == ["a.tif"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.tif"]
    assert "left out" in caplog.text


@pytest.mark.parametrize("options", [{"draws": 2}, {"blend": 0.5}])
def test_what_cannot_be_done_in_tiles_is_one_line(generator, tmp_path, options):
    with pytest.raises(InputError, match="with fit='tile': choose --fit resize or pad"):
        translate_folder(generator, tmp_path, tmp_path / "out", **options)
