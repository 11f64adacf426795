import pytest
from support.image_files import LAYOUTS, save, save_folders

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.pairing import by_stem, find_files, find_folder_pairs, two_folders


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


def test_nothing_is_said_if_every_file_has_a_partner(tmp_path, capsys):
    save_folders(tmp_path, LAYOUTS[0], "train", ["a"])
    assert list(find_folder_pairs(str(tmp_path), ("train",), "skip")) == ["a.png"]
    assert capsys.readouterr().out == ""


def test_two_files_of_one_stem_are_an_error_that_gives_both_names(tmp_path):
    first, second = save(tmp_path / "more" / "a.jpg"), save(tmp_path / "more" / "a.png")
    save(tmp_path / "a.png")
    with pytest.raises(InputError, match=f"{first} and {second} have one stem: which"):
        by_stem(tmp_path)
    first.unlink()
    assert by_stem(tmp_path) == {"a": tmp_path / "a.png", "more/a": second}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_split_needs_both_of_its_folders(tmp_path, layout):
    assert two_folders(str(tmp_path), "train") is None
    first, second = (tmp_path / part.format("train") for part in layout.split("|"))
    first.mkdir(parents=True)
    assert two_folders(str(tmp_path), "train") is None
    second.mkdir(parents=True)
    assert two_folders(str(tmp_path), "train") == (first, second)


@pytest.mark.parametrize("root", ["", "nowhere"])
@pytest.mark.parametrize("splits", [("train",), (".",)])
def test_missing_folders_are_an_error_that_shows_the_expected_layout(root, splits):
    message = (
        rf"data\.root='{root}': no pairs found\. Expected {root}/A/train/x\.png with "
        rf"{root}/B/train/x\.png, or the folders trainA and trainB; set data\.root"
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
