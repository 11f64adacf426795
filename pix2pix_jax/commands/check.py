"""Check that a run's folder is whole: every checkpoint against its digests, and the other files.

pix2pix-jax check --workdir runs/maps

Prints a table, and exits with status 1 if something is wrong. Nothing is changed.
"""

import argparse

from pix2pix_jax.commands import cli
from pix2pix_jax.core.errors import one_line


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    cli.add_workdir_flag(parser)
    return parser.parse_args()


def main() -> int:
    """Print the table, and return the exit status: 0, or 1 if something is wrong."""
    flags = parse_arguments()
    # These need JAX, for which --help does not wait.
    from pix2pix_jax.runs.folder import RunFolder
    from pix2pix_jax.runs.inspection import inspect_run

    folder = RunFolder(flags.workdir)
    bad = 0
    for finding in inspect_run(folder):
        bad += not finding.good
        state = "ok" if finding.good else "WRONG"
        print(f"{finding.part:<21}  {state:<5}  {one_line(finding.text)}")
    parts = "1 part is" if bad == 1 else f"{bad} parts are"
    print(one_line(f"{folder}: {parts} damaged" if bad else f"{folder}: whole"))
    return 1 if bad else 0
