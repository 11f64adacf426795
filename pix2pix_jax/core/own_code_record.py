"""Own code that a run keeps: the record in its folder, and what may be run by that record alone.

Everything in a run's folder may come from a stranger. So a record is only ever compared with files
outside of that folder, and the kept copies run only if the user trusts them.
"""

import dataclasses
import json
import logging
import os
import pathlib
import re
import sys
import sysconfig
from collections.abc import Mapping
from typing import Any

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path, write_json
from pix2pix_jax.core.own_code_files import Code, Reference, locate, missing, read

logger = logging.getLogger(__name__)

CODE_FOLDER = "code"  # in a run's folder
RECORD = "code.json"
_LARGEST = 2**20  # bytes of a record
_TRUST = "read it, then pass --trust_code (trust_code=True in Python)"
# Control characters, and halves of characters that do not stand for bytes of a name.
_NO_PATH = re.compile("[\0-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a run's record says of one reference.

    Attributes:
        key: See `Reference`.
        reference: Its text.
        kind: `file` or `module`.
        path: Absolute path of the source.
        sha256: Hash of the source.
    """

    key: str
    reference: str
    kind: str
    path: str
    sha256: str

    def __post_init__(self) -> None:
        """Raise ValueError if a value is absurd."""
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError("sha256 is not a hash")
        windows, posix = pathlib.PureWindowsPath(self.path), pathlib.PurePosixPath(self.path)
        absolute = windows.is_absolute() or posix.is_absolute()
        if not absolute or ".." in windows.parts or _NO_PATH.search(self.path):
            raise ValueError(f"path {self.path!r} is not an absolute path")


def read_record(folder: pathlib.Path) -> dict[Reference, Entry]:
    """Read which own code a run was made with.

    Args:
        folder: The run's folder.

    Returns:
        An entry for each reference; empty if there is no record.

    Raises:
        InputError: The record is damaged.
    """
    path = folder / CODE_FOLDER / RECORD
    if not os.path.lexists(path):
        return {}
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            raise ValueError("not a file of a sensible size")
        items = json.loads(path.read_bytes())["own_code"]
        if not all(isinstance(value, str) for item in items for value in item.values()):
            raise ValueError("expected texts")
        entries = [Entry(**item) for item in items]
        record = {Reference(entry.key, entry.reference): entry for entry in entries}
        if len(record) < len(entries):
            raise ValueError("two entries for one reference")
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(
            f"{path}: not a record of own code ({reason}); move it away and start the training "
            "again with the same command, which writes a new one"
        ) from None
    return record


def write_record(folder: pathlib.Path, found: Mapping[Reference, Code]) -> None:
    """Write the record and the copies of files; warn of sources that have changed.

    A copy has its hash in its name, so the copies of earlier starts stay.

    Args:
        folder: The run's folder.
        found: Code by reference.

    Raises:
        InputError: The record that is there is damaged.
    """
    before = read_record(folder)
    record: list[dict[str, Any]] = []
    (folder / CODE_FOLDER).mkdir(parents=True, exist_ok=True)
    for reference, code in found.items():
        entry = Entry(reference.key, reference.text, reference.kind, code.path, code.sha256)
        record.append(dataclasses.asdict(entry))
        old = before.get(reference, entry)
        if old.sha256 != entry.sha256:
            logger.warning(
                f"{reference}: the {entry.kind} has changed since the last start "
                f"(sha256 {old.sha256[:8]}… -> {entry.sha256[:8]}…)"
            )
        if reference.kind == "file":
            with atomic_path(_copy_of(reference, entry, folder)) as temporary:
                temporary.write_bytes(code.source)
    write_json(folder / CODE_FOLDER / RECORD, {"own_code": record})


def restore(reference: Reference, folder: pathlib.Path, *, trust: bool) -> Code:
    """Find the code that a run was made with, without running any of it.

    Args:
        reference: From the run's config.
        folder: The run's folder.
        trust: Whether to accept the kept copy, or a module that has changed.

    Returns:
        The original if it is where and what the record says, else what is trusted.

    Raises:
        InputError: There is no such code, the folder is damaged, or trust is needed.
    """
    entry = read_record(folder).get(reference)
    if entry is None or entry.kind != reference.kind:
        path = folder / CODE_FOLDER / RECORD
        raise InputError(
            f"{folder}: {reference}: {path} has no record of this code, so it is not run; restore "
            "the record, or train again"
        )
    code, problem = _compare(reference, entry, folder)
    if code is not None and not problem:
        return code
    if reference.kind == "file":
        code = _read_copy(reference, entry, folder)
        needs = f"code that is kept in {code.file}"
    elif code is not None:
        needs = f"code that is in {code.file}"
    else:
        raise InputError(f"{folder}: {missing(reference)}")
    if not trust:
        raise InputError(
            f"{folder}: {reference} needs {needs} (sha256 {code.sha256[:8]}…; {problem}); {_TRUST}"
        )
    return code


def _compare(reference: Reference, entry: Entry, folder: pathlib.Path) -> tuple[Code | None, str]:
    """Compare the original with the record.

    Returns:
        The original, if it can be read, and what speaks against running it; empty: nothing.
    """
    original = pathlib.Path(entry.path)
    what = f"the {entry.kind} {entry.path}"
    try:
        if reference.kind == "module":
            files = locate(reference)
        else:
            files = [original] if original.is_file() else []
        code = read(files[-1].resolve()) if files else None
    except OSError as error:
        return None, f"{what} cannot be read: {error.strerror}"
    if code is None:
        return None, f"{what} is missing"
    if code.path != entry.path:
        return code, f"{what} has moved, or is a link"
    if any(_is_inside(file, folder) for file in (*files, code.file)):
        return code, f"{what} is in the run's own folder"
    if _is_installed(code.file):
        return code, f"{what} belongs to an installed package"
    if reference.kind == "file" and original.name != pathlib.Path(reference.place).name:
        return code, f"{what} is not the file that the config refers to"
    return code, "" if code.sha256 == entry.sha256 else f"{what} has changed"


def _is_inside(file: pathlib.Path, folder: pathlib.Path) -> bool:
    """Return whether a file is in a folder, however the two paths are spelt."""
    parents = file.absolute().parents
    return any(parent.is_dir() and parent.samefile(folder) for parent in parents)


# Folders that hold the system's own files, such as another Python's library.
_SYSTEM = tuple(
    map(pathlib.Path, ("/usr", "/lib", "/lib64", "/opt", "/etc", "/Library", "/System"))
)


def _is_installed(file: pathlib.Path) -> bool:
    """Return whether a file belongs to Python or a package, this one included.

    Anybody knows the hashes of such files. So a record proves nothing there, and a stranger's
    config could call any of their functions.
    """
    library = pathlib.Path(sysconfig.get_path("stdlib")).resolve()
    ours = pathlib.Path(__file__).resolve().parents[1]
    public = map(str, (library, ours, *_SYSTEM, sys.base_prefix, sys.prefix))
    named = any(
        part in ("site-packages", "dist-packages") or part.startswith("python3.")
        for part in file.parts
    )
    return named or any(file.is_relative_to(folder) for folder in public)


def _copy_of(reference: Reference, entry: Entry, folder: pathlib.Path) -> pathlib.Path:
    """Return the path of a file's copy. It is not in the record, so no record can bend it."""
    name = f"{reference.key}_{reference.name}_{entry.sha256[:8]}.py"
    return folder / CODE_FOLDER / name


def _read_copy(reference: Reference, entry: Entry, folder: pathlib.Path) -> Code:
    """Read the kept copy of a file.

    Raises:
        InputError: It is missing, or not what the record says.
    """
    path = _copy_of(reference, entry, folder)
    if not path.is_file():
        raise InputError(
            f"{folder}: {reference}: both {entry.path} and its copy {path} are missing; restore one"
        )
    code = dataclasses.replace(read(path), path=entry.path)
    if code.sha256 != entry.sha256:
        raise InputError(
            f"{folder}: {reference}: {path} is damaged (sha256 {code.sha256[:8]}…, recorded was "
            f"{entry.sha256[:8]}…); restore it"
        )
    return code
