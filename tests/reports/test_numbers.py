import pytest

from pix2pix_jax.reports.numbers import format_duration, format_number, format_significant


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (40.4, "40 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (86400 * 3 + 4 * 3600 + 59, "3 d 4 h"),
        (3601, "1 h"),
    ],
)
def test_durations_have_at_most_two_units(seconds, expected):
    assert format_duration(seconds) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, "3"),
        (186320.0, "186,320"),
        (0.123456, "0.1235"),
        (1234.56, "1,235"),
        (999.96, "1,000"),
        (999.9, "999.9"),
        (5e-5, "0.00005"),
        (-0.5, "-0.5"),
        (1e-12, "1e-12"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_have_four_digits_or_are_integers(value, expected):
    assert format_number(value) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.21, "0.2100"),
        (17.0, "17.00"),
        (1234.4, "1234"),
        (123456.0, "123500"),
        (0.0, "0.000"),
        (5e-5, "0.00005"),
    ],
)
def test_numbers_of_a_table_keep_their_zeros(value, text):
    assert format_significant(value, 4, keep_zeros=True) == text


@pytest.mark.parametrize(("value", "text"), [(0.21, "0.21"), (17.0, "17"), (2e6, "2000000")])
def test_other_numbers_drop_their_zeros(value, text):
    assert format_significant(value, 6) == text
