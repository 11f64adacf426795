"""Score the checkpoints of a run on its own data."""

import dataclasses
import logging
import pathlib
from typing import Any

from tqdm.auto import tqdm

from pix2pix_jax.data.order import Timeline
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.evaluation.metrics.table import Metric
from pix2pix_jax.evaluation.pictures import picture_rows, write_contact_sheet
from pix2pix_jax.evaluation.scorecard import (
    Scorecard,
    Wanted,
    compute_distributions,
    observe_with,
    write_scorecard,
)
from pix2pix_jax.evaluation.scoring import evaluate
from pix2pix_jax.evaluation.uncertainty import measure_uncertainty
from pix2pix_jax.images.sheets import Picture
from pix2pix_jax.runs.batch_sizes import choose_batch_size
from pix2pix_jax.runs.checkpoint_files import DamagedError
from pix2pix_jax.runs.draws import check_draws
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator, generator_of
from pix2pix_jax.runs.kept import open_kept

logger = logging.getLogger(__name__)

HEADINGS = ("source", "ours", "target")


@dataclasses.dataclass(frozen=True)
class ScoringOptions:
    """How a run is scored.

    Attributes:
        split: `train`, `val` or `test` of its own data.
        mode: `paper` or `deterministic`, see `runs.translation.translate_batch`.
        batch_size: Images that an accelerator translates at once; 0: see `choose_batch_size`.
        draws: With more than one, `measure_uncertainty` is done too, with so many draws of dropout.
    """

    split: str = "test"
    mode: str = "paper"
    batch_size: int = 0
    draws: int = 1


def find_checkpoints(folder: RunFolder) -> dict[int, float | None]:
    """Return steps and epochs of the readable checkpoints that a run has kept, in order.

    The epoch is None if the weights were imported.

    Raises:
        InputError: The folder does not hold a run, or has no checkpoints.
    """
    with open_kept(folder) as kept:
        kept.choose("latest", [])
        return {step: _epoch(meta, step) for step, meta in kept.metas.items()}


def whole_checkpoints(folder: RunFolder) -> list[int]:
    """Return the steps of all checkpoints that are whole, in order; damaged ones are logged.

    Raises:
        InputError: The folder does not hold a run, has no checkpoints, or only damaged ones.
    """
    whole = []
    with open_kept(folder) as kept:
        kept.choose("latest", ["generator"])
        for step in kept.steps:
            try:
                kept.verify(step, ["generator"])
                whole.append(step)
            except DamagedError as error:
                logger.warning("left out: %s", error)
    return whole


def _epoch(meta: dict[str, Any], step: int) -> float | None:
    timeline = Timeline.from_meta(meta)
    return None if timeline is None else float(timeline.epochs_done(step))


def choose_step(folder: RunFolder, checkpoint: str) -> int:
    """Return the step of a checkpoint: `best`, `latest` or a number.

    Raises:
        InputError: There is no such checkpoint.
    """
    with open_kept(folder) as kept:
        return kept.choose(checkpoint, ["generator"])


def describe_evaluation(
    folder: RunFolder, step: int, wanted: Wanted, options: ScoringOptions
) -> dict[str, Any]:
    """Return what distinguishes one evaluation of a checkpoint from all others."""
    return {
        "run": str(folder),
        "split": options.split,
        "checkpoint": step,
        "epoch": find_checkpoints(folder)[step],
        "mode": options.mode,
        "config_hash": folder.hash,
        "data_root": folder.data_root or None,
        **wanted.about,
    }


def score_checkpoint(
    folder: RunFolder, step: int, pairs: Pairs, wanted: Wanted, options: ScoringOptions
) -> tuple[Generator, Scorecard]:
    """Load a checkpoint's generator and score it.

    Args:
        folder: The run's folder.
        step: Step of the checkpoint.
        pairs: The pairs of the split, from `RunFolder.load_pairs`.
        wanted: What to measure.
        options: How to measure it.

    Returns:
        The generator and its scores.

    Raises:
        InputError: There is no such checkpoint, a result is not finite, images do not fit a metric,
            or the run has no dropout to draw.
    """
    generator = generator_of(folder, step)
    wanted.refuse_unsuited(pairs.form, pairs.target_size)
    check_draws(generator, options.draws, options.mode)
    batch_size = choose_batch_size(options.batch_size, pairs.size)
    inception = wanted.gather(batch_size)
    with tqdm(total=len(pairs), desc=f"step {step}", unit="image", disable=None) as bar:
        found = evaluate(
            generator,
            pairs,
            wanted.metrics,
            mode=options.mode,
            batch_size=batch_size,
            workers=folder.settings.data.workers,
            observe=observe_with(inception),
            between=bar.update,
        )
    about = describe_evaluation(folder, step, wanted, options)
    uncertainty = None
    if options.draws > 1:
        uncertainty = measure_uncertainty(
            generator, pairs, options.draws, batch_size=options.batch_size
        )
    distributions = compute_distributions(wanted, inception)
    return generator, Scorecard(about, found, distributions, uncertainty)


def write_evaluation(
    generator: Generator,
    pairs: Pairs,
    card: Scorecard,
    output: pathlib.Path,
    sort_by: Metric | None,
    options: ScoringOptions,
) -> None:
    """Write the files of an evaluation.

    Args:
        generator: The generator that was scored.
        pairs: The pairs that it was scored on.
        card: Its scores.
        output: Folder, created if missing.
        sort_by: The metric that orders the contact sheet; None: there is no sheet.
        options: How the generator was scored.
    """
    write_scorecard(card, output)

    def draw(numbers: list[int]) -> list[tuple[Picture, ...]]:
        mode, batch_size = options.mode, options.batch_size
        return picture_rows(generator, pairs, numbers, mode=mode, batch_size=batch_size)

    if sort_by is not None:
        write_contact_sheet(card, sort_by, output, HEADINGS, draw)
