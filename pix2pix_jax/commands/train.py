"""Train a generator on image pairs.

    pix2pix-jax train --config maps
    pix2pix-jax train --config my/config.py --workdir runs/mine --config.train.epochs=250

The same command resumes from the newest checkpoint in the workdir. Any key of the config can be set
with --config.section.key=value; --help_config lists them all, --help_config rate those about rates.

Several processes train together if each gets the address of the first one and its own number, or
with --distributed.auto if JAX recognises the cluster (docs/scaling.md).
"""

# What needs JAX is imported once the flags and the config are right: that takes seconds.

import argparse
import os
import pathlib
import sys

from ml_collections import ConfigDict

import pix2pix_jax
from pix2pix_jax.commands import cli, config_help, ending, foreign_flags
from pix2pix_jax.core.config_files import load_file, override, to_python
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.validation import resolve


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, list[tuple[str, str]]]:
    """Read the command line.

    Args:
        arguments: Without the program's name.

    Returns:
        The command's own flags, and the overrides of config keys as (key, text).
    """
    parser = cli.Parser(__doc__, foreign=foreign_flags.for_train)
    _add_flags(parser)
    _add_process_flags(parser)
    flags, overrides = parser.parse_with_overrides(arguments)
    if flags.config is None and flags.help_config is None:
        parser.error("the following arguments are required: --config")
    if flags.deterministic:
        overrides.append(("train.deterministic", "True"))
    return flags, overrides


def _add_flags(parser: cli.Parser) -> None:
    parser.add_argument(
        "--config",
        type=cli.path,
        metavar="CONFIG",
        help="a config that comes with the package, such as maps, or a Python file",
    )
    parser.add_argument(
        "--workdir", type=cli.path, help="folder of the run (default: runs/<config name>)"
    )
    parser.add_argument(
        "--help_config",
        nargs="?",
        const="",
        metavar="WORD",
        help="list the keys with their defaults, choices and meanings, or those about WORD; exit",
    )
    parser.add_argument(
        "--print_config",
        action="store_true",
        help="print the config with all its keys, as a file for --config; exit",
    )
    parser.add_argument(
        "--allow_change",
        action="store_true",
        help="resume although the batch size, the seed or the data changed",
    )
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="the same bits every time, also on a GPU: sets train.deterministic",
    )
    parser.add_argument("--profile", action="store_true", help="write a trace of ten steps")
    cli.add_trust_flag(parser)


def _add_process_flags(parser: cli.Parser) -> None:
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


def join_processes(flags: argparse.Namespace) -> None:
    """Join the other processes if there are any; only process 0 prints."""
    from pix2pix_jax.core import processes

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
    if flags.help_config is not None:
        print(config_help.describe_keys(flags.help_config))
        return 0
    config = load_file(flags.config)
    for key, text in overrides:
        override(config, key, text)
    if flags.print_config:
        resolve(config)  # it may be used
        print(to_python(config, cli.command_line()), end="")
        return 0
    join_processes(flags)
    return _train(config, flags)


def _train(config: ConfigDict, flags: argparse.Namespace) -> int:
    from pix2pix_jax.core import processes

    workdir = flags.workdir or pathlib.Path("runs", pathlib.Path(flags.config).stem)
    with processes.lost_processes_named():
        result = pix2pix_jax.train_and_evaluate(
            config,
            workdir,
            allow_change=flags.allow_change,
            profile=flags.profile,
            command=cli.command_line(),
            trust_code=flags.trust_code,
        )
    processes.leave()
    return 128 + result.stopped_by if result.stopped_by else 0
