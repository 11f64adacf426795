import pathlib

import pytest

from pix2pix_jax.core.errors import some_of


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
        ([pathlib.Path("x/y.png")], "x/y.png"),
    ],
)
def test_the_first_three_names_are_listed_and_the_others_counted(names, text):
    assert some_of(names) == some_of(iter(names)) == text


def test_another_number_of_names_can_be_listed():
    assert some_of("abcd", most=1) == "a and 3 more"
