"""Try every combination of options that the suite tries a part of: python -m tests.options."""

import argparse
import os
import pathlib
import sys
import tempfile
import time
import traceback

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # as in the suite
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import jax
from support.options import draw_rows, refused_rows, try_row


def main() -> int:
    """Try all rows, print a line for each that fails or is refused, and return 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, nargs="*", default=(), help="numbers of rows")
    flags = parser.parse_args()
    jax.config.update("jax_numpy_rank_promotion", "raise")  # these too
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    rows = [*draw_rows(), *refused_rows()]
    counts = {"trained": 0, "refused": 0, "failed": 0}
    for number, row in enumerate(rows):
        if flags.only and number not in flags.only:
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                line = try_row(row, pathlib.Path(folder))
                outcome = "refused" if line else "trained"
            except Exception:
                line, outcome = f"{row}\n{traceback.format_exc()}", "failed"
        counts[outcome] += 1
        print(f"{number:3} {outcome} in {time.monotonic() - start:.1f} s {line}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
