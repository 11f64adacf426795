"""Jobs that come in one by one, done in batches by a single thread."""

import dataclasses
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")


class StoppedError(Exception):
    """The queue was closed before the job's turn came."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """A batch that was done.

    Attributes:
        size: Number of its jobs.
        seconds: How long it took.
    """

    size: int
    seconds: float


@dataclasses.dataclass(frozen=True, eq=False)
class _Job(Generic[Key, Item, Result]):
    key: Key
    item: Item
    future: "Future[Result]"


class BatchQueue(Generic[Key, Item, Result]):
    """A queue of jobs, and the thread that does them.

    The oldest job goes first, and with it the others of its key that wait already: the thread does
    not wait for more to come.
    """

    def __init__(
        self,
        work: Callable[[Key, Sequence[Item]], Sequence[Result]],
        *,
        largest: Callable[[Key], int],
        note: Callable[[Batch], None] = lambda batch: None,
    ) -> None:
        """Start the thread.

        Args:
            work: Does the jobs of one key; returns a result for each, in order.
            largest: Returns the largest number of jobs of a key in a batch.
            note: Told of every batch, in the thread.
        """
        self._work, self._largest, self._note = work, largest, note
        self._waiting: list[_Job[Key, Item, Result]] = []
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._run, name="batches", daemon=True).start()

    def __len__(self) -> int:
        """Return how many jobs wait."""
        with self._changed:
            return sum(not job.future.cancelled() for job in self._waiting)

    def submit(self, key: Key, item: Item) -> "Future[Result]":
        """Add a job.

        Args:
            key: Only jobs of the same key are done together.
            item: What to do.

        Returns:
            Its result, which can be cancelled until its turn has come. If the work raises something
            for the job alone, so does the result.

        Raises:
            StoppedError: The queue is closed.
        """
        job: _Job[Key, Item, Result] = _Job(key, item, Future())
        with self._changed:
            if self._closed:
                raise StoppedError
            self._waiting.append(job)
            self._changed.notify()
        return job.future

    def close(self) -> None:
        """Take no more jobs, and give up those that wait: their results raise StoppedError."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = self._waiting, []
            self._changed.notify()
        for job in waiting:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(StoppedError())

    def _run(self) -> None:
        while (jobs := self._take()) is not None:
            jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if jobs:
                self._do(jobs)
            del jobs  # while the thread waits, nothing is held

    def _take(self) -> list[_Job[Key, Item, Result]] | None:
        """Wait for jobs and return those of a batch; None if the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            key = self._waiting[0].key
            jobs = [job for job in self._waiting if job.key == key][: self._largest(key)]
            self._waiting = [job for job in self._waiting if job not in jobs]
            return jobs

    def _do(self, jobs: Sequence[_Job[Key, Item, Result]]) -> None:
        """Do jobs together; if that fails, each alone, so that it fails for its own reasons."""
        begun = time.monotonic()
        try:
            results = self._work(jobs[0].key, [job.item for job in jobs])
            done = list(zip(jobs, results, strict=True))
        except BaseException as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:
                self._do([job])
            return
        self._note(Batch(len(jobs), time.monotonic() - begun))
        for job, result in done:
            job.future.set_result(result)
