"""Programs in processes of their own, and the protocol that they answer by."""

import mmap
import pathlib
import sys

import benchmarking
import numpy as np
import pytest
from benchmarking import environments
from benchmarking.children import Child, FailedError
from benchmarking.protocol import take_peak_memory

FOLDER = str(pathlib.Path(benchmarking.__file__).parent)
ON_LINUX = pytest.mark.skipif(
    not pathlib.Path("/proc/self/status").exists(), reason="/proc is Linux's"
)


def python(code):
    """Return a program that answers through the protocol, without the package and JAX."""
    start = f"import sys, os; sys.path.insert(0, {FOLDER!r}); from protocol import *\n"
    return Child([sys.executable, "-c", start + code], environments.plain(malloc=False))


def test_a_program_answers_through_whatever_it_prints():
    code = """
def prepare():
    os.system("echo noise")
    print("noise")
    return {"ready": 1}

def add(a, b):
    print(a, flush=True)
    return {"sum": a + b}

serve(prepare, {"add": add}, one_line)
"""
    with python(code) as child:
        assert child.ready() == {"ready": 1}
        assert child.ask("add", a=2, b=3) == {"sum": 5}
        assert child.ask("add", a=-2, b=3) == {"sum": 1}


@ON_LINUX
def test_a_program_is_stopped_between_requests():
    code = "serve(lambda: {'pid': os.getpid()}, {'go': lambda: {}}, one_line)"
    with python(code) as child:
        status = pathlib.Path("/proc", str(child.ready()["pid"]), "status")
        for _ in range(2):
            while "State:\tT" not in status.read_text():  # the signal is on its way
                pass
            assert child.ask("go") == {}
    assert not status.exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def fail(): raise ValueError('\\n no such\\n thing')", "ValueError: no such"),
        ("def fail(): raise CannotMeasureError('not here')", "not here"),
        ("def fail(): sys.stderr.write('a\\nbad flag\\n\\n'); os._exit(3)", "status 3: bad flag"),
        ("def fail(): os.abort()", "ended with signal 6: no message"),
        ("def fail(): os.kill(os.getpid(), 9)", "killed, as the system does when memory runs out"),
    ],
)
def test_a_program_that_fails_says_why_in_one_line(code, message):
    serve = "serve(lambda: {}, {'fail': fail}, one_line)"
    with python(f"{code}\n{serve}") as child:
        child.ready()
        with pytest.raises(FailedError, match=message) as caught:
            child.ask("fail")
        assert "\n" not in str(caught.value)
        with pytest.raises(FailedError, match=r"ended|killed"):
            child.ask("fail")


@ON_LINUX
def test_the_peak_of_memory_is_reset_by_each_call():
    take_peak_memory()
    # Not from the allocator, which may keep what an earlier test of this process has freed.
    block = np.frombuffer(mmap.mmap(-1, 160_000_000), np.uint8)
    block[:] = 1
    with_block = take_peak_memory()
    del block
    take_peak_memory()
    assert with_block - take_peak_memory() > 0.1
