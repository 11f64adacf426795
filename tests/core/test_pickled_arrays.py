import os
import pickle

import numpy as np
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.core.pickled_arrays import read_pickled_arrays

ARRAYS = {"a": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}, "b": np.ones(2)}


class Call:
    """Is pickled as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def pickled(tmp_path, content, protocol=pickle.DEFAULT_PROTOCOL):
    path = tmp_path / "weights.ckpt"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_of_nested_dicts_are_read_as_pickle_reads_them(tmp_path, protocol):
    content = {**ARRAYS, "big": ARRAYS["b"].astype(">f4"), "columns": ARRAYS["a"]["kernel"].T}
    if protocol == 2:  # its arrays hold text that a function of codecs turns into bytes
        with pytest.raises(InputError, match=r"_codecs\.encode"):
            read_pickled_arrays(pickled(tmp_path, content, protocol))
        return
    found = read_pickled_arrays(pickled(tmp_path, content, protocol))
    assert found.keys() == {"a/kernel", "b", "big", "columns"}
    np.testing.assert_array_equal(found["a/kernel"], ARRAYS["a"]["kernel"], strict=True)
    np.testing.assert_array_equal(found["b"], ARRAYS["b"], strict=True)
    np.testing.assert_array_equal(found["big"], content["big"])
    np.testing.assert_array_equal(found["columns"], content["columns"])


def endless():
    content = {}
    content["again"] = content
    return content


HOSTILE = {
    "a call": {"a": Call(os.mkdir, "made")},
    "a call of eval": {"a": Call(eval, "open('made', 'w')")},
    "an import of NumPy": {"a": Call(np.load, "made")},
    "an object array": {"a": np.array([{"x": 1}, Call(os.mkdir, "made")], object)},
    "text": {"a": "b"},
    "a list": [np.ones(2)],
    "whole numbers": {"a": np.arange(3)},
    "a name that is a number": {1: np.ones(2)},
    "itself": endless(),
    "a state for a function": b"cnumpy\ndtype\n}(X\x01\x00\x00\x00aK\x01ub.",
    "a new object": b"cnumpy\nndarray\n)\x81.",
    "a call of a class": b"cnumpy\nndarray\n(K\x02tR.",
    "much memory": b"\x80\x03}r\xff\xff\xff\x7f.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_pickle_with_more_than_arrays_is_refused_and_runs_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = pickled(tmp_path, HOSTILE[name])
    with pytest.raises(InputError, match=r"weights\.ckpt: ") as error:
        read_pickled_arrays(path)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_pickle_is_refused_at_every_length(tmp_path):
    whole = pickle.dumps(ARRAYS, 3)
    for length in range(0, len(whole), 7):
        with pytest.raises(InputError, match=r"weights\.ckpt: "):
            read_pickled_arrays(pickled(tmp_path, whole[:length]))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.ckpt: there is no such file"):
        read_pickled_arrays(tmp_path / "none.ckpt")
