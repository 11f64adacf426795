"""`prepare`, by its flags, what it prints and the files it leaves."""

import contextlib
import functools
import pathlib
import resource
import sys
import tarfile

import numpy as np
import pytest
from support.scripts import refused, run_script

from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.listing import PREPARED


@pytest.fixture
def run(tmp_path):
    """Run it in this process, in the test's folder; returns status, output and errors."""
    return functools.partial(run_script, "prepare", folder=tmp_path)


@contextlib.contextmanager
def no_file_above(size):
    """Let the system refuse to write files of more bytes, in this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    image_files.write(path, image)


@pytest.fixture
def data(tmp_path):
    """Six side-by-side pairs of 16x16 pixels, 4 to train."""
    for number in range(6):
        split = "train" if number < 4 else "val"
        save(tmp_path / "data" / split / f"{number}.png", noise(16, 32, 3, seed=number))
    return tmp_path


def test_check_prints_a_table_and_exits_by_what_is_wrong(run, data):
    status, out, error = run("check", "data")
    assert (status, error) == (0, "")
    assert out.splitlines()[2].split()[:6] == ["train", "4", "0", "16", "x", "16"]
    assert out.endswith("nothing is wrong\n")
    (data / "data" / "train" / "x.png").write_text("")
    status, out, error = run("check", "data", "--show", "0")
    assert (status, error) == (1, "")
    assert "wrong: cannot be used (1)\n  and 1 more\n" in out


def test_each_command_makes_what_it_says(run, data):
    parts = ("--counts", "3,2,1", "--seed", "5")
    status, out, error = run("split", "data", "mine", *parts, "--link")
    assert (status, out, error) == (0, "train 3, val 2, test 1 in mine\n", "")
    status, out, error = run("patches", "mine", "cut", "--size", "8x16")
    assert (status, out, error) == (0, "12 patches in cut\n", "")
    status, out, error = run("derive", "data", "ab", "--kind", "gray", "--layout=folders")
    assert (status, out, error) == (0, "6 pairs in ab\n", "")
    arguments = ("ab/A", "ab/B", "both", "--quality", "80")
    status, out, error = run("combine", *arguments)
    assert (status, out, error) == (0, "6 pairs in both\n", "")
    assert image_files.size_of(data / "both" / "val" / "5.jpg") == (16, 64)
    status, _, error = run("combine", *arguments)
    assert status == 2
    assert "exists; choose another folder, or --overwrite" in error
    assert run("combine", *arguments, "--overwrite")[0] == 0


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


EARLIER = pytest.mark.parametrize(
    ("first", "second", "stays"),
    [
        (["split", "data", "out", "--counts", "6,0,0"], ["--counts", "0,6,0"], "train/train/0.png"),
        (["split", "ab", "out", "--counts", "6,0,0"], ["--counts", "0,0,6"], "train/A/train/0.png"),
        (["split", "data", "out", "--counts", "0,6,0"], ["--counts", "0,5,0"], "val/"),
        (["patches", "data", "out", "--size", "8"], ["--size", "16"], "train/0_0_8.png"),
    ],
    ids=["split", "split of folders", "fewer", "patches"],
)


@EARLIER
def test_no_file_of_an_earlier_call_stays_beside_new_ones(run, data, first, second, stays):
    assert run("derive", "data", "ab", "--kind", "gray", "--layout=folders")[0] == 0
    assert run(*first)[0] == 0
    assert run(*first, "--overwrite")[0] == 0
    save(data / "out" / "train" / "mine.png", noise(8, 8, 3))
    there = set(contents(data / "out"))
    assert any(path.relative_to(data).as_posix().startswith(f"out/{stays}") for path in there)
    status, out, _ = run(*first[:3], *second, "--overwrite")
    assert status == 0
    assert "files of an earlier call" in out
    new = set(contents(data / "out"))
    assert data / "out" / "train" / "mine.png" in new
    assert run(*first[:1], first[1], "fresh", *second)[0] == 0
    fresh = {path.relative_to(data / "fresh") for path in contents(data / "fresh")}
    assert {path.relative_to(data / "out") for path in new} == {
        *fresh,
        pathlib.Path("train", "mine.png"),
    }


@EARLIER
def test_what_no_record_is_kept_of_is_refused_instead(run, data, first, second, stays):
    assert run("derive", "data", "ab", "--kind", "gray", "--layout=folders")[0] == 0
    assert run(*first)[0] == 0
    (data / "out" / PREPARED).unlink()
    before = contents(data / "out")
    status, _, error = run(*first[:3], *second, "--overwrite")
    assert status == 2
    assert f"error: out/{stays}" in error
    assert "choose an empty OUTPUT, or delete out" in error
    assert len(error.strip().splitlines()) == 1
    assert contents(data / "out") == before


def test_a_split_is_refused_beside_another_where_no_file_would_be_replaced(run, data):
    assert run("split", "data", "out", "--counts", "6,0,0")[0] == 0
    status, _, error = run("split", "data", "out", "--counts", "0,6,0")
    assert (status, (data / "out" / "val").exists()) == (2, False)
    assert "would stay" in error


def test_files_of_other_sources_may_stay(run, data):
    save(data / "out" / "train" / "other_0_8.png", noise(8, 8, 3))
    save(data / "out" / "train" / "0.png", noise(8, 8, 3))
    assert run("patches", "data", "out", "--size", "16", "--overwrite")[0] == 0
    assert run("split", "data", "out", "--counts", "6,0,0", "--overwrite")[0] == 0


def test_frames_says_how_many_there_are(run, tmp_path):
    cv2 = pytest.importorskip("cv2")
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 24))
    for number in range(5):
        writer.write(np.full((24, 32, 3), 50 * number, np.uint8))
    writer.release()
    status, out, error = run("frames", "a.avi", "out", "--every", 2, "--size", 8)
    assert (status, out, error) == (0, "3 images from 5 frames in out\n", "")


def test_frames_without_opencv_names_the_extra(run, tmp_path, monkeypatch):
    (tmp_path / "a.avi").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "cv2", None)
    for more in ([], ["--faces"]):
        status, _, error = run("frames", "a.avi", "out", *more)
        assert status == 2
        assert "pip install 'pix2pix_jax[opencv]'" in error
        assert len(error.strip().splitlines()) == 1


def test_tfds_builds_a_published_set_from_an_archive(run, data):
    with tarfile.open(data / "maps.tar.gz", "w:gz") as archive:
        archive.add(data / "data", "maps")
    status, out, error = run("tfds", "maps", "--data_dir", "sets", "--archive", "maps.tar.gz")
    assert status == 0, error
    assert "pix2pix:maps is ready in" in out
    assert list((data / "sets").rglob("*.array_record*"))


@pytest.mark.parametrize("more", [(), ("--quality", "95")], ids=["png", "jpeg"])
def test_a_write_that_the_system_refuses_leaves_whole_files_only(run, data, more):
    for number in range(4):
        save(data / "data" / "val" / f"large{number}.png", noise(200, 200, 3))
    with no_file_above(50_000):
        status, _, error = run("derive", "data", "out", "--kind", "gray", *more)
    assert status == 2
    assert len(error.strip().splitlines()) == 1
    assert "large" in error
    assert "cannot be written (File too large); all files before it are whole" in error
    there = [path for path in (data / "out").rglob("*") if path.is_file()]
    there.remove(data / "out" / PREPARED)
    assert there
    for path in there:
        image_files.read(path)  # hidden leftovers could not be read


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["chek", "data"], "invalid choice: 'chek'"),
        (["check", "none"], "none: there is no such folder"),
        (["split", "data", "out"], "--shares --counts is required"),
        (["split", "data", "out", "--shares", "0.5,0.5"], "three shares that add up to 1"),
        (["split", "data", "out", "--shares", "2,-1,0"], "three shares"),
        (["split", "data", "out", "--counts", "1,0,0"], "three counts"),
        (["patches", "data", "out", "--size", "8x8x8"], "256x512"),
        (["patches", "data", "out", "--size", "99"], "smaller than --size 99x99"),
        (["derive", "data", "out", "--kind", "lab"], "data.source=single"),
        (["derive", "data", "out", "--kind", "mask", "--mask_share", "2"], "--mask_share=2"),
        (["derive", "data", "out", "--kind", "gray", "--channels", "5"], "argument --channels"),
        (["derive", "data", "out", "--kind", "edges", "--edge_low", "300"], "--edge_high=200"),
        (["split", "data", "out", "--counts", "4,5,6"], "--counts 4,5,6: asks for 15 pairs"),
        (["combine", "data", "data", "out", "--quality", "0"], "--quality"),
        (["frames", "none.mp4", "out"], "none.mp4"),
        (["frames", "a.mp4", "out", "--face_model", "x"], "add --faces"),
        (["tfds", "map5"], "no such data set"),
        (["tfds", "facadess"], "did you mean the published set facades?"),
        (["tfds", "tfds:mnist", "--archive", "x"], "--archive: only for cityscapes"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(run, data, arguments, message):
    assert refused(run(*arguments), message)
    assert not (data / "out").exists()


@pytest.mark.parametrize("arguments", [("check", ""), ("split", "data", "", "--counts", "1,1,1")])
def test_an_empty_path_is_not_the_current_folder(run, data, arguments):
    status, _, error = run(*arguments)
    assert status == 2
    assert "is empty; give a path" in error
