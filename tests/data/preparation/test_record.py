"""An output folder after several calls: with other flags, after a kill, beside a user's files."""

import os
import pathlib

import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.derive import Derivation
from pix2pix_jax.data.preparation import convert, output
from pix2pix_jax.data.preparation.convert import combine, derive
from pix2pix_jax.data.preparation.record import OutputRecord
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.listing import PREPARED, list_images

GRAY = Derivation("gray")


def save(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    image_files.write(path, np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8))


def there(folder):
    """Return all files of a folder but the record, with their content."""
    files = (path for path in pathlib.Path(folder).rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if path.name != PREPARED
    }


@pytest.fixture
def photos(tmp_path):
    for number in range(4):
        save(tmp_path / "photos" / "train" / f"{number}.png", number)
    return str(tmp_path / "photos")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"quality": 90}),
        ({"quality": 90}, {}),
        ({}, {"layout": "folders"}),
        ({"layout": "folders"}, {"quality": 90}),
    ],
)
def test_overwriting_with_other_flags_leaves_nothing_of_the_earlier_call(
    photos, tmp_path, out, first, second
):
    derive(photos, str(out), GRAY, **first)
    (out / "train" / "mine.txt").parent.mkdir(exist_ok=True)
    (out / "train" / "mine.txt").write_text("precious")
    before = there(out)
    with pytest.raises(InputError, match="--overwrite"):
        derive(photos, str(out), GRAY, **second)
    assert there(out) == before
    derive(photos, str(out), GRAY, overwrite=True, **second)
    derive(photos, str(tmp_path / "fresh"), GRAY, **second)
    assert there(out) == {**there(tmp_path / "fresh"), "train/mine.txt": b"precious"}


def test_a_file_that_was_changed_since_is_not_removed(photos, out):
    derive(photos, str(out), GRAY)
    (out / "train" / "2.png").write_text("mine now")
    with pytest.raises(InputError, match=r"train/2\.png: would stay beside .*was not made by"):
        derive(photos, str(out), GRAY, quality=90, overwrite=True)
    derive(photos, str(out), GRAY, layout="folders", overwrite=True)
    assert [name for name in there(out) if name.startswith("train/")] == ["train/2.png"]


def test_a_file_of_the_same_stem_that_is_not_ours_is_kept_and_refused(photos, out):
    (out / "train").mkdir(parents=True)
    (out / "train" / "1.jpg").write_text("precious")
    for flags in ({}, {"overwrite": True}):
        with pytest.raises(
            InputError, match=r"train/1\.jpg: (exists|would stay beside a new file)"
        ):
            derive(photos, str(out), GRAY, **flags)
    assert there(out) == {"train/1.jpg": b"precious"}


def test_what_was_made_from_another_input_stays(photos, tmp_path, out):
    save(tmp_path / "others" / "train" / "9.png", 9)
    derive(str(tmp_path / "others"), str(out), GRAY)
    derive(photos, str(out), GRAY)
    derive(photos, str(out), GRAY, overwrite=True)
    assert sorted(there(out)) == [f"train/{number}.png" for number in (0, 1, 2, 3, 9)]


class Killed(BaseException):
    """Stands for a signal that ends the process."""


def killed_at(monkeypatch, number):
    """Let the next call end in the middle of the n-th file."""
    whole, count = convert.write_image, iter(range(100))

    def write(path, image, *options):
        written = next(count)
        if written == number:
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / f".{path.name}.png.abcd1234").write_bytes(b"half")
        if written >= number:
            raise Killed
        return whole(path, image, *options)

    monkeypatch.setattr(convert, "write_image", write)
    monkeypatch.setattr(output.os, "cpu_count", lambda: 1)  # one after the other


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_call_that_was_killed_can_be_made_again_as_it_was(
    photos, tmp_path, out, monkeypatch, number
):
    with monkeypatch.context() as patch:
        killed_at(patch, number)
        with pytest.raises(Killed):
            derive(photos, str(out), GRAY)
    assert len([name for name in there(out) if not name.startswith("train/.")]) == number
    derive(photos, str(out), GRAY)
    derive(photos, str(tmp_path / "fresh"), GRAY)
    assert there(out) == there(tmp_path / "fresh")


def test_what_a_killed_call_left_is_gone_after_a_call_with_other_flags(photos, out, monkeypatch):
    with monkeypatch.context() as patch:
        killed_at(patch, 3)
        with pytest.raises(Killed):
            derive(photos, str(out), GRAY)
    derive(photos, str(out), GRAY, layout="folders")
    assert all(name.startswith(("A/", "B/", "train/.")) for name in there(out))


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]\n7\n", '{"call": 3}\n', "\udcff\n", "[" * 100_000 + "\n"]
)
def test_a_damaged_record_is_no_record(photos, out, text):
    derive(photos, str(out), GRAY)
    (out / PREPARED).write_bytes(os.fsencode(text))
    assert OutputRecord(str(out), "derive", (photos,)).own == []
    with pytest.raises(InputError, match="exists; choose another folder"):
        derive(photos, str(out), GRAY)
    derive(photos, str(out), GRAY, overwrite=True)


def test_the_last_line_of_a_record_may_be_cut(photos, out):
    derive(photos, str(out), GRAY)
    text = (out / PREPARED).read_text()
    (out / PREPARED).write_text(text[: len(text) * 2 // 3])
    assert 0 < len(OutputRecord(str(out), "derive", (photos,)).own) < 4
    derive(photos, str(out), GRAY, overwrite=True)
    assert len(OutputRecord(str(out), "derive", (photos,)).own) == 4


def test_a_record_that_cannot_be_read_is_one_line(photos, out):
    (out / PREPARED).mkdir(parents=True)
    with pytest.raises(InputError, match=rf"{PREPARED}: cannot be read"):
        derive(photos, str(out), GRAY)


def test_the_record_is_no_data_and_not_counted_as_left_out(photos, out):
    derive(photos, str(out), GRAY)
    found = list_images(out)
    assert len(found.files) == 4
    assert not found.summary


def test_an_input_inside_the_output_is_never_written_to(tmp_path):
    save(tmp_path / "set" / "B" / "0.png")
    before, root = there(tmp_path), str(tmp_path / "set")
    with pytest.raises(InputError, match=r"set/B/0: is inside the input folder"):
        derive(f"{root}/B", root, GRAY, layout="folders", overwrite=True)
    assert there(tmp_path) == before


def test_a_side_that_is_the_output_of_the_other_is_never_replaced(tmp_path):
    for side in "AB":
        save(tmp_path / side / "train" / "0.png", ord(side))
    before = {side: there(tmp_path / side) for side in "AB"}
    with pytest.raises(InputError, match="is inside the input folder"):
        combine(str(tmp_path / "A"), str(tmp_path / "B"), str(tmp_path / "B"), overwrite=True)
    combine(str(tmp_path / "A"), str(tmp_path / "B"), str(tmp_path), overwrite=True)
    assert {side: there(tmp_path / side) for side in "AB"} == before
