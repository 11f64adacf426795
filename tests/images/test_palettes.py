import os

import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.palettes import load_palette


def test_a_palette_file_keeps_its_order_and_its_void(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(
        '{"void": [0, 0, 0], "wall": [0, 0, 255], "void b": [9, 9, 9], "door": [0, 1, 2]}'
    )
    palette = load_palette(path)
    assert palette.classes == ("wall", "door")
    assert palette.colours.tolist() == [[0, 0, 255], [0, 1, 2], [0, 0, 0], [9, 9, 9]]


def test_the_palette_of_cityscapes_has_its_19_classes():
    palette = load_palette("cityscapes")
    assert (palette.classes[0], palette.classes[10], palette.classes[18]) == (
        "road",
        "sky",
        "bicycle",
    )
    assert len(palette.classes) == 19
    assert len(palette.colours) == 29


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "cannot be read as a palette"),
        ("not json", "cannot be read as a palette .*choose from cityscapes"),
        (b"\xff\xfe", "cannot be read as a palette"),
        ("[[0, 0, 0]]", "is not a palette"),
        ('{"a": [0, 0, 0], "a": [1, 1, 1]}', "has 'a' 2 times"),
        ('{"a": [0, 0, 0], "b": [0, 0, 0]}', r"'a' and 'b' have the same colour \[0, 0, 0\]"),
        ('{"a": [0, 0, 0]}', "has 1 classes besides void"),
        ('{"a": [0, 0, 0], "void": [1, 1, 1]}', "has 1 classes besides void"),
        ("{}", "has 0 classes"),
        ('{"a": [0, 0, 256], "b": [1, 1, 1]}', r"'a' has the colour \[0, 0, 256\]"),
        ('{"a": [0, 0, -1], "b": [1, 1, 1]}', "whole numbers, 0 to 255"),
        ('{"a": [0, 0], "b": [1, 1, 1]}', "'a' has the colour"),
        ('{"a": [0, 0, 0.5], "b": [1, 1, 1]}', "'a' has the colour"),
        ('{"a": [0, 0, true], "b": [1, 1, 1]}', "'a' has the colour"),
        ('{"a": "#000000", "b": [1, 1, 1]}', "'a' has the colour"),
        ('{"a": {"r": 0}, "b": [1, 1, 1]}', "'a' has the colour"),
        ('{"a": null, "b": [1, 1, 1]}', "'a' has the colour null"),
    ],
)
def test_a_palette_that_cannot_be_used_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "mine.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as error:
        load_palette(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["citiscapes", "nowhere/mine.json"])
def test_a_palette_that_is_missing_is_named_with_the_choices(name):
    with pytest.raises(InputError, match=f"{name}: .*No such file.*choose from cityscapes"):
        load_palette(name)


def test_a_pipe_is_no_palette(tmp_path):
    os.mkfifo(tmp_path / "p.json")
    with pytest.raises(InputError, match="it is not a file"):
        load_palette(tmp_path / "p.json")
