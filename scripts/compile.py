"""Compile a config's training step for a device that is not here, and say what it would take.

    python scripts/compile.py --config maps --target h100
    python scripts/compile.py --config maps --target a100 --config.train.batch_size=4 \
        --config.data.image_size=1024
    python scripts/compile.py --config maps --target h100 --devices 8 --json maps_h100.json

Memory and whether it fits, kernels, bytes, convolutions, all-reduces, and an estimate of a step's
time. No device and no data set is needed, only the compiler (Linux): pip install -e '.[aot]'. Any
key of the config can be set with --config.section.key=value. The exit status is 0 if it fits, else
1.
"""

import argparse
import dataclasses
import pathlib
import sys
from importlib import metadata
from typing import Any

from compiling import plugins

from pix2pix_jax.commands import cli
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import write_json


def parse_arguments(
    arguments: list[str], targets: list[str]
) -> tuple[argparse.Namespace, list[tuple[str, str]]]:
    """Read the command line: the flags, and the overrides of config keys as (key, text)."""
    parser = cli.Parser(__doc__)
    parser.add_argument(
        "--config",
        required=True,
        type=cli.path,
        metavar="CONFIG",
        help="a config that comes with the package, such as maps, or a Python file",
    )
    parser.add_argument("--target", required=True, help=f"one of {', '.join(targets)}")
    parser.add_argument(
        "--devices", type=cli.whole(1, 64), default=1, help="of one host (default: 1)"
    )
    parser.add_argument(
        "--pairs",
        type=cli.whole(1, 10**9),
        metavar="N",
        help="training pairs (default: those of the data set if it is here, else 1096 as in maps)",
    )
    parser.add_argument("--json", type=cli.filled_path, metavar="FILE", help="file to write")
    return parser.parse_with_overrides(arguments)


def examine(flags: argparse.Namespace, overrides: list[tuple[str, str]]) -> dict[str, Any]:
    """Compile the step, and return its figures."""
    from compiling import planning, program
    from compiling.estimate import estimate, fit
    from compiling.targets import load_target

    from pix2pix_jax.core.config_files import load_config, override
    from pix2pix_jax.core.validation import resolve

    target = load_target(flags.target)
    config = load_config(flags.config)
    for key, text in overrides:
        override(config, key, text)
    package, version = plugins.find_compiler(target.platform, target.name)
    devices = program.find_devices(target, flags.devices, package)
    planned = planning.plan(resolve(config), target, flags.devices, flags.pairs)
    compiled = program.compile_call(planned, devices)
    step: dict[str, Any] = {}
    time: dict[str, Any] = {}
    if compiled.text:
        flop = program.count_flop(planned)
        counts = program.count_step(planned, compiled.text)
        dtype = planned.config.model.dtype
        time = estimate(counts, target, flop=flop, dtype=dtype, devices=flags.devices)
        step = {
            "kernels": counts.kernels,
            "bytes": counts.bytes,
            "flop": flop,
            "convolutions": counts.by("kind"),
            "convolution_dtypes": counts.by("dtype"),
            "image_sized_windows": counts.image_sized,
            "products": counts.products,
            "all_reduces": counts.all_reduces,
            "all_reduce_bytes": counts.all_reduce_bytes,
            "cycles": counts.cycles or None,
            "open_loops": counts.open_loops,
        }
    return {
        "run": {"config": pathlib.Path(flags.config).stem, **planning.describe(planned)},
        "overrides": dict(overrides),
        "target": dataclasses.asdict(target),
        "compiler": f"jax {metadata.version('jax')}, {package} {version}",
        "seconds": compiled.seconds,
        "refusal": compiled.refusal,
        "memory": compiled.memory,
        "fit": fit(compiled.memory, target),
        "step": step,
        "estimate": time,
    }


def main() -> int:
    plugins.set_environment()
    from compiling.table import render
    from compiling.targets import target_names

    flags, overrides = parse_arguments(sys.argv[1:], target_names())
    if flags.json and not pathlib.Path(flags.json).absolute().parent.is_dir():
        raise InputError(f"--json {flags.json}: expected a file in a folder that exists")
    figures = examine(flags, overrides)
    print(render(figures))
    if flags.json:
        write_json(pathlib.Path(flags.json), figures)
    return 0 if figures["fit"]["fits"] else 1


if __name__ == "__main__":
    cli.run(main)
