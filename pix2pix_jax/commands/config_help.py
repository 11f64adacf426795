"""The text of `train --help_config`: keys with their defaults, choices and meanings."""

import difflib
import shutil
import textwrap

from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.keys import KEYS
from pix2pix_jax.core.rules import Key, Text

_WIDEST = 100  # columns


def describe_keys(word: str = "") -> str:
    """Return a text about the keys that have a word in their name, meaning or choices.

    Args:
        word: Any part of one of these, in capital or small letters; '' for all keys.

    Returns:
        Lines as wide as the terminal, or 80 columns where there is none, and at most 100.

    Raises:
        InputError: No key has the word; the message has the nearest key.
    """
    found = {name: key for name, key in KEYS.items() if _has(word, name, key)}
    if not found:
        near = difflib.get_close_matches(word.lower(), KEYS, n=1, cutoff=0.0)[0]
        raise InputError(
            f"--help_config {shown(word)}: no key has this in its name, meaning or choices; the "
            f"nearest is {near}"
        )
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    return "\n".join(_describe(name, key, max(width, 40)) for name, key in found.items())


def _has(word: str, name: str, key: Key) -> bool:
    """Return whether a key has a word, which may be written as in a flag."""
    word = word.lower()
    bare = word.lstrip("-").removeprefix("config.").replace("-", "_")
    return bare in name or word in key.meaning.lower() or word in key.rule.expected.lower()


def _describe(name: str, key: Key, width: int) -> str:
    # A text without choices may be anything.
    may_be = "" if type(key.rule) is Text else key.rule.expected
    lines = [f"{name} = {key.default!r}"]
    for text in (key.meaning, may_be):
        lines += textwrap.wrap(
            text,
            width,
            initial_indent="    ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)
