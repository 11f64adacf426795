"""Scripts in this process: flags, output and exit status, without a second start of JAX."""

import pathlib
import runpy
import sys

SCRIPTS = pathlib.Path(__file__).parent.parent / "scripts"


def run_script(monkeypatch, capsys, name, *arguments):
    """Run a script; return its exit status, what it printed, and its errors."""
    path = SCRIPTS / f"{name}.py"
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
    capsys.readouterr()
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        out, error = capsys.readouterr()
        return end.code or 0, out, error
    raise AssertionError("a script ends by sys.exit")
