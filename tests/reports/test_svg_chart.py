import numpy as np
import pytest

from pix2pix_jax.reports.numbers import format_number
from pix2pix_jax.reports.svg_chart import AREA, draw_chart, ticks


def test_a_curve_passes_through_the_coordinates_of_its_numbers():
    rows = [{"step": 0.0, "l1": 0.0}, {"step": 50.0}, {"step": 100.0, "l1": 5.0}]
    chart = draw_chart("l1", {"l1": "validation"}, rows)
    (line,) = chart.lines
    assert line.points == [(AREA.left, AREA.bottom), (AREA.right, AREA.top)]
    assert line.path == f"M{AREA.left}.0 {AREA.bottom}.0L{AREA.right}.0 {AREA.top}.0"
    assert [text for _, text in chart.x_ticks] == ["step 0", "20", "40", "60", "80", "100"]
    assert [text for _, text in chart.y_ticks] == ["0", "1", "2", "3", "4", "5"]


def test_one_row_is_drawn_as_a_dot():
    chart = draw_chart("loss", {"g_loss": "g_loss"}, [{"step": 1.0, "epoch": 0.1, "g_loss": 2.5}])
    assert chart.lines[0].dots == [(AREA.right, (AREA.top + AREA.bottom) / 2)]


def test_the_data_of_the_page_have_a_number_for_each_step_that_has_one():
    rows = [{"step": 1.0, "a": 3.5}, {"step": 2.0, "b": 1.0}, {"step": 3.0}]
    chart = draw_chart("both", {"a": "a", "b": "b"}, rows)
    assert chart.data == {
        "steps": [1, 2],
        "epochs": [None, None],
        "lines": [[3.5, None], [None, 1]],
    }


@pytest.mark.parametrize("value", [0.123456, 1234.56, 186320.0, 999.96, -0.5, 17.0, 6.6667e-5])
def test_the_numbers_of_the_data_have_the_digits_that_the_page_shows(value):
    data = draw_chart("a", {"a": "a"}, [{"step": 1.0, "a": value}]).data
    assert format_number(data["lines"][0][0]) == format_number(value)


def test_a_line_without_numbers_is_left_out():
    chart = draw_chart("both", {"a": "a", "b": "b"}, [{"step": 1.0, "a": 3.5}])
    assert [line.label for line in chart.lines] == ["a"]


def test_the_nearest_of_several_guides_is_drawn():
    rows = [{"step": 1.0, "a": 1.0}, {"step": 2.0, "a": 2.0}]
    chart = draw_chart("a", {"a": "a"}, rows, guides={"far": 90.0, "near": 3.0, "low": -4.0})
    assert chart.guide == (AREA.top, "near")
    assert draw_chart("a", {"a": "a"}, rows).guide is None


def test_neighbouring_rows_of_a_long_table_are_averaged():
    rows = [{"step": float(step), "g_loss": float(step)} for step in range(1, 1001)]
    chart = draw_chart("loss", {"g_loss": "g_loss"}, rows, note="low is good")
    assert chart.note == "low is good; each point is the mean of 3 rows"
    assert len(chart.steps) == 334
    assert (chart.steps[0], chart.lines[0].values[0]) == (3, 2)
    assert (chart.steps[-1], chart.lines[0].values[-1]) == (1000, 1000)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 5.0, [0, 1, 2, 3, 4, 5]),
        (0.12, 0.43, [0.1, 0.2, 0.3, 0.4, 0.5]),
        (-3.0, 2.0, [-3, -2, -1, 0, 1, 2]),
        (0.0, 600.0, [0, 200, 400, 600]),
        (2.0, 2.0, [1, 1.5, 2, 2.5, 3]),
        (0.0, 0.0, [-1, -0.5, 0, 0.5, 1]),
        (3e-30, 3e-30, [1e-30, 2e-30, 3e-30, 4e-30, 5e-30]),
    ],
)
def test_ticks_are_round_and_enclose_the_range(low, high, expected):
    np.testing.assert_allclose(ticks(low, high), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(50))
def test_ticks_of_any_range_are_few_and_even(seed):
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.normal(size=2) * 10.0 ** rng.integers(-20, 20, 2))
    found = ticks(float(low), float(high))
    assert 2 <= len(found) <= 7
    assert found[0] <= low + 1e-9 * (high - low)
    assert found[-1] >= high - 1e-9 * (high - low)
    np.testing.assert_allclose(np.diff(found), found[1] - found[0], rtol=1e-6)
