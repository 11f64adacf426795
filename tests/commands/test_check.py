import os
import shutil

import pytest
from support.runs import tiny_run
from support.scripts import run_script


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs") / "run", log__report=True)


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


def test_a_whole_run_is_a_table_without_faults(run):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    status, out, error = run_script("check", "--workdir", run)
    assert (status, error) == (0, "")
    lines = out.splitlines()
    assert [line.split("  ")[0] for line in lines[:-1]] == [
        "config.json",
        "run.json",
        "metrics.csv",
        "summary.json",
        "report.html",
        "checkpoint 3",
        "checkpoint 6",
    ]
    assert all("  ok  " in line for line in lines[:-1])
    assert lines[2].endswith("2 rows, the last of step 6")
    assert lines[-1] == f"{run}: whole"
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def replace_by_a_pipe(file):
    file.unlink()
    os.mkfifo(file)


def pipe_in_checkpoint(run):
    replace_by_a_pipe(next((run / "checkpoints/3/generator/d").iterdir()))


def damage_weights(run):
    largest = max(
        (run / "checkpoints/3/generator").rglob("d/*"), key=lambda file: file.stat().st_size
    )
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 4
    largest.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "part", "message"),
    [
        (lambda run: (run / "config.json").write_text("{"), "config.json", "not valid JSON"),
        (lambda run: (run / "run.json").unlink(), "run.json", "is missing"),
        (lambda run: (run / "run.json").write_text("[]"), "run.json", "is not a file of a run"),
        (lambda run: (run / "metrics.csv").write_bytes(b"\xff"), "metrics.csv", "not a table"),
        (lambda run: (run / "report.html").write_text("<html>"), "report.html", "not complete"),
        (damage_weights, "checkpoint 3", "is damaged ("),
        (pipe_in_checkpoint, "checkpoint 3", "is damaged ("),
        (lambda run: replace_by_a_pipe(run / "metrics.csv"), "metrics.csv", "is not a file"),
        (lambda run: replace_by_a_pipe(run / "report.html"), "report.html", "is not a file"),
    ],
)
def test_what_is_damaged_is_named_and_the_status_is_1(run, damage, part, message):
    damage(run)
    status, out, error = run_script("check", "--workdir", run)
    assert (status, error) == (1, "")
    wrong = [line for line in out.splitlines() if "  WRONG  " in line]
    assert len(wrong) == 1
    assert wrong[0].startswith(part)
    assert message in wrong[0]
    assert out.endswith(": 1 part is damaged\n")


def test_a_folder_without_a_run_is_one_line(tmp_path):
    status, out, error = run_script("check", "--workdir", tmp_path)
    assert (status, out) == (2, "")
    assert error.startswith(f"error: {tmp_path}: not the folder of a run")


def test_an_empty_workdir_is_not_the_current_folder(run, monkeypatch):
    monkeypatch.chdir(run)
    status, out, error = run_script("check", "--workdir", "")
    assert (status, out) == (2, "")
    assert error.startswith("error: argument --workdir: is empty")


def test_a_line_break_in_the_name_of_the_folder_stays_in_its_line(run):
    odd = run.rename(run.with_name("a\nb"))
    status, out, _ = run_script("check", "--workdir", odd)
    assert status == 0
    assert out.splitlines()[-1].endswith("a\\nb: whole")
