import copy
import pathlib
import pickle

import numpy as np
import pytest

from pix2pix_jax.core.errors import (
    InputError,
    NonFiniteError,
    counted,
    one_line,
    require,
    shown,
    some_of,
)


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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("unett", "'unett'"),
        (256, "256"),
        ((256, 128), "(256, 128)"),
        (float("nan"), "nan"),
        (None, "None"),
        ("größe 日本", "'größe 日本'"),
        ("a\nb\t\x1b[31m\udcff\u2028\u202e", r"'a\nb\t\x1b[31m\udcff\u2028\u202e'"),
        (pathlib.Path("a b"), repr(pathlib.Path("a b"))),
    ],
)
def test_a_short_value_is_shown_as_python_shows_it(value, text):
    assert shown(value) == text


class Odd:
    def __repr__(self):
        raise RuntimeError("no text")


class Lines:
    def __repr__(self):
        return "one\ntwo\udcff"


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        "x" * 100_000,
        "\n" * 100_000,
        10**400,
        10**5000,  # more digits than Python turns into text
        b"x" * 100_000,
        list(range(100_000)),
        ["x" * 1000] * 1000,
        {str(n): nested(3) for n in range(1000)},
        nested(100_000),
        np.zeros((100, 100)),
        Odd(),
        Lines(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_is_shown_in_one_short_line(value):
    text = shown(value)
    assert 0 < len(text) <= 300
    assert text.isprintable()


def test_a_text_that_cannot_be_printed_is_escaped():
    assert one_line("a/\n/b\udcff\r\x00é") == r"a/\n/b\udcff\r\x00é"


def test_the_middle_of_a_long_text_is_left_out():
    assert one_line("head" + "x" * 1000 + "tail", longest=40) == f"head{'x' * 26} ... xxxxxxtail"


def test_the_message_of_an_input_error_is_one_line_of_bounded_length():
    assert str(InputError("runs/a\nb: nothing here")) == r"runs/a\nb: nothing here"
    message = str(InputError("key=" + "\n" * 100_000 + ": the way out"))
    assert message.startswith("key=")
    assert message.endswith(": the way out")
    assert len(message) < 5000


@pytest.mark.parametrize("kind", [InputError, NonFiniteError])
def test_an_input_error_can_be_copied_and_sent_to_another_process(kind):
    error = kind("a\nb")
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is kind
        assert str(other) == str(error) == r"a\nb"


def test_what_is_counted_is_in_the_singular_for_one_alone():
    assert [counted(n, "image") for n in (0, 1, 2000)] == ["0 images", "1 image", "2,000 images"]


def test_a_missing_package_is_named_without_its_module():
    with pytest.raises(InputError, match=r"the package nowhere is missing: pip install .*\[none\]"):
        require("nowhere.part", "none")
