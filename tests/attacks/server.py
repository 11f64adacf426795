"""Requests by the thousand to a server in a process of its own: is any lost, does memory grow?

    python -m tests.attacks.server --workdir runs/maps --requests 1000

First 100 good requests at once, while ten clients send their bodies byte by byte. Then requests of
which nine in ten are broken: damaged images and forms, damaged HTTP, wrong lengths, clients that go
away, and clients that send a line a second. A good answer must be the first one to the bit, and a
refusal one line of JSON without a path. Last, SIGTERM while twenty requests are on their way: all
must be answered, and the exit status must be 0.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import io
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import numpy as np
from PIL import Image

from tests.fuzz.mutations import mutate

ROOT = pathlib.Path(__file__).parents[2]
_WAIT = 120.0  # seconds for an answer
_REFUSALS = {400, 404, 405, 408, 413, 415, 422, 503, 504}


@dataclasses.dataclass
class Server:
    """A server in a process of its own.

    Attributes:
        process: The process.
        port: Its port.
    """

    process: subprocess.Popen
    port: int

    def memory(self):
        """Return its resident memory in MB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields["VmRSS"].split()[0]) / 1000


def start(workdir, *flags):
    """Start a server and wait until it is ready."""
    command = [sys.executable, str(ROOT / "scripts" / "serve.py"), "--workdir", str(workdir)]
    process = subprocess.Popen(
        [*command, "--port", "0", *flags],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    port = 0
    for line in process.stdout:
        print("   ", line.rstrip(), flush=True)
        if line.startswith("listening on "):
            port = int(line.rsplit(":", 1)[1].strip("/\n"))
        if line.startswith("ready"):
            break
    return Server(process, port)


def photo(side, kind="PNG"):
    """Return the file of a picture."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    memory = io.BytesIO()
    Image.fromarray(coarse).resize((side, side)).save(memory, kind)
    return memory.getvalue()


def request(body, kind="image/png", length=None):
    """Return the bytes of a request."""
    length = len(body) if length is None else length
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body


def form(body):
    """Return the bytes of a request with a form."""
    head = b'--xyz\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n'
    return request(head + body + b"\r\n--xyz--\r\n", "multipart/form-data; boundary=xyz")


def connect(port):
    """Connect to a server."""
    return socket.create_connection(("127.0.0.1", port), timeout=_WAIT)


def read_answer(connection):
    """Read to the end; return the status (0: none came) and the body."""
    data = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(2**16):
            data += piece
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        return 0, b""
    # Damage may have made two requests of one: the first answer counts.
    lengths = re.findall(rb"(?m)^content-length: (\d+)", head)
    return int(head.split()[1]), body[: int(lengths[0])] if lengths else body


def send(port, data):
    """Send all of a request, as far as the server takes it; return the answer."""
    with connect(port) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        return read_answer(connection)


def send_and_leave(port, data, rng):
    """Send a part of a request and break the connection off."""
    with connect(port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(data[: int(rng.integers(1, len(data) + 1))])
        time.sleep(rng.random() / 10)
    return 0, b""


def send_slowly(port, data, pause):
    """Send a request byte by byte, as long as the server takes it; return the answer."""
    with connect(port) as connection:
        with contextlib.suppress(ConnectionError):
            for place in range(len(data)):
                connection.sendall(data[place : place + 1])
                time.sleep(pause)
        return read_answer(connection)


def broken(port, good, rng):
    """Send a broken request of some kind; return the kind and the answer."""
    kind = str(rng.choice(["image", "image", "form", "http", "http", "length", "leave", "slow"]))
    if kind == "image":
        return kind, send(port, request(mutate(good, rng)))
    if kind == "form":
        body = form(good).partition(b"\r\n\r\n")[2]
        return kind, send(port, request(mutate(body, rng), "multipart/form-data; boundary=xyz"))
    if kind == "http":
        return kind, send(port, mutate(request(good), rng))
    if kind == "length":
        wrong = int(rng.choice([0, 1, len(good) // 2, 2**26, 2**70, -1]))
        return kind, send(port, request(good, length=wrong))
    if kind == "leave":
        return kind, send_and_leave(port, request(good), rng)
    return kind, send_slowly(port, request(good)[: int(rng.integers(1, 60))], 1.0)


def fault(status, body, expected):
    """Return what is wrong about an answer; '' if nothing is."""
    if status == 200:
        return "" if body == expected or expected is None else "another image"
    if status == 0:
        return ""
    if status not in _REFUSALS:
        return f"status {status}"
    text = json.loads(body)["error"]
    bad = "\n" in text or "Traceback" in text or "/work" in text or "/home" in text
    return f"{status}: {text!r}" if bad else ""


def load(server, good, expected, count):
    """Send good requests at once while other clients are slow; print quantiles of their times."""

    def timed(_):
        begun = time.monotonic()
        status, body = send(server.port, request(good))
        return time.monotonic() - begun, status, body

    with concurrent.futures.ThreadPoolExecutor(count + 10) as pool:
        slow = [pool.submit(send_slowly, server.port, request(good), 0.1) for _ in range(10)]
        time.sleep(0.5)
        begun = time.monotonic()
        answers = list(pool.map(timed, range(count)))
        seconds = time.monotonic() - begun
        print(f"{count} at once in {seconds:.1f} s, {count / seconds:.1f} a second", flush=True)
        slow_statuses = collections.Counter(each.result()[0] for each in slow)
    times = [each[0] for each in answers]
    shown = {share: float(np.quantile(times, share)) for share in (0.5, 0.9, 0.99, 1.0)}
    print("  seconds:", ", ".join(f"{share:.0%} {value:.2f}" for share, value in shown.items()))
    print(f"  slow clients: {dict(slow_statuses)}; memory {server.memory():.0f} MB", flush=True)
    return sum(status != 200 or body != expected for _, status, body in answers)


def attack(server, good, expected, count, seed):
    """Send requests of which one in ten is good; return how many answers are wrong."""
    counts, wrong = collections.Counter(), 0

    def one(number):
        rng = np.random.default_rng(seed + number)
        if number % 10 == 0:
            answer = send(server.port, request(good))
            return "good", answer, fault(*answer, expected) or answer[0] != 200
        kind, answer = broken(server.port, good, rng)
        return kind, answer, fault(*answer, None)

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        for number, (kind, (status, _), found) in enumerate(pool.map(one, range(count))):
            counts[kind, status] += 1
            wrong += bool(found)
            if found:
                print(f"  request {seed + number}, {kind}: {found}")
            if number % (count // 5) == 0:
                print(f"  {number}: memory {server.memory():.0f} MB", flush=True)
    for (kind, status), many in sorted(counts.items()):
        print(f"  {kind:8} {status or 'no answer':9} {many}")
    print(f"  memory {server.memory():.0f} MB", flush=True)
    return wrong


def stop(server, good, expected):
    """Send SIGTERM while requests are on their way; return how many were lost."""
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(send, server.port, request(good)) for _ in range(20)]
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        status = server.process.wait(60)
        print(f"SIGTERM: status {status} after {time.monotonic() - begun:.1f} s", flush=True)
        lost = sum(each.result() != (200, expected) for each in answers)
    return lost + abs(status)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", required=True)
    parser.add_argument("--side", type=int, default=256, help="of the pictures, in pixels")
    parser.add_argument("--at_once", type=int, default=100)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    good = photo(flags.side)
    server = start(flags.workdir, "--read_seconds", "10", "--queue_seconds", "300")
    try:
        status, expected = send(server.port, request(good))
        assert status == 200, expected
        print(f"  memory {server.memory():.0f} MB", flush=True)
        wrong = load(server, good, expected, flags.at_once)
        wrong += load(server, good, expected, flags.at_once)
        wrong += attack(server, good, expected, flags.requests, flags.seed)
        wrong += stop(server, good, expected)
    finally:
        server.process.kill()
    print(f"{wrong} wrong")
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
