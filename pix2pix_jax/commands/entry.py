"""How a command starts: `pix2pix-jax NAME ...`, or `python scripts/NAME.py ...` in a checkout.

Signals are heeded first. So other modules are imported inside functions: until they are there, a
signal would end in a traceback. None imports JAX before `train` has set up the memory allocator.
"""

import importlib
import sys
from collections.abc import Callable
from typing import NoReturn

from pix2pix_jax.commands import interrupts

PROGRAM = "pix2pix-jax"
COMMANDS = {
    "train": "train a generator on image pairs",
    "sample": "translate images with a trained generator",
    "evaluate": "score a trained generator, or any two folders of images",
    "compare": "compare runs: scores, curves and images side by side",
    "prepare": "check a data set, or make one",
    "check": "check that a run's folder is whole: digests of its checkpoints, its other files",
    "import_torch": "turn weights of the PyTorch reference into a run",
    "export": "write a run's network in another program's format",
    "serve": "translate images over HTTP",
    "demo": "write a page that translates pictures in the browser, and show it",
}


def main() -> NoReturn:
    """Run `pix2pix-jax NAME ...`."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        sys.argv = [f"{PROGRAM} {name}", *arguments]
        run(name)
    _start(lambda: _answer(name))


def run(name: str) -> NoReturn:
    """Run a command with the arguments in `sys.argv`, and exit with its status.

    Args:
        name: One of `COMMANDS`.
    """
    _start(lambda: _run(name), prints_results=name != "train")


def _start(main: Callable[[], int | None], *, prints_results: bool = True) -> NoReturn:
    """Make this process the command's own, and run its main function."""
    interrupts.heed()
    from pix2pix_jax.commands import cli, ending

    ending.take_over()
    cli.run(main, prints_results=prints_results)


def _run(name: str) -> int | None:
    """Import a command and run it."""
    from pix2pix_jax.commands import cli, surroundings
    from pix2pix_jax.core import allocator

    if sys.argv[1:] == ["--version"]:
        print(cli.version())
        return 0
    surroundings.check()
    if name == "train":
        allocator.keep_memory()
    command = importlib.import_module(f"pix2pix_jax.commands.{name}")
    interrupts.clean_up_first()
    return command.main()


def _answer(name: str) -> int:
    """Answer an argument that is no command; return the exit status."""
    import difflib

    from pix2pix_jax.commands import cli
    from pix2pix_jax.core.errors import InputError, shown

    if name in ("-h", "--help"):
        print(_overview())
    elif name == "--version":
        print(cli.version())
    else:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(COMMANDS)}"
        raise InputError(f"there is no command {shown(name)}; {hint}")
    return 0


def _overview() -> str:
    """Return the text of `pix2pix-jax --help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {PROGRAM} COMMAND ...",
            "",
            "Paired image-to-image translation (pix2pix) in JAX.",
            "",
            *lines,
            "",
            f"`{PROGRAM} COMMAND --help` lists the flags; --version prints the version.",
        ]
    )
