"""Tables of numbers beside the images: what is read, and what is refused in one line."""

import pathlib

import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.conditions import read_table


@pytest.fixture
def write(tmp_path):
    def call(text, name="numbers.csv"):
        path = pathlib.Path(tmp_path, name)
        path.write_text(text, encoding="utf-8")
        return path

    return call


def test_a_csv_and_a_json_file_say_the_same(write):
    table = read_table(write("\ufeffname, age ,dose\n1.jpg,3,-0.5\n\n2.jpg,4e1,2\n"))
    same = read_table(
        write('{"1.jpg": {"age": 3, "dose": -0.5}, "2.jpg": {"dose": 2, "age": 40}}', "n.json")
    )
    assert table.names == same.names == ("age", "dose")
    assert table.rows == same.rows == {"1.jpg": (3.0, -0.5), "2.jpg": (40.0, 2.0)}
    np.testing.assert_array_equal(table.select(["2.jpg", "1.jpg"], "val"), [[40, 2], [3, -0.5]])


def test_a_row_may_name_the_split_and_need_not_have_the_suffix(write):
    table = read_table(write("name,x\n1,1\nval/1.jpg,2\ntest/1,3\nroom.a/2,4\n"))
    for split, expected in (("train", 1), ("val", 2), ("test", 3)):
        assert table.select(["1.jpg"], split) == [[expected]]
    assert table.select(["room.a/2.png"], "train") == [[4]]
    assert table.select([], "train").shape == (0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; give a row for each pair"),
        (" \n", "is empty"),
        ("name,x\n", "has no rows"),
        ("name\n1.jpg\n", "has 0 columns of numbers"),
        ("name;x\n1.jpg;3\n", "separated by commas"),
        ("name,x\n1.jpg,3\n1.jpg,3\n", "has two rows for '1.jpg'"),
        ("name,x,y\n1.jpg,3,much\n", "row '1.jpg', column 'y': 'much' is not a finite number"),
        ("name,x\n1.jpg,\n", "column 'x': '' is not"),
        ("name,x\n1.jpg,nan\n", "'nan' is not a finite number"),
        ("name,x\n1.jpg,1e999\n", "is not a finite number"),
        ("name,x,y\n1.jpg,3\n", "row 2 has 2 cells, its first row 3"),
        ("name,x,x\n1.jpg,3,4\n", "column 'x': give each column a name of its own"),
        ("name,a=b\n1.jpg,3\n", "without , or ="),
        ('name,x\n"1.jpg,3\n', "is not CSV"),
    ],
)
def test_a_bad_csv_is_one_line(write, text, message):
    assert message in refusal(write(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "expected an object such as"),
        ('{"1.jpg": 3}', "expected an object such as"),
        ("{}", "has 0 columns"),
        ('{"1.jpg": {"x": true}}', "True is not a finite number"),
        ('{"1.jpg": {"x": [1]}}', "[1] is not a finite number"),
        ('{"1.jpg": {"x": 1}, "2.jpg": {"y": 1}}', "row '2.jpg' has y, the first row x"),
        ('{"1.jpg": {"x": 1}, "1.jpg": {"x": 2}}', "has '1.jpg' twice"),
        ("[" * 100_000, "is not JSON"),
        ('{"1.jpg": {"x": 1' + "0" * 5000 + "}}", "is not JSON"),
        ('{"1.jpg": {"\\ud800": 1}}', "of printable characters without"),
        ('{"1.jpg": {"x": 1e31}}', "1e+31 is not a number from -1e30 to 1e30"),
    ],
)
def test_a_bad_json_file_is_one_line(write, text, message):
    assert message in refusal(write(text, "numbers.json"))


def test_a_file_that_is_no_table_is_one_line(tmp_path, write):
    assert "cannot be read (No such file" in refusal(tmp_path / "missing.csv")
    assert "expected a file ending in .csv or .json" in refusal(write("x", "numbers.txt"))
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    assert "is not text in UTF-8" in refusal(tmp_path / "binary.csv")


def test_pairs_without_a_row_are_counted_and_named(write):
    table = read_table(write("name,x\n1.jpg,3\n"))
    with pytest.raises(InputError) as caught:
        table.select(["1.jpg", "2.jpg", "3.jpg"], "val")
    assert "has no row for 2 of the val pairs: 2.jpg, 3.jpg; its rows are named 1.jpg" in str(
        caught.value
    )


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_table(path)
    message = str(caught.value)
    assert message.startswith(f"data.condition='{path}'") or "..." in message
    assert "\n" not in message
    return message
