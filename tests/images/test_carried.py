import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from pix2pix_jax.images.carried import NOTHING, read_carried, read_no_data
from pix2pix_jax.images.files import write

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GEO = [
    (33550, "d", 3, (0.5, 0.5, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 440720.0, 3751320.0, 0.0), True),
    (34735, "H", 8, (1, 1, 0, 1, 3072, 0, 1, 26711), True),
    (34736, "d", 2, (6378206.4, 294.9786982), True),
    (34737, "s", 12, "NAD27 zone 11|", True),
    (42113, "s", 4, "-999", True),
]
RGB = np.zeros((4, 6, 3), np.uint8)


def geotiff(dtype=np.uint8, **options):
    memory = io.BytesIO()
    tifffile.imwrite(memory, RGB.astype(dtype), photometric="rgb", extratags=GEO, **options)
    return memory


def geo_tags(path):
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags
        return {code: tags[code].value for code, *_ in GEO if code in tags}


def test_a_result_lies_where_its_source_does(tmp_path):
    carried = read_carried(geotiff(np.float32))
    write(tmp_path / "a.tif", np.zeros((4, 6, 3), np.float32), carried=carried)
    found = geo_tags(tmp_path / "a.tif")
    assert found == {code: value for code, _, _, value, _ in GEO}


def test_a_missing_value_that_the_result_cannot_hold_is_left_out(tmp_path):
    write(tmp_path / "a.tif", RGB, carried=read_carried(geotiff()))
    assert set(geo_tags(tmp_path / "a.tif")) == {code for code, *_ in GEO if code != 42113}


def test_a_turned_image_lies_nowhere():
    assert read_carried(geotiff()).geo
    turned = io.BytesIO()
    tifffile.imwrite(turned, RGB, extratags=[*GEO, (274, "H", 1, 6, True)])
    assert not read_carried(turned).geo


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colours_keep_their_profile_and_other_values_do_not(tmp_path, suffix):
    source = io.BytesIO()
    Image.fromarray(RGB).save(source, "JPEG", icc_profile=SRGB)
    carried = read_carried(source)
    for name, image, kept in (
        ("colours", RGB, SRGB),
        ("gray", RGB[..., :1], None),
        ("opaque", np.zeros((4, 6, 4), np.uint8), None),
    ):
        write(tmp_path / f"{name}{suffix}", image, carried=carried)
        with Image.open(tmp_path / f"{name}{suffix}") as picture:
            assert picture.info.get("icc_profile") == kept


def test_a_profile_of_a_tiff_is_found_and_one_without_a_header_is_not():
    assert read_carried(geotiff(iccprofile=SRGB)).profile == SRGB
    assert read_carried(geotiff(iccprofile=b"x" * 200)).profile == b""


def test_arrays_and_plain_pictures_carry_nothing():
    for save in (
        lambda file: np.save(file, RGB),
        lambda file: Image.new("L", (2, 2)).save(file, "PNG"),
    ):
        file = io.BytesIO()
        save(file)
        assert read_carried(file) == NOTHING


def test_a_result_says_what_marks_its_own_missing_pixels(tmp_path):
    carried = read_carried(geotiff(np.float32)).marking("nan")
    write(tmp_path / "a.tif", np.zeros((4, 6, 3), np.float32), carried=carried)
    assert geo_tags(tmp_path / "a.tif")[42113] == "nan"
    assert read_no_data(tmp_path / "a.tif") == "nan"
    assert NOTHING.marking("nan") == NOTHING
    write(tmp_path / "a.png", RGB)
    assert read_no_data(tmp_path / "a.png") == ""


@pytest.mark.parametrize(
    ("code", "kind", "values"),
    [
        (33550, "d", (0.5,)),
        (33922, "d", (0.0, 0.0, 0.0, 440720.0)),
        (34264, "d", (1.0, 0.0, 0.0)),
        (34735, "H", (1,)),
    ],
)
def test_a_tag_of_another_length_is_left_out(code, kind, values):
    memory = io.BytesIO()
    tags = [tag for tag in GEO if tag[0] != code]
    given = values if len(values) > 1 else values[0]
    tifffile.imwrite(
        memory, RGB, photometric="rgb", extratags=[*tags, (code, kind, len(values), given, True)]
    )
    carried = read_carried(memory).scaled(2.0, 2.0)
    assert code not in [tag[0] for tag in carried.geo]
