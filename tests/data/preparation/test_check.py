import shutil

import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.preparation.check import check
from pix2pix_jax.data.preparation.layout import find_layout
from pix2pix_jax.data.preparation.table import format_result
from pix2pix_jax.data.synthetic import SyntheticPairs
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import listing

COUNTS = {"train": 6, "val": 4}


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    image_files.write(path, image)


@pytest.fixture(scope="module")
def pairs():
    """Photos and maps of 64x64 pixels."""
    return {
        split: [SyntheticPairs(count, 64, 0, split)[i] for i in range(count)]
        for split, count in COUNTS.items()
    }


@pytest.fixture
def side_by_side(pairs, tmp_path):
    for split, found in pairs.items():
        for number, pair in enumerate(found):
            save(tmp_path / "set" / split / f"{number}.png", np.hstack(pair))
    return tmp_path / "set"


@pytest.fixture
def folders(pairs, tmp_path):
    for split, found in pairs.items():
        for number, pair in enumerate(found):
            for side, image in zip("AB", pair, strict=True):
                save(tmp_path / "set" / side / split / f"{number}.png", image)
    return tmp_path / "set"


@pytest.fixture
def single(pairs, tmp_path):
    for split, found in pairs.items():
        for number, (photo, _) in enumerate(found):
            save(tmp_path / "set" / split / f"{number}.png", photo)
    return tmp_path / "set"


def findings(root, source="", *, wrong=None):
    """What was found, `{title: cases}`."""
    report = check(str(root), source)
    assert report.good == (not any(finding.wrong for finding in report.findings))
    chosen = [one for one in report.findings if wrong is None or one.wrong == wrong]
    return {finding.title: finding.cases for finding in chosen}


@pytest.mark.parametrize("source", ["side_by_side", "folders", "single"])
def test_a_good_set_has_no_findings_and_its_layout_is_recognized(request, source):
    root = request.getfixturevalue(source)
    report = check(str(root))
    assert report.layout.source == source
    assert report.layout.splits == ("train", "val")
    assert report.good
    assert report.findings == ()
    assert [one.item.title for one in report.seen[5:7]] == ["train/5.png", "val/0.png"]
    assert {one.sizes for one in report.seen} == {((64, 64),) * (1 if source == "single" else 2)}


def test_the_table_by_hand(single, folders, tmp_path):
    Image.fromarray(np.zeros((10, 20), np.uint8)).save(single / "val" / "wide.png")
    (single / "train" / "broken.jpg").write_text("hello")
    lines = format_result(check(str(single), "single"), 5).splitlines()
    assert lines[5].split() == ["side", "band", "least", "largest", "mean", "not", "finite"]
    assert [line.split()[:2] for line in lines[6:9]] == [["image", band] for band in "012"]
    assert lines[:4] + lines[9:] == [
        "data.source=single",
        "split  images  bad  size (height x width)  kind",
        "train  7       1    64 x 64                3 x uint8",
        "val    5       0    10 x 20 to 64 x 64     3 x uint8, 1 x uint8",
        "",
        "wrong: cannot be used (1)",
        next(line for line in lines if "broken.jpg: not an image file" in line),
        "",
        "look at: in no split, not used in training (20)",
        *(f"  {single / 'A' / 'train' / f'{number}.png'}" for number in range(5)),
        "  and 15 more",
        "",
        "something is wrong",
    ]
    lines = format_result(check(str(folders), "folders"), 0).splitlines()
    assert lines[0] == "data.source=folders"
    assert lines[1].split("  ")[-2:] == ["edges coincide", "strangers"]
    split, count, bad, *_, own, strangers = lines[2].split()
    assert (split, count, bad) == ("train", "6", "0")
    assert float(own) > float(strangers)
    assert lines[-1] == "nothing is wrong"


def test_unreadable_files_and_odd_widths_are_errors(side_by_side, tmp_path):
    (side_by_side / "train" / "empty.png").write_bytes(b"")
    save(side_by_side / "train" / "odd.png", np.zeros((8, 15, 3), np.uint8))
    cases = findings(side_by_side, wrong=True)["cannot be used"]
    assert len(cases) == 2
    assert "empty.png: not an image file" in cases[0]
    assert "odd.png: 15 pixels wide" in cases[1]


def test_partners_that_are_missing_are_errors_and_those_of_another_size_are_told(folders):
    (folders / "B" / "train" / "2.png").unlink()
    (folders / "A" / "val" / "1.png").unlink()
    save(folders / "B" / "train" / "3.png", np.zeros((32, 64, 3), np.uint8))
    found = findings(folders, wrong=True)
    assert found == {
        "without a partner": (f"{folders}/A/train/2.png", f"{folders}/B/val/1.png"),
    }
    (title,) = (title for title in findings(folders, wrong=False) if "different size" in title)
    assert "data.resize=resize_and_crop and resize" in title
    assert findings(folders, wrong=False)[title] == (
        "train/3.png: 64 x 64 and 32 x 64 pixels (height x width)",
    )


def test_mixed_dtypes_are_an_error_within_a_side_but_not_between_sides(folders):
    for path in listing.find(folders / "A"):
        save(path, image_files.read(path, 1).astype(np.uint16) * 257)
    assert findings(folders) == {}
    save(folders / "A" / "val" / "0.png", np.zeros((64, 64, 1), np.uint8))
    assert findings(folders, wrong=True) == {
        "another kind on side A": ("val/0.png: 1 x uint8, most are 1 x uint16",)
    }


def test_other_channels_are_an_error_only_if_they_cannot_be_converted(single):
    gray = image_files.read(single / "train" / "0.png", 1)
    save(single / "train" / "0.png", gray)
    assert findings(single) == {}
    np.save(single / "train" / "bands.npy", np.repeat(gray[::-1], 5, axis=-1))
    assert findings(single, "single", wrong=True) == {
        "another kind": ("train/bands.npy: 5 x uint8, most are 3 x uint8",)
    }


def test_the_same_pixels_are_an_error_in_two_splits_but_not_in_one(side_by_side, pairs):
    both = np.hstack(pairs["train"][0])
    save(side_by_side / "train" / "twin.png", both)
    assert findings(side_by_side, wrong=True) == {}
    twins = {"identical in one split": ("train/0.png = train/twin.png",)}
    assert findings(side_by_side, wrong=False) == twins
    save(side_by_side / "val" / "leak.bmp.png", both)
    assert findings(side_by_side, wrong=True) == {
        "identical in two splits": ("train/0.png = train/twin.png = val/leak.bmp.png",)
    }


def test_pairs_with_only_one_equal_side_are_not_identical(side_by_side, pairs):
    (photo, plan), (_, other) = pairs["train"][0], pairs["train"][1]
    save(side_by_side / "val" / "8.png", np.hstack([photo, other]))
    save(side_by_side / "val" / "9.png", np.hstack([other, plan]))
    assert findings(side_by_side, wrong=True) == {}


def test_blank_images_of_different_shape_are_not_identical(tmp_path):
    save(tmp_path / "train" / "tall.png", np.zeros((8, 4, 3), np.uint8))
    save(tmp_path / "val" / "wide.png", np.zeros((4, 8, 3), np.uint8))
    assert findings(tmp_path, "single", wrong=True) == {}


def test_near_duplicates_are_listed_with_their_distance(side_by_side, pairs):
    for split, first in (("train", 0), ("val", 1)):
        brighter = np.hstack(pairs["train"][first]) // 2 + 100
        save(side_by_side / split / "near.png", brighter.astype(np.uint8))
    report = check(str(side_by_side))
    assert report.good
    across, within = report.findings
    assert (across.title, within.title) == (
        "near-duplicates in two splits",
        "near-duplicates in one split",
    )
    assert across.cases[0].startswith("train/1.png ~ val/near.png (")
    assert within.cases[0].startswith("train/0.png ~ train/near.png (")
    assert int(across.cases[0].split("(")[1].split()[0]) <= 8


def test_wrong_and_displaced_partners_are_listed(pairs, tmp_path):
    source = SyntheticPairs(20, 64, 1, "train")
    found = [source[index] for index in range(20)]
    photos, maps = zip(*found, strict=True)
    maps = [maps[1], maps[0], *maps[2:]]
    maps[7] = np.roll(maps[7], 6, axis=1)
    for number, pair in enumerate(zip(photos, maps, strict=True)):
        save(tmp_path / "train" / f"{number:02}.png", np.hstack(pair))
    report = check(str(tmp_path))
    assert report.good
    unlike, displaced = report.findings
    assert "wrong partner?" in unlike.title
    assert [case.split(":")[0] for case in unlike.cases] == ["train/00.png", "train/01.png"]
    assert displaced.cases == ("train/07.png: B is 6 pixels too far right",)


def test_a_set_whose_sides_show_different_things_is_one_finding(pairs, tmp_path):
    source = SyntheticPairs(12, 64, 1, "train")
    for number in range(12):
        both = np.hstack([source[number][0], source[(number + 1) % 12][1]])
        save(tmp_path / "train" / f"{number:02}.png", both)
    (finding,) = check(str(tmp_path)).findings
    assert finding.title == "edges of A and B hardly coincide"
    assert not finding.wrong


def test_a_set_with_nothing_readable_is_reported(tmp_path):
    (tmp_path / "x.png").write_text("")
    report = check(str(tmp_path))
    assert not report.good
    assert "all    1       1    -" in format_result(report, 3)


def test_files_outside_the_splits_are_listed(single):
    save(single / "spare" / "0.png", np.zeros((4, 4, 3), np.uint8))
    assert findings(single) == {"in no split, not used in training": (f"{single}/spare/0.png",)}


@pytest.mark.parametrize(
    ("first", "second", "split"),
    [
        ("A/train", "B/train", "train"),
        ("trainA", "trainB", "train"),
        ("test/A", "test/B", "test"),
        ("A", "B", "all"),
    ],
)
def test_folders_are_found_in_each_layout(tmp_path, first, second, split):
    for folder in (first, second):
        save(tmp_path / folder / "sub" / "x.png", np.zeros((4, 4, 3), np.uint8))
    (item,) = find_layout(str(tmp_path)).items
    assert (item.split, item.name) == (split, "sub/x.png")
    assert item.paths == (tmp_path / first / "sub" / "x.png", tmp_path / second / "sub" / "x.png")


def test_files_without_splits_are_one_split(tmp_path):
    save(tmp_path / "a" / "x.png", np.zeros((4, 8, 3), np.uint8))
    layout = find_layout(str(tmp_path))
    assert layout.source == "side_by_side"
    assert layout.items[0].title == "all/a/x.png"


@pytest.mark.parametrize(
    ("make", "source", "message"),
    [
        (lambda root: None, "", "nowhere: there is no such folder"),
        (lambda root: root.mkdir(), "", r"nowhere: no images \(\.jpg"),
        (lambda root: save(root / "x.png", np.zeros((4, 4, 3), np.uint8)), "folders", "trainA"),
    ],
)
def test_a_root_without_such_images_is_an_error(tmp_path, make, source, message):
    make(tmp_path / "nowhere")
    with pytest.raises(InputError, match=message):
        check(str(tmp_path / "nowhere"), source)


def test_what_is_left_out_and_names_that_hardly_differ_are_listed(pairs_folder):
    (pairs_folder / "train" / "drawing.xcf").write_bytes(b"")
    (pairs_folder / "train" / "gone.png").symlink_to("nowhere.png")
    first = sorted((pairs_folder / "train").glob("*.jpg"))[0]
    shutil.copy(first, first.with_suffix(".JPEG"))
    findings = {one.title: one.cases for one in check(str(pairs_folder)).findings}
    left_out = findings["left out"]
    assert len(left_out) == 2
    assert left_out[0].endswith("drawing.xcf: .xcf")
    assert left_out[1].endswith("gone.png: dead link")
    (case,) = findings["names that differ only in case or suffix"]
    assert case == f"{first.with_suffix('.JPEG')}, {first}"


@pytest.mark.parametrize(
    ("first", "second"),
    [("images/train/0.png", "masks/train/0.png"), ("valid/0_A.png", "valid/0_B.png")],
)
def test_pairs_of_two_files_are_not_called_single_images(tmp_path, first, second):
    paths = tuple(tmp_path / name for name in (first, second))
    for path in paths:
        save(path, np.zeros((4, 4, 3), np.uint8))
    layout = find_layout(str(tmp_path))
    assert layout.source == "folders"
    assert [item.paths for item in layout.items] == [paths]


def test_two_folders_of_unknown_names_are_pointed_out(tmp_path):
    for folder in ("aerial", "street"):
        save(tmp_path / folder / "0.png", np.zeros((4, 4, 3), np.uint8))
    found = findings(tmp_path)["two folders with files of the same names: pairs?"]
    assert found == ("set data.source=folders data.folder_a=aerial data.folder_b=street",)


def test_masks_that_training_would_refuse_are_wrong(tmp_path):
    for number in range(3):
        for side in ("A", "B"):
            save(tmp_path / side / f"{number}.png", np.full((4, 4, 3), number, np.uint8))
        save(tmp_path / "mask" / f"{number}.png", np.full((4, 4, 1), 255, np.uint8))
    assert "cannot be used" not in findings(tmp_path)
    save(tmp_path / "mask" / "0.png", np.ones((4, 4, 1), np.uint8))
    save(tmp_path / "mask" / "1.png", np.full((2, 4, 1), 255, np.uint8))
    first, second = findings(tmp_path)["cannot be used"]
    assert "0.png: a mask of 0 to 1 in uint8" in first
    assert "1.png: a mask of 2 x 4 pixels (height, width), and its target has 4 x 4" in second
