import logging

import pytest
from support.image_files import LAYOUTS, save, save_folders

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.pairing import find_files, find_folder_pairs, pair_by_stem


def test_the_first_split_that_has_images_is_used(pairs_folder):
    folder, paths = find_files(str(pairs_folder), ("nowhere", "val", "train"), "pairs")
    assert folder == pairs_folder / "val"
    assert paths == (folder / "0.jpg", folder / "1.jpg")


def test_a_message_lists_three_of_many_files_without_a_partner(tmp_path):
    save_folders(tmp_path, LAYOUTS[0], "train", ["a"])
    for number in range(5):
        save(tmp_path / "A" / "train" / f"x{number}.png")
    with pytest.raises(InputError, match=r"x0\.png, .*x1\.png, .*x2\.png and 2 more: no partner"):
        find_folder_pairs(str(tmp_path), ("train",), "fail")


@pytest.mark.parametrize("names", [("A.png", "a.png"), ("\u00e9.png", "e\u0301.png")])
def test_names_that_hardly_differ_are_not_paired_but_named(tmp_path, names, caplog):
    save_folders(tmp_path, LAYOUTS[0], "train", ["x"])
    for side, name in zip("AB", names, strict=True):
        save(tmp_path / side / "train" / name)
    hint = f"{names[0]!r} and {names[1]!r} differ only in upper and lower case"
    with pytest.raises(InputError, match=hint):
        find_folder_pairs(str(tmp_path), ("train",), "fail")
    caplog.set_level(logging.INFO)
    assert list(find_folder_pairs(str(tmp_path), ("train",), "skip")) == ["x.png"]
    assert hint in caplog.text


def test_the_same_stem_in_another_sub_folder_is_not_called_the_same_name(tmp_path):
    save(tmp_path / "A" / "a.png")
    save(tmp_path / "B" / "more" / "a.png")
    assert not pair_by_stem(tmp_path / "A", tmp_path / "B").hint


def test_empty_folders_of_a_split_count_as_missing(tmp_path):
    save_folders(tmp_path, LAYOUTS[0], "test", ["a"])
    for side in "AB":
        (tmp_path / side / "val").mkdir()
    assert list(find_folder_pairs(str(tmp_path), ("val", "test"), "fail")) == ["a.png"]


def test_a_root_that_is_a_file_is_an_error_that_asks_for_its_folder(tmp_path):
    path = save(tmp_path / "a.png")
    with pytest.raises(InputError, match="is a file; give the folder"):
        find_files(str(path), (".",), "pairs")


def test_what_is_left_out_is_logged_once_for_all_splits(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    save(tmp_path / "0.png")
    (tmp_path / "1.xcf").write_bytes(b"")
    for _ in range(3):
        find_files(str(tmp_path), (".",), "pairs")
    assert caplog.text.count("left out 1 (1 .xcf)") == 1


def test_nothing_is_logged_if_every_file_has_a_partner(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    save_folders(tmp_path, LAYOUTS[0], "train", ["a"])
    assert list(find_folder_pairs(str(tmp_path), ("train",), "skip")) == ["a.png"]
    assert not caplog.records


def test_files_are_paired_by_their_paths_without_suffix(tmp_path):
    ours = [save(tmp_path / "A" / name) for name in ("a.jpg", "more/a.png", "x.png")]
    theirs = [save(tmp_path / "B" / name) for name in ("a.png", "more/a.png", "more/x.png")]
    found = pair_by_stem(tmp_path / "A", str(tmp_path / "B"))
    assert found.pairs == {"a": (ours[0], theirs[0]), "more/a": (ours[1], theirs[1])}
    assert found.alone == ((ours[2],), (theirs[2],))
    assert found.unpaired == (ours[2], theirs[2])


def test_two_files_of_the_same_stem_are_an_error_that_gives_both_names(tmp_path):
    first, second = save(tmp_path / "A" / "more" / "a.jpg"), save(tmp_path / "A" / "more" / "a.png")
    save(tmp_path / "A" / "a.png")
    for folders in (("A", "B"), ("B", "A")):
        with pytest.raises(InputError, match=f"{first} and {second}: same stem, so the pair is am"):
            pair_by_stem(*(tmp_path / folder for folder in folders))


@pytest.mark.parametrize("root", ["", "nowhere"])
@pytest.mark.parametrize("splits", [("train",), (".",)])
def test_missing_folders_are_an_error_that_shows_the_expected_layout(root, splits):
    message = (
        rf"data\.root='{root}': no pairs found\. Expected {root}/A/train/x\.png with "
        rf"{root}/B/train/x\.png, or the folders trainA and trainB; set data\.root, or data"
    )
    with pytest.raises(InputError, match=message):
        find_folder_pairs(root, splits, "fail")


def test_pairs_of_all_splits_have_the_split_in_their_names(tmp_path):
    save_folders(tmp_path, LAYOUTS[0], "train", ["a", "b"])
    save_folders(tmp_path, LAYOUTS[1], "test", ["a"])
    pairs = find_folder_pairs(str(tmp_path), (".",), "fail")
    assert list(pairs) == ["train/a.png", "train/b.png", "test/a.png"]


def test_folders_without_splits_are_found_too(tmp_path):
    save_folders(tmp_path, "A|B", "", ["a", "b"])
    assert list(find_folder_pairs(str(tmp_path), (".",), "fail")) == ["a.png", "b.png"]
