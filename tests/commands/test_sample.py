"""`sample`, by its flags, what it prints and the files it leaves."""

import shutil

import numpy as np
import pytest
from PIL import Image
from support.runs import tiny_run
from support.scripts import refused, run_process, run_script

from pix2pix_jax.core.config_files import load_json, save_json


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs") / "run")


def test_a_photo_is_translated_by_the_workdir_alone(workdir, tmp_path):
    photo = tmp_path / "photo.jpg"
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(photo)
    flags = ("--workdir", workdir, "--input", photo, "--output", "out")
    status, out, error = run_process("sample", *flags, folder=tmp_path)
    assert status == 0, error
    assert "step 6: 1 image in out" in out
    with Image.open(tmp_path / "out" / "photo.png") as fake:
        assert fake.size == (50, 40)


def test_a_split_of_the_runs_data_is_translated(workdir, tmp_path):
    output = "out\nside"  # a line break in a path stays on the line
    flags = ("--workdir", workdir, "--split", "test", "--checkpoint", 3, "--output", output)
    status, out, error = run_script("sample", *flags, folder=tmp_path)
    assert status == 0, error
    assert "step 3: 5 images in out\\nside\n" in out
    assert len(list((tmp_path / output).iterdir())) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workdir", "none", "--input", "x.png"], "none: not the folder of a run"),
        (["--checkpoint", "7", "--split", "val"], "'7': choose from best, latest, 3, 6"),
        (["--split", "tset"], "split 'tset': choose from"),
        (["--input", "none.png"], "none.png: there is no such file"),
        (["--input", ".", "--seed", "-1"], "--seed"),
        (["--input", ".", "--batch_size", "0"], "--batch_size"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(workdir, tmp_path, arguments, message):
    flags = ("--workdir", workdir, "--output", "out")
    assert refused(run_script("sample", *flags, *arguments, folder=tmp_path), message)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def photos(tmp_path):
    for number in range(3):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_a_file_of_another_kind_is_refused_or_skipped(workdir, photos, tmp_path):
    Image.fromarray(np.zeros((32, 32), np.uint16)).save(photos / "deep.png")
    flags = ("--workdir", workdir, "--input", "in", "--output", "in/out")
    result = run_script("sample", *flags, folder=tmp_path)
    assert refused(result, "in/deep.png: holds uint16 values, expected uint8")
    assert not (photos / "out").exists()
    for _ in range(2):  # the second time, the results of the first are inside the input
        status, out, error = run_script("sample", *flags, "--on_error", "skip", folder=tmp_path)
        assert status == 0, error
        assert "warning: 1 of 4 images were left out" in out
        assert "step 6: 3 images in in/out" in out


def test_a_broken_file_ends_with_what_was_written(workdir, photos, tmp_path):
    (photos / "2.png").write_bytes((photos / "2.png").read_bytes()[:-900])
    flags = ("--workdir", workdir, "--input", "in", "--output", "out", "--batch_size", 2)
    result = run_script("sample", *flags, folder=tmp_path)
    assert refused(result, "in/2.png: cannot be read")
    assert "; 2 of 3 images written to out" in result[2]


def test_side_by_side_files_are_halved_if_the_run_was_trained_on_such(workdir, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(workdir, run)
    Image.fromarray(np.full((32, 64, 3), 90, np.uint8)).save(tmp_path / "pair.png")
    sizes = {}
    for source in ("synthetic", "side_by_side"):
        config = load_json(run / "config.json")
        config.data.source = source
        save_json(config, run / "config.json")
        flags = ("--workdir", run, "--input", "pair.png", "--output", source)
        status, out, error = run_script("sample", *flags, folder=tmp_path)
        assert status == 0, error
        assert ("side-by-side" in out.replace(f"in {source}", "")) == (source == "side_by_side")
        with Image.open(tmp_path / source / "pair.png") as result:
            sizes[source] = result.size
    assert sizes == {"synthetic": (64, 32), "side_by_side": (32, 32)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "val", "--side", "left"], "--side goes with --input"),
        (["--split", "val", "--on_error", "skip"], "--on_error goes with --input"),
        (["--input", ".", "--data_root", "."], "--data_root goes with --split"),
        (["--input", "a.png", "--overlap", "0"], "--overlap goes with --fit tile"),
        (["--input", "a.png", "--fit", "tile", "--tile", "33"], "--tile 33: the network takes"),
        (["--input", "a.png", "--fit", "tile", "--tile_norm", "running"], "has no running stat"),
        (["--input", "a.png", "--max_pixels", "10"], "more than data.max_pixels=10 allows"),
        (["--workdir", "..", "--input", "a.png"], "of its folders do: run"),
        (["--input", ""], "argument --input: is empty; give a path"),
        (["--input", "a.png", "--output", "a.png"], "a.png: images are written to a folder"),
        (["--input", "a.png", "--output", "new.JPG"], "new.JPG: images are written to a folder"),
        (["--input", "a.png", "--output", "a.mp4"], "a.mp4: images are written to a folder"),
    ],
)
def test_flags_that_do_not_fit_are_one_line(workdir, tmp_path, arguments, message):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.png")
    if ".." in arguments:
        arguments = ["--workdir", workdir.parent, *arguments[2:]]
    flags = ("--workdir", workdir, "--output", "out")
    assert refused(run_script("sample", *flags, *arguments, folder=tmp_path), message)
    assert not (tmp_path / "out").exists()


def test_a_video_is_translated_to_a_video(workdir, tmp_path):
    pytest.importorskip("av", reason="PyAV is not installed: pip install 'pix2pix_jax[video]'")
    from support.videos import read_clip, write_clip

    write_clip(tmp_path / "clip.mp4", times=[0, 40, 90])
    flags = ("--workdir", workdir, "--input", "clip.mp4", "--blend", "0.2")
    status, out, error = run_script("sample", *flags, "--output", "out.mp4", folder=tmp_path)
    assert status == 0, error
    assert "step 6: 3 frames in out.mp4" in out
    assert read_clip(tmp_path / "out.mp4")[0] == [0, 40, 90]
    result = run_script("sample", *flags, "--output", "out", folder=tmp_path)
    assert refused(result, "--output out: a video needs the name of a file; choose a suffix from")
    result = run_script("sample", *flags, "--output", "o.mp4", "--draws", 2, folder=tmp_path)
    assert refused(result, "--draws does not go with a video, such as clip.mp4")
    result = run_script("sample", *flags, "--output", "o.mp4", "--blend", 1, folder=tmp_path)
    assert refused(result, "blend=1.0: expected a number from 0 to less than 1")


def test_frames_in_a_folder_can_be_blended(workdir, photos, tmp_path):
    flags = ("--workdir", workdir, "--input", "in", "--same_dropout")
    for output, blend in (("plain", 0), ("mixed", 0.5)):
        more = ("--output", output, "--blend", blend)
        assert run_script("sample", *flags, *more, folder=tmp_path)[0] == 0
    plain, mixed = (
        [np.array(Image.open(tmp_path / output / f"{n}.png"), int) for n in range(3)]
        for output in ("plain", "mixed")
    )
    np.testing.assert_array_equal(mixed[0], plain[0])
    expected = (plain[2] + (plain[1] + plain[0]) / 2) / 2
    np.testing.assert_allclose(mixed[2], expected, atol=0.5)
