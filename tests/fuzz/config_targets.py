"""Targets: each key of the configuration, with values that do not belong there."""

import json
import pathlib
import tempfile

import numpy as np

from pix2pix_jax.core.config import default_config, flatten
from pix2pix_jax.core.config_files import from_values, load_json, override, save_json
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.keys import RULES
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.augment import build_augment
from pix2pix_jax.data.configured_format import format_of
from pix2pix_jax.evaluation.metrics.table import build_metrics
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.training.objectives import build_losses

_LONGEST = 700  # characters of a message; the choices of eval.metrics take 300
KEYS = list(RULES)
_TEXTS = [
    *("", " ", "\n", "\0", "'", '"', "()", "(1,", "[]", "{}", "...", "None", "True", "nan", "inf"),
    *("1e400", "-1e400", "1_000", "0x10", "٣٠", "\uff13\uff10", "²", "1+1j", "lambda: 0", "1 2"),
    *("9" * 400, "9" * 5000, "(" * 10**5, "1," * 10**4, "x" * 10**5, "\udcff", "é", "-0", "+1"),
    *("os:system", "x.py:y", "b'x'", "'\\d'", "__import__('os')", "/dev/zero", "../..", "~", "a:b"),
    "tfds:",
]
_VALUES = [
    *(None, True, False, 0, 1, -1, 2, 2**31, 2**32, 2**63, 10**400, -(10**400), 10**5000),
    *(0.0, -0.0, 0.5, 1.0, 1e-320, 1e38, 1e300, float("nan"), float("inf"), -float("inf")),
    *((), [], {}, set(), (1,), [1, 2], (1, 2, 3), (0.5, 0.25, 0.25), ("l1", "psnr"), [None], [[1]]),
    *(
        [float("nan")] * 2,
        (10**400, 1),
        {"a": 1},
        {"epochs": 1},
        b"x",
        1j,
        object(),
        print,
        range(3),
    ),
    *(np.int64(3), np.float32(0.5), np.float32("nan"), np.array([32, 32]), np.zeros((2, 2, 2))),
    *(np.array("l1"), np.bool_(True), np.datetime64("2020"), pathlib.Path("x"), type),
]


def _number(rng):
    """Draw a number of any size and sign, whole or not."""
    number = float(rng.choice([-1, 1]) * 10.0 ** rng.integers(-3, 12))
    return int(number) if rng.random() < 0.5 else number


def _text(rng):
    """Draw a text: a hostile one, a number, or a default of some key with one letter changed."""
    kind = rng.integers(3)
    if kind == 0:
        return _TEXTS[rng.integers(len(_TEXTS))]
    if kind == 1:
        return str(_number(rng))
    text = str(flatten(default_config())[KEYS[rng.integers(len(KEYS))]])
    place = rng.integers(len(text) + 1)
    letter = chr(rng.choice([32, 44, 45, 58, 0x663, 0xFF13, *rng.integers(1, 0x500, 4)]))
    return text[:place] + letter + text[place + 1 :]


def _value(rng):
    """Draw a Python value."""
    kind = rng.integers(4)
    if kind == 0:
        return _text(rng)
    if kind == 1:
        return _number(rng)
    if kind == 2:
        return tuple(_number(rng) for _ in range(rng.integers(4)))
    return _VALUES[rng.integers(len(_VALUES))]


def _key(rng):
    """Draw a key; one in twenty is misspelt."""
    key = KEYS[rng.integers(len(KEYS))]
    if rng.random() > 0.05:
        return key
    place = rng.integers(len(key))
    return key[:place] + chr(rng.integers(1, 0x300)) + key[place + 1 :]


def _judge(make):
    """Build what a run builds before it reads data; return whether the config was accepted."""
    try:
        given = make()
        config = resolve(given)
        build_losses(**config.loss)
        build_augment(config.augment, format_of(config), config.data.image_size)
        build_metrics(config.eval, config.checkpoint.best_metric)
        build_networks(config.model, config.data, adversarial=config.loss.gan != "none")
    except InputError as error:
        message = str(error)
        assert message.isprintable(), repr(message)
        assert len(message) <= _LONGEST, f"{len(message)} characters: {message[:300]}"
        return False
    with tempfile.TemporaryDirectory() as folder:  # what is accepted is kept as it is
        path = pathlib.Path(folder, "config.json")
        save_json(from_values(given), path)
        assert flatten(load_json(path)) == flatten(from_values(given))
    return True


def _by_override(rng):
    def make():
        config = default_config()
        override(config, _key(rng), _text(rng))
        return config

    return _judge(make)


def _by_python(rng):
    def make():
        config = default_config()
        config[_key(rng)] = _value(rng)
        return config

    return _judge(make)


def _by_json(rng):
    def make():
        value = _value(rng)
        try:
            text = json.dumps({_key(rng): value})
        except (TypeError, ValueError):  # no JSON has it
            text = json.dumps({_key(rng): repr(value)[:1000] if not isinstance(value, int) else 0})
        if rng.random() < 0.2:  # damaged
            place = rng.integers(len(text))
            text = text[:place] + chr(rng.integers(1, 0x300)) + text[place + 1 :]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "config.json")
            path.write_text(text, encoding="utf-8")
            return load_json(path)

    return _judge(make)


TARGETS = {
    "config: flags": _by_override,
    "config: Python": _by_python,
    "config: JSON": _by_json,
}
