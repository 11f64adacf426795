"""Score a generator on held-out pairs."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pix2pix_jax.core.devices import calls_ahead
from pix2pix_jax.data.batches import eval_batches, mean_target, prefetch
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.data.resident import ResidentPairs
from pix2pix_jax.evaluation.metrics.table import (
    Measure,
    Measured,
    Metric,
    choose_metrics,
    measure_of,
)
from pix2pix_jax.evaluation.scored_batches import Compared, score_batches
from pix2pix_jax.evaluation.tally import Scores, Tally, check_measured, measure_all
from pix2pix_jax.images.scaling import interpolated
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.translation import BatchTranslator


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of a set of images.

    Attributes:
        names: Name of each image.
        values: One value per image, by metric.
        scores: The value of the set, by metric: the mean, or for metrics that count (label maps,
            colour histograms) the value of the summed counts.
    """

    names: tuple[str, ...]
    values: dict[str, Float[np.ndarray, " n"]]
    scores: Scores

    def deviation(self, metric: str) -> float:
        """Return the standard deviation over the images that have a value; nan if none has."""
        there = self.values[metric][~np.isnan(self.values[metric])]
        return float(there.std()) if len(there) else float("nan")


def evaluate(
    generator: Generator,
    pairs: Pairs,
    metrics: Mapping[str, Metric],
    *,
    mode: str,
    batch_size: int,
    workers: int,
    max_images: int = 0,
    resident: ResidentPairs | None = None,
    observe: Callable[[Compared], None] | None = None,
    between: Callable[[int], object] = lambda count: None,
) -> Evaluation:
    """Score a generator.

    A batch is translated, checked and measured on the device, which already has the next ones when
    the host reads what was found in it. Images are fetched only for those who need them.

    Args:
        generator: The generator.
        pairs: Pairs of the generator's size.
        metrics: From `choose_metrics`.
        mode: `paper` or `deterministic`, see `runs.translation.BatchTranslator`.
        batch_size: Images per batch; scores do not depend on it.
        workers: Threads that decode streamed pairs.
        max_images: Largest number of pairs; the first ones are scored. 0: all.
        resident: The pairs on the devices; None: each batch is brought there.
        observe: Called with the fakes and targets of every batch, for scores of whole sets.
        between: Called after every batch with its number of images; what it raises ends the
            evaluation.

    Returns:
        The scores.

    Raises:
        InputError: The generator's output is not finite.
    """
    if pairs.form.target.classes:
        metrics = {name: metric.of_classes() for name, metric in metrics.items()}
    translator = BatchTranslator(generator, pairs.size, mode=mode, batch_size=batch_size)
    on_device = [metric for metric in metrics.values() if metric.on_device]
    on_host = [metric for metric in metrics.values() if not metric.on_device]
    batches = score_batches(
        translator,
        pairs,
        min(len(pairs), max_images or len(pairs)),
        on_device,
        workers=workers,
        keep=bool(on_host) or observe is not None,
        resident=resident,
    )

    def found() -> Iterator[tuple[tuple[str, ...], dict[Measure, Measured]]]:
        for batch in prefetch(batches, lambda batch: batch, calls_ahead()):
            measured, compared = batch.fetch()
            for metric in on_device:
                check_measured(metric, measured[measure_of(metric)], translator.size)
            count = len(batch.names)
            measured = {measure: each[:count] for measure, each in measured.items()}
            if compared is not None:
                measured |= measure_all(on_host, *compared)
                if observe is not None:
                    observe(compared)
            yield batch.names, measured
            between(count)

    return _gather(found(), metrics)


def tally(
    batches: Iterator[tuple[Compared, tuple[str, ...]]],
    metrics: Mapping[str, Metric],
) -> Evaluation:
    """Score batches of images and their targets.

    Args:
        batches: Batches, each with the names of its images.
        metrics: From `choose_metrics`.

    Returns:
        The scores of all images.

    Raises:
        InputError: There are no images.
    """
    measured = ((names, measure_all(metrics.values(), *compared)) for compared, names in batches)
    return _gather(measured, metrics)


def _gather(
    batches: Iterator[tuple[tuple[str, ...], dict[Measure, Measured]]],
    metrics: Mapping[str, Metric],
) -> Evaluation:
    """Score images by what was measured in each batch."""
    total = Tally(metrics)
    names: list[str] = []
    values: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    for some, measured in batches:
        for name, found in total.add_measured(measured, len(some)).items():
            values[name].append(found)
        names += some
    scores = total.scores()
    joined = {name: np.concatenate(parts) for name, parts in values.items()}
    return Evaluation(tuple(names), joined, scores)


def evaluate_baselines(
    train_pairs: Pairs, pairs: Pairs, *, batch_size: int, workers: int, max_images: int = 0
) -> Scores:
    """Score two answers that need no learning, and that a run must beat.

    Args:
        train_pairs: Training pairs.
        pairs: Held-out pairs.
        batch_size: Images per batch.
        workers: Threads that decode streamed pairs.
        max_images: Largest number of pairs, as in `evaluate`.

    Returns:
        `mean_target_l1`: the per-pixel mean of the training targets, for every pair;
        `copy_source_l1`: the source itself, at the target's size by bicubic interpolation, if both
        sides have the same number of channels and no classes. In units of [-1, 1].
    """
    mean, form = mean_target(train_pairs, workers=workers), pairs.form
    count = min(len(pairs), max_images or len(pairs))

    def answers(copy: bool) -> Iterator[tuple[Compared, tuple[str, ...]]]:
        for (source, target), names in eval_batches(pairs, count, batch_size, workers):
            answer = (
                interpolated(form.source.to_network(source), pairs.target_size) if copy else mean
            )
            fake = form.compared(source, jnp.broadcast_to(answer, (len(source), *mean.shape)))
            truth, weight = form.compared_target(source, target), form.scored_weight(source, target)
            yield Compared(fake, truth, weight), names

    metrics = choose_metrics(["l1"])
    scores = {"mean_target_l1": tally(answers(copy=False), metrics).scores["l1"]}
    first, *others = form.source.parts
    alike = first.channels == form.target.channels
    if alike and not (first.classes or form.target.classes or others):
        scores["copy_source_l1"] = tally(answers(copy=True), metrics).scores["l1"]
    return scores
