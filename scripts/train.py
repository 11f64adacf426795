"""Train a generator on image pairs.

    python scripts/train.py --config configs/maps.py
    python scripts/train.py --config configs/maps.py --config.train.epochs=250

The same command again goes on from the newest checkpoint in the workdir. Any key of the config can
be set with --config.section.key=value; pix2pix_jax/config.py lists them all.

Several processes train together when each is told where the first one is and which it is itself, or
with --distributed.auto where JAX recognises the cluster (docs/scaling.md).
"""

import argparse
import os
import pathlib
import shlex
import sys

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.commands import (
    allocator,  # noqa: F401 - before JAX
    cli,
)
from pix2pix_jax.core import processes as distributed
from pix2pix_jax.core.config_files import load_file, override
from pix2pix_jax.core.errors import InputError


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, list[tuple[str, str]]]:
    """Separate the script's own flags from the overrides of config keys."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--config", required=True, metavar="FILE", help="a file of configs/")
    parser.add_argument("--workdir", help="folder of the run (default: runs/<config name>)")
    parser.add_argument(
        "--allow-change",
        action="store_true",
        help="go on with a run although its batch, seed or data changed",
    )
    parser.add_argument("--profile", action="store_true", help="write a trace of ten steps")
    parser.add_argument(
        "--distributed.auto", action="store_true", dest="auto", help="SLURM, TPU pod, Open MPI"
    )
    parser.add_argument(
        "--distributed.coordinator", dest="coordinator", metavar="HOST:PORT", help="of process 0"
    )
    for name, low, what in (
        ("num_processes", 1, "how many processes"),
        ("process_id", 0, "which one this is, from 0"),
    ):
        number = cli.whole(low, 2**16)
        parser.add_argument(f"--distributed.{name}", dest=name, type=number, metavar="N", help=what)
    flags, rest = parser.parse_known_args(arguments)
    overrides = []
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("--config."):
            parser.error(f"unknown argument {name}")
        if not equals and not rest:
            parser.error(f"{name}: a value is missing")
        overrides.append((name.removeprefix("--config."), value if equals else rest.pop(0)))
    return flags, overrides


def join_processes(flags: argparse.Namespace) -> None:
    """Join the other processes, if there are any; only the first one prints."""
    given = (flags.coordinator, flags.num_processes, flags.process_id)
    if flags.auto and given != (None, None, None):
        raise InputError("--distributed.auto: leave out the other --distributed flags, or this one")
    if not flags.auto and given == (None, None, None):
        return
    distributed.initialize(*given)
    if not distributed.is_main():
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - as long as the process


def main() -> int:
    flags, overrides = parse_arguments(sys.argv[1:])
    config = load_file(flags.config)
    for key, text in overrides:
        override(config, key, text)
    join_processes(flags)
    workdir = flags.workdir or pathlib.Path("runs", pathlib.Path(flags.config).stem)
    result = train_and_evaluate(
        config,
        workdir,
        allow_change=flags.allow_change,
        profile=flags.profile,
        command=shlex.join(["python", *sys.argv]),
    )
    return 128 + result.stopped_by if result.stopped_by else 0


if __name__ == "__main__":
    cli.run(main)
