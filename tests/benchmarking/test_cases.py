"""Timing programs in turns, and counting their arithmetic."""

import pathlib
import sys

import benchmarking
import numpy as np
import pytest
from benchmarking import arithmetic, environments, figures
from benchmarking.cases import Case, build_config, gflop_per_image, write_pairs
from benchmarking.children import Child, FailedError
from benchmarking.entries import Entry
from benchmarking.protocol import take_peak_memory
from benchmarking.suite import compare_all, take_turns
from PIL import Image

FOLDER = str(pathlib.Path(benchmarking.__file__).parent)
ON_LINUX = pytest.mark.skipif(
    not pathlib.Path("/proc/self/status").exists(), reason="/proc is Linux's"
)


def test_arithmetic_of_a_tiny_unet_by_hand():
    # Down: 3 -> 1 channels at 2x2, 1 -> 2 at 1x1; up: 2 -> 1 at 1x1, 1 + 1 skipped -> 3 at 2x2.
    expected = 16 * (4 * 3 + 1 * 2) + 16 * (1 * 2 + 4 * 6)
    assert arithmetic.generator_macs(4, 1, 2, (3, 3)) == expected


def test_arithmetic_of_a_tiny_patchgan_by_hand():
    # 8x8 -> 4x4 -> 3x3 -> 2x2, with 6 -> 1 -> 2 -> 1 channels.
    expected = 16 * (16 * 6 * 1 + 9 * 1 * 2 + 4 * 2 * 1)
    assert arithmetic.discriminator_macs(8, 1, 1, 6) == expected


def test_arithmetic_of_the_papers_networks():
    assert arithmetic.generator_macs(256, 64, 8, (3, 3)) / 1e9 == pytest.approx(6.05, abs=0.005)
    assert arithmetic.discriminator_macs(256, 64, 3, 6) / 1e9 == pytest.approx(3.2, abs=0.005)
    assert gflop_per_image(build_config(Case(), pathlib.Path())) == pytest.approx(87.4, abs=0.1)


def test_only_the_papers_networks_are_counted():
    resnet = Case(overrides=(("model.generator", "resnet"),))
    assert gflop_per_image(build_config(resnet, pathlib.Path())) is None


@pytest.mark.parametrize(
    ("device", "dtype", "peak"),
    [
        ("NVIDIA H200", "bfloat16", 989.0),
        ("NVIDIA H100 PCIe", "float32", 378.0),
        ("NVIDIA L40S", "bfloat16", 362.0),
        ("NVIDIA L4", "bfloat16", 121.0),
        ("NVIDIA L40", "bfloat16", None),
        ("Tesla V100-SXM2-16GB", "float32", 15.7),
        ("TPU v5 lite", "bfloat16", 197.0),
        ("TPU v5", "bfloat16", 459.0),
        ("TPU v4", "float32", None),
        ("cpu", "float32", None),
    ],
)
def test_a_peak_is_known_by_the_whole_name_of_a_device(device, dtype, peak):
    assert arithmetic.known_peak(device, dtype) == peak


def test_a_step_is_summarised_by_its_median():
    found = figures.summarise([5.0, 1.0, 2.0, 3.0, 4.0], 4)
    assert (found["ms"], found["ms_min"], found["ms_quartiles"]) == (3.0, 1.0, [2.0, 4.0])
    assert found["images_per_second"] == pytest.approx(4000 / 3)
    assert found["maps_run_seconds"] == pytest.approx(274 * 200 * 0.003)


def test_one_repetition_has_no_spread():
    assert figures.quartiles([7.0]) == [7.0, 7.0]


def test_a_rate_is_shared_among_the_devices():
    peaks = {"measured": 0.5, "known": None}
    assert figures.rate(100.0, 50.0, 8, peaks) == {
        "tflops": 2.0,
        "share_of_measured_peak": 0.5,
        "share_of_known_peak": None,
    }
    assert set(figures.rate(None, 50.0, 8, peaks).values()) == {None}


def test_a_ratio_is_that_of_the_medians_and_its_spread_that_of_the_repetitions():
    found = figures.compare([1.0, 2.0, 9.0], [2.0, 4.0, 6.0])
    assert (found["ours_ms"], found["peer_ms"], found["ratio"]) == (2.0, 4.0, 0.5)
    assert found["ratio_quartiles"] == [0.5, 1.0]  # of 0.5, 0.5, 1.5
    assert found["ratio_of_fastest"] == 0.5


class Scripted(Child):
    """A child that writes down when it is asked, and fails when told."""

    def __init__(self, name, log, fails_at=99):
        self.name, self.log, self.fails_at = name, log, fails_at

    def ask(self, do, **arguments):
        self.log.append(self.name)
        if self.log.count(self.name) > self.fails_at:
            raise FailedError("out of device memory")
        return {"milliseconds": 10.0 * self.log.count(self.name)}


def row(name, **more):
    program = "peer" if name.startswith("peer") else "ours"
    shared = {"batch_size": 1, "image_size": 32, "dtype": "float32", "device": "cpu"}
    return {"program": program, "name": name, "data": "cached", **shared, **more}


def test_turns_go_there_and_back_and_the_first_does_not_count():
    log = []
    entries = [Entry(row(name), Scripted(name, log)) for name in "abc"]
    take_turns(entries, 2)
    assert "".join(log) == "cba" + "abc" + "cba"
    assert [[run["milliseconds"] for run in entry.runs] for entry in entries] == [[20.0, 30.0]] * 3


def test_what_fails_is_left_out_and_the_others_go_on():
    log = []
    entries = [Entry(row("a"), Scripted("a", log, fails_at=1)), Entry(row("b"), Scripted("b", log))]
    take_turns(entries, 3)
    assert (log.count("a"), log.count("b")) == (2, 4)
    assert entries[0].row["failed"] == "out of device memory"
    assert len(entries[1].runs) == 3


def test_each_row_of_ours_is_compared_with_each_of_the_peer_that_was_measured():
    times = {"cached": 2.0, "streamed": 3.0, "peer x": 4.0, "peer y": 6.0, "peer z": None}
    entries = []
    for name, ms in times.items():
        measured = {"failed": "no"} if ms is None else {"ms": ms}
        entries.append(Entry(row(name, **measured), runs=[{"milliseconds": ms}] * (ms is not None)))
    found = [(one["peer"], one["ours_ms"], one["ratio"]) for one in compare_all(entries)]
    assert found == [
        *(("peer x", 2.0, 0.5), ("peer y", 2.0, 2 / 6)),
        *(("peer x", 3.0, 0.75), ("peer y", 3.0, 0.5)),
    ]


def python(code):
    """Return a program that answers through the protocol, without the package and JAX."""
    start = f"import sys, os; sys.path.insert(0, {FOLDER!r}); from protocol import *\n"
    return Child([sys.executable, "-c", start + code], environments.plain(malloc=False))


def test_a_program_answers_through_whatever_it_prints():
    code = """
def prepare():
    os.system("echo noise")
    print("noise")
    return {"ready": 1}

def add(a, b):
    print(a, flush=True)
    return {"sum": a + b}

serve(prepare, {"add": add}, one_line)
"""
    with python(code) as child:
        assert child.ready() == {"ready": 1}
        assert child.ask("add", a=2, b=3) == {"sum": 5}
        assert child.ask("add", a=-2, b=3) == {"sum": 1}


@ON_LINUX
def test_a_program_is_stopped_between_requests():
    code = "serve(lambda: {'pid': os.getpid()}, {'go': lambda: {}}, one_line)"
    with python(code) as child:
        status = pathlib.Path("/proc", str(child.ready()["pid"]), "status")
        for _ in range(2):
            while "State:\tT" not in status.read_text():  # the signal is on its way
                pass
            assert child.ask("go") == {}
    assert not status.exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def fail(): raise ValueError('\\n no such\\n thing')", "ValueError: no such"),
        ("def fail(): raise CannotMeasureError('not here')", "not here"),
        ("def fail(): sys.stderr.write('a\\nbad flag\\n\\n'); os._exit(3)", "status 3: bad flag"),
        ("def fail(): os.abort()", "ended with signal 6: no message"),
        ("def fail(): os.kill(os.getpid(), 9)", "killed, as the system does where memory runs out"),
    ],
)
def test_a_program_that_fails_says_why_in_one_line(code, message):
    serve = "serve(lambda: {}, {'fail': fail}, one_line)"
    with python(f"{code}\n{serve}") as child:
        child.ready()
        with pytest.raises(FailedError, match=message) as caught:
            child.ask("fail")
        assert "\n" not in str(caught.value)
        with pytest.raises(FailedError, match=r"ended|killed"):
            child.ask("fail")


@ON_LINUX
def test_the_peak_of_memory_starts_anew():
    take_peak_memory()
    block = np.ones(20_000_000)
    with_block = take_peak_memory()
    del block
    take_peak_memory()
    assert with_block - take_peak_memory() > 0.1


def test_pairs_are_files_side_by_side_that_differ(tmp_path):
    write_pairs(tmp_path / "pairs", 32, 3)
    train, val = (sorted((tmp_path / "pairs" / split).iterdir()) for split in ("train", "val"))
    assert (len(train), len(val)) == (3, 2)
    images = [np.asarray(Image.open(path), np.float32) for path in train]
    assert {image.shape for image in images} == {(32, 64, 3)}
    assert np.abs(images[0] - images[1]).mean() > 10


def test_data_paths_are_keys_of_the_config():
    keys = {
        data: (config.data.cache_gigabytes > 0, config.data.device_share)
        for data in ("resident", "cached", "streamed")
        for config in [build_config(Case(data=data), pathlib.Path("x"))]
    }
    assert keys == {"resident": (True, 1.0), "cached": (True, 0.0), "streamed": (False, 0.0)}


def test_the_unet_has_the_papers_depth_at_any_size():
    assert [Case(image_size=size).levels for size in (32, 128, 256, 512)] == [5, 7, 8, 8]


def test_malloc_is_set_for_ours_and_plain_without(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    assert "MALLOC_ARENA_MAX" not in environments.plain(malloc=False)
    assert environments.plain(malloc=True).items() >= environments.MALLOC.items()


def test_who_shares_a_gpu_uses_the_first_one_and_takes_no_more_than_needed(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    shared = environments.for_ours(malloc=False, shares_device=True)
    assert shared["CUDA_VISIBLE_DEVICES"] == "3"
    assert shared["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert environments.for_peer(malloc=False, gpu=True)["CUDA_VISIBLE_DEVICES"] == "3"
    assert environments.for_peer(malloc=False, gpu=False)["CUDA_VISIBLE_DEVICES"] == ""
    alone = environments.for_ours(malloc=False, shares_device=False)
    assert alone["CUDA_VISIBLE_DEVICES"] == "3,5"
