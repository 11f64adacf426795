"""Fuzz the readers: python -m tests.fuzz --minutes 30 [--seed N] [--only NAME ...]."""

import argparse
import logging
import pathlib
import resource
import sys
import time
import warnings

from .trials import find_targets, run_all


def main() -> int:
    """Run the trials, print a table, and return 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to try (1)")
    parser.add_argument("--seed", type=int, help="of the first trial; others count up from it")
    parser.add_argument("--trials", type=int, default=10**9, help="most trials of a target")
    parser.add_argument("--only", nargs="*", default=(), help="names of targets")
    flags = parser.parse_args()
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))  # for `support`, as in pytest
    targets = {
        name: target
        for name, target in find_targets().items()
        if not flags.only or name.startswith(tuple(flags.only))
    }
    seed = flags.seed if flags.seed is not None else time.time_ns() // 10**6
    warnings.simplefilter("ignore")
    logging.disable()
    print(f"{len(targets)} targets, {flags.minutes:g} minutes, seed {seed}", flush=True)
    found = run_all(targets, seconds=60 * flags.minutes, seed=seed, most=flags.trials)
    print(f"{'target':24}{'trials':>9}{'accepted':>10}{'refused':>9}{'failures':>10}{'slowest':>9}")
    for each in found:
        print(
            f"{each.name:24}{each.trials:9}{each.accepted:10}{each.refused:9}"
            f"{len(each.failures):10}{each.slowest:8.2f}s"
        )
    for each in found:
        for number, text in each.failures[:5]:
            print(f"{each.name}, --seed {number} --trials 1: {text}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{sum(each.trials for each in found)} trials, peak memory {peak:.2f} GiB")
    return int(any(each.failures for each in found))


if __name__ == "__main__":
    sys.exit(main())
