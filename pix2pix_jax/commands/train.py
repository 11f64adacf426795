"""Train a generator on image pairs.

    pix2pix-jax train --config maps
    pix2pix-jax train --config my/config.py --workdir runs/mine --config.train.epochs=250

The same command resumes from the newest checkpoint in the workdir. Any key of the config can be set
with --config.section.key=value; pix2pix_jax/core/config.py lists them all.

Several processes train together if each gets the address of the first one and its own number, or
with --distributed.auto if JAX recognises the cluster (docs/scaling.md).
"""

import argparse
import os
import pathlib
import sys

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.commands import cli, ending
from pix2pix_jax.core import processes
from pix2pix_jax.core.config_files import load_file, override
from pix2pix_jax.core.errors import InputError


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, list[tuple[str, str]]]:
    """Read the command line.

    Args:
        arguments: Without the program's name.

    Returns:
        The command's own flags, and the overrides of config keys as (key, text).
    """
    parser = cli.Parser(__doc__)
    parser.add_argument(
        "--config",
        required=True,
        type=cli.path,
        metavar="CONFIG",
        help="a config that comes with the package, such as maps, or a Python file",
    )
    parser.add_argument(
        "--workdir", type=cli.path, help="folder of the run (default: runs/<config name>)"
    )
    parser.add_argument(
        "--allow-change",
        action="store_true",
        help="resume although the batch size, the seed or the data changed",
    )
    parser.add_argument("--profile", action="store_true", help="write a trace of ten steps")
    cli.add_trust_flag(parser)
    parser.add_argument(
        "--distributed.auto",
        action="store_true",
        dest="auto",
        help="let JAX find the other processes: SLURM, TPU pod, Open MPI",
    )
    parser.add_argument(
        "--distributed.coordinator",
        dest="coordinator",
        metavar="HOST:PORT",
        help="address of process 0",
    )
    for name, low, what in (
        ("num_processes", 1, "number of processes"),
        ("process_id", 0, "number of this process, from 0"),
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
    """Join the other processes if there are any; only process 0 prints."""
    given = (flags.coordinator, flags.num_processes, flags.process_id)
    if flags.auto and given != (None, None, None):
        raise InputError(
            "--distributed.auto finds the processes: leave out the other --distributed flags"
        )
    if not flags.auto and given == (None, None, None):
        return
    others = "another process" if flags.process_id == 0 else "process 0"
    where = f" at {flags.coordinator}" if flags.coordinator else ""
    seconds = processes.JOINING_SECONDS
    with ending.deadline(
        seconds,
        f"{others} did not come{where} for {seconds} s; start all processes with the same "
        "--distributed.coordinator, and let its port through the firewall",
    ):
        processes.initialize(*given)
    if not processes.is_main():
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open until the end


def main() -> int:
    """Train, and return the exit status: 0, or 128 + the signal that stopped the run."""
    flags, overrides = parse_arguments(sys.argv[1:])
    config = load_file(flags.config)
    for key, text in overrides:
        override(config, key, text)
    join_processes(flags)
    workdir = flags.workdir or pathlib.Path("runs", pathlib.Path(flags.config).stem)
    with processes.lost_processes_named():
        result = train_and_evaluate(
            config,
            workdir,
            allow_change=flags.allow_change,
            profile=flags.profile,
            command=cli.command_line(),
            trust_code=flags.trust_code,
        )
    processes.leave()
    return 128 + result.stopped_by if result.stopped_by else 0
