"""Every key of the configuration: its default, what its value may be, and what it means.

Limits are far beyond what any machine can hold or any run can use; a value above them is a slip.
"""

import ast
import warnings
from typing import Any

from pix2pix_jax.core.condition_keys import CONDITION_KEYS
from pix2pix_jax.core.data_keys import DATA_KEYS
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.network_keys import NETWORK_KEYS
from pix2pix_jax.core.own_code_files import is_own
from pix2pix_jax.core.rules import Key, NoData, OneOrSeveral, Rule, Several, Switch, Text, plain
from pix2pix_jax.core.training_keys import GENERAL_KEYS, TRAINING_KEYS

KEYS: dict[str, Key] = GENERAL_KEYS | DATA_KEYS | CONDITION_KEYS | NETWORK_KEYS | TRAINING_KEYS
RULES: dict[str, Rule] = {name: key.rule for name, key in KEYS.items()}

# What ast.literal_eval raises for texts that are no literals.
_NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
_BOOLS = {"true": True, "1": True, "false": False, "0": False}


def convert(key: str, value: Any) -> Any:
    """Return a value as the type of its key.

    Args:
        key: A key that exists, with its section.
        value: A Python value. Numbers and arrays of NumPy are accepted as well, a path for a text,
            a whole number for a float, a list or a single value for a tuple.

    Returns:
        An int, float, bool, str or a tuple of these; its range is not checked.

    Raises:
        InputError: The value is of another kind. The message says what it may be.
    """
    converted = RULES[key].convert(plain(value))
    if converted is None:
        raise InputError(f"config.{key}={shown(value)}: {RULES[key].expected}")
    return converted


def parse(key: str, text: str) -> Any:
    """Return the value that a text stands for, on the command line and in Python.

    Args:
        key: A key that exists, with its section.
        text: Value in Python's syntax; quotes of strings and brackets of tuples may be omitted.

    Returns:
        As from `convert`.

    Raises:
        InputError: The text is not of the key's type.
    """
    rule = RULES[key]
    value: Any = text
    if isinstance(rule, Switch):
        value = _BOOLS.get(text.lower(), text)
    elif isinstance(rule, Several | OneOrSeveral) and _needs_no_quotes(rule, text):
        value = tuple(part.strip() for part in text.split(","))
    elif not isinstance(rule, Text) or text[:1] in ("'", '"'):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Python's compiler, about odd literals
                value = ast.literal_eval(text)
        except _NO_LITERAL:
            raise InputError(f"config.{key}={shown(text)}: {rule.expected}") from None
    return convert(key, value)


def _needs_no_quotes(rule: Several | OneOrSeveral, text: str) -> bool:
    """Return whether a text is a tuple of texts without quotes and brackets."""
    parts = [part.strip() for part in text.split(",")]
    if not text and isinstance(rule, OneOrSeveral):
        return isinstance(rule.each, Text)
    if isinstance(rule.each, NoData):
        return text[:1] not in tuple("([\"'")
    if type(rule.each) is Text and text:  # any text, not only names
        return text[0] not in "([\"'"
    return all(map(_is_word, parts))


def _is_word(text: str) -> bool:
    """Return whether a text needs no quotes in a tuple: a name, or a reference to own code."""
    return text.isidentifier() or (is_own(text) and text.rpartition(":")[2].isidentifier())


def given(key: str, value: Any) -> Any:
    """Return a value that a user's Python gives to a key, as the type of the key.

    Args:
        key: A key that exists, with its section.
        value: See `convert`; or a text that `parse` takes.

    Returns:
        As from `convert`.

    Raises:
        InputError: It is of another kind. The message says what it may be.
    """
    is_text = isinstance(value, str) and not isinstance(RULES[key], Text)
    return parse(key, value) if is_text else convert(key, value)


def check(key: str, value: Any) -> None:
    """Raise InputError unless a value is of its key's type, and in its range.

    Args:
        key: A key that exists, with its section.
        value: Its value.
    """
    rule = RULES[key]
    if _allows(rule, value):
        return
    if isinstance(rule, Several) and isinstance(rule.each, Text) and isinstance(value, tuple):
        for part in value:
            if not _allows(rule.each, part):
                raise InputError(f"{key}={shown(part)}: {rule.each.expected}")
    raise InputError(f"{key}={shown(value)}: {rule.expected}")


def _allows(rule: Rule, value: Any) -> bool:
    converted = rule.convert(plain(value))
    return converted is not None and rule.allows(converted)
