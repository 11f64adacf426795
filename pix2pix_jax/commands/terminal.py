"""What the library reports, on the terminal of a command."""

import contextlib
import logging
from collections.abc import Iterator

from tqdm import tqdm

from pix2pix_jax.core.errors import one_line

_LONGEST_MESSAGE = 10**5  # characters


class _Terminal(logging.Handler):
    """Prints messages above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record: an informational one as it is, others with their level."""
        try:
            level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
            tqdm.write(level + one_line(self.format(record), _LONGEST_MESSAGE))
        except Exception:
            self.handleError(record)


@contextlib.contextmanager
def messages_on_terminal() -> Iterator[None]:
    """Print what the package logs to standard output, as long as the context lasts.

    Only the package's own logger is changed. It does not propagate meanwhile: absl gives the root
    logger a handler of its own, which would print every message again.
    """
    logger, handler = logging.getLogger("pix2pix_jax"), _Terminal()
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def say(text: str) -> None:
    """Print one line of a command's result; what is no letter in it, as in a path, is escaped."""
    print(one_line(text))
