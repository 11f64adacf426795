"""From repeated measurements to figures."""

import pytest
from benchmarking import figures


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
