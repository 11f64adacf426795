"""How a command's process ends, and what it prints about failures in the background.

Libraries keep threads that outlive an error, and print pages about a failure that the command
reports in one line. `take_over` sets up the process; `leave` ends it.
"""

import atexit
import contextlib
import errno
import io
import logging
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NoReturn, TextIO

from pix2pix_jax.commands import interrupts
from pix2pix_jax.core.errors import InputError, one_line

_GRACE = 3.0  # seconds that other threads have when a command is done
_MOST_KEPT = 100  # failures in the background
_CACHE = "persistent compilation cache entry"  # JAX's words
_BUG = (
    "this is a bug in pix2pix_jax: please open an issue in its repository, with the lines above "
    "and the command"
)


class Stream:
    """A standard stream that never fails: what cannot be written is dropped.

    Attributes:
        lost: Why something was dropped, unless nobody reads the stream any more; None if nothing.
    """

    def __init__(self, stream: TextIO) -> None:
        """Wrap a stream. Characters that it cannot encode are escaped from now on."""
        if isinstance(stream, io.TextIOWrapper):
            # By lines, so that what a pipe was sent is not lost when the process is killed.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text if that is possible."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:  # ValueError: it is closed
            self._note(error)
            return len(text)

    def flush(self) -> None:
        """Write what is left if that is possible."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._note(error)

    def _note(self, error: OSError | ValueError) -> None:
        # EPIPE is a pipe that nobody reads, EIO a terminal that was closed.
        if isinstance(error, OSError) and error.errno not in (errno.EPIPE, errno.EIO):
            self.lost = self.lost or error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Background(logging.Filter):
    """Keeps what is reported of failures in other threads and in clean-up, until the command ends.

    A full disk fails each of a checkpoint's files, in threads of their own. The command reports
    that failure once, in one line. If it ends in another way, what was kept is shown.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[str] = []
        self._shows = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep an error that a library logs; anything less is logged as always."""
        if record.levelno < logging.ERROR:
            return True
        self._note(logging.Formatter().format(record))
        return False

    def failed_in_thread(self, failure: Any) -> None:
        """Keep an exception that ended a thread: a `threading.excepthook`."""
        name = failure.thread.name if failure.thread else "?"
        self._note_exception(f"exception in thread {name}", failure.exc_value)

    def failed_in_cleanup(self, failure: Any) -> None:
        """Keep an exception that cannot be raised: a `sys.unraisablehook`."""
        self._note_exception(f"exception ignored in {failure.object!r}", failure.exc_value)

    def show(self) -> None:
        """Print what was kept, and from now on what comes."""
        self._shows = True
        for text in self._kept:
            print(text, file=sys.stderr)
        self._kept.clear()

    def _note_exception(self, where: str, error: BaseException | None) -> None:
        self._note(f"{where}:\n{''.join(traceback.format_exception(error))}" if error else where)

    def _note(self, text: str) -> None:
        if self._shows:
            print(text, file=sys.stderr)
        elif len(self._kept) < _MOST_KEPT:
            self._kept.append(text)


class _Process:
    """What is known about the end of this process.

    Attributes:
        background: Failures in other threads; None as long as nobody took the process over.
        status: Its exit status.
        warned_of_cache: Whether a fault of the compilation cache was shown.
    """

    background: Background | None = None
    status = 1
    warned_of_cache = False


_process = _Process()


def take_over() -> None:
    """Make this process a command's own, to its end.

    Output never fails, failures in the background are kept, and the process ends a few seconds
    after the command, whatever threads libraries have left.
    """
    interrupts.open_standard_files()
    sys.stdout, sys.stderr = Stream(sys.stdout), Stream(sys.stderr)
    atexit.register(_exit)  # before libraries register: the first to register is the last to run
    _process.background = background = Background()
    sys.excepthook = _report
    warnings.showwarning = _warn
    if not os.environ.get("PIX2PIX_JAX_TRACEBACK"):
        threading.excepthook = background.failed_in_thread
        sys.unraisablehook = background.failed_in_cleanup
        from absl import logging as absl  # a logger of that name has to be absl's own

        for logger in (absl.get_absl_logger(), logging.getLogger("asyncio")):
            logger.addFilter(background)


def leave(status: int, *, reported: bool = False, at_once: bool = False) -> NoReturn:
    """End the command with an exit status.

    Args:
        status: The exit status.
        reported: Whether one line has said what failed, so that nothing else is to be shown.
        at_once: Whether libraries are not asked to end what they do, as after a signal, which may
            have come in the middle of anything.
    """
    if _process.background is not None:
        if at_once:
            _process.status = status
            _exit()
        if not reported:
            _process.background.show()
        _process.status = status
        threading.Thread(target=_exit_later, daemon=True).start()
    sys.exit(status)


@contextlib.contextmanager
def deadline(seconds: int | float, message: str) -> Iterator[None]:
    """End the command with one line if the block takes too long; for native code that waits.

    Args:
        seconds: How long the block may take.
        message: Why the command ends.
    """
    done = threading.Event()

    def wait() -> None:
        if not done.wait(seconds):
            print_error(message)
            _process.status = 2
            _exit()

    threading.Thread(target=wait, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def print_error(message: str) -> None:
    """Print why a command ends, in one line, whatever is in the message."""
    print("error:", one_line(message), file=sys.stderr)


def lost_output() -> OSError | None:
    """Return why something that was printed could not be written; None if nothing was lost."""
    sys.stdout.flush()
    return getattr(sys.stdout, "lost", None)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning in one line: a `warnings.showwarning`.

    JAX warns of every single program that it cannot read from the compilation cache, or write to
    it. The first one is enough.
    """
    text = str(message)
    if _CACHE in text:
        if _process.warned_of_cache:
            return
        _process.warned_of_cache = True
        folder = sys.modules["jax"].config.jax_compilation_cache_dir
        text = f"{text}. If its disk is not full, delete {folder}: programs are compiled again"
    print("warning:", one_line(text), file=sys.stderr)


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an exception that ends the command with its traceback: a `sys.excepthook`."""
    traceback.print_exception(kind, error, trace)
    if _process.background is not None:
        _process.background.show()
    if isinstance(error, InputError | OSError):  # with PIX2PIX_JAX_TRACEBACK
        _process.status = 2
    elif isinstance(error, Exception):
        print(_BUG, file=sys.stderr)
    threading.Thread(target=_exit_later, daemon=True).start()


def _exit_later() -> None:
    """End the process although threads of libraries or handlers of its end go on."""
    time.sleep(_GRACE)
    _exit()


def _exit() -> None:
    """End the process at once.

    Python has joined threads and run all other handlers before it comes here, so all that is left
    out is to take modules and native libraries apart. That is where a signal would still print a
    traceback, and where some libraries hang.
    """
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(interrupts.status() or _process.status)
