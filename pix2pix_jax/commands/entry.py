"""How a command starts: `pix2pix-jax NAME ...`, or `python scripts/NAME.py ...` in a checkout.

Nothing here imports JAX, as `train` has to set up the memory allocator before that.
"""

import difflib
import importlib
import sys
from typing import NoReturn

from pix2pix_jax.commands import allocator, cli

COMMANDS = {
    "train": "train a generator on image pairs",
    "sample": "translate images with a trained generator",
    "evaluate": "score a trained generator, or any two folders of images",
    "compare": "compare runs: scores, curves and images side by side",
    "prepare": "check a data set, or make one",
    "import_torch": "turn weights of the PyTorch reference into a run",
    "export": "write a run's network in another program's format",
}


def main() -> NoReturn:
    """Run `pix2pix-jax NAME ...`."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        sys.argv = [f"{cli.PROGRAM} {name}", *arguments]
        run(name)
    if name in ("-h", "--help"):
        print(_overview())
    elif name == "--version":
        print(cli.version())
    else:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(COMMANDS)}"
        print(f"error: there is no command {name!r}; {hint}", file=sys.stderr)
        sys.exit(2)
    sys.exit()


def run(name: str) -> NoReturn:
    """Run a command with the arguments in `sys.argv`, and exit with its status.

    Args:
        name: One of `COMMANDS`.
    """
    if name == "train":
        allocator.keep_memory()
    command = importlib.import_module(f"pix2pix_jax.commands.{name}")
    cli.run(command.main)


def _overview() -> str:
    """Return the text of `pix2pix-jax --help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {cli.PROGRAM} COMMAND ...",
            "",
            "Paired image-to-image translation (pix2pix) in JAX.",
            "",
            *lines,
            "",
            f"`{cli.PROGRAM} COMMAND --help` lists the flags; --version prints the version.",
        ]
    )
