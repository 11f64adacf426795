"""Run the server: its address, its loop, and its end."""

import asyncio
import functools
import ipaddress
import logging
import socket
import time
from collections.abc import Callable

import uvicorn

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.signals import StopRequest
from pix2pix_jax.deployment.server.app import make_app
from pix2pix_jax.deployment.server.connections import Connection
from pix2pix_jax.deployment.server.service import Service

logger = logging.getLogger(__name__)

_LAST_SECONDS = 2  # for answers that are on their way when the time to stop is over


def bind(host: str, port: int) -> socket.socket:
    """Take an address; clients cannot connect yet.

    Args:
        host: Name or address of an interface.
        port: The port; 0: any that is free.

    Returns:
        The socket.

    Raises:
        InputError: There is no such address here, or it is in use.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        taken = socket.socket(family, kind, protocol)
        # So that a server can be started again at once; a port that is in use stays refused.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"--host {host} --port {port}: cannot be listened on ({reason}); "
            "choose another, or --port 0 for any that is free"
        ) from None
    return taken


def address_of(taken: socket.socket) -> str:
    """Return the URL of a socket."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_open_to_others(taken: socket.socket) -> bool:
    """Return whether other machines may reach a socket."""
    return not ipaddress.ip_address(taken.getsockname()[0].partition("%")[0]).is_loopback


def serve(
    service: Service,
    taken: socket.socket,
    stop: StopRequest,
    *,
    when_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until a signal comes, and then answer what was taken.

    Args:
        service: The generator in service.
        taken: From `bind`.
        stop: Notes the signal.
        when_ready: Called when the first program is compiled.

    Raises:
        Exception: What the first translation raised, if it failed.
    """
    limits = service.limits
    config = uvicorn.Config(
        make_app(service),
        http=functools.partial(Connection, limits=limits, note=service.metrics.answered),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(limits.stop_seconds) + _LAST_SECONDS,
        timeout_keep_alive=int(limits.read_seconds),
    )
    # What it says of clients' mistakes, of which there may be many, the clients are told.
    for name in ("uvicorn.error", "python_multipart"):
        logging.getLogger(name).setLevel(logging.ERROR)
    asyncio.run(_Server(config, service, stop, when_ready).serve([taken]))


class _Server(uvicorn.Server):
    """uvicorn's server, which ends at a signal that is noted elsewhere."""

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        stop: StopRequest,
        when_ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._service, self._stop, self._when_ready = service, stop, when_ready
        self._begun = time.monotonic()
        self._is_ready = False

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve without uvicorn's handlers of signals, which would end the process by one."""
        await self._serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Let clients connect."""
        await super().startup(sockets)
        for each in sockets or ():
            logger.info("listening on %s", address_of(each))

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop."""
        if self._service.first.done() and not self._is_ready:
            self._service.first.result()  # raises what it raised
            self._is_ready = True
            self._when_ready()
            logger.info("ready after %.1f seconds", time.monotonic() - self._begun)
        return await super().on_tick(counter) or self._stop.signal is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, and give those that were taken some time."""
        seconds = self._service.limits.stop_seconds
        logger.info("stopping: what was taken is answered within %g seconds", seconds)
        asyncio.get_running_loop().call_later(seconds, self._service.close)
        await super().shutdown(sockets)
        self._service.close()
