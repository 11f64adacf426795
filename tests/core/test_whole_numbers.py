import pytest

from pix2pix_jax.core.whole_numbers import parse_whole


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("30", 30), ("-4", -4), ("+4", 4), ("007", 7), ("9" * 30, 10**30 - 1)],
)
def test_a_whole_number_is_read(text, number):
    assert parse_whole(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "٣٠",
        "\uff13\uff10",
        "²",
        "1_000",
        " 3",
        "3 ",
        "3\n",
        "1.0",
        "1e3",
        "0x10",
        "--3",
        "9" * 31,
    ],
)
def test_what_is_not_written_with_the_digits_0_to_9_is_no_number(text):
    assert parse_whole(text) is None
