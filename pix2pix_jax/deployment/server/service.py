"""A generator in service: images go in, translations come out, one thread does the network's work.

All but that thread's work is for the thread of the event loop.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from starlette.exceptions import HTTPException

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.deployment.server.batching import Batch, BatchQueue, StoppedError
from pix2pix_jax.deployment.server.limits import Allowance, Limits, Share
from pix2pix_jax.deployment.server.metrics import Metrics
from pix2pix_jax.deployment.server.pictures import Fake, Key, Options, Pictures, Source

logger = logging.getLogger(__name__)

_NEWEST = 0.2  # weight of the last batch in an average
_READERS = 2  # threads that unpack and pack images


class GoneError(Exception):
    """The client has gone, so nobody waits for the answer."""


class Service:
    """Translates images for many clients at once.

    Attributes:
        limits: What clients are allowed.
        pictures: The generator.
        mode: How images are translated unless a client says otherwise.
        metrics: What is counted.
        held: Bytes of bodies and images in use.
        first: The first translation, after which the service is ready.
    """

    def __init__(self, pictures: Pictures, limits: Limits, *, mode: str = "paper") -> None:
        """Start to compile the program of the training's size.

        Args:
            pictures: The generator.
            limits: What clients are allowed.
            mode: How images are translated unless a client says otherwise.
        """
        self.limits, self.pictures, self.mode = limits, pictures, mode
        self.metrics = Metrics()
        self.held = Allowance(limits.held_bytes)
        self._pace = 0.0  # seconds for an image in the network, on average
        self._places = Allowance(limits.queue)
        self._threads = ThreadPoolExecutor(_READERS, "images")
        self._queue: BatchQueue[Key, Source, Fake] = BatchQueue(
            pictures.translate, largest=pictures.most_at_once, note=self._note
        )
        self.metrics.watch("queue_length", "Images that wait", lambda: self.waiting)
        self.metrics.watch("held_bytes", "Bytes of bodies and images", lambda: self.held.used)
        example = pictures.example()
        self.first = self._queue.submit(pictures.key(example, Options(mode)), example)

    @property
    def is_ready(self) -> bool:
        """Whether the first program is compiled, and the service goes on."""
        return self.first.done() and self.first.exception() is None

    @property
    def waiting(self) -> int:
        """How many images wait for their translation to begin."""
        return len(self._queue)

    def close(self) -> None:
        """Take no more images; those that wait are refused."""
        self._queue.close()

    def retry_after(self) -> str:
        """Return in how many seconds a client that is refused now should try again."""
        return str(max(math.ceil(self.waiting * self._pace), 1))

    async def translate(
        self, content: bytes, options: Options, held: Share, gone: "asyncio.Future[Any]"
    ) -> bytes:
        """Translate an image file.

        Args:
            content: The file.
            options: How to translate it.
            held: Grows by the bytes that the image takes.
            gone: Done when nobody waits for the answer any more.

        Returns:
            The file of the result.

        Raises:
            HTTPException: It is refused (413, 415, 422, 503, 504).
            SpentError: There are too many images at the moment.
            GoneError: `gone` is done.
        """
        begun = time.monotonic()
        with self._places.share(1):
            await self._judge(content, held)
            source = await self._unpack(content, options)
            key = self.pictures.key(source, options)
            try:
                fake = await self._turn(self._queue.submit(key, source), gone)
            except StoppedError:
                raise HTTPException(503, "the server is stopping") from None
            except InputError as error:  # what it says is for whoever runs the server
                logger.warning("%s", error)
                message = "image: too large for the memory of this server; make it smaller"
                raise HTTPException(413, message) from None
        packed = await self._in_thread(self.pictures.close, source, fake)
        self.metrics.translated(time.monotonic() - begun)
        return packed

    def _note(self, batch: Batch) -> None:
        """Count a batch, but the first, which waits for the compiler."""
        if self.is_ready:
            self.metrics.batched(batch)
            weight = _NEWEST if self._pace else 1.0
            self._pace += weight * (batch.seconds / batch.size - self._pace)

    async def _judge(self, content: bytes, held: Share) -> None:
        """Refuse what is no image, or too large, by its header."""
        try:
            height, width = await self._in_thread(self.pictures.size, content)
        except InputError as error:
            raise HTTPException(415, str(error)) from None
        if height * width > self.limits.pixels:
            raise HTTPException(
                413,
                f"image: {width} x {height} pixels, more than the {self.limits.pixels} that this "
                "server takes; make it smaller",
            )
        held.grow(height * width * self.pictures.bytes_of_a_pixel)

    async def _unpack(self, content: bytes, options: Options) -> Source:
        try:
            return await self._in_thread(self.pictures.open, content, options)
        except InputError as error:
            raise HTTPException(422, str(error)) from None

    def _in_thread(self, work: Any, *arguments: Any) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _turn(self, job: "Future[Fake]", gone: "asyncio.Future[Any]") -> Fake:
        """Wait for a translation: not too long for its turn, and for as long as it then takes."""
        done = asyncio.wrap_future(job)
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait((done, gone), timeout=self.limits.queue_seconds, return_when=first)
        if not done.done() and not gone.done() and not job.cancel():  # it is being translated
            await asyncio.wait((done, gone), return_when=first)
        if gone.done() and not done.done():
            job.cancel()
            raise GoneError
        if job.cancelled():
            message = f"the image has waited for {self.limits.queue_seconds:g} seconds in the queue"
            raise HTTPException(504, message)
        return await done
