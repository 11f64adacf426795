import shutil

import numpy as np
import pytest
from PIL import Image
from support.sources import source_of

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.derive import Derivation
from pix2pix_jax.data.names import Names
from pix2pix_jax.data.pairing import find_folder_pairs
from pix2pix_jax.data.preparation.check import check
from pix2pix_jax.data.preparation.convert import combine, derive, patches, split
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import listing

NAMES = ("train/1.png", "train/sub/2.png", "val/1.png")


def noise(*shape, dtype=np.uint8, seed=0):
    values = np.random.default_rng(seed).random(shape, np.float32)
    return (values * np.iinfo(dtype).max).astype(dtype)


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)  # any format, by the suffix
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path)


def files(folder):
    return [path.relative_to(folder).as_posix() for path in listing.find(folder)]


@pytest.fixture
def folders(tmp_path):
    """Folders A and B with three pairs of 6x4 pixels; suffixes differ."""
    for seed, name in enumerate(NAMES):
        save(tmp_path / "A" / name, noise(6, 4, 3, seed=seed))
        save((tmp_path / "B" / name).with_suffix(".tif"), noise(6, 4, 3, seed=seed + 9))
    return str(tmp_path / "A"), str(tmp_path / "B"), str(tmp_path / "out")


@pytest.fixture
def root(tmp_path):
    """Twenty side-by-side files of 6x8 pixels, in two folders that repeat names."""
    for number in range(10):
        for part, seed in (("train", number), ("val", 50 + number)):
            save(tmp_path / "set" / part / f"{number}.png", noise(6, 8, 3, seed=seed))
    return tmp_path / "set"


def config_for(root, source="side_by_side", **data):
    config = default_config()
    config.data.source, config.data.root = source, str(root)
    for key, value in data.items():
        config.data[key] = value
    return config


def test_combine_puts_a_left_and_b_right(folders, tmp_path):
    assert combine(*folders) == 3
    assert files(tmp_path / "out") == list(NAMES)
    for seed, name in enumerate(NAMES):
        both = image_files.read(tmp_path / "out" / name)
        np.testing.assert_array_equal(both[:, :4], noise(6, 4, 3, seed=seed))
        np.testing.assert_array_equal(both[:, 4:], noise(6, 4, 3, seed=seed + 9))


def test_combine_lists_files_without_a_partner(folders, tmp_path):
    (tmp_path / "B" / "train" / "1.tif").unlink()
    save(tmp_path / "B" / "more.png", noise(2, 2, 3))
    with pytest.raises(InputError, match=r"A/train/1\.png, .*B/more\.png: no partner"):
        combine(*folders)
    assert not (tmp_path / "out").exists()


def test_combine_resizes_b_only_on_request(folders, tmp_path):
    save(tmp_path / "B" / "val" / "1.tif", np.full((12, 9, 3), 7, np.uint8))
    message = r"val/1\.png \(6 x 4\) and .*val/1\.tif \(12 x 9\): differ in size .*--resize"
    with pytest.raises(InputError, match=message):
        combine(*folders)
    assert not (tmp_path / "out").exists()
    combine(*folders, resize=True)
    both = image_files.read(tmp_path / "out" / "val" / "1.png")
    np.testing.assert_array_equal(both[:, 4:], np.full((6, 4, 3), 7, np.uint8))


def test_combine_gives_gray_and_colour_the_same_number_of_channels(folders, tmp_path):
    gray = noise(6, 4, 1)
    save(tmp_path / "A" / "val" / "1.png", gray)
    combine(*folders)
    both = image_files.read_stored(tmp_path / "out" / "val" / "1.png")
    np.testing.assert_array_equal(both[:, :4], gray.repeat(3, axis=-1))


def test_combine_keeps_16_bits_and_refuses_to_mix_them_with_8(folders, tmp_path):
    deep = noise(6, 4, 1, dtype=np.uint16)
    save(tmp_path / "A" / "val" / "1.png", deep)
    with pytest.raises(InputError, match=r"uint16 and uint8 .* data\.source=folders"):
        combine(*folders, overwrite=True)
    save(tmp_path / "B" / "val" / "1.tif", deep[::-1])
    combine(*folders, overwrite=True)
    both = image_files.read_stored(tmp_path / "out" / "val" / "1.png")
    np.testing.assert_array_equal(both, np.hstack([deep, deep[::-1]]))


def test_quality_writes_jpeg_files_of_8_bits_only(folders, tmp_path):
    for side in "AB":
        save(tmp_path / side / "flat.png", np.full((8, 8, 3), 90, np.uint8))
    combine(*folders, quality=95)
    with Image.open(tmp_path / "out" / "flat.jpg") as picture:
        assert picture.format == "JPEG"
        assert abs(np.array(picture).astype(int) - 90).max() <= 1
    for side, suffix in (("A", "png"), ("B", "tif")):
        deep = noise(6, 4, 1, dtype=np.uint16)
        save(tmp_path / side / "val" / f"1.{suffix}", deep)
    with pytest.raises(InputError, match=r"JPEG has 1 or 3 channels of uint8, not 1 of uint16"):
        combine(*folders, quality=95, overwrite=True)


def test_jpeg_keeps_colours_that_change_from_pixel_to_pixel(folders, tmp_path):
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = (255, 0, 0), (0, 0, 255)
    for side in "AB":
        save(tmp_path / side / "stripes.png", stripes)
    combine(*folders, quality=100)
    found = image_files.read(tmp_path / "out" / "stripes.jpg").astype(int)
    assert abs(found[:, :16] - stripes).max() < 10


@pytest.mark.parametrize("existing", ["val/1.png", "val/1.tif"])
def test_nothing_is_written_if_one_file_exists(folders, tmp_path, existing):
    old = tmp_path / "out" / existing
    old.parent.mkdir(parents=True)
    old.write_text("precious")
    with pytest.raises(InputError, match=rf"out/{existing}: exists; .*--overwrite"):
        combine(*folders)
    assert (files(tmp_path / "out"), old.read_text()) == ([existing], "precious")
    combine(*folders, overwrite=True)
    assert image_files.read(tmp_path / "out" / "val" / "1.png").shape == (6, 8, 3)


EACH = {
    "split": lambda root, output: split(root, output, (1.0, 0.0, 0.0)),
    "patches": lambda root, output: patches(root, output, (6, 4)),
    "derive": lambda root, output: derive(root, output, Derivation("gray")),
}


@pytest.mark.parametrize(
    ("work", "name"),
    [("split", "train/val/9.png"), ("patches", "val/9_0_0.png"), ("derive", "val/9.png")],
)
def test_no_command_replaces_a_file_or_writes_into_its_input(root, tmp_path, work, name):
    old = tmp_path / "out" / name
    old.parent.mkdir(parents=True)
    old.write_text("precious")
    with pytest.raises(InputError, match=f"{name}: exists"):
        EACH[work](str(root), str(tmp_path / "out"))
    assert files(tmp_path / "out") == [name]
    before = files(root)
    with pytest.raises(InputError, match=r"is inside the input folder .*set; choose"):
        EACH[work](str(root), str(root / "new"))
    assert files(root) == before


@pytest.mark.parametrize("output", ["A", "A/inner", "B/../A/x"])
def test_an_output_inside_the_input_is_an_error(folders, tmp_path, output):
    before = files(tmp_path)
    with pytest.raises(InputError, match=r"is inside the input folder .*A; choose"):
        combine(*folders[:2], str(tmp_path / output), overwrite=True)
    assert files(tmp_path) == before


def test_two_files_with_the_same_output_are_an_error(root, tmp_path):
    save(root / "val" / "3.tif", noise(6, 8, 3))
    with pytest.raises(InputError, match="val/3: two files would be written there"):
        derive(str(root), str(tmp_path / "out"), Derivation("gray"), overwrite=True)


@pytest.mark.parametrize("parts", [(0.5, 0.3, 0.2), (9, 4, 2)])
@pytest.mark.parametrize("seed", [0, 7])
def test_split_makes_the_same_choice_as_the_config(root, tmp_path, parts, seed):
    counts = split(str(root), str(tmp_path / "out"), parts, seed=seed)
    assert list(counts) == ["train", "val", "test"]
    config = config_for(root, split=parts)
    config.seed = seed
    for part, count in counts.items():
        assert len(files(tmp_path / "out" / part)) == count > 0
        assert tuple(files(tmp_path / "out" / part)) == source_of(config, part).names
        for name in files(tmp_path / "out" / part):
            copy = tmp_path / "out" / part / name
            assert copy.read_bytes() == (root / name).read_bytes()
            assert copy.stat().st_ino != (root / name).stat().st_ino
    assert sum(counts.values()) == (20 if sum(parts) == 1 else 15)


def test_split_can_link(root, tmp_path):
    for _ in range(2):  # links are replaced, too
        split(str(root), str(tmp_path / "out"), (20, 0, 0), link=True, overwrite=True)
    assert len(files(tmp_path / "out")) == 20
    for name in files(root):
        assert (tmp_path / "out" / "train" / name).samefile(root / name)


def test_split_links_the_target_of_a_symbolic_link(root, tmp_path):
    (root / "train" / "0.png").rename(tmp_path / "real.png")
    (root / "train" / "0.png").symlink_to(tmp_path / "real.png")
    split(str(root), str(tmp_path / "out"), (20, 0, 0), link=True)
    link = tmp_path / "out" / "train" / "train" / "0.png"
    assert link.samefile(tmp_path / "real.png")
    assert not link.is_symlink()


def test_split_keeps_the_pairs_of_folders(folders, tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    for side in "AB":
        (tmp_path / side).rename(root / side)
    split(str(root), str(tmp_path / "out"), (1, 1, 1))
    config = config_for(root, source="folders", split=(1, 1, 1))
    for part in ("train", "val", "test"):
        ((name, (first, second)),) = find_folder_pairs(
            str(tmp_path / "out"), (part,), "fail"
        ).items()
        assert (name,) == source_of(config, part).names
        pair = source_of(config, part)[0]
        np.testing.assert_array_equal(image_files.read(first), pair[0])
        np.testing.assert_array_equal(image_files.read(second), pair[1])


def test_split_takes_masks_with_their_pairs(folders, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(tmp_path / "A", root / "A")
    shutil.copytree(tmp_path / "B", root / "B")
    shutil.copytree(tmp_path / "A", root / "mask")
    split(str(root), str(tmp_path / "out"), (1, 1, 1))
    names = Names(mask="mask")
    found = [
        paths
        for part in ("train", "val", "test")
        for paths in find_folder_pairs(str(tmp_path / "out"), (part,), "fail", names).values()
    ]
    assert [len(paths) for paths in found] == [3, 3, 3]
    for first, _, mask in found:
        assert (mask.stem, mask.read_bytes()) == (first.stem, first.read_bytes())
    assert not check(str(root)).layout.elsewhere


def test_split_refuses_what_would_tear_pairs_apart(folders, tmp_path):
    root = tmp_path / "set"
    for side, name in (("A", "labels_of"), ("B", "pictures_of")):
        shutil.copytree(tmp_path / side, root / name)
    with pytest.raises(InputError, match="labels_of and pictures_of hold files of the same names"):
        split(str(root), str(tmp_path / "out"), (1, 1, 1))
    together = tmp_path / "together"
    shutil.copytree(tmp_path / "A", together)
    shutil.copytree(tmp_path / "B", together, dirs_exist_ok=True)
    with pytest.raises(InputError, match=r"have the same name; if they are a pair, put"):
        split(str(together), str(tmp_path / "out"), (1, 1, 1))
    for name in ("labels_of", "pictures_of"):
        (root / name).rename(root / {"l": "A", "p": "B"}[name[0]])
    shutil.copytree(tmp_path / "A", root / "C")
    with pytest.raises(InputError, match="3 images belong to no pair"):
        split(str(root), str(tmp_path / "out"), (1, 1, 1))
    assert not (tmp_path / "out").exists()


def test_split_takes_the_table_of_numbers_along(root, tmp_path):
    (root / "conditions.csv").write_text("name,age\n0.png,3\n")
    split(str(root), str(tmp_path / "out"), (10, 5, 5))
    copy = tmp_path / "out" / "conditions.csv"
    assert copy.read_bytes() == (root / "conditions.csv").read_bytes()


def test_split_into_more_pairs_than_there_are_is_an_error(root, tmp_path):
    with pytest.raises(InputError, match="asks for 21 pairs, there are 20"):
        split(str(root), str(tmp_path / "out"), (20, 1, 0))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [(4, 3), (6, 4), (2, 2)])
def test_patches_are_those_that_training_takes(root, tmp_path, size):
    count = patches(str(root), str(tmp_path / "out"), size)
    assert count == len(files(tmp_path / "out"))
    for part in ("train", "val"):
        source = source_of(config_for(root, patch_size=size), part)
        assert tuple(sorted(files(tmp_path / "out" / part))) == tuple(sorted(source.names))
        for index, name in enumerate(source.names):
            both = image_files.read(tmp_path / "out" / part / name)
            np.testing.assert_array_equal(both, np.hstack(source[index]))


def test_patches_are_not_cut_from_each_side_alone(tmp_path):
    for side in "AB":
        (tmp_path / "pairs" / side).mkdir(parents=True)
        Image.new("RGB", (16, 8)).save(tmp_path / "pairs" / side / "1.png")
    with pytest.raises(InputError, match=r"several files each.* data\.patch_size.* combine"):
        patches(str(tmp_path / "pairs"), str(tmp_path / "out"), (4, 4))
    assert not (tmp_path / "out").exists()


def test_patches_of_a_pair_that_is_smaller_or_of_odd_width_are_an_error(root, tmp_path):
    with pytest.raises(InputError, match=r"train/0\.png: 6 x 4 pixels .*smaller"):
        patches(str(root), str(tmp_path / "out"), (7, 4))
    save(root / "train" / "odd.png", noise(6, 9, 3))
    with pytest.raises(InputError, match=r"odd\.png: 9 pixels wide"):
        patches(str(root), str(tmp_path / "out"), (2, 2))


def test_derive_writes_the_pair_into_one_file(root, tmp_path):
    derivation = Derivation("mask", seed=3)
    assert derive(str(root), str(tmp_path / "out"), derivation) == 20
    assert files(tmp_path / "out") == files(root)
    for part in ("train", "val"):
        image = image_files.read(root / part / "4.png")
        expected = np.hstack(derivation(image, "4.png"))
        found = image_files.read(tmp_path / "out" / part / "4.png")
        np.testing.assert_array_equal(found, expected)


def test_derive_writes_folders_that_training_reads(root, tmp_path):
    gray = Derivation("gray", channels=1)
    assert derive(str(root), str(tmp_path / "out"), gray, layout="folders") == 20
    config = config_for(tmp_path / "out", source="folders", source_channels=1)
    source = source_of(config, "val")
    assert source.names == tuple(f"{number}.png" for number in range(10))
    for index, name in enumerate(source.names):
        expected = gray(image_files.read(root / "val" / name), "")
        assert all(map(np.array_equal, source[index], expected))


def test_deriving_lab_is_an_error(root, tmp_path):
    with pytest.raises(InputError, match=r"float32.*data\.source=single and derive\.kind=lab"):
        derive(str(root), str(tmp_path / "out"), Derivation("lab"))


@pytest.mark.parametrize(
    "work",
    [lambda root, output: combine(root, root, output), *EACH.values()],
    ids=["combine", *EACH],
)
def test_a_missing_or_empty_input_is_an_error(tmp_path, work):
    output = str(tmp_path / "out")
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        work(str(tmp_path / "nowhere"), output)
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(InputError, match="nowhere: no images"):
        work(str(tmp_path / "nowhere"), output)


def test_a_broken_file_ends_the_work_with_an_error_that_gives_its_name(root, tmp_path):
    (root / "train" / "5.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"train/5\.png: "):
        derive(str(root), str(tmp_path / "out"), Derivation("gray"))
    assert all(image_files.read(path) is not None for path in listing.find(tmp_path / "out"))
