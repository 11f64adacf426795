"""What may be opened at all, and what becomes of anything that a reader raises."""

import io
import os
import pathlib
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.preparation.check import check
from pix2pix_jax.images.files import read_picture, size_of
from pix2pix_jax.images.label_files import read_labels
from pix2pix_jax.images.opening import reader

READS = [read_picture, read_labels, size_of]


def save(path):
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(path)


@pytest.mark.parametrize("read", READS)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_named_pipe_or_a_device_is_refused_without_waiting(tmp_path, read):
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("/dev/zero")
    for name in ("a.png", "b.png"):
        with pytest.raises(InputError, match=rf"{name}: a pipe or a device, not a file"):
            read(tmp_path / name)


@pytest.mark.parametrize("read", READS)
def test_a_format_that_is_not_listed_is_never_opened(tmp_path, read, monkeypatch):
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    Image.init()
    started = []
    monkeypatch.setitem(Image.OPEN, "EPS", (lambda *_: started.append(1), lambda start: True))
    for name in ("a.png", "a.tif", "a.npy", "a.tga"):
        (tmp_path / name).write_bytes(script)
        with pytest.raises(InputError, match=f"{name}: not an image file$"):
            read(tmp_path / name)
    for kind in ("PCX", "ICO", "SGI", "PDF"):
        Image.new("RGB", (32, 32)).save(tmp_path / "b.png", kind)
        with pytest.raises(InputError, match=r"b\.png: not an image file$"):
            read(tmp_path / "b.png")
    assert not started


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "NPY", "GIF", "TGA"])
def test_the_content_decides_what_a_file_is_and_not_its_suffix(tmp_path, kind):
    memory = io.BytesIO()
    if kind == "NPY":
        np.save(memory, np.zeros((4, 6, 3), np.uint8))
    else:
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(memory, kind)
    for suffix in (".jpg", ".tif", ".npy"):
        path = (tmp_path / "a").with_suffix(suffix)
        path.write_bytes(memory.getvalue())
        assert read_picture(path).pixels.shape == (4, 6, 3)
        assert size_of(path) == (4, 6)


RAISED = [
    AttributeError("'NoneType' object has no attribute 'name'"),
    ZeroDivisionError("division by zero"),
    RuntimeError("two\nlines"),
    AssertionError(),
    NotImplementedError("unknown"),
    ModuleNotFoundError("No module named 'compression'"),
    OverflowError("too large"),
    MemoryError(),
    SystemError("error return without exception set"),
    RecursionError("maximum recursion depth"),
    np.linalg.LinAlgError("anything else"),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_whatever_a_library_raises_is_one_line_with_the_name_of_the_file(
    tmp_path, monkeypatch, error
):
    def fail(*_, **__):
        raise error

    save(tmp_path / "a.png")
    save(tmp_path / "a.tif")
    np.save(tmp_path / "a.npy", np.zeros((4, 6), np.uint8))
    monkeypatch.setattr(Image.Image, "getexif", fail)
    monkeypatch.setattr(tifffile, "TiffFile", fail)
    monkeypatch.setattr(np.lib.format, "read_magic", fail)
    for name in ("a.png", "a.tif", "a.npy"):
        for read in READS:
            with pytest.raises(InputError, match="cannot be read as an image") as found:
                read(tmp_path / name)
            assert str(found.value).startswith(f"{tmp_path / name}: ")
            assert "\n" not in str(found.value)


def test_an_interrupt_is_no_broken_file():
    with pytest.raises(KeyboardInterrupt), reader():
        raise KeyboardInterrupt


def test_a_check_goes_on_after_every_kind_of_failure(tmp_path, monkeypatch):
    turned = Image.Exif()
    turned[0x0112] = 3
    for number in range(len(RAISED) + 2):
        Image.new("RGB", (8, 4)).save(tmp_path / f"{number:02d}.png", exif=turned)
    transpose = ImageOps.exif_transpose

    def fail(picture, **options):
        number = int(pathlib.Path(picture.fp.name).stem)
        if number < len(RAISED):
            raise RAISED[number]
        return transpose(picture, **options)

    monkeypatch.setattr(ImageOps, "exif_transpose", fail)
    result = check(str(tmp_path), "side_by_side")
    problems = [one.problem for one in result.seen]
    assert [bool(problem) for problem in problems] == [True] * len(RAISED) + [False] * 2
    assert all("cannot be read as an image" in problem for problem in problems[: len(RAISED)])


def test_every_picture_of_the_package_is_opened_by_the_one_door():
    root = pathlib.Path(sys.modules["pix2pix_jax"].__file__).parent
    for path in root.rglob("*.py"):
        text = path.read_text()
        assert "Image.open(" not in text, path
        assert "imread(" not in text, path
        assert path.name == "weight_files.py" or "np.load(" not in text, path
