"""Files of own code: where a reference leads, and how what is there is run.

`core.own_code` decides what may run.
"""

import dataclasses
import hashlib
import importlib.machinery
import importlib.util
import os
import pathlib
import sys
import traceback
import types
from typing import Any

from pix2pix_jax.core.errors import InputError

_FORM = "package.module:name or path/to/file.py:name"
_LONGEST_NAME = 100  # it becomes part of a file's name
_MISSING = object()
_BUILT_IN = ("tfds:", "pix2pix:")  # other values of data.source with a colon


def is_own(value: Any) -> bool:
    """Return whether a config value refers to own code, right or wrong."""
    if not isinstance(value, str) or value.startswith(_BUILT_IN):
        return False
    place, colon, _ = value.rpartition(":")
    is_module = all(part.isidentifier() for part in place.split("."))
    return bool(colon) and (place.endswith(".py") or is_module)


@dataclasses.dataclass(frozen=True)
class Reference:
    """A config value that refers to own code; as text it is `key='value'`, for messages.

    Attributes:
        key: Config key, such as `model.generator`.
        text: `package.module:name` or `path/to/file.py:name`.
    """

    key: str
    text: str

    @property
    def place(self) -> str:
        """The module, or the path of the file."""
        return self.text.rpartition(":")[0]

    @property
    def name(self) -> str:
        """Name of the object in it."""
        return self.text.rpartition(":")[2]

    @property
    def kind(self) -> str:
        """`file` or `module`."""
        return "file" if self.place.endswith(".py") else "module"

    def __str__(self) -> str:
        return f"{self.key}={self.text!r}"

    def check(self) -> None:
        """Raise InputError if this refers to nothing that could be own code."""
        is_module = all(part.isidentifier() for part in self.place.split("."))
        named = self.name.isidentifier() and len(self.name) <= _LONGEST_NAME
        if not named or not (self.kind == "file" or is_module):
            raise InputError(f"{self}: expected {_FORM}")
        head = self.place.partition(".")[0]
        if self.kind == "module" and head in sys.stdlib_module_names:
            raise InputError(f"{self}: {head} is part of Python, not own code; give {_FORM}")
        if head == "__main__":
            raise InputError(
                f"{self}: no other program finds it; write it to a file, and give {_FORM}"
            )


@dataclasses.dataclass(frozen=True)
class Code:
    """Source code, read once: what is hashed is what is run and kept.

    Attributes:
        path: Absolute path of the original, for the record.
        file: Path of the file that was read: the original, or the copy that a run keeps.
        source: Its bytes.
    """

    path: str
    file: pathlib.Path
    source: bytes

    @property
    def sha256(self) -> str:
        """Hash of the source, in hexadecimal digits."""
        return hashlib.sha256(self.source).hexdigest()


def read(path: pathlib.Path) -> Code:
    """Read a file of source code."""
    return Code(str(path), path, path.read_bytes())


def locate(reference: Reference) -> list[pathlib.Path]:
    """Find the file of a reference without running anything, parent packages included.

    Returns:
        The files that an import would run, as found; the last one has the object. Empty if there
        is no such file.
    """
    if reference.kind == "file":
        path = pathlib.Path(os.path.expanduser(reference.place))  # noqa: PTH111 - never raises
        return [path] if path.is_file() else []
    head, *parts = reference.place.split(".")
    try:
        spec = importlib.util.find_spec(head)
    except ValueError:  # a module that was made by hand
        return []
    chain = [spec]
    for part in parts:
        if spec is None or spec.submodule_search_locations is None:
            return []
        # By its last name alone: for a full name, a namespace package needs its imported parent.
        spec = importlib.machinery.PathFinder.find_spec(part, list(spec.submodule_search_locations))
        chain.append(spec)
    if spec is None or not spec.has_location:
        return []
    files = [pathlib.Path(one.origin) for one in chain if one and one.has_location and one.origin]
    return files if files[-1].is_file() else []


def missing(reference: Reference) -> InputError:
    """Return the error for a reference whose file is not there."""
    if reference.kind == "module":
        return InputError(
            f"{reference}: found no file of a module {reference.place}; install it, or add its "
            "folder to PYTHONPATH"
        )
    folder = pathlib.Path(os.path.expanduser(reference.place)).parent  # noqa: PTH111
    near = ", ".join(str(found) for found in sorted(folder.glob("*.py"))[:9])
    way_out = f"choose {near}" if near else f"the folder {folder} has no .py file"
    return InputError(f"{reference}: there is no such file; {way_out}")


def run(reference: Reference, code: Code) -> Any:
    """Run the code, once per process for the same path and content, and return its object.

    Raises:
        InputError: It is not Python, raises an error, or has no such object.
    """
    module = _run_file(reference, code) if reference.kind == "file" else _import(reference, code)
    value = getattr(module, reference.name, _MISSING)
    if value is _MISSING:
        names = ", ".join(_public_names(module)) or "none"
        raise InputError(
            f"{reference}: {code.file} has no {reference.name}; its public names: {names}"
        )
    return value


def _run_file(reference: Reference, code: Code) -> types.ModuleType:
    identity = hashlib.sha256(os.fsencode(code.file) + b"\0" + code.source).hexdigest()
    name = f"own_code_{identity[:32]}"
    if name in sys.modules:
        return sys.modules[name]
    module = types.ModuleType(name)
    module.__file__ = str(code.file)
    sys.modules[name] = module  # dataclasses look their module up while it runs
    try:
        exec(compile(code.source, str(code.file), "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception | SystemExit):
            raise
        raise _failed(reference, code, error) from error
    return module


def _import(reference: Reference, code: Code) -> types.ModuleType:
    try:
        return importlib.import_module(reference.place)
    except (Exception, SystemExit) as error:
        raise _failed(reference, code, error) from error


def _failed(reference: Reference, code: Code, error: BaseException) -> InputError:
    hint = ""
    if isinstance(error, ImportError) and reference.kind == "file":
        neighbour = code.file.parent / str(error.name).partition(".")[0]
        relative = error.name is None
        if relative or neighbour.is_dir() or neighbour.with_suffix(".py").is_file():
            hint = (
                "; a file is run and kept without its neighbours: make a package of them, and give "
                f"package.module:{reference.name}"
            )
    return InputError(f"{reference}: {describe_failure(code, error)}{hint}")


def describe_failure(code: Code, error: BaseException) -> str:
    """Say in one line what went wrong in own code, and in which of its lines."""
    return describe_failure_in(str(code.file), error)


def describe_failure_in(file: str, error: BaseException) -> str:
    """Say in one line what went wrong in a user's Python file, and in which of its lines.

    Args:
        file: Path of the file.
        error: What it raised.
    """
    text = str(error)
    frames = traceback.extract_tb(error.__traceback__)
    path = pathlib.Path(file).absolute()
    lines = [frame.lineno for frame in frames if pathlib.Path(frame.filename).absolute() == path]
    if isinstance(error, SyntaxError):
        file, text, lines = error.filename or file, error.msg, [error.lineno]
    where = f"{file}, line {lines[-1]}" if lines and lines[-1] else file
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return f"{where}: {kind}{' '.join(text.split())}"


def _public_names(module: types.ModuleType) -> list[str]:
    """List what a module defines itself, and its values; not what it imports."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and not (
            isinstance(value, type | types.FunctionType | types.BuiltinFunctionType)
            and value.__module__ != module.__name__
        )
    ]
