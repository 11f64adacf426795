"""Train a generator on image pairs.

    python scripts/train.py --config configs/maps.py
    python scripts/train.py --config configs/maps.py --config.train.epochs=250

The same command again goes on from the newest checkpoint in the workdir. Any key of the config can
be set with --config.section.key=value; pix2pix_jax/config.py lists them all.
"""

import argparse
import pathlib
import shlex
import sys

import cli

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.config_files import load_file, override


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


def main() -> int:
    flags, overrides = parse_arguments(sys.argv[1:])
    config = load_file(flags.config)
    for key, text in overrides:
        override(config, key, text)
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
