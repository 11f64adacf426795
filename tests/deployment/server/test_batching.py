import threading
from concurrent.futures import CancelledError

import pytest

from pix2pix_jax.deployment.server.batching import BatchQueue, StoppedError


class Work:
    """Doubles numbers, and stops before each batch until it may go on."""

    def __init__(self):
        self.may_go, self.began, self.batches = threading.Event(), threading.Event(), []

    def __call__(self, key, items):
        self.began.set()
        assert self.may_go.wait(10)
        self.batches.append((key, list(items)))
        if -1 in items:
            raise ZeroDivisionError
        return [2 * item for item in items]


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def queue(work):
    """A queue whose thread is busy with a first job until it may go on."""
    queue = BatchQueue(work, largest=lambda key: 3)
    queue.submit("first", 0)
    assert work.began.wait(10)
    yield queue
    work.may_go.set()
    queue.close()


def test_jobs_of_a_key_that_wait_are_done_together_and_the_oldest_first(work, queue):
    jobs = [queue.submit(*each) for each in (("a", 1), ("b", 2), ("a", 3), ("a", 4), ("a", 5))]
    assert len(queue) == 5
    work.may_go.set()
    assert [job.result(10) for job in jobs] == [2, 4, 6, 8, 10]
    assert work.batches[1:] == [("a", [1, 3, 4]), ("b", [2]), ("a", [5])]
    assert len(queue) == 0


def test_a_job_that_fails_does_not_fail_its_company(work, queue):
    jobs = [queue.submit("a", item) for item in (1, -1, 3)]
    work.may_go.set()
    assert (jobs[0].result(10), jobs[2].result(10)) == (2, 6)
    with pytest.raises(ZeroDivisionError):
        jobs[1].result(10)
    assert queue.submit("a", 4).result(10) == 8


def test_a_job_that_is_cancelled_before_its_turn_is_not_done(work, queue):
    gone, kept = queue.submit("a", 1), queue.submit("a", 2)
    assert gone.cancel()
    assert len(queue) == 1
    work.may_go.set()
    assert kept.result(10) == 4
    assert ("a", [2]) in work.batches
    with pytest.raises(CancelledError):
        gone.result()


def test_a_queue_that_is_closed_gives_up_what_waits_and_takes_nothing(work, queue):
    waiting = queue.submit("a", 1)
    queue.close()
    with pytest.raises(StoppedError):
        waiting.result(10)
    with pytest.raises(StoppedError):
        queue.submit("a", 2)
