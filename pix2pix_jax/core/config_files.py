"""Configurations from outside: config files, overrides on the command line, a run's JSON."""

import importlib.util
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from pix2pix_jax.core import keys
from pix2pix_jax.core.config import default_config, flatten, get
from pix2pix_jax.core.errors import InputError, one_line, shown, some_of
from pix2pix_jax.core.files import atomic_path, describe_no_folder
from pix2pix_jax.core.own_code_files import describe_failure_in

_PACKAGE = pathlib.Path(__file__).parents[1]
# An installed package contains the configs; in a checkout they are next to it.
_SHIPPED = (_PACKAGE / "configs", _PACKAGE.parent / "configs")


def set_value(config: ConfigDict, key: str, value: Any) -> None:
    """Set `section.key`, which must exist, to a value of its type.

    Args:
        config: Configuration to change.
        key: Key with its section, such as `train.epochs`.
        value: See `keys.convert`.

    Raises:
        InputError: There is no such key, or the value is of another type.
    """
    get(config, key)  # it exists
    section, _, name = key.rpartition(".")
    (config[section] if section else config)[name] = keys.convert(key, value)


def override(config: ConfigDict, key: str, text: str) -> None:
    """Set `section.key` from a command line's text.

    Args:
        config: Configuration to change.
        key: Key with its section.
        text: See `keys.parse`.

    Raises:
        InputError: There is no such key, or the text is not of the key's type.
    """
    get(config, key)  # it exists
    set_value(config, key, keys.parse(key, text))


def from_values(values: ConfigDict | Mapping[Any, Any], where: str = "") -> ConfigDict:
    """Build a configuration from values that come from outside, with the types of their keys.

    Args:
        values: A configuration, or a mapping of keys to values; keys of a section have its name
            before them, as in `train.epochs`, or are in a mapping of their own.
        where: Where the values come from, for messages.

    Returns:
        A configuration, locked. Keys without a value have their defaults.

    Raises:
        InputError: There is no such key, or a value is not allowed; see `keys.convert` and
            `keys.check`. What does not go together is found by `validation.validate`.
    """
    config = default_config()
    sections = {key.partition(".")[0] for key in keys.RULES if "." in key}
    try:
        for key, value in _leaves(values, sections):
            set_value(config, key, value)
            keys.check(key, get(config, key))
    except InputError as error:
        raise InputError(f"{where}: {error}" if where else str(error)) from None
    return config


def _leaves(
    values: ConfigDict | Mapping[Any, Any], sections: set[str]
) -> Iterator[tuple[str, Any]]:
    """Yield each key, with its section, and its value."""
    for key, value in values.items():
        if key in sections and isinstance(value, ConfigDict | Mapping):
            for name, leaf in value.items():
                yield f"{key}.{name}", leaf
        elif key in sections:
            raise InputError(
                f"config.{key}={shown(value)}: this is a section; set one of its keys, as in "
                f"config.{next(name for name in keys.RULES if name.startswith(f'{key}.'))}"
            )
        else:
            yield str(key), value


def load_config(path: str | os.PathLike) -> ConfigDict:
    """Run a config file's `get_config()`.

    Args:
        path: A Python file, the name of a config that comes with the package, or the `config.json`
            of a run.

    Returns:
        Its configuration, locked.

    Raises:
        InputError: The file does not exist, is not a Python file, raises an error, or has no
            `get_config()` that returns a configuration; the message has the line of an error.
    """
    file = _find(pathlib.Path(path))
    if file.suffix == ".json":
        return load_json(file)
    spec = importlib.util.spec_from_file_location("config_file", file)
    if spec is None or spec.loader is None:
        raise InputError(
            f"config {path}: a config is a Python file (.py), or the config.json of a run"
        )
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        config = module.get_config() if hasattr(module, "get_config") else None
    except (Exception, SystemExit) as error:  # the user's code: whatever is wrong there is theirs
        raise InputError(f"config {describe_failure_in(str(file), error)}") from error
    if not isinstance(config, ConfigDict):
        raise InputError(f"config {path}: has no get_config() that returns a configuration")
    return from_values(config, f"config {path}")


def _shipped() -> dict[str, pathlib.Path]:
    """Return the files of the configs that come with the package, by name."""
    folder = _SHIPPED[0] if _SHIPPED[0].is_dir() else _SHIPPED[1]
    return {file.stem: file for file in sorted(folder.glob("*.py"))}


def shipped_names() -> list[str]:
    """Return the names of the configs that come with the package."""
    return list(_shipped())


def to_python(config: ConfigDict, title: str) -> str:
    """Write a configuration as a config file.

    Args:
        config: A configuration whose values are allowed, see `keys.check`.
        title: What the first line says of it.

    Returns:
        Lines of Python that `load_config` reads, with every key.
    """
    lines = [
        f"# {one_line(title)}",
        "from pix2pix_jax import default_config",
        "",
        "",
        "def get_config():",
        "    config = default_config()",
        *(f"    config.{key} = {get(config, key)!r}" for key in keys.KEYS),
        "    return config",
        "",
    ]
    return "\n".join(lines)


def _find(path: pathlib.Path) -> pathlib.Path:
    """Return the file itself, or for `maps` and `configs/maps.py` the config of the package."""
    try:
        if path.is_file():
            return path
    except OSError as error:  # such as a name that is too long
        raise InputError(f"config {shown(str(path))}: {error.strerror}") from None
    shipped = _shipped()
    stem = path.name.removesuffix(".py")
    if stem in shipped and str(path.parent) in (".", "configs"):
        return shipped[stem]
    folder = path if path.is_dir() else path.parent
    beside = [] if folder == pathlib.Path() else sorted(folder.glob("*.py"))
    choices = some_of(beside, 20) or ", ".join([*shipped, "or the path of a file"])
    what = "this is a folder" if path.is_dir() else "there is no such file"
    raise InputError(f"config {path}: {what}; choose {choices}")


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
        InputError: The file is missing, is not a JSON object, or has a key twice, a key that does
            not exist or a value that is not allowed.
    """
    if not path.is_file():
        there = path.parent.is_dir()
        why = f"no {path.name} in it" if there else describe_no_folder(path.parent)
        raise InputError(f"{path.parent}: not the folder of a run ({why})")
    try:
        content = path.read_bytes()
        if not content.strip():
            raise ValueError("it is empty")
        values = json.loads(content, object_pairs_hook=_without_repetition)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise InputError(f"{path}: not valid JSON of a configuration (nested too deep)") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected an object of keys and values, not {shown(values)}")
    return from_values(values, str(path))


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object of JSON; a second value of a key would replace the first silently."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shown(key)} is there twice")
        found[key] = value
    return found


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
        f"{key}: {shown(before.get(key))} -> {shown(value)}"
        for key, value in after.items()
        if before.get(key) != value
        and any(key == one or (one.endswith(".") and key.startswith(one)) for one in wanted)
    ]
