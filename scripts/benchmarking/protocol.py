"""How a measured program answers: one line of JSON for each it is asked, on its standard output.

Standard library only: the peer's program must not bring JAX.
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
    """A reason, in one line, why this program has nothing to measure."""


@contextlib.contextmanager
def answers() -> Iterator[Callable[[Answer], None]]:
    """Keep standard output for answers: whatever else is printed goes to standard error.

    Yields:
        Sends an answer.
    """
    sys.stdout.flush()
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # also what C libraries print

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
    """Prepare, say what came of it, and do what is asked until there is no more.

    A request is a line of JSON: `{"do": name of a handler, ...its arguments}`. What goes wrong is
    answered as `{"failed": one line}`, and ends the program.

    Args:
        prepare: What comes before the first request; its answer is sent unasked.
        handlers: What can be asked for.
        describe: From an exception to one line for the table.
    """
    with answers() as send:
        try:
            send(prepare())
            for line in sys.stdin:
                request = json.loads(line)
                send(handlers[request.pop("do")](**request))
        except Exception as error:  # whatever it is: one row of a table cannot be filled
            send({"failed": describe(error)})
            raise


def one_line(error: Exception) -> str:
    """Return the first line of an error's message that says something."""
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
    # Not from getrusage, which counts the process that started this one as well.
    fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")
    return int(fields["VmHWM"].split()[0]) * 1024 / 1e9
