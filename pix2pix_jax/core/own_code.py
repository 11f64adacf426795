"""Own code in a config: which values refer to it, when it may run, how it is called.

`path/to/file.py:name` and `package.module:name` stand beside the built-in names of some keys.
A reference that the user gave now is loaded. A reference that only a run's folder gives is loaded
if its source is at the recorded path with the recorded hash; otherwise only if the user says that
the kept copy is to be trusted. Whoever controls a run's folder cannot run code through it.
"""

import functools
import inspect
import os
import pathlib
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ml_collections import ConfigDict

from pix2pix_jax.core.config import get
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code_files import (
    Code,
    Reference,
    describe_failure,
    is_own,
    locate,
    missing,
    read,
    run,
)
from pix2pix_jax.core.own_code_record import read_record, restore, write_record

KEYS = (
    "model.generator",
    "model.discriminator",
    "loss.extra",
    "data.source",
    "augment.extra",
    "eval.metrics",
    "lr.schedule",
)


def own_keys(config: ConfigDict) -> dict[str, tuple[str, ...]]:
    """Return the references to own code in a config, by key; keys without any are left out."""
    found = {}
    for key in KEYS:
        value = get(config, key)
        values = value if isinstance(value, tuple) else (value,)
        references = tuple(one for one in values if is_own(one))
        if references:
            found[key] = references
    return found


class OwnCode:
    """Loads own code, and refuses what nobody asked for.

    `OwnCode()` refuses everything. `OwnCode(given=own_keys(config))` loads what the user's config
    refers to. `OwnCode(folder)` loads what a run's config refers to, under the rule of this module.
    `OwnCode(folder, given=own_keys(config))` is for training: the user's references are loaded
    directly, and a file that is no longer there is looked for as for any run.

    Args:
        folder: A run's folder, which may keep own code.
        given: References that the user gave now, by key.
        trust: Whether to run the kept copy if the original is missing or has changed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        given: Mapping[str, Collection[str]] | None = None,
        trust: bool = False,
    ) -> None:
        self._folder = None if folder is None else pathlib.Path(folder)
        self._given = given or {}
        self.trusts = trust
        self._found: dict[Reference, Code] = {}

    def load(self, reference: str, key: str) -> Any:
        """Return the object that a config value refers to.

        Args:
            reference: `package.module:name` or `path/to/file.py:name`.
            key: Config key that has this value.

        Returns:
            The object; the same one for the same source.

        Raises:
            InputError: It cannot be found or run, or must not be run.
        """
        wanted = Reference(key, reference)
        value = run(wanted, self._find(wanted))
        _refuse_python(wanted, value)
        return value

    def function(self, reference: str, key: str, *parameters: str) -> Callable[..., Any]:
        """Load a function that is called with positional arguments.

        Args:
            reference: See `load`.
            key: See `load`.
            *parameters: Names of the arguments.

        Returns:
            The function.

        Raises:
            InputError: See `load`; or the function does not take these arguments in this order.
        """
        wanted = Reference(key, reference)
        value = self.load(reference, key)
        call = f"called as {wanted.name}({', '.join(parameters)})"
        signature = _signature(wanted, value, call)
        try:
            signature.bind(*parameters)
        except TypeError:
            raise _does_not_fit(wanted, signature, call) from None
        named = list(signature.parameters)[: len(parameters)]
        if set(named) == set(parameters) and named != list(parameters):
            raise _does_not_fit(wanted, signature, call)
        function: Callable[..., Any] = value
        return function

    def build(
        self, reference: str, key: str, options: Mapping[str, Any], returns: type = object
    ) -> Any:
        """Load a class or function and call it with those options that it takes.

        Args:
            reference: See `load`.
            key: See `load`.
            options: Keyword arguments on offer.
            returns: What the result must be an instance of.

        Returns:
            The result of the call.

        Raises:
            InputError: See `load`; or it needs other arguments, raises an error, or returns
                something else.
        """
        wanted = Reference(key, reference)
        value = self.load(reference, key)
        offer = ", ".join(f"{name}=..." for name in options)
        call = f"called as {wanted.name}({offer}), with those of these that it takes"
        signature = _signature(wanted, value, call)
        chosen = _taken(signature, options)
        try:
            signature.bind(**chosen)
        except TypeError:
            raise _does_not_fit(wanted, signature, call) from None
        try:
            result = value(**chosen)
        except InputError:
            raise
        except Exception as error:  # it is the user's code: whatever is wrong there is theirs
            raise InputError(f"{wanted}: {self.describe_failure(wanted, error)}") from error
        if not isinstance(result, returns):
            raise InputError(f"{wanted}: returns {_kind(result)}; expected {_name(returns)}")
        return result

    def instance(self, reference: str, key: str, kind: type) -> Any:
        """Load an object that must be an instance of `kind`.

        Raises:
            InputError: See `load`; or it is something else.
        """
        value = self.load(reference, key)
        if not isinstance(value, kind):
            raise InputError(
                f"{Reference(key, reference)}: is {_kind(value)}; expected an instance of "
                f"{_name(kind)}"
            )
        return value

    def hash_of(self, reference: str, key: str) -> str:
        """Return the SHA-256 of the source of own code, in hexadecimal digits.

        Args:
            reference: See `load`.
            key: See `load`.

        Raises:
            InputError: See `load`.
        """
        return self._find(Reference(key, reference)).sha256

    def describe_failure(self, wanted: Reference, error: Exception) -> str:
        """Say in one line what went wrong in own code that was loaded, and in which of its lines.

        Args:
            wanted: Its reference.
            error: What it raised.
        """
        return describe_failure(self._find(wanted), error)

    def keep(self, config: ConfigDict) -> None:
        """Record a config's own code in the run's folder, with copies of the files.

        To be called before the config itself is written, by one process. What is kept is what was
        loaded. A warning says which sources have changed since the last start.

        Args:
            config: The run's configuration.

        Raises:
            InputError: Something cannot be found, or the record that is there is damaged.
        """
        wanted = [Reference(key, text) for key, texts in own_keys(config).items() for text in texts]
        if wanted and self._folder is not None:
            write_record(self._folder, {reference: self._find(reference) for reference in wanted})

    def _find(self, reference: Reference) -> Code:
        if reference not in self._found:
            reference.check()
            self._found[reference] = self._choose(reference)
        return self._found[reference]

    def _choose(self, reference: Reference) -> Code:
        """Read the code of a reference from where it may be run."""
        given = reference.text in self._given.get(reference.key, ())
        if given:
            files = locate(reference)
            if files:
                return read(files[-1].resolve())
            if self._folder is None or reference not in read_record(self._folder):
                raise missing(reference)
        if self._folder is None:
            raise InputError(f"{reference}: own code is not run here, as nobody asked for it")
        return restore(reference, self._folder, trust=self.trusts)


NO_OWN_CODE = OwnCode()


def _refuse_python(reference: Reference, value: Any) -> None:
    """Raise InputError if a reference leads to a function of Python itself, such as os.system."""
    while isinstance(value, functools.partial):
        value = value.func
    module = str(getattr(value, "__module__", ""))
    if callable(value) and module.partition(".")[0] in sys.stdlib_module_names:
        raise InputError(f"{reference}: comes from Python's module {module}, which is not own code")


def _signature(reference: Reference, value: Any, call: str) -> inspect.Signature:
    """Return the signature of a callable, without annotations, and with `...` for defaults."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        raise InputError(f"{reference}: {call}; it is {_kind(value)}") from None
    parameters = [
        each.replace(
            annotation=each.empty, default=each.empty if each.default is each.empty else ...
        )
        for each in signature.parameters.values()
    ]
    return inspect.Signature(parameters)


def _taken(signature: inspect.Signature, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options that a signature takes by name."""
    parameters = signature.parameters
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return dict(options)
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name: value
        for name, value in options.items()
        if name in parameters and parameters[name].kind in by_name
    }


def _does_not_fit(reference: Reference, signature: inspect.Signature, call: str) -> InputError:
    takes = str(signature).replace("Ellipsis", "...")
    return InputError(f"{reference}: {call}; it takes {takes}")


def _kind(value: Any) -> str:
    return f"an object of type {type(value).__name__}"


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
