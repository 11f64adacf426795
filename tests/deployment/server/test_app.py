"""The HTTP of the server, in this process, with a negative in place of a network."""

import asyncio
import io
import threading

import httpx
import pytest
import tifffile
from PIL import Image
from support.server import CONTENT, IMAGE, NEGATIVE, Negatives, make_service

from pix2pix_jax.deployment.server.app import make_app
from pix2pix_jax.deployment.server.limits import Limits
from pix2pix_jax.deployment.server.service import Service


@pytest.fixture(scope="module")
def service():
    return make_service()


def client_of(service):
    transport = httpx.ASGITransport(make_app(service), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://x")


def ask(service, *arguments, **options):
    """Send a request; return the answer."""

    async def send():
        async with client_of(service) as client:
            return await client.request(*arguments, **options)

    return asyncio.run(send())


def refusal(answer):
    """Return the status of an answer and the only line that it has."""
    assert answer.headers["content-type"] == "application/json"
    (line,) = answer.json().values()
    assert list(answer.json()) == ["error"]
    assert "\n" not in line
    return answer.status_code, line


def tiff():
    memory = io.BytesIO()
    tifffile.imwrite(memory, IMAGE, photometric="rgb")
    return memory.getvalue()


def jpeg(size=(24, 20)):
    memory = io.BytesIO()
    Image.new("RGB", size).save(memory, "JPEG")
    return memory.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {"content": CONTENT},
        {"content": tiff()},
        {"files": {"image": ("a.png", CONTENT)}},
        {"files": {"x": ("b", CONTENT, "text/plain")}, "data": {"mode": "", "seed": ""}},
        {"content": CONTENT, "headers": {"content-type": "application/x-www-form-urlencoded"}},
    ],
)
def test_an_image_is_answered_with_an_image(service, options):
    answer = ask(service, "POST", "/", **options)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content == NEGATIVE


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, ("paper", None, "")),
        ({"params": {"mode": "deterministic", "seed": "7", "name": "a b"}}, None),
        ({"files": {"image": CONTENT}, "data": {"mode": "deterministic", "seed": 7}}, None),
    ],
)
def test_mode_seed_and_name_are_parameters_or_fields_of_the_form(service, options, key):
    ask(service, "POST", "/", **({"content": CONTENT} if "files" not in options else {}), **options)
    ((_, mode, seed), (name,)) = service.pictures.batches[-1]
    wanted = key or ("deterministic", 7, options.get("params", {}).get("name", ""))
    assert (mode, seed, name) == wanted


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({"content": b""}, 400, "the body is empty"),
        ({"content": CONTENT, "params": {"sed": 1}}, 400, "unknown parameter 'sed': choose from"),
        ({"content": CONTENT, "params": {"mode": "x"}}, 400, "mode='x': choose from determ"),
        ({"content": CONTENT, "params": {"seed": -1}}, 400, "seed='-1': expected a whole number"),
        ({"content": CONTENT, "params": {"name": 201 * "x"}}, 400, "name: 201 characters"),
        ({"files": {"a": (None, "b")}}, 400, "the form has no file"),
        ({"files": [("a", CONTENT), ("b", CONTENT)]}, 400, "the form is damaged: Too many files"),
        ({"files": {"a": CONTENT}, "data": {"b": "c"}}, 400, "unknown parameter 'b'"),
        (
            {"content": b"--", "headers": {"content-type": "multipart/form-data"}},
            *(400, "the form is damaged: Missing boundary"),
        ),
        ({"content": b"text"}, 415, "image: not an image file"),
        ({"content": CONTENT[:600]}, 422, "image: cannot be read as an image (image file is trun"),
        ({"content": jpeg((5000, 5000))}, 413, "image: 5000 x 5000 pixels, more than the 16777216"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_line(service, options, status, message):
    found, line = refusal(ask(service, "POST", "/", **options))
    assert (found, line[: len(message)]) == (status, message)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", "/", 405), ("POST", "/health", 405), ("GET", "/x", 404), ("GET", "/health/", 404)],
)
def test_unknown_addresses_and_methods_are_refused_in_one_line(service, method, path, status):
    found, line = refusal(ask(service, method, path))
    assert found == status
    assert "POST an image to /" in line


def test_the_page_has_a_form_and_loads_nothing(service):
    answer = ask(service, "GET", "/")
    assert answer.headers["content-type"].startswith("text/html")
    assert 'enctype="multipart/form-data"' in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "://" not in answer.text


def test_a_body_beyond_the_limit_is_refused_whether_its_length_is_given_or_not():
    service = make_service(body_bytes=1000)

    async def endless():
        for _ in range(2000):
            yield b"x"

    for content in (CONTENT, endless()):
        status, line = refusal(ask(service, "POST", "/", content=content))
        assert (status, line) == (413, "the body is longer than 1000 bytes")
    assert service.held.used == 0


def test_a_body_that_comes_too_slowly_is_refused():
    async def slow():
        for byte in CONTENT:
            yield bytes([byte])
            await asyncio.sleep(0.01)

    service = make_service(read_seconds=0.1)
    status, line = refusal(ask(service, "POST", "/", content=slow()))
    assert (status, line) == (408, "the body did not arrive within 0.1 seconds")


def test_a_bug_is_answered_without_its_traceback(service):
    answer = refusal(ask(service, "POST", "/", content=CONTENT, params={"name": "broken"}))
    assert answer == (500, "the server failed; its log says why")
    assert ask(service, "POST", "/", content=CONTENT).content == NEGATIVE


def test_an_image_for_which_memory_is_short_is_refused(service, caplog):
    found, line = refusal(ask(service, "POST", "/", content=CONTENT, params={"name": "huge"}))
    assert (found, line) == (413, "image: too large for the memory of this server; make it smaller")
    assert caplog.messages == ["1 images need 8 GB of memory"]


async def until(condition):
    """Wait until something is true."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def all_of(service, count, come=None):
    """Send requests, the first of which is in work when the others come; return all answers.

    Args:
        service: The service.
        count: Number of requests.
        come: Whether the translation may go on, by the tasks that wait for answers; by default when
            each of the others waits in the queue or has been answered.
    """
    pictures = service.pictures
    pictures.hold()
    async with client_of(service) as client:

        def send(number):
            request = client.post("/", content=CONTENT, params={"name": str(number)})
            return asyncio.create_task(request)

        tasks = [send(0)]
        await until(pictures.began.is_set)
        tasks += map(send, range(1, count))
        await until(
            lambda: (
                come(tasks)
                if come
                else service.waiting + sum(task.done() for task in tasks) == count - 1
            )
        )
        pictures.may_go.set()
        return await asyncio.gather(*tasks)


def test_requests_that_come_together_are_translated_together():
    service = make_service()
    answers = asyncio.run(all_of(service, 17))
    assert [answer.content for answer in answers] == 17 * [NEGATIVE]
    sizes = [len(names) for _, names in service.pictures.batches[1:]]
    assert sizes == [1, 8, 8]
    names = [name for _, names in service.pictures.batches[1:] for name in names]
    assert sorted(names, key=int) == [str(number) for number in range(17)]


def test_a_full_queue_says_when_to_come_again():
    service = make_service(queue=3)
    answers = asyncio.run(all_of(service, 5))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 503, 503]
    (busy, _) = (answer for answer in answers if answer.status_code == 503)
    assert refusal(busy)[1] == "too many images at the moment; try again in 1 seconds"
    assert busy.headers["retry-after"] == "1"


def test_images_that_would_take_too_much_memory_together_are_refused():
    pixels = IMAGE.shape[0] * IMAGE.shape[1]
    one = len(CONTENT) + pixels * Negatives().bytes_of_a_pixel
    service = make_service(held_bytes=3 * one)
    answers = asyncio.run(all_of(service, 5))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
    assert service.held.used == 0


def test_an_image_that_waits_too_long_is_refused_and_not_translated():
    service = make_service(queue_seconds=0.1)
    answers = asyncio.run(all_of(service, 2, lambda tasks: tasks[1].done()))
    # The first one is in work already, and is answered however long that takes.
    assert sorted(answer.status_code for answer in answers) == [200, 504]
    late = next(answer for answer in answers if answer.status_code == 504)
    assert refusal(late)[1] == "the image has waited for 0.1 seconds in the queue"
    assert sum(len(names) for _, names in service.pictures.batches[1:]) == 1


def test_health_tells_when_the_first_program_is_compiled():
    pictures = Negatives()
    pictures.hold()
    service = Service(pictures, Limits())
    answer = ask(service, "GET", "/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "starting")
    pictures.may_go.set()
    service.first.result(10)
    answer = ask(service, "GET", "/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["step"] == 7


def test_metrics_count_requests_batches_and_times():
    service = make_service()
    for content in (CONTENT, CONTENT, b"text"):
        ask(service, "POST", "/", content=content)
    answer = ask(service, "GET", "/metrics")
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if line[0] != "#")
    assert lines['pix2pix_requests_total{status="200"}'] == "2.0"
    assert lines['pix2pix_requests_total{status="415"}'] == "1.0"
    assert lines["pix2pix_request_seconds_count"] == "2.0"
    assert lines["pix2pix_batch_size_sum"] == "2.0"
    assert lines["pix2pix_queue_length"] == lines["pix2pix_held_bytes"] == "0.0"
    assert float(lines["process_resident_memory_bytes"]) > 1e6


def test_a_service_that_closes_refuses_what_waits():
    service = make_service()

    def close(tasks):
        if service.waiting == 2:
            service.close()
        return tasks[1].done() and tasks[2].done()

    answers = asyncio.run(all_of(service, 3, close))
    assert [answer.status_code for answer in answers] == [200, 503, 503]
    assert refusal(answers[1])[1] == "the server is stopping"


@pytest.mark.parametrize("step", ["size", "open", "close"])
def test_unpacking_and_packing_do_not_hold_up_others(service, monkeypatch, step):
    quick, began, may_go = getattr(service.pictures, step), threading.Event(), threading.Event()

    def slow(*arguments):
        began.set()
        assert may_go.wait(5), "nothing else is answered meanwhile"
        return quick(*arguments)

    monkeypatch.setattr(service.pictures, step, slow)

    async def ask_meanwhile():
        async with client_of(service) as client:
            task = asyncio.create_task(client.post("/", content=CONTENT))
            await until(began.is_set)
            assert (await client.get("/health")).status_code == 200
            may_go.set()
            return await task

    assert asyncio.run(ask_meanwhile()).content == NEGATIVE


def test_what_is_worth_a_warning_is_a_header_of_the_answer(service, monkeypatch):
    monkeypatch.setattr(service.pictures, "warnings", lambda options: ["Größe=9: outside", *"bcde"])
    answer = ask(service, "POST", "/", content=CONTENT)
    assert answer.status_code == 200
    assert answer.headers["x-warning"] == r"Gr\xf6\xdfe=9: outside, b, c and 2 more"


@pytest.mark.parametrize("charset", ["undefined", "utf-7"])
def test_a_charset_that_makes_no_text_is_refused(service, charset):
    fields = (
        b'--X\r\nContent-Disposition: form-data; name="name"\r\n\r\n+2AA-\r\n'
        b'--X\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    )
    kind = f"multipart/form-data; boundary=X; charset={charset}"
    answer = ask(
        service,
        "POST",
        "/",
        content=fields + CONTENT + b"\r\n--X--\r\n",
        headers={"content-type": kind},
    )
    assert answer.status_code == 400
