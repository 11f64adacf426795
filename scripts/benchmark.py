"""Measure how fast training is on this machine; print a table and write all figures to a file.

    python scripts/benchmark.py --batch_sizes 1,4 --output results.json
    python scripts/benchmark.py --batch_sizes 1,32 --dtype float32,bfloat16 --data resident,streamed
    python scripts/benchmark.py --peer ../pytorch-CycleGAN-and-pix2pix --peer_options

Each configuration is compiled and timed in a process of its own, through the calls that training
makes, on synthetic pairs. With --peer, a clone of the PyTorch reference takes the same steps in
turns with ours, through its own options, model class and data loader (needs the extra torch). Any
key of the config can be set with --config.section.key=value.
"""

import argparse
import datetime
import pathlib
import signal
import sys
import tempfile
from typing import Any

from benchmarking import environments, suite
from benchmarking.cases import DATA_PATHS, Case, check_case, write_pairs
from benchmarking.entries import Plan
from benchmarking.peers import VARIANTS, check_peer
from benchmarking.table import render

from pix2pix_jax.commands import cli
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import write_json

_STEPS = {"cpu": 5}  # steps per repetition
_MANY_STEPS = 100  # on other platforms
# Resident pairs need several steps per call, and the CPU takes one.
_EXTRAS = ("digest", "kernels", "save")  # the digest first: the others take further steps
_PATHS = {"cpu": ("cached", "streamed")}


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--batch_sizes", default="1", help="pairs per device, comma-separated")
    parser.add_argument("--image_size", type=cli.whole(1, 2**14), default=256, help="default: 256")
    parser.add_argument("--dtype", default="float32", help="float32, bfloat16, or both")
    parser.add_argument(
        "--data", default="", help="resident, cached, streamed (default: all that apply here)"
    )
    parser.add_argument("--steps", type=cli.whole(1, 10**4), help="steps per repetition")
    parser.add_argument("--repetitions", type=cli.whole(1, 1000), default=5, help="default: 5")
    parser.add_argument("--base_features", type=cli.whole(1, 2**12), default=64, help="default: 64")
    parser.add_argument("--remat", action="store_true", help="as model.remat")
    parser.add_argument(
        "--accumulate", type=cli.whole(1, 2**12), default=1, help="as train.accumulate"
    )
    parser.add_argument("--pairs", type=cli.whole(1, 10**5), default=400, help="default: 400")
    parser.add_argument(
        "--loop", default="", help="fixed, runtime, none (default: as training chooses)"
    )
    parser.add_argument(
        "--product_rows",
        default="",
        metavar="N,...",
        help="pixels of a batch up to which accelerators multiply matrices (default: as training)",
    )
    parser.add_argument(
        "--kernels", action="store_true", help="also the time of each kernel, into the file"
    )
    parser.add_argument(
        "--digest", action="store_true", help="also a digest of the trained weights, into the file"
    )
    parser.add_argument("--save", action="store_true", help="measure memory during a save too")
    parser.add_argument("--peer", metavar="DIR", help="a clone of the PyTorch reference")
    parser.add_argument(
        "--peer_options", action="store_true", help="also the peer with its fastest options"
    )
    parser.add_argument(
        "--plain_malloc",
        action="store_true",
        help="ours without the malloc settings of scripts/train.py",
    )
    parser.add_argument(
        "--compilation_cache", default="", help="folder (default: none, everything is compiled)"
    )
    parser.add_argument("--output", metavar="FILE", help="JSON file to write")
    flags, flags.overrides = parser.parse_with_overrides(arguments)
    if flags.peer_options and not flags.peer:
        parser.error("--peer_options needs --peer")
    return flags


def _numbers(flag: str, text: str, low: int, high: int) -> list[int]:
    """Return the whole numbers of a flag."""
    whole = cli.whole(low, high)
    try:
        return [whole(one) for one in cli.split_names(text)]
    except argparse.ArgumentTypeError as error:
        raise InputError(f"{flag} {error}") from None


def build_groups(flags: argparse.Namespace, data: list[str]) -> list[list[Case]]:
    """Return the cases to measure; those of one group differ only in their data path."""
    batch_sizes = _numbers("--batch_sizes", flags.batch_sizes, 1, 2**16)
    rows = _numbers("--product_rows", flags.product_rows, 0, 2**31) or [None]
    shared = {name: getattr(flags, name) for name in ("base_features", "remat", "accumulate")}
    shared |= {"image_size": flags.image_size, "overrides": tuple(flags.overrides)}
    groups = [
        [
            Case(batch_size, dtype=dtype, data=path, loop=loop, product_rows=most, **shared)
            for path in data
        ]
        for batch_size in batch_sizes
        for dtype in cli.split_names(flags.dtype)
        for loop in cli.split_names(flags.loop) or [""]
        for most in rows
    ]
    if not any(groups):
        raise InputError(
            "nothing to measure: --batch_sizes, --dtype and --data need at least one value each"
        )
    return groups


def check(flags: argparse.Namespace) -> None:
    """Raise InputError if the command line cannot be carried out."""
    output = pathlib.Path(flags.output or "results.json")
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"--output {output}: expected a file in a folder that exists")
    for group in build_groups(flags, cli.split_names(flags.data) or list(DATA_PATHS)):
        for case in group:
            check_case(case)
            if case.batch_size > flags.pairs:
                raise InputError(f"--pairs {flags.pairs}: fewer than a batch of {case.batch_size}")
            if flags.peer:
                check_peer(pathlib.Path(flags.peer), case)


def make_plan(flags: argparse.Namespace, root: pathlib.Path, platform: str) -> Plan:
    """Decide how everything is measured on a platform."""
    return Plan(
        root=root,
        pairs=flags.pairs,
        steps=flags.steps or _STEPS.get(platform, _MANY_STEPS),
        repetitions=flags.repetitions,
        malloc=not flags.plain_malloc and environments.malloc_can_be_set(),
        extras=tuple(name for name in _EXTRAS if getattr(flags, name)),
        cache=flags.compilation_cache,
        clone=pathlib.Path(flags.peer).absolute() if flags.peer else None,
        variants=tuple(VARIANTS) if flags.peer_options else (),
    )


def benchmark(flags: argparse.Namespace, root: pathlib.Path) -> dict[str, Any]:
    """Measure everything; the output file, if there is one, is rewritten after each group."""
    probed = suite.probe(cli.split_names(flags.dtype), shares_device=bool(flags.peer))
    platform = probed["hardware"]["platform"]
    if flags.peer and platform not in ("cpu", "gpu"):
        raise InputError(f"--peer: the reference runs on CPU and GPU; JAX runs on {platform} here")
    write_pairs(root, flags.image_size, flags.pairs)
    plan = make_plan(flags, root, platform)
    data = cli.split_names(flags.data) or list(_PATHS.get(platform, DATA_PATHS))
    settings = {
        **vars(flags),
        "steps": plan.steps,
        "data": ",".join(data),
        "malloc": environments.MALLOC if plan.malloc else {},
    }
    results: dict[str, Any] = {
        **probed,
        "date": datetime.datetime.now().date().isoformat(),
        "settings": settings,
        "measurements": [],
        "comparisons": [],
    }
    for cases in build_groups(flags, data):
        measurements, comparisons = suite.measure(cases, plan, probed)
        results["measurements"] += measurements
        results["comparisons"] += comparisons
        if flags.output:
            write_json(pathlib.Path(flags.output), results)
    return results


def main() -> int:
    flags = parse_arguments(sys.argv[1:])
    check(flags)
    # So that the measured programs end too.
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="pix2pix_benchmark_") as folder:
            results = benchmark(flags, pathlib.Path(folder, "pairs"))
    finally:
        signal.signal(signal.SIGTERM, before)
    print(render(results))
    if flags.output:
        print(f"written to {flags.output}")
    return 0 if any("ms" in row for row in results["measurements"]) else 1


if __name__ == "__main__":
    cli.run(main)
