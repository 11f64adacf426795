import io
import logging
import pathlib
import shutil
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from support.file_server import serve

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data import published
from pix2pix_jax.data.archives import iterate_images, measure_images
from pix2pix_jax.data.sources import SideBySide, Source
from pix2pix_jax.images import listing
from pix2pix_jax.images.encoding import Encoding

RGB, GRAY = Encoding(), Encoding(channels=1)
FILES = {
    # In an order of its own; not all of them are pairs.
    "train": ("10.jpg", "2.jpg", "1.png", "sub/3.JPEG", "sub-1/3.jpg"),
    "val": ("7.jpg", "3.jpg"),
}
OTHERS = ("maps/train/._2.jpg", "maps/.DS_Store", "maps/notes.txt", "maps/preview.jpg")


@pytest.fixture
def folder(tmp_path):
    """The files of a published set."""
    rng = np.random.default_rng(0)
    for split, names in FILES.items():
        for name in names:
            path = tmp_path / "files" / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (6, 16, 3), np.uint8)).save(path)
    return tmp_path / "files"


@pytest.fixture
def archive(tmp_path, folder):
    """The set as it is published."""
    path = tmp_path / "served" / "maps.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        for name in OTHERS:
            tar.addfile(tarfile.TarInfo(name))
        for split, names in FILES.items():
            for name in names:
                tar.add(folder / split / name, f"maps/{split}/{name}")
    return path


@pytest.fixture
def base_url(archive, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(archive.parent) as url:
        yield url


def in_folder(folder, split, direction="AtoB", source=RGB, target=RGB):
    paths = tuple(listing.find(folder / split))
    names = tuple(path.relative_to(folder / split).as_posix() for path in paths)
    return SideBySide(paths, names, direction, source, target)


def assert_same(found, expected):
    assert found.names == expected.names
    assert len(found) == len(expected)
    for index in range(len(expected)):
        assert found.size(index) == expected.size(index)
        for one, other in zip(found[index], expected[index], strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def build(data_dir, archive="", split="train", **options):
    options = {"source": RGB, "target": RGB, **options}
    return published.build_published(
        "maps", split, data_dir=str(data_dir), archive=str(archive), **options
    )


def test_a_set_is_downloaded_prepared_and_read_like_its_files(tmp_path, base_url, folder, caplog):
    caplog.set_level(logging.INFO)
    options = {"base_url": base_url, "shard_bytes": 1000}
    builder = published.prepare("maps", str(tmp_path / "sets"), **options)
    place = f"{tmp_path}/sets/pix2pix/maps/1.0.0"
    assert f"prepared pix2pix:maps (train 5, val 2) in {place}" in caplog.messages
    assert builder.info.file_format.value == "array_record"
    assert builder.info.splits["train"].num_shards > 1
    for split in FILES:
        found = build(tmp_path / "sets", split=split)
        assert isinstance(found, Source)
        assert_same(found, in_folder(folder, split))
    assert "tensorflow" not in sys.modules


def test_the_stored_images_are_the_bytes_of_the_files(tmp_path, archive, folder):
    found = build(tmp_path / "sets", archive)
    for name, place in zip(found.names, found.places, strict=True):
        stored = found.records.open(place, "image", name).read()
        assert stored == (folder / "train" / name).read_bytes()
        assert found.records.examples[place]["name"] == name.encode()


def test_the_second_use_needs_neither_server_nor_archive(tmp_path, archive, folder):
    build(tmp_path / "sets", archive)
    shutil.rmtree(archive.parent)
    assert_same(build(tmp_path / "sets", archive), in_folder(folder, "train"))


@pytest.mark.parametrize(
    ("direction", "source", "target"),
    [("BtoA", RGB, RGB), ("AtoB", GRAY, RGB), ("BtoA", RGB, GRAY)],
)
def test_direction_and_channels_work_as_for_side_by_side_files(
    tmp_path, archive, folder, direction, source, target
):
    options = {"direction": direction, "source": source, "target": target}
    assert_same(build(tmp_path, archive, **options), in_folder(folder, "train", **options))


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch, archive, folder):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert_same(build("~/sets", f"~/served/{archive.name}"), in_folder(folder, "train"))
    assert prepared_files(tmp_path / "sets")


@pytest.mark.parametrize("place", ["folder", "file", "downloads"])
def test_an_archive_on_the_disk_is_used_without_a_server(tmp_path, archive, folder, place):
    downloads = tmp_path / "sets" / "downloads"
    downloads.mkdir(parents=True)
    given = {"folder": archive.parent, "file": tmp_path / "other name.tgz", "downloads": ""}[place]
    if place == "file":
        archive.rename(given)
    if place == "downloads":
        archive.rename(downloads / "maps.tar.gz")
    assert_same(build(tmp_path / "sets", given), in_folder(folder, "train"))


def test_a_set_without_test_images_uses_val_for_test(tmp_path, archive, folder):
    assert_same(build(tmp_path, archive, "test"), in_folder(folder, "val"))


def test_all_splits_can_be_read_in_sequence(tmp_path, archive):
    found = build(tmp_path, archive, "all")
    train = ("1.png", "10.jpg", "2.jpg", "sub/3.JPEG", "sub-1/3.jpg")
    assert found.names == (*(f"train/{name}" for name in train), "val/3.jpg", "val/7.jpg")
    np.testing.assert_array_equal(found[5][0], build(tmp_path, archive, "val")[0][0])


def test_a_missing_split_is_an_error_that_lists_the_others(tmp_path, folder):
    archive = tmp_path / "maps.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "val", "maps/val")
    with pytest.raises(InputError, match=r"pix2pix:maps.*no split train, only val"):
        build(tmp_path / "sets", archive)


def test_many_threads_read_the_same_as_one(tmp_path, archive):
    published.prepare("maps", str(tmp_path), archive=str(archive), shard_bytes=1000)
    expected = [pair[0] for pair in map(build(tmp_path, archive).__getitem__, range(5))]
    source = build(tmp_path, archive)  # nothing is open yet: the threads open the files, too
    numbers = [number % 5 for number in range(400)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: source[number][0], numbers))
    for number, image in zip(numbers, found, strict=True):
        np.testing.assert_array_equal(image, expected[number])


def test_an_unknown_name_is_an_error_that_lists_the_choices(tmp_path):
    with pytest.raises(InputError, match=r"'pix2pix:map': did you mean maps\? Choose from citysc"):
        published.prepare("map", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_without_a_server_the_error_says_where_to_put_the_archive(tmp_path, base_url):
    hint = rf"put facades\.tar\.gz into {tmp_path}/downloads, or set data\.archive"
    with pytest.raises(InputError, match=rf"facades\.tar\.gz: cannot be .* 404.*{hint}"):
        published.prepare("facades", str(tmp_path), base_url=f"{base_url}/")
    assert not (tmp_path / "downloads").exists()


def test_a_given_archive_that_is_missing_is_an_error_that_gives_its_path(tmp_path):
    with pytest.raises(InputError, match=rf"data\.archive='{tmp_path}'.* {tmp_path}/maps\.tar\.gz"):
        build(tmp_path / "sets", tmp_path)


def prepared_files(data_dir):
    return [path for path in pathlib.Path(data_dir, "pix2pix", "maps").rglob("*") if path.is_file()]


def test_a_broken_archive_prepares_nothing(tmp_path, archive, folder):
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"maps\.tar\.gz: not a complete"):
        build(tmp_path / "sets", archive)
    assert not (tmp_path / "sets").exists()
    archive.write_bytes(whole)
    assert_same(build(tmp_path / "sets", archive), in_folder(folder, "train"))


def packed(path, *names):
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
    return path


def test_a_file_that_is_not_an_image_is_an_error_when_it_is_read(tmp_path):
    source = build(tmp_path, packed(tmp_path / "maps.tar.gz", "maps/train/1.jpg"))
    with pytest.raises(InputError, match=r"1\.jpg: not an image file"):
        source[0]


def test_an_archive_that_changed_after_its_download_is_an_error(tmp_path, base_url):
    published.prepare("maps", str(tmp_path), base_url=base_url)
    shutil.rmtree(tmp_path / "pix2pix")
    archive = tmp_path / "downloads" / "maps.tar.gz"
    archive.write_bytes(archive.read_bytes() + b"more")
    with pytest.raises(InputError, match=r"maps\.tar\.gz: has the SHA-256"):
        published.prepare("maps", str(tmp_path), base_url=base_url)


def test_another_archive_than_that_of_the_first_download_is_an_error(tmp_path, base_url, archive):
    published.prepare("maps", str(tmp_path), base_url=base_url)
    shutil.rmtree(tmp_path / "pix2pix")
    (tmp_path / "downloads" / "maps.tar.gz").unlink()
    archive.write_bytes(archive.read_bytes() + b"more")
    with pytest.raises(InputError, match=r"maps\.tar\.gz\.sha256 recorded at the first download"):
        published.prepare("maps", str(tmp_path), base_url=base_url)


def test_another_checksum_than_the_known_one_is_an_error(tmp_path, monkeypatch, base_url, archive):
    monkeypatch.setitem(published.CHECKSUMS, "maps", "0" * 64)
    for given in ("", str(archive)):
        with pytest.raises(InputError, match=f"has the SHA-256 .* expected {'0' * 64}"):
            published.prepare("maps", str(tmp_path / "sets"), archive=given, base_url=base_url)


def test_an_interruption_leaves_nothing_that_counts_as_prepared(
    tmp_path, monkeypatch, archive, folder
):
    def interrupted(path):
        for number, image in enumerate(iterate_images(path)):
            if number == 3:
                raise KeyboardInterrupt
            yield image

    with monkeypatch.context() as patch:
        patch.setattr(published, "iterate_images", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "sets", archive)
    assert not prepared_files(tmp_path / "sets")
    assert_same(build(tmp_path / "sets", archive), in_folder(folder, "train"))


def test_another_process_may_prepare_the_same_set_at_the_same_time(
    tmp_path, monkeypatch, archive, folder
):
    def overtaken(path):
        monkeypatch.setattr(published, "measure_images", measure_images)
        build(tmp_path / "sets", archive)
        return measure_images(path)

    monkeypatch.setattr(published, "measure_images", overtaken)
    assert_same(build(tmp_path / "sets", archive), in_folder(folder, "train"))
    assert [path.name for path in (tmp_path / "sets/pix2pix/maps").iterdir()] == ["1.0.0"]


def test_a_folder_that_cannot_be_written_is_an_error_that_gives_its_path(tmp_path, archive):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/pix2pix/maps/1\.0\.0: cannot be written \(Not a d"):
        build(tmp_path / "file", archive)


def test_a_folder_without_a_prepared_set_is_an_error_that_gives_its_path(tmp_path, archive):
    (tmp_path / "pix2pix/maps/1.0.0").mkdir(parents=True)
    with pytest.raises(InputError, match=r"maps/1\.0\.0: holds no prepared set; delete"):
        build(tmp_path, archive)
