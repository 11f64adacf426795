"""Measured programs, each in its own process, which is stopped between requests."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Any

from benchmarking.protocol import Answer

_SECONDS_TO_END = 10


class FailedError(Exception):
    """A program failed; the message is one line for the table."""


class Child:
    """A program that runs `protocol.serve`; a context manager that ends it.

    Between requests it is stopped (SIGSTOP) with all its threads and workers. So it neither takes
    processor time from the program that is measured, nor decodes ahead while nobody counts.
    """

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        """Start the program.

        Args:
            command: Program and arguments.
            environment: Its whole environment.
        """
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  __exit__ closes it
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # Its own process group, for the signals, but in this session: if this process is
            # killed, the system wakes and ends those that are stopped.
            process_group=0,
        )

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            # After the last request it ends by itself, and releases the device properly.
            self._signal(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired, BrokenPipeError):
                self._process.communicate(timeout=_SECONDS_TO_END)
        self._signal(signal.SIGKILL)
        # If the program has ended, what was sent to it cannot be flushed.
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        self._errors.close()

    def ready(self) -> Answer:
        """Wait until the program is prepared, and return its first answer.

        Raises:
            FailedError: It could not be prepared.
        """
        return self._answer()

    def ask(self, do: str, **arguments: Any) -> Answer:
        """Wake the program, send it a request, and stop it again.

        Args:
            do: Name of one of its handlers.
            **arguments: Arguments of the handler.

        Returns:
            Its answer.

        Raises:
            FailedError: It failed and has ended, so it must not be asked again.
        """
        self._signal(signal.SIGCONT)
        assert self._process.stdin is not None
        # If the program has ended, its missing answer tells.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Answer:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise FailedError(self._epitaph())
        answer: Answer = json.loads(line)
        if "failed" in answer:
            raise FailedError(answer["failed"])
        self._signal(signal.SIGSTOP)
        return answer

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _epitaph(self) -> str:
        """Say how a program ended that did not answer."""
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
        if status == -signal.SIGKILL:
            return "killed, as the system does when memory runs out"
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return f"ended with {how}: {last[:200]}"


def program(module: str, *, as_file: bool = False) -> list[str]:
    """Return the command that runs a module of this package.

    Args:
        module: Its name.
        as_file: Whether to run it as a single file, without importing the package.
    """
    if as_file:
        return [sys.executable, str(pathlib.Path(__file__).with_name(f"{module}.py"))]
    return [sys.executable, "-m", f"benchmarking.{module}"]
