import gzip
import io
import logging
import os
import random
import tarfile

import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data import archives
from pix2pix_jax.data.archives import iterate_images, iterate_members, measure_images

CONTENT = bytes(range(256)) * 40


def member(name, content=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def pack(path, *members):
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def test_files_come_in_the_order_of_the_archive(tmp_path):
    path = pack(
        tmp_path / "a.tar.gz",
        member("set", type=tarfile.DIRTYPE),
        member("set/b.jpg", b"bb"),
        member("./set/a.jpg", CONTENT),
        member("set/empty"),
    )
    assert list(iterate_members(path)) == [
        ("set/b.jpg", b"bb"),
        ("./set/a.jpg", CONTENT),
        ("set/empty", b""),
    ]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("../x.jpg", b"x"), "outside"),
        (member("set/../../x.jpg", b"x"), "outside"),
        (member("/etc/x.jpg", b"x"), "outside"),
        (member("set/..", type=tarfile.DIRTYPE), "outside"),
        (member("link.jpg", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "link"),
        (member("link.jpg", type=tarfile.LNKTYPE, linkname="set/a.jpg"), "link"),
        (member("pipe.jpg", type=tarfile.FIFOTYPE), "device"),
        (member("disk.jpg", type=tarfile.BLKTYPE), "device"),
        (member("large.jpg", bytes(101)), "has 101 bytes, more than the 100 allowed"),
    ],
)
def test_an_unsafe_member_is_an_error_that_gives_its_name(tmp_path, bad, message):
    path = pack(tmp_path / "a.tar.gz", member("set/a.jpg", b"a"), bad, member("set/b.jpg", b"b"))
    seen = []
    with pytest.raises(InputError, match=rf"a\.tar\.gz: its member .*{bad[0].name}.*{message}"):
        seen.extend(iterate_members(path, largest=100))
    assert list(tmp_path.iterdir()) == [path]


def test_an_archive_that_is_cut_short_anywhere_is_an_error(tmp_path):
    path = pack(tmp_path / "a.tar.gz", *(member(f"{i}.jpg", bytes([i]) * 999) for i in range(3)))
    whole = path.read_bytes()
    assert len(list(iterate_members(path))) == 3
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(
            InputError, match=r"a\.tar\.gz: not a complete \.tar\.gz archive .*delete it"
        ):
            list(iterate_members(path))


def test_an_archive_with_a_changed_byte_never_gives_other_content(tmp_path):
    path = pack(tmp_path / "a.tar.gz", member("a.jpg", CONTENT[:300]))
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            assert list(iterate_members(path)) == [("a.jpg", CONTENT[:300])]
        except InputError:
            refused += 1
    assert refused > len(whole) - 24  # gzip's header, of time and name, has no checksum


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>please log in</html>", "not a complete"),
        (gzip.compress(b"plain text, no tar" * 99, mtime=0), "not a complete"),
        (b"", "not a complete"),
        (None, r"cannot be read \(No such file"),
    ],
)
def test_a_file_that_is_not_an_archive_is_an_error_that_gives_its_name(tmp_path, content, message):
    path = tmp_path / "a.tar.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.tar\.gz: {message}") as error:
        list(iterate_members(path))
    assert "\n" not in str(error.value)


def test_the_images_are_those_in_folders_of_splits(tmp_path):
    names = ("maps/train/1.jpg", "maps/val/sub/2.PNG", "./test/3.jpeg")
    others = ("maps/train/._1.jpg", "maps/train/a.txt", "maps/1.jpg", "maps/trains/2.jpg", "train")
    path = pack(tmp_path / "a.tar.gz", *(member(name, b"xy") for name in (*names, *others)))
    expected = [("train", "1.jpg", b"xy"), ("val", "sub/2.PNG", b"xy"), ("test", "3.jpeg", b"xy")]
    assert list(iterate_images(path)) == expected
    sizes = {"train": {"1.jpg": 2}, "val": {"sub/2.PNG": 2}, "test": {"3.jpeg": 2}}
    assert measure_images(path) == sizes


def test_what_is_no_image_in_a_split_is_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    names = ("maps/train/1.gif", "maps/train/1.xcf", "maps/train/@eaDir/1.jpg", "maps/2.jpg")
    path = pack(tmp_path / "a.tar.gz", *(member(name, b"x") for name in names))
    assert measure_images(path) == {"train": {"1.gif": 1}}
    assert "left out 3 (1 .xcf, 1 hidden file, 1 in no split)" in caplog.text


def test_an_archive_that_unpacks_to_far_more_than_images_do_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_SPARE", 10_000)
    for number, large in enumerate((member("a.jpg", bytes(10**6)), header_of(10**6))):
        path = pack(tmp_path / f"{number}.tar.gz", large)
        with pytest.raises(InputError, match=r"tar\.gz: unpacks to more than \d+ bytes, over 50"):
            list(iterate_members(path))
    noise = random.Random(0).randbytes(10**5)
    assert len(list(iterate_members(pack(tmp_path / "c.tar.gz", member("a.jpg", noise))))) == 1


def header_of(size):
    """Return a member whose extended header, which is read whole, is large."""
    return member("a.jpg", pax_headers={"comment": "0" * size})


def test_an_archive_of_more_members_than_any_set_has_is_refused(tmp_path):
    path = pack(tmp_path / "a.tar.gz", *(member(f"{n}.jpg") for n in range(4)))
    assert len(list(iterate_members(path, most=4))) == 4
    with pytest.raises(InputError, match=r"a\.tar\.gz: has more than 3 members"):
        list(iterate_members(path, most=3))


def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.tar.gz")
    with pytest.raises(InputError, match="it is not a file"):
        list(iterate_members(tmp_path / "a.tar.gz"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("maps/train/1.jpg", "../train/2.jpg"), r"member '\.\./train/2\.jpg' is outside"),
        (("maps/train/1.jpg", "maps/train/1.jpg"), r"has train/1\.jpg twice"),
        (("maps/1.jpg", "maps/trains/2.jpg"), "has no images in folders named train, val, test"),
    ],
)
def test_an_archive_of_another_kind_is_an_error(tmp_path, names, message):
    path = pack(tmp_path / "a.tar.gz", *(member(name, b"x") for name in names))
    with pytest.raises(InputError, match=message):
        measure_images(path)
