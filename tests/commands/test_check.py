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


def damage_weights(run):
    files = (run / "checkpoints/3/generator").rglob("d/*")
    largest = max(files, key=lambda file: file.stat().st_size)
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
    assert out.endswith(": not whole, 1 of the lines above are WRONG\n")


def test_a_folder_without_a_run_is_one_line(tmp_path):
    status, out, error = run_script("check", "--workdir", tmp_path)
    assert (status, out) == (2, "")
    assert error.startswith(f"error: {tmp_path}: not the folder of a run")
