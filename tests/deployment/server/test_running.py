"""The server on a port of this machine, with a negative in place of a network."""

import contextlib
import json
import pathlib
import re
import signal
import socket
import struct
import threading
import time

import pytest
from support.server import (
    CONTENT,
    NEGATIVE,
    connect,
    make_service,
    post,
    receive,
    running_server,
    send,
    wait_until,
)

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.deployment.server import running


@pytest.fixture(scope="module")
def port():
    """A server."""
    with running_server(make_service()) as (port, _):
        yield port


@pytest.fixture(scope="module")
def impatient():
    """A server that waits 0.3 seconds for its clients."""
    with running_server(make_service(read_seconds=0.3)) as (port, _):
        yield port


def refusal(answer):
    """Return the status and the line of a refusal."""
    head, body = answer
    assert "content-type: application/json" in head
    return int(head.split()[1]), json.loads(body)["error"]


def test_a_request_is_answered(port):
    with connect(port) as connection:
        head, body = send(connection, post(CONTENT))
    assert head.startswith("HTTP/1.1 200 ")
    assert "server:" not in head
    assert body == NEGATIVE


def test_the_example_of_the_docs_works(port, tmp_path, monkeypatch):
    page = pathlib.Path(__file__).parents[3] / "docs" / "deploy.md"
    (example,) = re.findall(r"(?ms)^```python\n(.*?)^```$", page.read_text())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(CONTENT)
    exec(example.replace(":8000", f":{port}"), {})
    assert (tmp_path / "result.png").read_bytes() == NEGATIVE


@pytest.mark.parametrize(
    "data", [b"GET / HTTX\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /\r\n\r\n", b"\r\nx\r\n"]
)
def test_what_is_no_http_is_refused_in_one_line(port, data):
    with connect(port) as connection:
        assert refusal(send(connection, data)) == (400, "this is not a valid HTTP request")


def test_a_head_that_comes_too_slowly_is_refused(impatient):
    with connect(impatient) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nX: 1")
        with contextlib.suppress(ConnectionError):
            for _ in range(10):
                connection.sendall(b"x")
                time.sleep(0.05)
        status, line = refusal(receive(connection))
    assert (status, line) == (408, "the request's head did not arrive within 0.3 seconds")


def test_a_body_that_comes_too_slowly_is_refused(impatient):
    with connect(impatient) as connection:
        status, line = refusal(send(connection, post(CONTENT[:100], length=1000)))
    assert (status, line) == (408, "the body did not arrive within 0.3 seconds")


def test_a_connection_without_a_request_is_closed(impatient):
    with connect(impatient) as connection:
        assert receive(connection) == ("", b"")


def test_a_connection_is_kept_for_further_requests(port):
    with connect(port) as connection:
        request = post(CONTENT).replace(b"Connection: close\r\n", b"")
        for _ in range(2):
            assert send(connection, request)[1] == NEGATIVE


def test_a_body_that_is_too_long_is_refused_although_the_client_still_sends(port):
    with connect(port) as connection:
        sent = post(b"", length=2**28) + bytes(2**22)
        status, line = refusal(send(connection, sent))
    assert (status, line) == (413, "the body is longer than 33554432 bytes")


def test_a_client_that_goes_away_does_not_keep_its_place():
    service = make_service(queue=2)
    with running_server(service) as (port, _):
        service.pictures.hold()
        for _ in range(5):
            with connect(port) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(post(CONTENT))
                wait_until(lambda: service.held.used)
            wait_until(lambda: not service.held.used)
        service.pictures.may_go.set()
        with connect(port) as connection:
            assert send(connection, post(CONTENT))[1] == NEGATIVE


def test_connections_beyond_the_limit_are_refused():
    with running_server(make_service(connections=3)) as (port, _), contextlib.ExitStack() as stack:
        for _ in range(3):
            kept = stack.enter_context(connect(port))
            assert send(kept, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")[1]
        with connect(port) as connection:
            head, body = receive(connection)
    assert refusal((head, body)) == (503, "too many connections; try again later")
    assert "retry-after: 5" in head


def test_a_client_that_does_not_read_its_answer_is_let_go():
    service = make_service(read_seconds=0.3)
    large = bytes(2**25)
    service.pictures.close = lambda image: large
    with running_server(service) as (port, _), connect(port) as connection:
        connection.sendall(post(CONTENT))
        time.sleep(0.8)
        received = 0
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(2**20):
                received += len(piece)
    assert 0 < received < len(large)


def is_refused(port):
    """Return whether nobody listens on a port."""
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_server_that_stops_answers_what_it_has_taken():
    service = make_service()
    service.pictures.hold()
    answers = []

    def ask():
        with connect(port) as connection:
            answers.append(send(connection, post(CONTENT))[1])

    with running_server(service) as (port, stop):
        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
            # The first is in work before the others come, which then wait.
            assert service.pictures.began.wait(10)
        wait_until(lambda: service.waiting == 4)
        stop.signal = signal.SIGTERM
        wait_until(lambda: is_refused(port))
        assert answers == []
        service.pictures.may_go.set()
        for thread in threads:
            thread.join(10)
    assert answers == 5 * [NEGATIVE]


def test_a_server_that_stops_does_not_wait_longer_than_it_says():
    service = make_service(stop_seconds=0.2)
    service.pictures.hold()
    with running_server(service) as (port, stop), connect(port) as first, connect(port) as second:
        first.sendall(post(CONTENT))
        assert service.pictures.began.wait(10)
        second.sendall(post(CONTENT))
        wait_until(lambda: service.waiting == 1)
        stop.signal = signal.SIGTERM
        # The first is being translated; the second waits, and is refused in time.
        assert refusal(receive(second)) == (503, "the server is stopping")
        service.pictures.may_go.set()
        assert receive(first)[1] == NEGATIVE


def test_an_address_that_cannot_be_taken_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=rf"^--host 127.0.0.1 --port {port}: cannot be list"):
            running.bind("127.0.0.1", port)
    with pytest.raises(InputError, match=r"^--host no\.such\.host\.invalid --port 0: cannot be"):
        running.bind("no.such.host.invalid", 0)


@pytest.mark.parametrize(
    ("host", "is_open", "url"),
    [("127.0.0.1", False, "http://127.0.0.1:"), ("0.0.0.0", True, "http://0.0.0.0:")],
)
def test_whether_others_can_connect_is_known(host, is_open, url):
    with running.bind(host, 0) as taken:
        assert running.is_open_to_others(taken) == is_open
        assert running.address_of(taken).startswith(url)


def test_a_host_that_is_no_name_is_one_line():
    with pytest.raises(InputError, match=r"--host a\.\.b --port 0: cannot be listened on"):
        running.bind("a..b", 0)
