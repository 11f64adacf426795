"""Which files of a folder are images, and what is left out of it."""

import os
import pathlib

import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.listing import FORMATS, SUFFIXES, find, is_image, list_images


def fill(root: pathlib.Path, *names: str) -> None:
    """Make empty files."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def found(root: pathlib.Path) -> list[str]:
    """Return the images of a folder by their paths in it."""
    return [path.relative_to(root).as_posix() for path in find(root)]


def test_find_lists_the_images_of_all_sub_folders_in_order(tmp_path):
    wanted = ["a.jpg", "b.PNG", "c.npy", "d.tif", "sub/a.jpeg", "sub/deep/c.JPG", "sub/e.webp"]
    fill(tmp_path, *wanted, ".hidden.jpg", "notes.txt", "sub/.DS_Store", "jpg", ".git/a.png")
    (tmp_path / "folder.png").mkdir()
    assert found(tmp_path) == wanted


def test_every_suffix_of_every_format_is_found_and_none_stands_in_two(tmp_path):
    fill(tmp_path, *(f"{number:02d}{suffix}" for number, suffix in enumerate(SUFFIXES)))
    assert len(found(tmp_path)) == len(SUFFIXES) == len(set(SUFFIXES))
    assert {".gif", ".jfif", ".avif", ".jp2", ".tga", ".ppm"} <= set(SUFFIXES)
    assert set(SUFFIXES) == {each for suffixes in FORMATS.values() for each in suffixes} | {".npy"}


def test_a_file_is_an_image_by_the_same_rule_as_in_a_folder(tmp_path):
    fill(tmp_path, "a.GIF", "b.xcf", "c")
    assert [is_image(path) for path in sorted(tmp_path.iterdir())] == [True, False, False]
    assert list_images(tmp_path / "a.GIF").files == (tmp_path / "a.GIF",)
    assert list_images(tmp_path / "b.xcf").left_out == ((tmp_path / "b.xcf", ".xcf"),)


def test_find_in_a_missing_folder_is_empty(tmp_path):
    assert find(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "folder",
    ["@eaDir", "__MACOSX", "$RECYCLE.BIN", "Thumbnails", ".ipynb_checkpoints", "lost+found"],
)
def test_folders_that_systems_make_are_left_out_at_any_depth_and_read_if_named(tmp_path, folder):
    fill(tmp_path, "0.png", f"{folder}/0.png/THUMB.jpg", f"a/b/{folder}/1.png", "a/b/._x.png")
    assert found(tmp_path) == ["0.png"]
    assert found(tmp_path / folder) == ["0.png/THUMB.jpg"]


def test_links_are_followed_and_each_folder_is_read_once(tmp_path):
    fill(tmp_path / "elsewhere", "deep/2.png")
    data = tmp_path / "data"
    fill(data, "0.png", "sub/1.png")
    (data / "a_link_before_it").symlink_to(data / "sub")
    (data / "linked").symlink_to(tmp_path / "elsewhere")
    (data / "linked_again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "deep" / "loop").symlink_to(tmp_path / "elsewhere")
    (data / "sub" / "up").symlink_to(tmp_path)  # would bring what lies beside the folder
    (data / "3.png").symlink_to(data / "0.png")
    assert found(data) == ["0.png", "3.png", "linked/deep/2.png", "sub/1.png"]
    again = [path.name for path, why in list_images(data).left_out if "already" in why]
    assert again == ["a_link_before_it", "loop", "linked_again", "up"]


def test_what_is_left_out_is_counted_by_kind_on_one_line(tmp_path):
    fill(tmp_path, "0.png", "1.xcf", "2.xcf", "@eaDir/0.png", ".x.png", "README")
    (tmp_path / "3.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "4.png").symlink_to("4.png")
    os.mkfifo(tmp_path / "5.png")
    summary = list_images(tmp_path).summary
    assert summary.startswith(f"{tmp_path}: left out 8 (2 .xcf, 2 dead links, 1 hidden file")
    assert "2 of other kinds" in summary
    assert summary.endswith("folders that are not data: @eaDir)")
    fill(tmp_path / "clean", "0.png")
    assert not list_images(tmp_path / "clean").summary


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_named_by_the_system(tmp_path):
    fill(tmp_path, "0.png", "closed/1.png")
    (tmp_path / "closed").chmod(0)
    with pytest.raises(InputError, match="closed: cannot be read"):
        find(tmp_path)
    (tmp_path / "closed").chmod(0o700)


def test_a_folder_that_cannot_be_read_is_an_error_that_names_it(tmp_path, monkeypatch):
    fill(tmp_path, "0.png", "closed/1.png")
    scan = os.scandir

    def refuse(folder):
        if pathlib.Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="closed: cannot be read"):
        find(tmp_path)


def test_names_that_are_not_utf_8_are_found(tmp_path):
    name = os.fsdecode(b"\xff\n.png")
    fill(tmp_path, name)
    assert found(tmp_path) == [name]
