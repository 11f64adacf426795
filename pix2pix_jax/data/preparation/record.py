"""Which files of an output folder `prepare` made itself, so that a later call may remove them."""

import contextlib
import hashlib
import json
import logging
import os
import pathlib
import threading
from collections.abc import Sequence
from typing import Any

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import is_temporary_of
from pix2pix_jax.images.listing import PREPARED

logger = logging.getLogger(__name__)

Mark = tuple[int, int]  # size in bytes, and time of the last change in nanoseconds


class OutputRecord:
    """What calls of the same command with the same inputs made in a folder, and what this one does.

    As a context manager it surrounds the writing. A line is added to the record with each file, so
    a call that is killed is known, too. A file that has changed since does not count as made here
    any more. At the end, what earlier calls made and this one did not is removed.

    Attributes:
        folder: The folder.
    """

    def __init__(self, output: str, command: str, inputs: Sequence[str]) -> None:
        """Read the record; nothing is written yet.

        Args:
            output: The folder; it need not exist.
            command: Name of the command.
            inputs: Paths of what it reads.
        """
        self.folder = pathlib.Path(output)
        key = "\0".join([command, *(os.path.realpath(path) for path in inputs)])
        self._call = hashlib.sha256(os.fsencode(key)).hexdigest()[:16]
        self._earlier: dict[str, Mark] = {}
        self._unfinished: set[str] = set()
        self._stopped = False
        self._written: set[str] = set()
        self._lock = threading.Lock()
        for line in self._lines():
            self._take(line)

    def is_own(self, path: pathlib.Path) -> bool:
        """Return whether an earlier call made a file, and nobody has changed it."""
        name = self._name(path)
        return name in self._earlier and _mark(path) == self._earlier[name]

    def is_unfinished(self, path: pathlib.Path) -> bool:
        """Return whether a file was made by a call that was stopped before its end."""
        return self._name(path) in self._unfinished and self.is_own(path)

    @property
    def own(self) -> list[pathlib.Path]:
        """The files that earlier calls made, as far as they are still there and unchanged."""
        paths = (self.folder / name for name in sorted(self._earlier))
        return [path for path in paths if self.is_own(path)]

    def add(self, path: pathlib.Path) -> None:
        """Record a file that was just written; several threads may do so."""
        name, mark = self._name(path), _mark(path)
        with self._lock:
            self._written.add(name)
            self._append({"file": name, "mark": mark})

    def __enter__(self) -> "OutputRecord":
        self._append({"start": True})
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._remove_old()
            if self._stopped:
                self._sweep()
            self._append({"done": True})

    def _remove_old(self) -> None:
        old = [path for path in self.own if self._name(path) not in self._written]
        for path in old:
            path.unlink()
            for folder in path.parents:
                if folder == self.folder:
                    break
                with contextlib.suppress(OSError):  # other files are in it
                    folder.rmdir()
        if old:
            logger.info("%s: removed %d files of an earlier call", self.folder, len(old))

    def _sweep(self) -> None:
        """Remove half-written files of a call that was killed."""
        names = {pathlib.PurePosixPath(name).name for name in self._written}
        for folder in {(self.folder / name).parent for name in self._written}:
            for path in folder.glob(".*"):
                final = path.name[1:].rpartition(".")[0]
                if final in names and is_temporary_of(path.name, final):
                    path.unlink(missing_ok=True)

    def _name(self, path: pathlib.Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _take(self, line: dict[str, Any]) -> None:
        if line.get("call") != self._call:
            return
        self._stopped = "done" not in line
        if not self._stopped:
            self._unfinished.clear()
        name, mark = line.get("file"), line.get("mark")
        if isinstance(name, str) and isinstance(mark, list) and len(mark) == 2:
            self._earlier[name] = (mark[0], mark[1])
            self._unfinished.add(name)

    def _lines(self) -> list[dict[str, Any]]:
        """Return the record's lines; the last one of a killed call may be cut, and is left out."""
        try:
            text = (self.folder / PREPARED).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(
                f"{self.folder / PREPARED}: cannot be read ({error.strerror or error}); delete it, "
                "or choose another folder"
            ) from None
        found = []
        for line in text.splitlines():
            with contextlib.suppress(ValueError, RecursionError):
                found.append(json.loads(line))
        return [line for line in found if isinstance(line, dict)]

    def _append(self, line: dict[str, Any]) -> None:
        path = self.folder / PREPARED
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                # A line of its own, even after one that was cut.
                file.write("\n" + json.dumps({"call": self._call, **line}))
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


def _mark(path: pathlib.Path) -> Mark | None:
    """Return what tells whether a file has changed; None if there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
