"""Commands as a user runs them, or in this process, which starts no second JAX."""

import contextlib
import io
import os
import pathlib
import runpy
import subprocess
import sys

import pytest

from pix2pix_jax.commands import ending, interrupts
from pix2pix_jax.core import allocator

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


def stay_in_process(patch):
    """Keep a command from changing this process, as it would its own."""
    patch.setattr(allocator, "keep_memory", lambda: None)
    patch.setattr(ending, "take_over", lambda: None)
    patch.setattr(interrupts, "heed", lambda: None)
    patch.setattr(interrupts, "clean_up_first", lambda: None)


def run_script(name, *arguments, folder="."):
    """Run a script in this process, in a folder; return its exit status, output and errors."""
    path = SCRIPTS / f"{name}.py"
    out, error = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
    ):
        patch.chdir(folder)
        patch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        stay_in_process(patch)
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            return end.code or 0, out.getvalue(), error.getvalue()
    raise AssertionError("a script ends with sys.exit")


def refused(result, message):
    """Return whether a command ended with status 2 and this message in its only line of errors."""
    status, _, error = result
    lines = error.strip().splitlines()
    return status == 2 and len(lines) == 1 and lines[0].startswith("error: ") and message in error


def start_process(name, *arguments, folder, home=None, devices=1):
    """Start a script in a process of its own, in a folder and with a home of the tests."""
    environment = dict(os.environ, HOME=str(home or folder / "home"))
    flags = os.environ["XLA_FLAGS"]
    environment["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={devices}"
    # The README's commands also work from a checkout that is not installed.
    environment["PYTHONPATH"] = str(SCRIPTS.parent)
    return subprocess.Popen(
        [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_process(name, *arguments, folder, home=None):
    """Run a script in a process of its own; return as `run_script` does."""
    process = start_process(name, *arguments, folder=folder, home=home)
    try:
        out, error = process.communicate(timeout=300)
    finally:
        process.kill()
    return process.returncode, out, error
