"""The body of a request: read within limits, raw or as a form."""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Mapping

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from pix2pix_jax.core.errors import one_line
from pix2pix_jax.deployment.server.limits import Limits, Share

_READ = "pix2pix_jax.read"  # in the scope of a request whose body has come to its end
_MOST_FIELDS, _LONGEST_FIELD = 8, 1024  # of a form, besides its file; bytes


@dataclasses.dataclass(frozen=True)
class Body:
    """What a client sent.

    Attributes:
        image: Content of an image file.
        fields: Other fields of the form; none if the body is the image itself.
    """

    image: bytes
    fields: Mapping[str, str]


def is_unread(request: Request) -> bool:
    """Return whether a client may still be sending the body of a request."""
    length = request.headers.get("content-length", "0")
    has_body = length != "0" or "transfer-encoding" in request.headers
    return has_body and not request.scope.get(_READ, False)


async def read_body(request: Request, limits: Limits, held: Share) -> Body:
    """Read the body of a request.

    Args:
        request: The request.
        limits: What clients are allowed.
        held: Grows by the bytes of the body.

    Raises:
        HTTPException: The body is empty, too long, too slow, or a damaged form (400, 408, 413).
        SpentError: All bodies together are too long.
        ClientDisconnect: The client has gone.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.body_bytes:
        raise _too_long(limits)
    try:
        async with asyncio.timeout(limits.read_seconds):
            chunks = _limited(request, limits, held)
            if _is_form(request):
                body = await _read_form(request, chunks, limits)
            else:
                body = Body(b"".join([chunk async for chunk in chunks]), {})
    except TimeoutError:
        message = f"the body did not arrive within {limits.read_seconds:g} seconds"
        raise HTTPException(408, message) from None
    if not body.image:
        raise HTTPException(400, "the body is empty: send an image file as the body, or as a form")
    return body


async def _limited(request: Request, limits: Limits, held: Share) -> AsyncGenerator[bytes, None]:
    """Yield the body of a request piece by piece, until it is too long."""
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > limits.body_bytes:
            raise _too_long(limits)
        held.grow(len(chunk))
        yield chunk
    request.scope[_READ] = True


def _is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == "multipart/form-data"


async def _read_form(request: Request, chunks: AsyncGenerator[bytes, None], limits: Limits) -> Body:
    parser = MultiPartParser(
        request.headers,
        chunks,
        max_files=1,
        max_fields=_MOST_FIELDS,
        max_part_size=_LONGEST_FIELD,
    )
    parser.spool_max_size = limits.body_bytes  # nothing of a client is written to the disk
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError, UnicodeError) as error:  # its own in old versions
        reason = getattr(error, "message", str(error))
        raise HTTPException(400, f"the form is damaged: {one_line(reason, 200)}") from None
    try:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        fields = {key: value for key, value in form.items() if isinstance(value, str)}
        if any(not _is_text(value) for value in fields.values()):  # a charset may make any
            raise HTTPException(400, "the form is damaged: a field is no text")
        if not files:
            raise HTTPException(400, "the form has no file: add the image as a field with a file")
        return Body(await files[0].read(), fields)
    finally:
        await form.close()


def _is_text(value: str) -> bool:
    """Return whether a text has no halves of characters."""
    return all(not "\ud800" <= letter <= "\udfff" for letter in value)


def _too_long(limits: Limits) -> HTTPException:
    return HTTPException(413, f"the body is longer than {limits.body_bytes} bytes")
