"""The HTTP of the server: POST an image, get one; GET a page, its health, and its metrics."""

import asyncio
import html
import pathlib
from collections.abc import Mapping
from contextlib import suppress
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pix2pix_jax.core.choices import EVAL_MODES
from pix2pix_jax.core.errors import one_line, shown, some_of
from pix2pix_jax.core.whole_numbers import parse_whole
from pix2pix_jax.deployment.server.bodies import is_unread, read_body
from pix2pix_jax.deployment.server.limits import SpentError
from pix2pix_jax.deployment.server.metrics import CONTENT_TYPE
from pix2pix_jax.deployment.server.pictures import Options
from pix2pix_jax.deployment.server.service import GoneError, Service

_PARAMETERS = ("mode", "seed", "name", "condition")
_LONGEST_NAME = 200  # characters
_LINGER = 2.0  # seconds in which the rest of a refused body is thrown away
_PAGE = pathlib.Path(__file__).with_name("page.html")
_LONGEST_HEADER = 1000  # characters; proxies refuse answers with long ones
_PLAINER = {
    "Not Found": "there is nothing here; POST an image to /, or GET /, /health or /metrics",
    "Method Not Allowed": "this address does not take this method; POST an image to /",
}
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
# The page has a form and its own style, and loads nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'"


def _ascii(text: str) -> str:
    """Return the beginning of a text as a header may have it."""
    return text.encode("ascii", "backslashreplace").decode()[:_LONGEST_HEADER]


def make_app(service: Service) -> ASGIApp:
    """Return the application that serves a generator.

    Args:
        service: The generator in service.
    """
    site = _Site(service)
    app = Starlette(
        routes=[
            Route("/", site.root, methods=["GET", "POST"]),
            Route("/health", site.health),
            Route("/metrics", site.metrics),
        ],
        exception_handlers={
            HTTPException: _refuse,
            SpentError: site.refuse_for_now,
            ClientDisconnect: _let_go,
            GoneError: _let_go,
            Exception: _fail,
        },
    )
    app.router.redirect_slashes = False  # its redirects name whatever host a client names

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                service.metrics.answered(message["status"])
            await send(message)

        await app(scope, receive, note)

    return counted


def read_options(given: Mapping[str, str], mode: str) -> Options:
    """Read the parameters of a request.

    Args:
        given: Parameters by name; an empty value counts as none.
        mode: The mode if none is given.

    Raises:
        HTTPException: One is unknown, or has an impossible value (400).
    """
    given = {name: value for name, value in given.items() if value}
    for name in given:
        if name not in _PARAMETERS:
            choices = ", ".join(_PARAMETERS)
            raise HTTPException(400, f"unknown parameter {shown(name)}: choose from {choices}")
    mode = given.get("mode", mode)
    if mode not in EVAL_MODES:
        raise HTTPException(400, f"mode={shown(mode)}: choose from {', '.join(EVAL_MODES)}")
    seed = parse_whole(given["seed"]) if "seed" in given else None
    if "seed" in given and (seed is None or not 0 <= seed < 2**32):
        message = f"seed={shown(given['seed'])}: expected a whole number from 0 to 2**32 - 1"
        raise HTTPException(400, message)
    name = given.get("name", "")
    if len(name) > _LONGEST_NAME:
        raise HTTPException(400, f"name: {len(name)} characters, at most {_LONGEST_NAME}")
    return Options(mode, seed, name, given.get("condition", ""))


class _Site:
    """What is behind each address, and how requests are refused."""

    def __init__(self, service: Service) -> None:
        self._service = service
        numbers = service.pictures.generator.numbers
        page = _PAGE.read_text(encoding="utf-8")
        self._page = page if numbers is None else _with_field(page, numbers.example)

    async def root(self, request: Request) -> Response:
        """Answer with the page, or translate an image."""
        if request.method == "POST":
            return await self._translate(request)
        headers = {**_HEADERS, "Content-Security-Policy": _POLICY}
        return HTMLResponse(self._page, headers=headers)

    async def _translate(self, request: Request) -> Response:
        service = self._service
        read_options(request.query_params, service.mode)
        with service.held.share() as held:
            body = await read_body(request, service.limits, held)
            options = read_options({**request.query_params, **body.fields}, service.mode)
            gone = asyncio.ensure_future(request.receive())
            try:
                result = await service.translate(body.image, options, held, gone)
            finally:
                gone.cancel()
        warnings = some_of(service.pictures.warnings(options))
        headers = {**_HEADERS, "X-Warning": _ascii(warnings)} if warnings else _HEADERS
        return Response(result, media_type=service.pictures.media_type(result), headers=headers)

    async def health(self, request: Request) -> Response:
        """Say whether the first program is compiled: 200, or 503 before."""
        generator, ready = self._service.pictures.generator, self._service.is_ready
        state = {
            "status": "ready" if ready else "starting",
            "step": generator.step,
            "image_size": list(generator.image_size),
            "fit": generator.fit,
            "mode": self._service.mode,
        }
        return JSONResponse(state, 200 if ready else 503, headers=_HEADERS)

    async def metrics(self, request: Request) -> Response:
        """Show what is counted."""
        headers = {**_HEADERS, "Content-Type": CONTENT_TYPE}
        return Response(self._service.metrics.text(), headers=headers)

    async def refuse_for_now(self, request: Request, error: Exception) -> Response:
        """Answer while there are too many images."""
        seconds = self._service.retry_after()
        message = f"too many images at the moment; try again in {seconds} seconds"
        return await _refuse(request, HTTPException(503, message, {"Retry-After": seconds}))


def _with_field(page: str, example: str) -> str:
    """Return the page with a field for the numbers beside the image."""
    field = f'<input name="condition" placeholder="{html.escape(example)}" required>'
    button = "<button>Translate"
    return page.replace(button, f"<label>Numbers beside the image {field}</label>\n{button}", 1)


async def _refuse(request: Request, error: Exception) -> Response:
    """Answer with one line of JSON."""
    refusal = cast(HTTPException, error)  # handlers are looked up by the class of the error
    headers = {**_HEADERS, **(refusal.headers or {})}
    content = {"error": _PLAINER.get(refusal.detail) or one_line(refusal.detail)}
    if not is_unread(request):
        return JSONResponse(content, refusal.status_code, headers)
    headers["Connection"] = "close"
    return _Lingering(content, refusal.status_code, headers)


async def _let_go(request: Request, error: Exception) -> Response:
    """Answer nobody: the status, as other servers write it, is for the metrics."""
    return Response(status_code=499)


async def _fail(request: Request, error: Exception) -> Response:
    """Answer for a bug: its traceback is for the server's own log."""
    content = {"error": "the server failed; its log says why"}
    return JSONResponse(content, 500, headers=_HEADERS)


class _Lingering(JSONResponse):
    """An answer to a client that may still be sending.

    If the connection were closed at once, the system would tell the client of lost bytes, and it
    might never read the answer. So what comes is thrown away for a moment.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": bytes(self.body), "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while (await receive()).get("more_body", False):
                    pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})
