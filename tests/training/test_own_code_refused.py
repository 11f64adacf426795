"""Own code that does not fit: one line, before a run writes its first file."""

import pathlib

import pytest
from support.tiny import tiny_config

from pix2pix_jax import InputError, train_and_evaluate
from pix2pix_jax.core.config_files import override


def refusal(key, source, name="own"):
    """Return the one line that training with own code ends with, before it writes anything."""
    pathlib.Path("mine.py").write_text(source + "\n")
    config = tiny_config({"data.synthetic_pairs": (8, 3, 2)})
    override(config, key, f"mine.py:{name}")
    with pytest.raises(InputError) as caught:
        train_and_evaluate(config, "run")
    line = str(caught.value)
    assert line.startswith(f"{key}='mine.py:{name}': ")
    assert "\n" not in line
    assert not pathlib.Path("run").exists()
    return line


@pytest.mark.parametrize(
    ("key", "source", "message"),
    [
        ("model.generator", "def own(features): ...", "called as own(out_channels=..."),
        ("loss.extra", "def own(source, target): ...", "called as own(source, target, fake)"),
        ("lr.schedule", "def own(): ...", "called as own(epoch, epochs, decay_epochs)"),
        ("augment.extra", "def own(key): ...", "called as own(key, source, target)"),
        ("eval.metrics", "own = 3", "expected an instance of"),
        ("data.source", "def own(root): return 3", "expected"),
    ],
)
def test_own_code_with_other_arguments_is_one_line(key, source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refusal(key, source)


@pytest.mark.parametrize(
    ("key", "arguments", "result", "message"),
    [
        ("generator", "source", "source", "called as module(source, train=..., dropout_keys=...)"),
        (
            "generator",
            "source, *, train, dropout_keys=None",
            "nn.Conv(5, (3, 3))(source)",
            "gives (2, 32, 32, 5), expected (2, 32, 32, 3)",
        ),
        ("discriminator", "source, image", "source", "called as module(source, image, train=...)"),
        ("discriminator", "source, image, *, train", "source", "expected a tuple of scales"),
    ],
)
def test_an_own_network_that_returns_something_else_is_one_line(
    key, arguments, result, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    source = (
        "import flax.linen as nn\n"
        "class own(nn.Module):\n"
        "    @nn.compact\n"
        f"    def __call__(self, {arguments}):\n"
        f"        return {result}\n"
    )
    assert message in refusal(f"model.{key}", source)


LOSS = "def own(source, target, fake):\n    return "
SCHEDULE = "def own(epoch, epochs, decay_epochs):\n    return "
MOVE = "def own(key, source, target):\n    return "


@pytest.mark.parametrize(
    ("key", "source", "message"),
    [
        ("loss.extra", LOSS + "fake", "returns float32[2, 32, 32, 3], expected one number"),
        ("loss.extra", LOSS + "None", "returns an object of type NoneType, expected one number"),
        ("loss.extra", LOSS + "fake @ target", "mine.py, line 2: TypeError: "),
        ("lr.schedule", SCHEDULE + "[1.0]", "returns an object of type list, expected one number"),
        ("lr.schedule", SCHEDULE + "1 if epoch < 3 else 0", "line 2: TracerBoolConversionError"),
        ("augment.extra", MOVE + "source[1:], target", "returns (float32[31, 32, 3], float32[32"),
        ("augment.extra", MOVE + "source > 0, target", "returns (bool[32, 32, 3], float32[32"),
        ("augment.extra", MOVE + "source", "returns float32[32, 32, 3], expected (float32[32"),
    ],
)
def test_own_code_that_returns_something_else_is_one_line(
    key, source, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert message in refusal(key, source)


SOURCE = """
import numpy as np

class own:
    names = tuple("{split}%d" % number for number in range(8))

    def __init__(self, root, split):
        pass

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {pair}

    def size(self, index):
        return 36, 36
"""


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("np.zeros((36, 36, 3), np.uint8)", "pair 0: expected a tuple of two NumPy arrays of"),
        ("np.zeros((36, 36)), np.zeros((36, 36))", "pair 0: expected a tuple of two NumPy arrays"),
        ("[1, 2]", "pair 0: expected a tuple of two NumPy arrays of shape (height, width"),
        ("1 / 0", "pair 0: /"),
        ("1 / 0", "mine.py, line 14: ZeroDivisionError: division by zero"),
    ],
)
def test_own_pairs_that_are_something_else_are_one_line(pair, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refusal("data.source", SOURCE.replace("{pair}", pair))


def test_an_own_loss_may_return_any_number_but_not_take_the_name_of_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = "def {}(source, target, fake):\n    return 1"
    message = "there is a loss g_loss_l1 already"
    assert message in refusal("loss.extra", source.format("l1"), name="l1")
    pathlib.Path("mine.py").write_text(source.format("own"))
    config = tiny_config({"data.synthetic_pairs": (8, 3, 2), "loss.extra": "mine.py:own"})
    config.train.steps = 1
    train_and_evaluate(config, "run")
    assert "g_loss_own" in pathlib.Path("run", "metrics.csv").read_text()
