"""How a measured program answers each request: with one line of JSON on standard output.

This module needs the standard library only, because the peer's program must not import JAX.
"""

import contextlib
import json
import os
import pathlib
import resource
import sys
from collections.abc import Callable, Iterator
from typing import Any

Answer = dict[str, Any]
_STATUS = pathlib.Path("/proc/self/status")
_CLEAR = pathlib.Path("/proc/self/clear_refs")


class CannotMeasureError(Exception):
    """There is nothing to measure; the message is the reason, in one line."""


@contextlib.contextmanager
def answers() -> Iterator[Callable[[Answer], None]]:
    """Keep standard output for answers; everything else that is printed goes to standard error.

    Yields:
        A function that sends an answer.
    """
    sys.stdout.flush()
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # includes what C libraries print

    def send(answer: Answer) -> None:
        channel.write(json.dumps(answer) + "\n")
        channel.flush()

    try:
        yield send
    finally:
        channel.close()


def serve(
    prepare: Callable[[], Answer],
    handlers: dict[str, Callable[..., Answer]],
    describe: Callable[[Exception], str],
) -> None:
    """Prepare, send an answer, and handle requests until there are no more.

    A request is a line of JSON: `{"do": name of a handler, ...its arguments}`. An exception is
    answered by `{"failed": one line}`, and ends the program.

    Args:
        prepare: Called before the first request; its answer is sent without one.
        handlers: Functions by the names that requests have for them.
        describe: Maps an exception to one line for the table.
    """
    with answers() as send:
        try:
            send(prepare())
            for line in sys.stdin:
                request = json.loads(line)
                send(handlers[request.pop("do")](**request))
        except Exception as error:  # whatever it is, a row of the table cannot be filled
            send({"failed": describe(error)})
            raise


def one_line(error: Exception) -> str:
    """Return the first line of an error's message that is not empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kind = type(error).__name__
    text = lines[0] if lines else kind
    return text if isinstance(error, CannotMeasureError) else f"{kind}: {text}"[:240]


def take_peak_memory() -> float:
    """Return this process's largest resident memory since the last call, and reset it.

    Returns:
        GB of 10^9 bytes. If the system cannot reset it, the largest so far.
    """
    if not _STATUS.exists():
        unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others kibibytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    # getrusage would also count the process that started this one.
    fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")
    return int(fields["VmHWM"].split()[0]) * 1024 / 1e9
