"""Configurations from outside: config files, overrides on the command line, a run's JSON."""

import ast
import importlib.util
import json
import os
import pathlib
from collections.abc import Iterable
from typing import Any

from ml_collections import ConfigDict

from pix2pix_jax.core.config import default_config, flatten, get
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.core.own_code import is_own

# What ast.literal_eval raises for texts that are no literals.
_NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
_PACKAGE = pathlib.Path(__file__).parents[1]
# An installed package contains the configs; in a checkout they are next to it.
_SHIPPED = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
_BOOLS = {"true": True, "1": True, "false": False, "0": False}


def set_value(config: ConfigDict, key: str, value: Any) -> None:
    """Set `section.key`, which must exist, to a value of its type.

    Args:
        config: Configuration to change.
        key: Key with its section, such as `train.epochs`.
        value: A whole number is accepted for a float, a list or a single value for a tuple.

    Raises:
        InputError: There is no such key, or the value is of another type.
    """
    kind = type(get(config, key))
    if kind is float and type(value) is int:
        value = float(value)
    if kind is tuple:
        value = tuple(value) if isinstance(value, tuple | list) else (value,)
        wrong = any(type(part) not in (int, float, str) for part in value)
    else:
        wrong = type(value) is not kind
    if wrong:
        raise InputError(f"config.{key}={value!r}: expected a value of type {kind.__name__}")
    section, _, name = key.rpartition(".")
    (config[section] if section else config)[name] = value


def override(config: ConfigDict, key: str, text: str) -> None:
    """Set `section.key` from a command line's text.

    Args:
        config: Configuration to change.
        key: Key with its section.
        text: Value in Python's syntax; quotes of strings and brackets of tuples may be omitted.

    Raises:
        InputError: There is no such key, or the text is not of the key's type.
    """
    kind = type(get(config, key))
    value: Any = text
    if kind is bool:
        value = _BOOLS.get(text.lower(), text)
    elif kind is tuple and all(_is_word(part.strip()) for part in text.split(",")):
        value = tuple(part.strip() for part in text.split(","))
    elif kind is not str or text[:1] in ("'", '"'):
        try:
            value = ast.literal_eval(text)
        except _NO_LITERAL:
            message = f"config.{key}={text}: expected a value of type {kind.__name__}"
            raise InputError(message) from None
    set_value(config, key, value)


def _is_word(text: str) -> bool:
    """Return whether a text needs no quotes in a tuple: a name, or a reference to own code."""
    return text.isidentifier() or (is_own(text) and text.rpartition(":")[2].isidentifier())


def load_file(path: str | os.PathLike) -> ConfigDict:
    """Run a config file's `get_config()`.

    Args:
        path: A Python file, or the name of a config that comes with the package.

    Returns:
        Its configuration, locked.

    Raises:
        InputError: The file does not exist, is not a Python file, raises an error, or has no
            `get_config()` that returns a configuration.
    """
    file = _find(pathlib.Path(path))
    spec = importlib.util.spec_from_file_location("config_file", file)
    if spec is None or spec.loader is None:
        raise InputError(f"--config {path}: a config is a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        config = module.get_config() if hasattr(module, "get_config") else None
    except InputError:
        raise
    except Exception as error:  # it is the user's code: whatever is wrong there is theirs
        kind, reason = type(error).__name__, " ".join(str(error).split())
        raise InputError(f"--config {path}: {kind}: {reason}") from error
    if not isinstance(config, ConfigDict):
        raise InputError(f"--config {path}: has no get_config() that returns a configuration")
    return config.lock()


def _find(path: pathlib.Path) -> pathlib.Path:
    """Return the file itself, or for `maps` and `configs/maps.py` the config of the package."""
    if path.is_file():
        return path
    ours = _SHIPPED[0] if _SHIPPED[0].is_dir() else _SHIPPED[1]
    shipped = {file.stem: file for file in sorted(ours.glob("*.py"))}
    stem = path.name.removesuffix(".py")
    if stem in shipped and str(path.parent) in (".", "configs"):
        return shipped[stem]
    folder = path if path.is_dir() else path.parent
    beside = [] if folder == pathlib.Path() else map(str, sorted(folder.glob("*.py")))
    choices = ", ".join(beside) or ", ".join([*shipped, "or the path of a file"])
    raise InputError(f"--config {path}: there is no such file; choose {choices}")


def save_json(config: ConfigDict, path: pathlib.Path) -> None:
    """Write every key and value as JSON; the file appears whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(flatten(config), indent=2) + "\n")


def load_json(path: pathlib.Path) -> ConfigDict:
    """Read what `save_json` wrote; keys that are not in the file keep their defaults.

    Args:
        path: A run's `config.json`.

    Returns:
        The run's configuration.

    Raises:
        InputError: The file is missing, is not a JSON object, or has a key that does not exist or
            a value of another type.
    """
    try:
        flat = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path.parent}: not the folder of a run (no {path.name} in it)") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(flat, dict):
        raise InputError(f"{path}: expected an object of keys and values")
    config = default_config()
    for key, value in flat.items():
        try:
            set_value(config, key, value)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    return config


def differences(old: ConfigDict, new: ConfigDict, keys: Iterable[str]) -> list[str]:
    """List where two configurations differ, as `key: old -> new`.

    Args:
        old: One configuration.
        new: Another.
        keys: Keys to look at; one that ends with a dot means the whole section.

    Returns:
        One string for each key that differs.
    """
    before, after = flatten(old), flatten(new)
    wanted = tuple(keys)
    return [
        f"{key}: {before.get(key)!r} -> {value!r}"
        for key, value in after.items()
        if before.get(key) != value
        and any(key == one or (one.endswith(".") and key.startswith(one)) for one in wanted)
    ]
