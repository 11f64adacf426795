"""Train a generator on image pairs.

    pix2pix-jax train --data my/pairs
    pix2pix-jax train --config maps
    pix2pix-jax train --config my/config.py --workdir runs/mine --config.train.epochs=250

--data finds out what a folder holds, says so, and chooses the settings; --dry_run stops there. The
same command resumes from the newest checkpoint in the workdir. Any key of the config can be set
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
from pix2pix_jax.core.choices import DERIVATIONS, DIRECTIONS
from pix2pix_jax.core.config_files import load_config, override, to_python
from pix2pix_jax.core.errors import InputError, one_line
from pix2pix_jax.core.validation import resolve

_SHORT = {"direction": "data.direction", "derive": "derive.kind"}


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
    if flags.help_config is None and (flags.config is None) == (flags.data is None):
        parser.error("give --data and a folder of pairs, or --config; one of the two")
    if flags.dry_run and flags.data is None:
        parser.error("--dry_run goes with --data; --print_config shows what a --config sets")
    for key in ("direction", "derive"):
        if getattr(flags, key):
            overrides.append((_SHORT[key], getattr(flags, key)))
    if flags.deterministic:
        overrides.append(("train.deterministic", "True"))
    return flags, overrides


def _add_flags(parser: cli.Parser) -> None:
    parser.add_argument(
        "--config",
        type=cli.path,
        metavar="CONFIG",
        help="a config that comes with the package, such as maps, a Python file, or the "
        "config.json of a run",
    )
    parser.add_argument(
        "--data",
        type=cli.filled_path,
        metavar="DIR",
        help="a folder of pairs, instead of --config: what it holds decides the settings",
    )
    parser.add_argument(
        "--direction", choices=DIRECTIONS, help="which side is the source: sets data.direction"
    )
    parser.add_argument(
        "--derive",
        choices=DERIVATIONS,
        help="how single images get their other side: sets derive.kind",
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="print what --data finds; train nothing"
    )
    parser.add_argument(
        "--workdir",
        type=cli.path,
        help="folder of the run (default: runs/<name of the config, or of the folder of --data>)",
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
    trains = not (flags.dry_run or flags.print_config)
    if trains and flags.data is not None:
        join_processes(flags)  # before the first process prints
    config, workdir, lines = _choose_config(flags, overrides)
    if flags.print_config:
        resolve(config)  # it may be used
        print(to_python(config, cli.command_line()), end="")
        return 0
    for line in lines:
        print(one_line(line))
    if flags.dry_run:
        return 0
    if flags.data is None:
        join_processes(flags)
    return _train(config, workdir, flags)


def _choose_config(
    flags: argparse.Namespace, overrides: list[tuple[str, str]]
) -> tuple[ConfigDict, pathlib.Path, list[str]]:
    """Return the configuration, the run's folder, and lines on what was found for `--data`."""
    if flags.data is not None:
        from pix2pix_jax.commands.found_config import default_workdir, find_or_resume

        workdir = pathlib.Path(flags.workdir or default_workdir(flags.data))
        config, lines = find_or_resume(flags.data, workdir, overrides)
        return config, workdir, lines
    config = load_config(flags.config)
    for key, text in overrides:
        override(config, key, text)
    workdir = pathlib.Path(flags.workdir or pathlib.Path("runs", pathlib.Path(flags.config).stem))
    return config, workdir, []


def _train(config: ConfigDict, workdir: pathlib.Path, flags: argparse.Namespace) -> int:
    from pix2pix_jax.core import processes

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
