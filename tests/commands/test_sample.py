"""`sample`, by its flags, what it prints and the files it leaves."""

import numpy as np
import pytest
from PIL import Image
from support.runs import tiny_run
from support.scripts import refused, run_process, run_script


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs") / "run")


def test_a_photo_is_translated_by_the_workdir_alone(workdir, tmp_path):
    photo = tmp_path / "photo.jpg"
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(photo)
    flags = ("--workdir", workdir, "--input", photo, "--output", "out")
    status, out, error = run_process("sample", *flags, folder=tmp_path)
    assert status == 0, error
    assert "step 6: 1 images in out" in out
    with Image.open(tmp_path / "out" / "photo.png") as fake:
        assert fake.size == (50, 40)


def test_a_split_of_the_runs_data_is_translated(workdir, tmp_path):
    flags = ("--workdir", workdir, "--split", "test", "--checkpoint", 3, "--output", "out")
    status, out, error = run_script("sample", *flags, folder=tmp_path)
    assert status == 0, error
    assert "step 3: 5 images in out" in out
    assert len(list((tmp_path / "out").iterdir())) == 5


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
