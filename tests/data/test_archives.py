import gzip
import io
import tarfile

import pytest

from pix2pix_jax.core.errors import InputError
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
