"""Serves a page on this machine."""

import functools
import http.server
import logging
import pathlib
import urllib.parse
from typing import Any

from pix2pix_jax.core.errors import InputError

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
# The system's own table may not have these; browsers refuse modules of another type.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".onnx": "application/octet-stream",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}
HEADERS = {
    "Cache-Control": "no-cache",
    # Threads of WebAssembly need a page that is isolated from other origins.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Sends the files of a folder, and nothing about the machine."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, **TYPES}  # noqa: RUF012
    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        """Add the headers of every answer."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        """Show no list of files."""
        self.send_error(http.HTTPStatus.NOT_FOUND, "File not found")

    def version_string(self) -> str:
        """Return the name of the server, without versions."""
        return "pix2pix_jax"

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log a request for those who want to see it."""
        logger.debug(format, *arguments)


class PageServer(http.server.ThreadingHTTPServer):
    """A server for the files of a page, for this machine alone.

    Attributes:
        url: The address of the page.
    """

    daemon_threads = True

    def __init__(self, folder: pathlib.Path, port: int) -> None:
        """Take the port.

        Args:
            folder: The page's folder.
            port: The port; 0 for any that is free.

        Raises:
            InputError: The port is taken, or may not be used.
        """
        handler = functools.partial(_Handler, directory=str(folder))
        try:
            super().__init__((HOST, port), handler)
        except OSError as error:
            raise InputError(
                f"--port {port}: cannot be used ({error.strerror}); choose another, or 0 for any "
                "that is free"
            ) from None
        self.url = urllib.parse.urlunsplit(("http", f"{HOST}:{self.server_port}", "/", "", ""))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing if a browser hangs up."""
        logger.debug("a request was not finished", exc_info=True)
