"""Compare runs: scores, curves and the same images side by side.

    pix2pix-jax compare runs/unet runs/resnet runs/hybrid --output comparison/
    pix2pix-jax compare runs/batch runs/instance --metrics l1,lab_a,lab_b --output norms/
    pix2pix-jax compare 'runs/a_seed*' 'runs/b_seed*' --output seeds/

Every run is compared with the first one, image by image, with an interval for the difference. A
quoted pattern is one entry: the seeds of one setting, averaged.

Writes comparison.html (one file that opens from disk), comparison.md, comparison.csv, curves.png
and images.png. Scores that `pix2pix-jax evaluate` left in a run's folder are used; the others are
computed now, and kept in the output folder for the next time.
"""

import argparse
import logging
import pathlib

from pix2pix_jax.commands import cli
from pix2pix_jax.commands.shared_flags import add_data_flags, add_scoring_flags, choose_names
from pix2pix_jax.commands.terminal import say
from pix2pix_jax.core.errors import require
from pix2pix_jax.core.files import refuse_unwritable
from pix2pix_jax.core.own_code import OwnCode

logger = logging.getLogger(__name__)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    parser.add_argument(
        "runs",
        nargs="+",
        type=cli.filled_path,
        metavar="RUN",
        help="folder of a run, or a bundle; a quoted pattern pools seeds: 'runs/a_seed*'",
    )
    parser.add_argument(
        "--output", required=True, type=cli.filled_path, help="folder for the results"
    )
    parser.add_argument("--labels", default="", help="comma-separated names of the runs")
    parser.add_argument(
        "--split", default="test", help="a split of the runs' own data: train, val or test"
    )
    parser.add_argument("--checkpoint", default="best", help="best (default), latest or a step")
    add_scoring_flags(parser)
    parser.add_argument(
        "--images", type=cli.whole(0, 100), default=4, help="number of images to show (default: 4)"
    )
    add_data_flags(parser)
    cli.add_cache_flag(parser)
    cli.add_trust_flag(parser)
    return parser.parse_args()


def main() -> None:
    """Compare the runs, print the table and write the pages."""
    flags = parse_arguments()
    # These need JAX, for which --help does not wait.
    from pix2pix_jax.core.devices import enable_compilation_cache, out_of_memory_as
    from pix2pix_jax.evaluation.run_scores import ScoringOptions
    from pix2pix_jax.evaluation.scorecard import choose_wanted
    from pix2pix_jax.reports.comparison_page import write_comparison
    from pix2pix_jax.reports.comparison_pictures import choose_images, translate_images
    from pix2pix_jax.reports.comparison_runs import label_runs
    from pix2pix_jax.reports.comparison_seeds import collect_pooled, expand_pattern
    from pix2pix_jax.runs.folder import RunFolder

    enable_compilation_cache(flags.compilation_cache)
    output = pathlib.Path(flags.output)
    metrics = choose_names(flags.metrics, expand_pattern(flags.runs[0])[0])
    code = OwnCode(given={"eval.metrics": metrics})
    wanted = choose_wanted(
        metrics, flags.palette, flags.inception_weights, flags.lpips_file, code=code
    )
    labels = label_runs(flags.runs, cli.split_names(flags.labels))
    require("matplotlib", "plots")  # before the work, not after it
    given = {"data_root": flags.data_root, "max_pixels": flags.max_pixels}
    groups = [
        [RunFolder(run, trust_code=flags.trust_code, **given) for run in expand_pattern(pattern)]
        for pattern in flags.runs
    ]
    folders = [folder for group in groups for folder in group]
    refuse_unwritable(output)
    for folder in folders:
        folder.refuse_output_in_data(output)
    options = ScoringOptions(flags.split, flags.mode, flags.batch_size)
    with out_of_memory_as("lower --batch_size"):
        runs = collect_pooled(groups, labels, flags.checkpoint, wanted, options, output)
        names = choose_images(runs, flags.images)
        images = translate_images(runs, names, options) if names else []
    for fault in write_comparison(runs, wanted.names, images, options, output):
        logger.warning(fault)
    blocks = (output / "comparison.md").read_text(encoding="utf-8").split("\n\n")
    print("\n\n".join(block for block in blocks if block.startswith("| run |")))
    say(f"written to {output}: comparison.html, .md, .csv and pictures")
