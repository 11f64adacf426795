"""A source from own code: whatever is wrong with it is one line."""

import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.data.own_source import KEY, OwnSource
from pix2pix_jax.data.sources import Source

GOOD = """
import numpy as np

class Own:
    def __init__(self):
        self.names = ("a", "b")
    def __len__(self):
        return 2
    def __getitem__(self, index):
        return np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)
    def size(self, index):
        return np.int64(4), 6
"""


@pytest.fixture
def build(tmp_path):
    """Return a function that builds an own source from the text of its file."""

    def load(text):
        path = tmp_path / "mine.py"
        path.write_text(text)
        reference = f"{path}:Own"
        code = OwnCode(given={KEY: (reference,)})
        return OwnSource(code.build(reference, KEY, {}, Source), reference, code)

    return load


def test_a_good_source_is_passed_through(build):
    source = build(GOOD)
    assert (source.names, len(source), source.size(1)) == (("a", "b"), 2, (4, 6))
    np.testing.assert_array_equal(source[0][0], np.zeros((4, 6, 3)))


def ask_everything(source):
    return source.names, source.size(1), source[1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("return np.int64(4), 6", "return 1 / 0", "the size of pair 1: .*ZeroDivisionError"),
        ("return np.int64(4), 6", "return 4", "the size of pair 1: .*TypeError"),
        ("return np.int64(4), 6", "return 4, 6, 3", r"expected \(height, width\)"),
        ("return np.int64(4), 6", "return 0, 6", r"expected \(height, width\)"),
        ('("a", "b")', '("a",)', "has 2 pairs and 1 names"),
        ('("a", "b")', "(1, 2)", "expected a text for each pair"),
        ("return 2\n", "raise RuntimeError('no disk')\n", "its length: .*no disk"),
        ("return np.zeros((4", "open('/nowhere'); return np.zeros((4", "pair 1: .*nowhere"),
    ],
)
def test_each_mistake_of_an_own_source_is_one_line(build, old, new, message):
    source = build(GOOD.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        ask_everything(source)
    assert "\n" not in str(caught.value)
