"""Scripts, as a user runs them or, for most checks, in this process without a second JAX."""

import os
import pathlib
import runpy
import subprocess
import sys

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


def run_script(monkeypatch, capsys, name, *arguments, folder="."):
    """Run a script in this process, in a folder; return its exit status, its output, its errors."""
    path = SCRIPTS / f"{name}.py"
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
    capsys.readouterr()
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        out, error = capsys.readouterr()
        return end.code or 0, out, error
    raise AssertionError("a script ends by sys.exit")


def start_process(name, *arguments, folder, home=None, devices=1):
    """Start a script in a process of its own, in a folder and with a home of the tests."""
    environment = dict(os.environ, HOME=str(home or folder / "home"))
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    # The commands of the README work from a checkout without installing it as well.
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
