"""What is said to flags that a command does not have: the ones that were meant."""

import argparse
import difflib
import itertools
import pathlib
import shlex
from collections.abc import Iterable, Iterator, Mapping

_CLOSE = 0.7  # least similarity of a slip to what was meant, from 0 to 1


def flags_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Return a parser's flags by their names, and those of the commands inside it."""
    flags = dict(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                flags |= flags_of(inner)
    return flags


def spell(word: str, flags: Iterable[str]) -> str:
    """Return a word of the command line with underscores if it is a flag written with hyphens."""
    name, equals, value = word.partition("=")
    spelt = f"--{name[2:].replace('-', '_')}"
    return f"{spelt}{equals}{value}" if name.startswith("--") and spelt in flags else word


def find(words: Iterable[str], flags: Iterable[str]) -> list[str]:
    """Return the words that are flags, but none of these, each with its value behind it."""
    pairs = _pairs(itertools.takewhile(lambda word: word != "--", words))
    unknown = (
        [word] if value is None else [word, value]
        for word, value in pairs
        if word.startswith("--") and word.partition("=")[0] not in flags
    )
    return [*itertools.chain.from_iterable(unknown)]


def answer(
    words: Iterable[str], flags: Mapping[str, argparse.Action], foreign: Mapping[str, str]
) -> str:
    """Say what was meant by the arguments that a command does not know.

    Args:
        words: The arguments; the value of a flag is behind it, or a part of it.
        flags: The command's own flags, see `flags_of`.
        foreign: What other names stand for, see `foreign_flags`.

    Returns:
        One line, without its end.
    """
    own = {
        name.lstrip("-"): name if action.nargs == 0 else f"{name}={{}}"
        for name, action in flags.items()
    }
    names = {**foreign, **own}
    told = []
    for word, behind in _pairs(words):
        flag, _, value = word.partition("=")
        if _is_value(word, names):
            meant = _meant_by_value(word, names)
        else:
            # One that the parser has belongs to another of its commands.
            meant = "" if flag in flags else _meant(flag, behind or value, names)
        told.append(f"{flag}: {meant}" if meant else flag)
    return f"unknown argument{'s' if len(told) > 1 else ''} {'; '.join(told)}"


def _pairs(words: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Yield each word, and the value behind it if it is a flag without one."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        has_value = rest and not rest[0].startswith("--")
        takes = has_value and word.startswith("-") and "=" not in word
        yield word, rest.pop(0) if takes else None


def _is_value(word: str, names: Mapping[str, str]) -> bool:
    """Return whether a word is no flag whose hyphens were forgotten, but a path or the like."""
    return not word.startswith("-") and "=" not in word and word not in names


def _meant_by_value(word: str, names: Mapping[str, str]) -> str:
    """Return what to say of a value that stands alone."""
    is_data = "data" in names and pathlib.Path(word).is_dir()
    meant = f" (did you mean --data {shlex.quote(word)}?)" if is_data else ""
    return f"a value without a flag before it{meant}"


def _meant(flag: str, value: str, names: Mapping[str, str]) -> str:
    """Return what to say of one flag; '' if nothing is like it."""
    name = flag.lstrip("-").replace("-", "_")
    known = next((one for one in (f"{name}={value}", name) if one in names), "")
    near = [known] if known else difflib.get_close_matches(name, names, n=1, cutoff=_CLOSE)
    if not near:
        return ""
    text = names[near[0]].replace("{}", shlex.quote(value) if value else "...")
    return f"did you mean {text}" if text.startswith("--") else text
