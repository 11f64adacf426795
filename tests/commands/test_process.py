"""The process of a command: signals, output that cannot be written, and its end.

The commands here are a few lines, which do what libraries do, and import no JAX.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from pix2pix_jax.core.signals import STOP_SIGNALS

ROOT = pathlib.Path(__file__).parents[2]
# A command of this main function, started as `entry` starts them all.
START = """
import logging, os, sys, threading, time
from pix2pix_jax import InputError
from pix2pix_jax.commands import entry

def main():
    if "IMPORTING" not in os.environ:
        entry.interrupts.clean_up_first()
    {}

entry._start(main, prints_results={})
"""


def start(main, *, results=True, **options):
    code = START.format(main.strip().replace("\n", "\n    "), results)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, **{**pipes, **options}
    )


def end_of(main, **options):
    """Run a command; return its status, output and errors, and the seconds to its end."""
    process, begun = start(main, **options), time.monotonic()
    try:
        out, error = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, error, time.monotonic() - begun


SLEEPS = """
print("ready", flush=True)
time.sleep(60)
"""
SWALLOWS = """
try:
    print("ready", flush=True)
    time.sleep(60)
except BaseException:
    print("lost", file=sys.stderr)
time.sleep(60)
"""
CLEANS_UP = """
try:
    print("ready", flush=True)
    time.sleep(60)
finally:
    open(os.environ["CLEANED"], "w").close()
    print(1 / 0)
"""
# As in a compilation, the main thread is in native code, and comes back to no handler.
IS_NATIVE = """
import hashlib
print("ready", flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""


def signalled(main, *numbers, **options):
    """Send signals to a command that is ready; return its status, output and errors."""
    process = start(main, **options)
    try:
        assert process.stdout.readline() == "ready\n"
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.2)
        out, error = process.communicate(timeout=10)
    finally:
        process.kill()
    return process.returncode, out, error


@pytest.mark.parametrize(
    ("main", "number"),
    [
        *((SLEEPS, number) for number in STOP_SIGNALS),
        (SWALLOWS, signal.SIGINT),
        (IS_NATIVE, signal.SIGTERM),
        (CLEANS_UP, signal.SIGINT),
    ],
)
def test_a_signal_ends_a_command_in_one_line(main, number, tmp_path):
    cleaned = tmp_path / "cleaned"
    line = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    ended = signalled(main, number, env={"CLEANED": str(cleaned)})
    assert ended == (128 + number, "", f"{line}\n")
    assert cleaned.exists() == (main == CLEANS_UP)


def test_a_signal_while_modules_are_imported_ends_a_command_at_once(tmp_path):
    cleaned = tmp_path / "cleaned"
    ended = signalled(CLEANS_UP, signal.SIGTERM, env={"CLEANED": str(cleaned), "IMPORTING": "1"})
    assert ended == (143, "", "ended by SIGTERM\n")
    assert not cleaned.exists()


def test_a_second_signal_does_not_wait():
    # The status is that of the signal that ended it.
    assert signalled(SWALLOWS, signal.SIGINT, signal.SIGTERM) == (143, "", "interrupted\n")


def test_nohup_keeps_a_command_from_ending_with_its_terminal():
    main = SLEEPS.replace("60", "0.5") + 'print("done")'
    ignore = ["bash", "-c", 'trap "" HUP; exec "$@"', "-"]
    code = START.format(main.strip().replace("\n", "\n    "), True)
    process = subprocess.Popen(
        [*ignore, sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=10)[0] == "done\n"
    assert process.returncode == 0


LINGERS = """
import atexit
atexit.register(lambda: print("handler"))
atexit.register(lambda: {})
threading.Thread(target=lambda: time.sleep({})).start()
raise InputError("x=3")
"""


def test_a_command_ends_although_a_thread_of_a_library_goes_on():
    status, out, error, seconds = end_of(LINGERS.format(0, 60))
    assert (status, out, error) == (2, "", "error: x=3\n")
    assert seconds < 5


def test_a_command_ends_although_a_handler_of_its_end_goes_on():
    status, _, error, seconds = end_of(LINGERS.format("time.sleep(60)", 0))
    assert (status, error) == (2, "error: x=3\n")
    assert seconds < 5


def test_handlers_of_the_end_run_if_nothing_hangs():
    assert end_of(LINGERS.format(0, 0))[:2] == (2, "handler\n")


NOISE = """
import asyncio, gc
class Broken:
    def __del__(self):
        raise OSError("disk full in clean-up")
def fail():
    raise OSError("disk full in thread")
for _ in range(50):
    Broken()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
asyncio.new_event_loop().call_exception_handler({"message": "disk full in loop"})
from absl import logging as absl
absl.error("disk full in checkpoint")
"""
FAILURES = ["clean-up", "thread", "loop", "checkpoint"]


def test_a_failure_that_one_line_reports_is_not_reported_again():
    assert end_of(NOISE + 'raise OSError(28, "No space left")')[:3] == (
        2,
        "",
        "error: [Errno 28] No space left\n",
    )


@pytest.mark.parametrize(
    ("end", "status", "last"),
    [
        ("return 0", 0, ""),
        ("1 / 0", 1, "this is a bug in pix2pix_jax: please open an issue"),
    ],
)
def test_a_failure_in_the_background_is_shown_if_no_line_reports_it(end, status, last):
    found, _, error, _ = end_of(NOISE + end)
    assert found == status
    assert all(f"disk full in {place}" in error for place in FAILURES)
    assert error.splitlines()[-1].startswith(last)


def test_tracebacks_can_be_asked_for():
    main = NOISE + 'raise InputError("x=3")'
    status, _, error, _ = end_of(main, env={"PIX2PIX_JAX_TRACEBACK": "1"})
    assert status == 2
    assert all(f"disk full in {place}" in error for place in FAILURES)
    assert error.rstrip().endswith("InputError: x=3")


PRINTS = """
from tqdm import tqdm
log = logging.getLogger("pix2pix_jax.x")
for step in tqdm(range(2000), mininterval=60):
    log.info("step %d of a run", step)
    print("result", step)
with open(os.environ["WRITTEN"], "w") as file:
    file.write("whole")
sys.stderr.write("note \\u00e9\\n")
"""


@pytest.mark.parametrize("streams", [">/dev/full", "2>/dev/full", ">&-", "2>&-", "<&-", "| true"])
@pytest.mark.parametrize("results", [True, False])
def test_output_that_cannot_be_written_ends_nothing(streams, results, tmp_path):
    code = START.format(PRINTS.strip().replace("\n", "\n    "), results)
    script, written = tmp_path / "x.py", tmp_path / "written"
    script.write_text(code)
    line = f'{sys.executable} "{script}" {streams}; exit ${{PIPESTATUS[0]}}'
    environment = {**os.environ, "WRITTEN": str(written), "PYTHONPATH": str(ROOT)}
    result = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True)
    is_lost = results and streams == ">/dev/full"
    assert result.returncode == (2 if is_lost else 0), result.stderr
    assert ("error: not all that was printed could be written" in result.stderr) == is_lost
    assert "Traceback" not in result.stderr
    assert written.read_text() == "whole"


def test_a_damaged_compilation_cache_is_one_line(tmp_path):
    main = f"""
import types, warnings
config = types.SimpleNamespace(jax_compilation_cache_dir={str(tmp_path)!r})
sys.modules["jax"] = types.SimpleNamespace(config=config)
for name in "abc":
    warnings.warn(f"Error reading persistent compilation cache entry for {{name}}: cut\\nshort")
warnings.warn("another")
"""
    status, out, error, _ = end_of(main)
    assert (status, out) == (0, "")
    first, second = error.splitlines()
    assert first.startswith("warning: Error reading persistent compilation cache entry for a: cut")
    assert first.endswith(f"delete {tmp_path}: programs are compiled again")
    assert second == "warning: another"


def test_native_code_that_waits_too_long_is_ended_in_one_line():
    main = """
import hashlib
from pix2pix_jax.commands import ending
with ending.deadline(60, "never"):
    print("quick")
with ending.deadline(0.2, "process 0 did\\nnot come"):
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
    assert end_of(main)[:3] == (2, "quick\n", "error: process 0 did\\nnot come\n")


def test_what_a_terminal_cannot_encode_is_escaped():
    main = 'print("\\u00e9")\nraise InputError("\\u0436")'
    ended = end_of(main, env={"PYTHONIOENCODING": "ascii"})
    assert ended[:3] == (2, "\\xe9\n", "error: \\u0436\n")


def test_a_warning_is_no_error_whatever_python_is_told():
    main = """
from pix2pix_jax.commands import surroundings
surroundings.check()
import warnings
warnings.warn("old", DeprecationWarning)
"""
    assert end_of(main, env={"PYTHONWARNINGS": "error"})[:3] == (0, "", "")


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("ulimit -n 24", "lets a program open 24 files at once; raise that to 128"),
        ("mkdir gone; cd gone; rmdir ../gone", "the current folder no longer exists"),
    ],
)
def test_a_system_that_is_too_narrow_is_refused_in_one_line(before, line, tmp_path):
    command = f'{before}; exec {sys.executable} "{ROOT / "scripts" / "prepare.py"}" check .'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert line in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_limit_of_files_is_raised_as_far_as_the_system_lets():
    main = """
import resource
from pix2pix_jax.commands import surroundings
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
surroundings.check()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert end_of(main)[:3] == (0, "(300, 300)\n", "")
