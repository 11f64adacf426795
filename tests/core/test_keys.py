"""What each key may be: every wrong value is one line, and every built-in name is known."""

import enum
import pathlib
import re

import numpy as np
import pytest

from pix2pix_jax.core import choices, keys
from pix2pix_jax.core.config import default_config, flatten
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import KEYS as OWN_CODE_KEYS
from pix2pix_jax.core.rules import Choice, NoData, OneOrSeveral, Own, Several
from pix2pix_jax.data import augment, build, derive
from pix2pix_jax.evaluation.metrics.table import names_per
from pix2pix_jax.models import blocks, initial, layers, unet
from pix2pix_jax.models import build as networks
from pix2pix_jax.runs.translation import MODES
from pix2pix_jax.training import losses, optimizers

DEFAULTS = flatten(default_config())
# Values that no key takes.
NEVER = [
    None,
    {},
    {"a": 1},
    object(),
    b"bytes",
    1j,
    float("nan"),
    float("inf"),
    10**400,
    10**5000,
    -(10**400),
    "x" * 100_000,
    "a\0b",
    [[1]],
    [None],
    ("x" * 100_000,),
    np.float32("nan"),
    np.zeros((2, 2)),
    {1, 2},
    print,
]


def takes_numbers_as_text(key):
    """Return whether a key's texts are numbers, such as -9999 or nan."""
    return isinstance(getattr(keys.RULES[key], "each", keys.RULES[key]), NoData)


def test_every_key_has_a_rule_which_allows_its_default():
    assert set(keys.RULES) == set(DEFAULTS)
    for key, value in DEFAULTS.items():
        keys.check(key, value)


def test_every_key_has_a_meaning_of_a_line_or_two_that_names_keys_that_exist():
    for name, key in keys.KEYS.items():
        assert 5 < len(key.meaning) < 140, name
        assert key.meaning.isprintable()
        named = re.findall(r"\b(?:data|derive|augment|model|loss|train|eval)\.[a-z_]+", key.meaning)
        assert set(named) <= set(keys.KEYS), name


@pytest.mark.parametrize("value", NEVER, ids=lambda value: type(value).__name__)
def test_what_no_key_takes_is_one_line_that_says_what_it_may_be(value):
    for key, rule in keys.RULES.items():
        if takes_numbers_as_text(key) and isinstance(value, float | np.float32) and np.isnan(value):
            continue
        with pytest.raises(InputError) as error:
            keys.check(key, value)
        message = str(error.value)
        assert message.startswith(f"{key}=")
        each = rule.each.expected if isinstance(rule, Several) else rule.expected
        assert message.endswith((rule.expected, each))
        assert message.isprintable()
        assert len(message) < 600


@pytest.mark.parametrize(
    ("value", "takers"),
    [
        (True, bool),
        (1, int | float | tuple),
        (0.5, float | tuple),
        ("", str | tuple),
        ("unet", str | tuple),
        ([], tuple),
        ((), tuple),
        ((1, 2), tuple),
    ],
)
def test_a_value_of_another_type_is_refused(value, takers):
    for key, default in DEFAULTS.items():
        takes = isinstance(default, takers)
        if value == (1, 2) and (isinstance(default, int) or takes_numbers_as_text(key)):
            takes |= isinstance(keys.RULES[key], OneOrSeveral)
        takes |= takes_numbers_as_text(key) and value in (1, 0.5) and value is not True
        if not takes:
            with pytest.raises(InputError, match=f"^config.{key}="):
                keys.convert(key, value)


class Norm(enum.StrEnum):
    BATCH = "batch"


@pytest.mark.parametrize(
    ("key", "value", "taken"),
    [
        ("data.image_size", 32, (32,)),
        ("data.image_size", [32, 64], (32, 64)),
        ("data.image_size", np.array([32, 64]), (32, 64)),
        ("data.image_size", (np.int64(32),), (32,)),
        ("data.image_size", range(32, 34), (32, 33)),
        ("data.split", [np.float64(0.5), 0.25, 0.25], (0.5, 0.25, 0.25)),
        ("data.split", (4, 1, 1), (4, 1, 1)),
        ("data.root", pathlib.Path("a") / "b", str(pathlib.Path("a") / "b")),
        ("train.epochs", np.int64(3), 3),
        ("train.epochs", np.uint8(3), 3),
        ("train.epochs", np.array(3), 3),
        ("optimizer.b1", 0, 0.0),
        ("optimizer.b1", np.float32(0.5), 0.5),
        ("augment.flip", np.True_, True),
        ("model.norm", np.str_("batch"), "batch"),
        ("model.norm", Norm.BATCH, "batch"),
        ("eval.metrics", "l1", ("l1",)),
        ("data.target_no_data", -9999, "-9999"),
        ("data.target_no_data", np.float32("nan"), "nan"),
        ("data.source_no_data", ("nan", 0), ("nan", "0")),
        ("eval.metrics", ["l1", "psnr"], ("l1", "psnr")),
    ],
)
def test_a_value_is_taken_where_it_is_clear_what_is_meant(key, value, taken):
    converted = keys.convert(key, value)
    assert converted == taken
    assert type(converted) is type(taken)
    if isinstance(taken, tuple):
        assert [type(part) for part in converted] == [type(part) for part in taken]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.levels", 2**32),
        ("model.discriminator_layers", 2**32),
        ("model.discriminator_scales", 2**32),
        ("model.discriminator_features", 2**31),
        ("model.downsamplings", 2**32),
        ("model.blocks", 2**32),
        ("model.initializer", "foo"),
        ("data.image_size", (2**16,)),
        ("data.synthetic_pairs", (10**9, 1, 1)),
        ("data.cache_gigabytes", 1e300),
        ("optimizer.learning_rate", 1e300),
        ("checkpoint.keep", 10**308),
    ],
)
def test_what_would_end_in_a_traceback_or_without_memory_is_refused(key, value):
    with pytest.raises(InputError, match=f"^{key}="):
        keys.check(key, value)


@pytest.mark.parametrize(
    ("listed", "built"),
    [
        (choices.GENERATORS, networks.GENERATORS),
        (choices.DISCRIMINATORS, networks.DISCRIMINATORS),
        (choices.NORMS, layers.NORMS),
        (choices.ACTIVATIONS, blocks.ACTIVATIONS),
        (choices.UPSAMPLINGS, blocks.UPSAMPLINGS),
        (choices.DROPOUT_PLACEMENTS, unet.DROPOUT_PLACEMENTS),
        (choices.INITIALIZERS, initial.INITIALIZERS),
        ([name.partition(":")[0] for name in choices.SOURCES], build.SOURCES),
        (choices.DERIVATIONS, derive.DERIVATIONS),
        (
            choices.GAN_LOSSES,
            [*losses.LABELLED_GAN_LOSSES, *losses.UNLABELLED_GAN_LOSSES, "none"],
        ),
        (choices.RECONSTRUCTION_LOSSES, losses.RECONSTRUCTION_LOSSES),
        (choices.SCHEDULES, optimizers.SCHEDULES),
        (choices.METRICS, names_per("image")),
        (choices.EVAL_MODES, MODES),
    ],
)
def test_the_names_to_choose_from_are_those_that_are_built(listed, built):
    assert sorted(listed) == sorted(built)


@pytest.mark.parametrize("side", choices.JITTER_SIDES)
def test_the_sides_to_choose_from_can_be_jittered(side):
    augment.Augmentation((8, 8), jitter_side=side)


def test_own_code_is_taken_where_it_is_loaded_and_nowhere_else():
    def takes_own(rule):
        rule = rule.each if isinstance(rule, Several) else rule
        return isinstance(rule, Own) or (isinstance(rule, Choice) and rule.or_own)

    assert {key for key, rule in keys.RULES.items() if takes_own(rule)} == set(OWN_CODE_KEYS)
