"""The results of a benchmark as text."""

import json

from benchmarking import figures, table


def make_row(name, **more):
    shared = {"batch_size": 1, "image_size": 32, "dtype": "float32", "device": "cpu"}
    return {"program": "ours", "name": name, "data": "cached", **shared, **more}


def test_columns_are_as_wide_as_their_longest_entry():
    text = table.align(["<who", "ms"], [["ours", "1.5"], ["peer", "10.25"]])
    assert text.splitlines() == ["who      ms", "ours    1.5", "peer  10.25"]


def make_results():
    measured = {
        **make_row("cached", compile_seconds=12.34, first_step_seconds=0.5, waiting_share=0.015),
        **figures.summarise([500.0], 1),
        **figures.rate(87.4, 500.0, 1, {"measured": 0.437, "known": None}),
        **{"gflop": 87.4, "xla_gflop": None, "peak_memory_gb": 2.1, "save_memory_gb": 2.9},
    }
    peer = {**measured, **make_row("as it comes", program="peer", data="in memory")}
    failed = make_row("streamed", data="streamed", failed="out of device memory")
    compared = {
        **make_row("cached"),
        **{"peer": "as it comes", "peer_dtype": "float32", "peer_data": "in memory"},
        **figures.compare([500.0], [1000.0]),
    }
    return {
        "hardware": {"platform": "cpu", "device": "cpu", "devices": 1, "machine": "Linux x86_64"}
        | {"processors": 2, "processor": "some processor"},
        "versions": {"jax": "1.2.3"},
        "date": "2026-01-02",
        "measured_peaks": {"float32": 0.437},
        "known_peaks": {"float32": None},
        "settings": {"image_size": 256, "base_features": 64, "repetitions": 1, "steps": 1}
        | {"malloc": {}},
        "measurements": [measured, peer, failed],
        "comparisons": [compared],
    }


def test_a_table_says_what_was_measured_and_what_was_not():
    text = table.render(make_results())
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "matrix products, TFLOP/s: float32 0.437 (data sheet: -)" in lines
    assert "1 float32 ours cached 12.3 0.50 500.00 500.00 to 500.00 2.0 1.5 %" in lines
    # 1,096 x 200 steps of half a second
    assert "1 float32 ours cached 87.4 - 0.175 40.0 % - 2.10 2.90 - 30h27" in lines
    assert (
        "a step 1 float32 cached as it comes in memory 500.00 1000.00 0.500 0.500 to 0.500 0.500"
        in lines
    )
    assert "1, float32, ours, streamed: out of device memory" in lines
    assert "by XLA: not counted by this backend" in lines


def test_results_of_nothing_are_a_table_too():
    results = make_results()
    results["measurements"] = results["measurements"][2:]
    results["comparisons"] = []
    text = table.render(json.loads(json.dumps(results)))
    assert "out of device memory" in text
    assert "GFLOP/step  " not in text
