import errno
import json
import os

import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import (
    atomic_folder,
    atomic_path,
    expand,
    is_temporary_of,
    refuse_inside,
    refuse_unwritable,
    write_json,
)


def test_nothing_is_shown_until_the_block_ends(tmp_path):
    path = tmp_path / "report.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == tmp_path
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "report.txt"
    path.write_text("old")

    def write_half():
        with atomic_path(path) as temporary:
            temporary.write_text("ne")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_disk_names_the_file(tmp_path):
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*new\.txt'$"),
        atomic_path(tmp_path / "new.txt"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_new_file_has_the_rights_of_any_other(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "report.txt") as temporary:
            temporary.write_text("whole")
    finally:
        os.umask(before)
    assert (tmp_path / "report.txt").stat().st_mode & 0o777 == 0o640


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "page"

    def write_half():
        with atomic_folder(path, replaces=True) as folder:
            (folder / "a").write_text("new")
            assert sorted(path.glob("*")) == before
            raise OSError("No space left on device")

    before = []
    with pytest.raises(OSError, match="No space left"):
        write_half()
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(path, replaces=True) as folder:
        (folder / "old").write_text("old")
    before = [path / "old"]
    with pytest.raises(OSError, match="No space left"):
        write_half()
    assert list(path.iterdir()) == before
    with atomic_folder(path, replaces=True) as folder:
        (folder / "a").write_text("new")
    assert list(path.iterdir()) == [path / "a"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_with_files_is_replaced_only_if_that_is_wanted(tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "theirs").write_text("kept")
    with pytest.raises(OSError, match="not empty"), atomic_folder(tmp_path / "page"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["page", "theirs"]


def test_json_comes_back_and_ends_its_last_line(tmp_path):
    path = tmp_path / "summary.json"
    value = {"val": {"l1": 0.25}, "steps": 6, "names": ["größe", None]}
    write_json(path, value)
    assert json.loads(path.read_text()) == value
    assert path.read_text().endswith("}\n")


def test_what_json_cannot_hold_leaves_the_old_file(tmp_path):
    path = tmp_path / "summary.json"
    write_json(path, 1)
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, {"when": object()})
    assert json.loads(path.read_text()) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("output", ["data", "data/new", "other/../data/x"])
def test_an_output_inside_a_folder_that_is_read_is_an_error(tmp_path, output):
    place, folder = tmp_path / output, tmp_path / "data"
    message = f"^--output {place}: is inside the data set {folder}; choose another folder$"
    with pytest.raises(InputError, match=message):
        refuse_inside(place, folder, "the data set", flag="--output")
    with pytest.raises(InputError, match=f"^{place}: is inside the data set"):
        refuse_inside(str(place), str(folder), "the data set")


@pytest.mark.parametrize("output", ["data2", ".", "other"])
def test_an_output_outside_a_folder_is_accepted(tmp_path, output):
    refuse_inside(tmp_path / output, tmp_path / "data", "the data set")


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("~", "/home/me"),
        ("~/runs/~x", "/home/me/runs/~x"),
        ("runs/~", "runs/~"),
        ("./~nobody-of-this-name", "./~nobody-of-this-name"),
        ("gs://bucket/data", "gs://bucket/data"),
        ("", ""),
    ],
)
def test_a_tilde_at_the_start_of_a_path_is_the_home_folder(monkeypatch, typed, path):
    monkeypatch.setenv("HOME", "/home/me")
    assert expand(typed) == path


def test_the_home_of_an_unknown_user_is_refused():
    with pytest.raises(InputError, match="home folder ~nobody-of-this-name is not known"):
        expand("~nobody-of-this-name/cache")
    with pytest.raises(InputError, match="null character"):
        expand("a\0b")


def test_a_circle_of_links_is_inside_of_nothing(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    refuse_inside(tmp_path / "loop", tmp_path / "data", "the data")
    with pytest.raises(InputError, match="is inside the data"):
        refuse_inside(tmp_path / "loop", tmp_path, "the data")


def test_an_output_that_cannot_be_made_is_refused_before_the_work(tmp_path, monkeypatch):
    refuse_unwritable(tmp_path / "new" / "folder")
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("file", "file/inside", "loop"):
        with pytest.raises(InputError, match=rf"--output .*{name}: .* is not a folder"):
            refuse_unwritable(tmp_path / name)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(InputError, match="cannot be written; choose another folder"):
        refuse_unwritable(tmp_path / "new")


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "é" * 125 + ".png"])
def test_a_name_as_long_as_the_file_system_takes_can_be_written(tmp_path, name):
    path = tmp_path / name
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert is_temporary_of(temporary.name, name)
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]
