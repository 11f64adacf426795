"""A server in this process, with a negative in place of a network."""

import contextlib
import re
import signal
import socket
import threading
import time

import flax.linen as nn
import numpy as np

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.signals import StopRequest
from pix2pix_jax.deployment.server import running
from pix2pix_jax.deployment.server.limits import Limits
from pix2pix_jax.deployment.server.pictures import Pictures
from pix2pix_jax.deployment.server.service import Service
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.generator import Generator

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
CONTENT = image_files.to_bytes(IMAGE)
NEGATIVE = image_files.to_bytes(255 - IMAGE)


class Negatives(Pictures):
    """Makes negatives, and stops before each batch until it may go on.

    Attributes:
        may_go: Whether a batch may be done.
        began: Whether a batch has come since `hold`.
        batches: Key and names of each batch.
    """

    def __init__(self):
        module = nn.Dense(1)  # which is not used
        super().__init__(Generator(module, variables={}, image_size=(16, 16), step=7, fit="pad"))
        self.may_go, self.began = threading.Event(), threading.Event()
        self.may_go.set()
        self.batches = []

    def hold(self):
        """Stop before the next batch."""
        self.began.clear()
        self.may_go.clear()

    def most_at_once(self, key):
        return 8

    def translate(self, key, sources):
        self.began.set()
        assert self.may_go.wait(10)
        names = [source.name for source in sources]
        self.batches.append((key, names))
        if "broken" in names:
            raise ZeroDivisionError("in /home/me/network.py")
        if "huge" in names:
            raise InputError("1 images need 8 GB of memory")
        return [1 - source.fitted.astype(np.float32) / 127.5 for source in sources]


def make_service(**limits):
    """Return a service of negatives that is ready."""
    service = Service(Negatives(), Limits(**limits))
    service.first.result(10)
    return service


@contextlib.contextmanager
def running_server(service):
    """Serve on a free port; yield that port, and what stops the server when its signal is set."""
    taken, stop = running.bind("127.0.0.1", 0), StopRequest()
    thread = threading.Thread(target=running.serve, args=(service, taken, stop), daemon=True)
    port = taken.getsockname()[1]
    thread.start()
    wait_until(lambda: taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    try:
        yield port, stop
    finally:
        stop.signal = signal.SIGTERM
        thread.join(10)
        assert not thread.is_alive()


def wait_until(condition):
    """Wait until something is true."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def connect(port):
    """Connect to a server."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def send(connection, data):
    """Send the bytes of a request; return the head and the body of the answer, or what came."""
    connection.sendall(data)
    return receive(connection)


def receive(connection):
    """Return the head and the body of an answer, or what comes before the connection is closed."""
    answer = b""
    while piece := connection.recv(2**16):
        answer = (answer + piece).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"\ncontent-length: (\d+)", head)
        if length and len(body) >= int(length[1]):
            return head.decode(), body[: int(length[1])]
    return answer.decode(errors="replace"), b""


def post(body, length=None):
    """Return the bytes of a request that posts an image."""
    length = len(body) if length is None else length
    return f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n".encode() + (
        b"Connection: close\r\n\r\n" + body
    )
