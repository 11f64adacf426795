import os

import numpy as np
import pytest
from PIL import Image
from support.image_files import BLUE, RED, save, save_pair

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.sources import SideBySide, Source, names_digest
from pix2pix_jax.images import listing
from pix2pix_jax.images.encoding import PHOTO, Encoding

GRAY = Encoding(1)


@pytest.mark.parametrize(("direction", "colours"), [("AtoB", (RED, BLUE)), ("BtoA", (BLUE, RED))])
def test_the_direction_decides_which_half_is_the_source(tmp_path, direction, colours):
    source = SideBySide((save_pair(tmp_path / "pair.png"),), ("pair.png",), direction)
    assert isinstance(source, Source)
    for half, colour in zip(source[0], colours, strict=True):
        np.testing.assert_array_equal(half, np.full((4, 6, 3), colour))
    assert source.size(0) == (4, 6)


@pytest.mark.parametrize(
    ("direction", "kinds", "levels"),
    [
        # By ITU-R 601, red is 76 and blue is 29.
        ("AtoB", (GRAY, PHOTO), (76, BLUE)),
        ("AtoB", (PHOTO, GRAY), (RED, 29)),
        ("AtoB", (GRAY, GRAY), (76, 29)),
        ("BtoA", (GRAY, PHOTO), (29, RED)),
        ("AtoB", (Encoding(4), PHOTO), ((*RED, 255), BLUE)),
    ],
)
def test_each_side_has_its_own_number_of_channels(tmp_path, direction, kinds, levels):
    source = SideBySide((save_pair(tmp_path / "pair.png"),), ("pair.png",), direction, *kinds)
    for half, kind, level in zip(source[0], kinds, levels, strict=True):
        np.testing.assert_array_equal(half, np.full((4, 6, kind.channels), level))


def test_a_pair_of_odd_width_is_an_error_that_gives_its_name(tmp_path):
    save(tmp_path / "odd.png", size=(4, 7))
    with pytest.raises(InputError, match=r"odd\.png: 7 pixels wide"):
        SideBySide((tmp_path / "odd.png",), ("odd.png",))[0]


def test_a_16_bit_file_among_8_bit_files_is_an_error_that_gives_its_name(tmp_path):
    save_pair(tmp_path / "0.png")
    Image.fromarray(np.zeros((4, 12), np.uint16)).save(tmp_path / "1.png")
    source = SideBySide(tuple(listing.find(tmp_path)), ("0.png", "1.png"))
    assert source[0][0].dtype == np.uint8
    with pytest.raises(InputError, match=r"1\.png: holds uint16 values, expected uint8"):
        source[1]


def test_the_digest_of_names_tells_other_names_another_order_and_other_borders_apart():
    names = [["a.png", "b.png"], ["b.png", "a.png"], ["a.pngb", ".png"], ["a.png"], [], [""]]
    digests = [names_digest(each) for each in names]
    assert len(set(digests)) == len(names)
    assert names_digest(("a.png", "b.png")) == digests[0]


def test_the_digest_takes_names_that_are_not_utf_8():
    assert names_digest([os.fsdecode(b"\xff.png")]) != names_digest([os.fsdecode(b"\xfe.png")])
