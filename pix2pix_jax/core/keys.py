"""Every key of the configuration: its default, what its value may be, and what it means.

Limits are far beyond what any machine can hold or any run can use; a value above them is a slip.
"""

from typing import Any

from pix2pix_jax.core.data_keys import DATA_KEYS
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.network_keys import NETWORK_KEYS
from pix2pix_jax.core.rules import Key, Rule, Several, Text, plain
from pix2pix_jax.core.training_keys import GENERAL_KEYS, TRAINING_KEYS

KEYS: dict[str, Key] = GENERAL_KEYS | DATA_KEYS | NETWORK_KEYS | TRAINING_KEYS
RULES: dict[str, Rule] = {name: key.rule for name, key in KEYS.items()}


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
