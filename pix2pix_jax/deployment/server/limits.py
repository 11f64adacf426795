"""What the server allows its clients, and how much of it is in use."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

# Pixels of an image by what happens to its size, if no flag says otherwise. Padded and tiled images
# cost the network as much as they are large; padded ones also cost memory.
MOST_PIXELS = {"resize": 2**24, "tile": 2**22, "pad": 2**20}


@dataclasses.dataclass(frozen=True)
class Limits:
    """What clients are allowed; whoever goes beyond is refused in one line.

    Attributes:
        pixels: Pixels of an image.
        body_bytes: Bytes of a request's body.
        held_bytes: Bytes of all bodies and unpacked images that are held at once.
        queue: Images that are unpacked, waiting or translated at once.
        queue_seconds: How long an image may wait for its translation to begin.
        read_seconds: How long a client may take to send a request's head, its body, or to take up
            what the system cannot send on; and how long a connection may do nothing.
        connections: Connections that are open at once.
        stop_seconds: How long a server that was asked to stop goes on with what it has taken.
    """

    pixels: int = MOST_PIXELS["resize"]
    body_bytes: int = 2**25
    held_bytes: int = 2**30
    queue: int = 128
    queue_seconds: float = 60.0
    read_seconds: float = 30.0
    connections: int = 512
    stop_seconds: float = 25.0


class SpentError(Exception):
    """An allowance is used up for the moment."""


class Allowance:
    """An amount that requests share; for one thread.

    Attributes:
        limit: Largest amount in use at once.
        used: Amount in use.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @contextmanager
    def share(self, amount: int = 0) -> Iterator["Share"]:
        """Take a share that is given back at the end of the context.

        Args:
            amount: How much to take at once; the share may grow.

        Raises:
            SpentError: There is not enough left.
        """
        share = Share(self)
        share.grow(amount)
        try:
            yield share
        finally:
            self.used -= share.amount


class Share:
    """A part of an allowance that is in use.

    Attributes:
        amount: How much it is.
    """

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self.amount = 0

    def grow(self, amount: int) -> None:
        """Take more.

        Raises:
            SpentError: There is not enough left; the share stays as it was.
        """
        if self._allowance.used + amount > self._allowance.limit:
            raise SpentError
        self._allowance.used += amount
        self.amount += amount
