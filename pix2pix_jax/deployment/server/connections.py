"""Connections: what uvicorn leaves open of slow clients, too many clients, and broken requests."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from pix2pix_jax.deployment.server.limits import Limits


class Connection(H11Protocol):
    """A connection of a client, with limits of time and number.

    uvicorn waits without end for a request's head, and for a client that does not read its answer.
    It also answers broken requests with plain text; here every refusal is JSON.
    """

    def __init__(
        self, *arguments: Any, limits: Limits, note: Callable[[int], None], **options: Any
    ) -> None:
        """Prepare a connection.

        Args:
            *arguments: Of uvicorn's class.
            limits: What clients are allowed.
            note: Told the status of answers that do not come from the application.
            **options: Of uvicorn's class.
        """
        super().__init__(*arguments, **options)
        self._limits, self._note = limits, note
        self._head: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, if there are not too many connections."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._answer(503, "too many connections; try again later", (b"retry-after", b"5"))
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._cancel_timers()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Begin requests whose heads are complete."""
        super().handle_events()
        if self._is_answering():
            self._forget_head()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._expect_head()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._answer(400, "this is not a valid HTTP request")

    def pause_writing(self) -> None:
        """Give a client some time to take up its answer."""
        super().pause_writing()
        self._stuck = self.loop.call_later(self._limits.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        if self._stuck is not None:
            self._stuck.cancel()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        self._forget_head()
        self._head = self.loop.call_later(self._limits.read_seconds, self._give_up)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _cancel_timers(self) -> None:
        self._forget_head()
        if self._stuck is not None:
            self._stuck.cancel()

    def _give_up(self) -> None:
        """Close a connection on which no request has come; say so if one has begun."""
        begun, _ = self.conn.trailing_data
        seconds = f"{self._limits.read_seconds:g}"
        if begun:
            self._answer(408, f"the request's head did not arrive within {seconds} seconds")
        else:
            self.transport.close()

    def _answer(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        """Refuse a request without the application, if nothing was answered yet, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"error": message}).encode()
            named = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
                *headers,
            ]
            reason = STATUS_PHRASES[status]
            response = h11.Response(status_code=status, headers=named, reason=reason)
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
            self._note(status)
        self.transport.close()
