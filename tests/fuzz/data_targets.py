"""Targets: archives, folders of files, prepared sets, and records of what was made."""

import functools
import gzip
import io
import json
import pathlib
import shutil
import tarfile
import tempfile

import numpy as np
from PIL import Image

from pix2pix_jax.core.downloads import verify
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.archives import iterate_members, measure_images
from pix2pix_jax.data.conditions import read_table
from pix2pix_jax.data.pairing import pair_by_stem
from pix2pix_jax.data.preparation.record import OutputRecord
from pix2pix_jax.data.published import build_published
from pix2pix_jax.images.encoding import PHOTO
from pix2pix_jax.images.listing import PREPARED, find, list_images

from .mutations import mutate


@functools.cache
def _folder():
    """Return a folder for the files of all trials, which is removed at the end."""
    made = tempfile.TemporaryDirectory()
    return made, pathlib.Path(made.name)


def _scratch(name):
    return _folder()[1] / name


def _accepts(work):
    """Return whether something is accepted; anything but an InputError of one line is raised."""
    try:
        work()
    except InputError as error:
        lines = len(str(error).splitlines())
    else:
        return True
    assert lines == 1
    return False


@functools.cache
def _image():
    memory = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 8, 3), np.uint8)).save(
        memory, "PNG"
    )
    return memory.getvalue()


@functools.cache
def _tar(kind):
    """Return an archive with long names, extended headers, links, and a sparse file's header."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=kind) as archive:
        names = ["maps/train/1.png", f"maps/val/{'long' * 40}.png", "maps/train/\u00e9.png", "maps"]
        for name in names:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(_image()), 1.5 if kind == tarfile.PAX_FORMAT else 1
            archive.addfile(info, io.BytesIO(_image()))
    return memory.getvalue()


_KINDS = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)


def _unpacked_archive(rng):
    """Damage a tar archive inside its compression; members stay in their folder."""
    path = _scratch("a.tar.gz")
    kind = _KINDS[rng.integers(2)]
    path.write_bytes(gzip.compress(mutate(_tar(kind), rng, head=1024), compresslevel=1))

    def read():
        for name, data in iterate_members(path):
            parts = pathlib.PurePosixPath(name)
            assert not parts.is_absolute()
            assert ".." not in parts.parts
            assert len(data) < 2**20
        measure_images(path)

    return _accepts(read)


def _packed_archive(rng):
    """Damage the compressed bytes: no other content ever comes out."""
    path, whole = _scratch("a.tar.gz"), _tar(tarfile.GNU_FORMAT)
    path.write_bytes(mutate(gzip.compress(whole, compresslevel=1), rng, head=20))
    found = []
    accepted = _accepts(lambda: found.extend(iterate_members(path)))
    names = {name for name, _ in found}
    assert len(names) == len(found)
    if accepted:
        path.write_bytes(gzip.compress(whole))
        assert found == list(iterate_members(path))
    return accepted


_WORDS = ("a", "A", "\u00e9", "e\u0301", ".h", "@eaDir", "thumbnails", " ", "\n", "\udcff", "b.png")
_ENDINGS = (".png", ".PNG", ".jpg", ".xcf", "", ".", ".npy", ".png.png")


def _tree(rng):
    """List and pair a folder of odd names, links and loops: each entry is counted once."""
    root = _scratch("tree")
    shutil.rmtree(root, ignore_errors=True)
    folders = [root / "A", root / "B"]
    for folder in folders:
        folder.mkdir(parents=True)
    for _ in range(rng.integers(1, 25)):
        place = folders[rng.integers(len(folders))]
        name = "".join(rng.choice(_WORDS, rng.integers(1, 3))) + str(rng.choice(_ENDINGS))
        path = place / name
        if name in (".", "..") or path.exists() or path.is_symlink():
            continue
        what = rng.integers(4)
        if what == 0:
            path.mkdir()
            folders.append(path)
        elif what == 1:
            path.symlink_to([*folders, path, root / "nowhere"][rng.integers(len(folders) + 2)])
        else:
            path.write_bytes(b"")
            twin = path.with_suffix(".bmp")  # a second file of the same stem
            if rng.random() < 0.05 and not twin.is_symlink():
                twin.touch()
    for side in ("A", "B"):
        found = list_images(root / side)
        assert found.files == tuple(find(root / side))
        every = [*found.files, *(path for path, _ in found.left_out)]
        assert len(every) == len(set(every))
        assert all(path.is_file() for path in found.files)
        assert bool(found.summary) == bool(found.left_out)
        assert "\n" not in str(InputError(found.summary))
    return _accepts(lambda: pair_by_stem(root / "A", root / "B"))


def _prepare_record(rng):
    """Damage the record of a prepared folder: no file outside the folder is ever its own."""
    folder = _scratch("prepared")
    folder.mkdir(exist_ok=True)
    (folder / "0.png").write_bytes(b"x")
    record = folder / PREPARED
    record.unlink(missing_ok=True)
    with OutputRecord(str(folder), "derive", ("in",)) as made:
        made.add(folder / "0.png")
    record.write_bytes(mutate(record.read_bytes(), rng))
    found = []
    accepted = _accepts(lambda: found.extend(OutputRecord(str(folder), "derive", ("in",)).own))
    assert set(found) <= {folder / "0.png"}
    return accepted and bool(found)


def _checksum_record(rng):
    """Damage the record of a download: it is compared, or refused."""
    path = _scratch("file.bin")
    path.write_bytes(b"content")
    line = "# 7 bytes from http://localhost/file.bin\n"
    line += "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73  file.bin\n"
    path.with_name("file.bin.sha256").write_bytes(mutate(line.encode(), rng))
    return _accepts(lambda: verify(path))


@functools.cache
def _prepared():
    """Return a prepared set of a published kind."""
    archive = _scratch("maps.tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        for split, count in (("train", 3), ("val", 2)):
            for number in range(count):
                info = tarfile.TarInfo(f"maps/{split}/{number}.png")
                info.size = len(_image())
                tar.addfile(info, io.BytesIO(_image()))
    whole = _scratch("whole")
    options = {"data_dir": str(whole), "archive": str(archive)}
    build_published("maps", "train", source=PHOTO, target=PHOTO, **options)
    files = [path for path in whole.rglob("*") if path.is_file()]
    return whole, sorted(files)


def _prepared_set(rng):
    """Damage a file of a set that TFDS has prepared: an error, or the same pairs."""
    whole, files = _prepared()
    copy = _scratch("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(whole, copy)
    path = copy / files[rng.integers(len(files))].relative_to(whole)
    path.write_bytes(mutate(path.read_bytes(), rng))

    def read():
        source = build_published(
            "maps", "train", source=PHOTO, target=PHOTO, data_dir=str(copy), archive="nowhere"
        )
        for index in range(len(source)):
            source.size(index)

    return _accepts(read)


_TABLES = {
    "csv": "name,age,dose\n"
    + "".join(f"{number}.jpg,{number},1e{number}\n" for number in range(20)),
    "json": json.dumps({f"{number}.jpg": {"age": number, "dose": 0.5} for number in range(20)}),
}


def _table(rng):
    """Read a damaged table of numbers."""
    kind = ("csv", "json")[rng.integers(2)]
    path = _scratch(f"numbers.{kind}")
    path.write_bytes(mutate(_TABLES[kind].encode(), rng))
    return _accepts(lambda: read_table(path))


TARGETS = {
    "data: tar": _unpacked_archive,
    "data: tar.gz": _packed_archive,
    "data: tree of files": _tree,
    "data: prepare's record": _prepare_record,
    "data: checksum record": _checksum_record,
    "data: prepared set": _prepared_set,
    "data: table of numbers": _table,
}
