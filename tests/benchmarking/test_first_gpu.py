"""The table of first_gpu.sh, and how the script goes on where it stopped."""

import json
import os
import subprocess
import sys

import pytest
from benchmarking.first_gpu import render
from support.scripts import SCRIPTS

SCRIPT = SCRIPTS / "benchmarking" / "first_gpu.sh"
SHARED = {"program": "ours", "name": "resident", "data": "resident", "loop": "fixed"}


def row(ms, batch=1, dtype="float32", **more):
    return {
        **SHARED,
        **{"batch_size": batch, "dtype": dtype, "ms": ms, "ms_quartiles": [ms - 0.1, ms + 0.1]},
        **{"images_per_second": 1000 * batch / ms, "compile_seconds": 30.0, "peak_memory_gb": 2.5},
        **more,
    }


def write(folder, name, *rows, comparisons=()):
    hardware = {"devices": 1, "device": "NVIDIA X", "platform": "gpu", "processor": "Some CPU"}
    versions = {"jax": "0.10.2", "python": "3.11.7"}
    results = {"hardware": hardware, "versions": versions, "date": "2026-12-01"}
    results |= {"measurements": rows, "comparisons": comparisons}
    (folder / f"{name}.json").write_text(json.dumps(results))


def test_the_table_says_what_each_figure_decides(tmp_path):
    conv = {"name": "conv_dgrad", "ms": 1.25, "launches": 16.0}
    profile = {"launches": 316.0, "busy_ms": 1.9, "kernels": [conv]}
    slow = row(4.0, loop="runtime")
    write(tmp_path, "1_loops", row(2.0, profile=profile), slow, {**slow, "failed": "out of memory"})
    write(tmp_path, "1_products", row(3.0, product_rows=1024))
    write(
        tmp_path,
        "2_batches",
        row(2.0, dtype="bfloat16"),
        row(16.0, batch=32, dtype="bfloat16"),
    )
    (tmp_path / "3_run").mkdir()
    summary = {"steps": 3000, "seconds_per_1000_steps": 2.0, "seconds": 8.0, "epochs": 3}
    (tmp_path / "3_run" / "summary.json").write_text(json.dumps(summary))
    foretold = {"target": {"name": "h100"}, "run": {"dtype": "float32"}}
    foretold |= {"estimate": {"seconds_least": 0.001, "seconds": 0.003}, "step": {"kernels": 316}}
    (tmp_path / "3_foretold_float32.json").write_text(json.dumps(foretold))
    for name, digest in (("first", "a"), ("second", "b")):
        write(tmp_path, f"4_plain_{name}", row(2.0, digest=digest))
        write(tmp_path, f"4_deterministic_{name}", row(3.0, digest="c"))
    one = {"batch_size": 1, "data": "resident", "peer": "bf16", "peer_data": "in memory"}
    one |= {"ratio": 0.5, "ratio_quartiles": [0.4, 0.6]}
    write(tmp_path, "5_peer", row(2.0), comparisons=[one])
    text = render(tmp_path)
    for line in (
        "1 x NVIDIA X (gpu), Some CPU; jax 0.10.2, Python 3.11.7; 2026-12-01",
        "| 1_loops | 1 | float32 | ours | loop fixed | 2.000 (1.900 to 2.100) | 500 | 316 | 1.900 |"
        " 30 | 2.50 |",
        "- batch 1, float32: fastest is loop fixed (1_loops) with 2.000 ms",
        "- its `conv_dgrad`: 1.250 ms, 16.0 a step",
        "| loop fixed, products to 1024 |",
        "- goal of 400 images/s at batch 1: met (500)",
        "- goal of 2500 images/s at batch 32: NOT met (2000)",
        "- 3 epochs in 8.0 s: steps 6.0 s, everything else (start, compiling, evaluations, "
        "pictures, saves) 2.0 s, 25%",
        "- foretold for h100, float32: 1.00 to 3.00 ms, 316 kernels",
        "- plain: two processes end with OTHER bits",
        "- deterministic: two processes end with the same bits",
        "- 4_deterministic_first: 1.500 of the time of 4_plain_first",
        "- batch 1, resident, beside bf16 (in memory): 0.500 (0.400 to 0.600) of its time",
    ):
        assert line in text


def test_what_failed_is_a_row_with_its_reason(tmp_path):
    failed = {**SHARED, "batch_size": 32, "dtype": "bfloat16", "failed": "out of device memory"}
    write(tmp_path, "2_batches", failed)
    text = render(tmp_path)
    assert "| loop fixed | out of device memory | - |" in text
    assert text.count("nothing measured yet") == 5


@pytest.fixture
def start(tmp_path):
    """Run the script with a stand-in for Python that writes down what it is asked."""
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        f"with open({str(tmp_path / 'log')!r}, 'a') as log:\n"
        "    print(os.environ.get('XLA_FLAGS', '').strip(), *sys.argv[1:], file=log)\n"
        f"sys.exit(os.path.exists({str(tmp_path / 'fail')!r}))\n"
    )
    stand_in.chmod(0o700)

    def run(*arguments):
        environment = {**os.environ, "PYTHON": str(stand_in), "XLA_FLAGS": ""}
        command = ["bash", str(SCRIPT), "--output", str(tmp_path / "out"), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        log = tmp_path / "log"
        asked = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return done, asked

    return run


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_the_script_measures_what_is_not_finished(start, tmp_path):
    (tmp_path / "fail").touch()
    done, asked = start("1", "5")
    assert (done.returncode, len(asked)) == (1, 4)  # three measurements and the table
    assert "1_loops: ended with status 1" in done.stdout
    assert "5: left out; --peer DIR" in done.stdout
    (tmp_path / "fail").unlink()
    done, asked = start("1", "--peer", "clone", "5")
    assert len(asked) == 5
    assert "--loop fixed,runtime --kernels" in asked[0]
    assert "--peer clone --peer_options" in asked[3]
    done, asked = start("1")
    assert done.stdout.count("finished before") == 3
    assert len(asked) == 1
    assert "-m benchmarking.first_gpu" in asked[0]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_flags_of_the_compiler_are_tried_one_at_a_time(start):
    _, asked = start("4")
    flags = [line.split(" ")[0] for line in asked if line.startswith("--xla")]
    assert flags == [
        "--xla_gpu_enable_command_buffer=",
        "--xla_gpu_enable_command_buffer=+WHILE,+CONVOLUTION",
        "--xla_gpu_graph_min_graph_size=1",
    ]
    assert sum("train.deterministic=True" in line for line in asked) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
@pytest.mark.parametrize("arguments", [["6"], ["--speed"], ["--peer"]])
def test_mistakes_are_one_line(start, arguments):
    done, asked = start(*arguments)
    assert (done.returncode, asked) == (2, [])
    assert done.stderr.startswith(f"error: {arguments[0]}: ")
    assert done.stderr.count("\n") == 1
