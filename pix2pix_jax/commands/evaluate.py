"""Score a trained generator, or any two folders of images.

    pix2pix-jax evaluate --workdir runs/maps --split test
    pix2pix-jax evaluate --workdir runs/maps --over_checkpoints --metrics l1,ssim,fid
    pix2pix-jax evaluate --images out/ --targets truth/ --metrics ssim,fid --output scores/

Writes metrics.json, per_image.csv and a contact sheet of the best, median and worst images; with
--over_checkpoints also a table and a plot of every metric over the epochs. docs/evaluation.md lists
the metrics.
"""

import argparse
import dataclasses
import pathlib
from typing import Any

from pix2pix_jax.commands import cli
from pix2pix_jax.commands.shared_flags import (
    add_data_flags,
    add_draws_flag,
    add_scoring_flags,
    choose_names,
)
from pix2pix_jax.commands.terminal import say
from pix2pix_jax.core.devices import enable_compilation_cache, out_of_memory_as
from pix2pix_jax.core.errors import InputError, require
from pix2pix_jax.core.files import refuse_unwritable
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.evaluation import folder_scores, run_scores
from pix2pix_jax.evaluation.metrics.table import Metric
from pix2pix_jax.evaluation.pictures import write_contact_sheet
from pix2pix_jax.evaluation.scorecard import Scorecard, Wanted, choose_wanted, write_scorecard
from pix2pix_jax.reports.png_plots import write_curves
from pix2pix_jax.runs.folder import RunFolder


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--workdir", type=cli.filled_path, help="folder of a run, or a bundle")
    what.add_argument(
        "--images", type=cli.filled_path, help="folder of images to score, with --targets"
    )
    parser.add_argument(
        "--targets", type=cli.filled_path, help="folder of the targets: files with the same stems"
    )
    parser.add_argument(
        "--split",
        default="test",
        help="a split of the run's own data: train, val or test (default)",
    )
    which = parser.add_mutually_exclusive_group()
    cli.add_checkpoint_flag(which)
    which.add_argument(
        "--over_checkpoints", action="store_true", help="score every kept checkpoint"
    )
    add_scoring_flags(parser)
    add_draws_flag(
        parser,
        "draws of dropout: with more than one, also how well their deviation and the error go "
        "together (docs/translating.md)",
    )
    parser.add_argument(
        "--sort_by", help="metric that orders the contact sheet (default: the first)"
    )
    parser.add_argument(
        "--output", type=cli.filled_path, help="folder (default: WORKDIR/evaluation/SPLIT_STEP)"
    )
    add_data_flags(parser)
    cli.add_cache_flag(parser)
    cli.add_trust_flag(parser)
    flags = parser.parse_args()
    if bool(flags.images) != bool(flags.targets):
        parser.error("--images and --targets go together")
    if flags.images and not flags.output:
        parser.error("--images needs --output")
    if flags.images and flags.data_root:
        parser.error("--data_root is the data of a run: it goes with --workdir")
    if flags.images and flags.draws > 1:
        parser.error("--draws translates with a run: it needs --workdir")
    if flags.images and flags.over_checkpoints:
        parser.error("--over_checkpoints scores a run: it needs --workdir")
    return flags


def evaluate_folders(flags: argparse.Namespace, wanted: Wanted, sort_by: Metric | None) -> None:
    """Score one folder of images against another."""
    pairs = folder_scores.find_file_pairs(flags.images, flags.targets)
    folder_scores.refuse_output_among(flags.output, pairs)
    if flags.max_pixels:
        pairs = dataclasses.replace(pairs, max_pixels=flags.max_pixels)
    refuse_unwritable(flags.output)
    card = folder_scores.score_folders(pairs, wanted, batch_size=flags.batch_size)
    output = pathlib.Path(flags.output)
    write_scorecard(card, output)
    if sort_by is not None:
        write_contact_sheet(card, sort_by, output, folder_scores.HEADINGS, pairs.pictures)
    report(card, output)


def evaluate_run(flags: argparse.Namespace, wanted: Wanted, sort_by: Metric | None) -> None:
    """Score one checkpoint of a run, or all of them."""
    folder = RunFolder(
        flags.workdir,
        trust_code=flags.trust_code,
        data_root=flags.data_root,
        max_pixels=flags.max_pixels,
    )
    run_scores.find_checkpoints(folder)  # refuses a folder without any
    refuse_unwritable(flags.output or folder.evaluations)
    if flags.output:
        folder.refuse_output_in_data(flags.output)
    if flags.over_checkpoints:
        require("matplotlib", "plots")  # before the work, not after it
        steps = run_scores.whole_checkpoints(folder)
    else:
        steps = [run_scores.choose_step(folder, flags.checkpoint)]
    pairs = folder.load_pairs(flags.split)
    found = [evaluate_step(flags, folder, wanted, sort_by, pairs, step) for step in steps]
    if flags.over_checkpoints:
        output = pathlib.Path(flags.output or folder.evaluations)
        name = f"{flags.split}_over_checkpoints"
        write_curves(found, output, name)
        say(f"written to {output / name}.csv and .png")


def evaluate_step(
    flags: argparse.Namespace,
    folder: RunFolder,
    wanted: Wanted,
    sort_by: Metric | None,
    pairs: Pairs,
    step: int,
) -> dict[str, Any]:
    """Score one checkpoint, and return the contents of metrics.json."""
    options = run_scores.ScoringOptions(flags.split, flags.mode, flags.batch_size, flags.draws)
    generator, card = run_scores.score_checkpoint(folder, step, pairs, wanted, options)
    output = folder.evaluation(flags.split, step, flags.mode)
    if flags.output:
        output = pathlib.Path(flags.output, str(step) if flags.over_checkpoints else "")
    run_scores.write_evaluation(generator, pairs, card, output, sort_by, options)
    report(card, output)
    return card.as_json()


def report(card: Scorecard, output: pathlib.Path) -> None:
    """Print the scores and where they were written."""
    for name, score in card.scores.items():
        value = "no image has a value" if score.mean is None else f"{score.mean:.4g}"
        spread = "" if score.deviation is None else f" +- {score.deviation:.3g}"
        print(f"{name:>22} {value}{spread}  (n {score.count})")
    if card.uncertainty is not None:
        print(card.uncertainty)
    say(f"written to {output}")


def main() -> None:
    """Score a run or two folders."""
    flags = parse_arguments()
    enable_compilation_cache(flags.compilation_cache)
    names = choose_names(flags.metrics, flags.workdir)
    code = OwnCode(given={"eval.metrics": names})
    wanted = choose_wanted(
        names, flags.palette, flags.inception_weights, flags.lpips_file, code=code
    )
    if flags.sort_by and flags.sort_by not in wanted.metrics:
        choices = ", ".join(wanted.metrics) or "none: --metrics has no metric of single images"
        raise InputError(f"--sort_by {flags.sort_by!r}: choose from {choices}")
    first = next(iter(wanted.metrics.values()), None)
    sort_by = wanted.metrics[flags.sort_by] if flags.sort_by else first
    evaluate = evaluate_folders if flags.images else evaluate_run
    with out_of_memory_as("lower --batch_size"):
        evaluate(flags, wanted, sort_by)
