"""Target: requests to the server, damaged in their heads, their forms and their images."""

import contextlib
import functools
import json

from support.server import CONTENT, NEGATIVE, connect, make_service, post, receive, running_server

from .mutations import mutate

_REFUSALS = {400, 404, 405, 408, 413, 415, 422}


def _form(*parts):
    body = b"".join(b"--xyz\r\nContent-Disposition: form-data; " + part for part in parts)
    kind = b"Content-Type: multipart/form-data; boundary=xyz\r\n"
    head, _, rest = post(body + b"--xyz--\r\n").partition(b"\r\n")
    return head + b"\r\n" + kind + rest


def _chunked():
    pieces = [CONTENT[:100], CONTENT[100:], b""]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"POST /?seed=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body


@functools.cache
def _requests():
    image = b'name="image"; filename="a.png"\r\n\r\n' + CONTENT + b"\r\n"
    get = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    posted = post(CONTENT)
    return [
        posted,
        posted.replace(b"POST / ", b"POST /?mode=deterministic&seed=7&name=a ").replace(
            b"Connection: close", b"Expect: 100-continue"
        ),
        _form(image),
        _form(b'name="mode"\r\n\r\npaper\r\n', image),
        _chunked(),
        get + get,
    ]


@functools.cache
def _port():
    """Start the server, which ends with the process."""
    stack = contextlib.ExitStack()
    port, _ = stack.enter_context(running_server(make_service(read_seconds=0.2)))
    return port, stack


def _ask(request):
    with connect(_port()[0]) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(request)
        return receive(connection)
    return "", b""


def _trial(rng):
    """Send a damaged request, and a good one after it."""
    request = _requests()[rng.integers(len(_requests()))]
    if rng.random() < 0.95:
        request = mutate(request, rng)
    head, body = _ask(request)
    assert _ask(post(CONTENT))[1] == NEGATIVE
    if not head:
        return False
    status = int(head.split()[1])
    if status == 200:
        return True
    assert status in _REFUSALS, head
    (line,) = json.loads(body or b'{"error": ""}').values()
    assert "\n" not in line
    assert "Traceback" not in line
    assert "/site-packages" not in line
    return False


TARGETS = {"server: requests": _trial}
