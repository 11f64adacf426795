"""The configuration: a value for every key of `core.keys`.

A config file (`configs/*.py`) has a function `get_config()` that starts from `default_config()` and
sets what its experiment needs. A key that does not exist cannot be set.
"""

import difflib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict, FieldReference

from pix2pix_jax.core.errors import InputError, one_line, shown
from pix2pix_jax.core.keys import KEYS, given


class UnknownKeyError(InputError, AttributeError):
    """A key of the configuration does not exist."""


def _unknown(key: str) -> UnknownKeyError:
    """Return the error for a key that does not exist; its message has the nearest one."""
    name = one_line(key, 100)
    near = difflib.get_close_matches(name, flatten(default_config()), n=1, cutoff=0.0)
    return UnknownKeyError(f"config.{name}: there is no such key. Did you mean config.{near[0]}?")


class Config(ConfigDict):
    """A configuration, or a section of it. A locked one refuses keys that do not exist.

    A key takes a value that `core.keys.convert` takes, or the text that stands for it on the
    command line; it then holds the value in its own type. Ranges, and what does not go together,
    are checked where the configuration is used.
    """

    def __init__(
        self, initial_dictionary: Any = None, type_safe: bool = False, **options: Any
    ) -> None:
        super().__init__(initial_dictionary, type_safe=type_safe, **options)

    _section = ""

    def __setitem__(self, key: str, value: Any) -> None:
        section, dot, rest = str(key).partition(".")
        if dot and isinstance(self.get(section), Config):
            self[section][rest] = value
            return
        if self.is_locked and key not in self:
            raise _unknown(self._full(key))
        if isinstance(self.get(key), Config):
            self[key].update(value)  # a section keeps its keys and their rules
            return
        if self._full(key) in KEYS and not isinstance(value, FieldReference):
            value = given(self._full(key), value)
        super().__setitem__(key, value)
        stored = self._fields[key]
        if isinstance(stored, Config):
            object.__setattr__(stored, "_section", self._full(key))

    def update(self, *other: Any, **more: Any) -> None:
        """Set several keys.

        Args:
            *other: One mapping of keys, with their section as in `{"train.epochs": 3}`, or with one
                mapping for each section.
            **more: More sections or keys.

        Raises:
            InputError: There is no such key, or a value is not allowed; or it is no mapping.
        """
        for values in (*other, more):
            if not isinstance(values, Mapping | ConfigDict):
                name = f"config.{self._section}" if self._section else "config"
                raise InputError(
                    f"{name}={shown(values)}: this is a section, not a key; give its keys and "
                    "their values as a dict"
                )
            for key, value in values.items():
                self[key] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_"):  # asked for by Python itself, as in copying
                raise
        raise _unknown(self._full(name))

    def _full(self, key: object) -> str:
        """Return a key with its section."""
        return f"{self._section}.{key}" if self._section else str(key)


def default_config() -> ConfigDict:
    """Return the paper's settings with the built-in data set; `core.keys` says what each key means.

    Keys that choose a part by name also take own code, as docs/extending.md describes.
    """
    config = Config()
    for name, key in KEYS.items():
        section, _, leaf = name.rpartition(".")
        if section and section not in config:
            config[section] = Config()
        (config[section] if section else config)[leaf] = key.default
    return config.lock()


def flatten(config: ConfigDict) -> dict[str, Any]:
    """Return `{'section.key': value}` for every key, in order of definition."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            flat.update({f"{key}.{inner}": leaf for inner, leaf in flatten(value).items()})
        else:
            flat[key] = value
    return flat


def get(config: ConfigDict, key: str) -> Any:
    """Return the value of `section.key`.

    Raises:
        InputError: There is no such key; the message names the nearest one.
    """
    section, _, name = key.rpartition(".")
    values = config.get(section) if section else config
    if isinstance(values, ConfigDict) and name in values:
        value = values[name]
        if not isinstance(value, ConfigDict):
            return value
    raise _unknown(key)
