"""Score the checkpoints of a run on its own data."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict
from tqdm import tqdm

from pix2pix_jax.core.config_files import load_json
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.data.pair_format import build_format
from pix2pix_jax.data.pairs import Pairs, build_pairs
from pix2pix_jax.data.selection import Subset
from pix2pix_jax.evaluation.scorecard import (
    Scorecard,
    Wanted,
    compute_distributions,
    observe_with,
    write_contact_sheet,
    write_scorecard,
)
from pix2pix_jax.evaluation.scoring import Compared, evaluate, picture_rows
from pix2pix_jax.images.sheets import Picture
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import CONFIG_FILE
from pix2pix_jax.runs.generator import Generator, load_generator

HEADINGS = ("source", "ours", "target")


@dataclasses.dataclass(frozen=True)
class Options:
    """How a run is evaluated.

    Attributes:
        split: `train`, `val` or `test` of its own data.
        mode: `paper` or `deterministic`, see `inference.translate_batch`.
        batch_size: Images at once; scores do not depend on it.
    """

    split: str = "test"
    mode: str = "paper"
    batch_size: int = 8


def load_config(workdir: str | pathlib.Path) -> ConfigDict:
    """Read a run's configuration.

    Raises:
        InputError: The folder is no run's.
    """
    return load_json(pathlib.Path(workdir, CONFIG_FILE))


def load_split(
    workdir: str | pathlib.Path, split: str, names: Sequence[str] | None = None
) -> Pairs:
    """Read the pairs of one split of a run's own data, at the size that it was trained with.

    Args:
        workdir: The run's folder.
        split: `train`, `val` or `test`.
        names: Only these pairs, in that order; None: all.

    Raises:
        InputError: The folder is no run's, or there is no such split or no pair in it.
    """
    config = load_config(workdir)
    source = build_source(config, split)
    if names is not None:
        numbers = {name: number for number, name in enumerate(source.names)}
        source = Subset(source, [numbers[name] for name in names])
    return build_pairs(
        config.data,
        source,
        build_format(config),
        training=False,
        cache_gigabytes=config.data.cache_gigabytes,
        label=f"{split} pairs",
    )


def find_checkpoints(workdir: str | pathlib.Path) -> dict[int, float | None]:
    """Return steps and epochs of the checkpoints that a run has kept, in order.

    The epoch is None where the weights were imported.

    Raises:
        InputError: The folder is no run's, or has no checkpoints.
    """
    load_config(workdir)
    with Checkpoints(pathlib.Path(workdir), read_only=True) as checkpoints:
        checkpoints.choose("latest")
        return {step: _epoch(checkpoints.restore_meta(step), step) for step in checkpoints.steps}


def _epoch(meta: dict[str, Any], step: int) -> float | None:
    fields = [field.name for field in dataclasses.fields(Timeline)]
    if not meta.keys() >= set(fields):
        return None
    timeline = Timeline(**{name: meta[name] for name in fields})
    since = (step - timeline.first_step) / timeline.steps_per_epoch
    return round(timeline.first_epoch + since, 4)


def choose_step(workdir: str | pathlib.Path, checkpoint: str) -> int:
    """Return the step that `best`, `latest` or a number names.

    Raises:
        InputError: There is no such checkpoint.
    """
    with Checkpoints(pathlib.Path(workdir), read_only=True) as checkpoints:
        return checkpoints.choose(checkpoint)


def describe(
    workdir: str | pathlib.Path, step: int, wanted: Wanted, options: Options
) -> dict[str, Any]:
    """Return what tells one evaluation of a checkpoint from all others."""
    return {
        "run": str(workdir),
        "split": options.split,
        "checkpoint": step,
        "epoch": find_checkpoints(workdir)[step],
        "mode": options.mode,
        "config_hash": config_hash(workdir),
        **wanted.about,
    }


def config_hash(workdir: str | pathlib.Path) -> str:
    """Return twelve digits that stand for a run's whole configuration."""
    return hashlib.sha256(pathlib.Path(workdir, CONFIG_FILE).read_bytes()).hexdigest()[:12]


def evaluation_folder(workdir: str | pathlib.Path, step: int, options: Options) -> pathlib.Path:
    """Return where the evaluation of a checkpoint lies in the run's folder."""
    suffix = "" if options.mode == "paper" else f"_{options.mode}"
    return pathlib.Path(workdir, "evaluation", f"{options.split}_{step}{suffix}")


def score_checkpoint(
    workdir: str | pathlib.Path, step: int, pairs: Pairs, wanted: Wanted, options: Options
) -> tuple[Generator, Scorecard]:
    """Load a checkpoint's generator and score it.

    Args:
        workdir: The run's folder.
        step: Step of the checkpoint.
        pairs: The split, as from `load_split`.
        wanted: What to measure.
        options: How.

    Raises:
        InputError: There is no such checkpoint, or a result is not finite or unfit for a metric.
    """
    generator = load_generator(workdir, step)
    inception = wanted.gather(options.batch_size)
    pass_on = observe_with(inception)
    with tqdm(total=len(pairs), desc=f"step {step}", unit="image", disable=None) as bar:

        def observe(both: Compared) -> None:
            bar.update(len(both[0]))
            if pass_on is not None:
                pass_on(both)

        found = evaluate(
            generator,
            pairs,
            wanted.metrics,
            mode=options.mode,
            batch_size=options.batch_size,
            workers=load_config(workdir).data.workers,
            observe=observe,
        )
    about = describe(workdir, step, wanted, options)
    return generator, Scorecard(about, found, compute_distributions(wanted, inception))


def write_evaluation(
    generator: Generator,
    pairs: Pairs,
    card: Scorecard,
    output: pathlib.Path,
    sort_by: str,
    options: Options,
) -> None:
    """Write the scores of a checkpoint, and the contact sheet where `sort_by` names a metric."""
    write_scorecard(card, output)

    def draw(numbers: list[int]) -> list[tuple[Picture, ...]]:
        mode, batch_size = options.mode, options.batch_size
        return picture_rows(generator, pairs, numbers, mode=mode, batch_size=batch_size)

    if sort_by:
        write_contact_sheet(card, sort_by, output, HEADINGS, draw)


def refuse_output_in_data(output: str | pathlib.Path, workdir: str | pathlib.Path) -> None:
    """Raise InputError where results would lie among the pairs that a run reads."""
    root = load_config(workdir).data.root
    if root and pathlib.Path(output).resolve().is_relative_to(pathlib.Path(root).resolve()):
        raise InputError(f"--output {output}: lies in the run's data set {root}; choose another")
