"""A run, built from its configuration. Mistakes are found here, before any file is written."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
from ml_collections import ConfigDict

from pix2pix_jax.core.config import flatten
from pix2pix_jax.core.config_files import from_values
from pix2pix_jax.core.devices import DEVICES, fits_on_device
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.exactness import exactness_of
from pix2pix_jax.core.own_code import OwnCode, own_keys
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.augment import Augment, build_augment
from pix2pix_jax.data.configured_format import format_of
from pix2pix_jax.data.order import Timeline, TrainingOrder
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.data.resident import ResidentPairs, Storage, choose_storage, place_those_that_fit
from pix2pix_jax.data.splits import Splits, load_splits
from pix2pix_jax.evaluation.metrics.table import Metric, build_metrics, refuse_unsuited
from pix2pix_jax.models.build import Networks, build_networks
from pix2pix_jax.models.perceptual_weights import PerceptualWeights
from pix2pix_jax.runs.bundle import is_bundle
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.record import read_rows
from pix2pix_jax.training.callbacks import Callbacks
from pix2pix_jax.training.combinations import (
    choose_global_batch,
    refuse_impossible,
    refuse_plateaus_without_scores,
)
from pix2pix_jax.training.fitting import refuse_too_large
from pix2pix_jax.training.halts import Halts, build_halts
from pix2pix_jax.training.objectives import Losses, build_losses, check_extra
from pix2pix_jax.training.optimizers import Schedule, build_optimizer, build_schedules
from pix2pix_jax.training.perceptual import load_weights
from pix2pix_jax.training.start import adopt_levels, find_start, refuse_going_back, resume_timeline
from pix2pix_jax.training.start_numbers import adopt_numbers
from pix2pix_jax.training.start_settings import (
    describe_scoring,
    find_scored_from,
    fixed_settings,
)
from pix2pix_jax.training.state import TrainState, create_train_state
from pix2pix_jax.training.step import make_step
from pix2pix_jax.training.step_parts import StepParts, TrainStep


@dataclasses.dataclass(frozen=True)
class Run:
    """What the training loop works with.

    Attributes:
        config: The resolved configuration.
        folder: The run's folder.
        splits: The pairs.
        metrics: Metrics that pairs are scored by.
        timeline: Order of the training pairs.
        halts: Steps at which something else than training is due.
        schedule: Maps a step to the generator's learning rate.
        parts: Parts of the step; its networks average over devices.
        networks: The networks and their shapes, built for inference.
        first_step: Step of the checkpoint that the run goes on from; 0 for a new run.
        unfinished: What the run had not written yet when it was stopped, see `Progress.unfinished`.
        given: The configuration as the user gave it.
        scored_from: Step after which scores compare with those to come.
        perceptual: Weights of the perceptual loss; None if there is none.
        callbacks: Functions of the calling program.
    """

    config: ConfigDict
    folder: RunFolder
    splits: Splits
    metrics: dict[str, Metric]
    timeline: Timeline
    halts: Halts
    schedule: Schedule
    parts: StepParts
    networks: Networks
    first_step: int
    unfinished: Mapping[str, Any]
    given: ConfigDict
    scored_from: int = 0
    perceptual: PerceptualWeights | None = None
    callbacks: Callbacks = dataclasses.field(default_factory=Callbacks)

    @property
    def last_row(self) -> int:
        """Last step whose row is kept when the run goes on; one that it still owes is not."""
        return self.first_step - (1 if self.unfinished.get("owed") else 0)

    @functools.cached_property
    def kept_rows(self) -> list[dict[str, float]]:
        """The rows of `metrics.csv` that earlier starts wrote, up to `last_row`."""
        rows = read_rows(self.folder.metrics_file)
        return [row for row in rows if row["step"] <= self.last_row]

    @property
    def train_step(self) -> TrainStep:
        """The step, not compiled."""
        return make_step(self.parts, accumulate=self.config.train.accumulate)

    @property
    def examples(self) -> TrainingOrder:
        """The training examples that this process makes."""
        share = self.timeline.global_batch // jax.process_count()
        places = range(jax.process_index() * share, (jax.process_index() + 1) * share)
        return TrainingOrder(self.splits.train, self.timeline, places, self.config.augment.mosaic)

    @property
    def scored(self) -> dict[str, Pairs]:
        """Pairs that evaluations score, by the prefix of their scores: `val`, and maybe `train`."""
        scored = {"val": self.splits.val, "train": self.splits.scored_train}
        return {prefix: pairs for prefix, pairs in scored.items() if pairs is not None}

    @property
    def storage(self) -> tuple[Storage | None, float]:
        """How training pairs can be kept on the devices, and the GB that they take on each."""
        pairs, data = self.splits.train, self.config.data
        if pairs.arrays is None or self.config.augment.mosaic:
            return None, 0.0
        fits = functools.partial(fits_on_device, share=data.device_share)
        devices = jax.device_count()
        return choose_storage(data.resident, pairs.gigabytes, len(pairs), devices, fits)

    @functools.cached_property
    def resident(self) -> dict[str, ResidentPairs]:
        """Those of `scored` that are kept on the devices; training pairs have precedence there."""
        data, taken = self.config.data, self.storage[1]
        return place_those_that_fit(self.scored, self.config.eval.max_images, data, taken)

    def create_state(self) -> TrainState:
        """Create the state of step 0."""
        return create_state(self.config, self.networks, self.parts)

    def names_of(self, step: int) -> list[str]:
        """Return the names of the pairs that a step has seen; steps are counted from 1."""
        return [self.splits.train.names[index] for index in self.timeline.indices(step - 1)]

    def meta(self) -> dict[str, Any]:
        """Return what a checkpoint must hold besides the state."""
        return {
            **dataclasses.asdict(self.timeline),
            **fixed_settings(self.config, self.metrics, self.perceptual),
            "names": self.splits.train.digest,
            "scoring": describe_scoring(self.config, self.splits),
            "scored_from": self.scored_from,
            "config": flatten(self.given),
        }


def prepare_run(
    config: ConfigDict,
    workdir: str | pathlib.Path,
    *,
    allow_change: bool = False,
    trust_code: bool = False,
) -> Run:
    """Build a run, or find out where an earlier one goes on.

    Args:
        config: Configuration.
        workdir: The run's folder; it need not exist.
        allow_change: Whether a run may go on with another batch, seed or data set.
        trust_code: Whether own code that is kept in the folder may run if its file is gone.

    Returns:
        The run; nothing has been written.

    Raises:
        InputError: Config, data and devices do not fit together, or the folder holds a run that
            does not fit the config.
    """
    # The order is important: what is quick to check comes before what reads the data.
    # 1. The configuration, alone and with the number of devices.
    given = from_values(config)
    config = resolve(given)
    folder = RunFolder(workdir, given=own_keys(config), trust_code=trust_code)
    if is_bundle(folder):
        raise InputError(
            f"--workdir {folder}: is a bundle, which holds a generator and cannot go on; choose "
            f"another folder, with train.init_from={folder} to start from it"
        )
    given = adopt_numbers(folder, adopt_levels(folder, given))
    config = resolve(given)
    code = folder.code
    losses = build_losses(**config.loss, code=code)
    form = format_of(config)
    augment = build_augment(config.augment, form, config.data.image_size, code=code)
    metrics = build_metrics(config.eval, config.checkpoint.best_metric, code=code)
    networks = build_networks(config.model, config.data, adversarial=_has_gan(config), code=code)
    check_extra(losses, config.loss.extra, networks, code)
    refuse_unsuited(metrics, form, networks.target_shape[:2])
    perceptual = load_weights(config.loss, networks, config.data.target_classes)
    global_batch = choose_global_batch(config.train, jax.device_count())
    refuse_impossible(config, global_batch // jax.device_count())
    refuse_too_large(config, networks, global_batch // jax.device_count())

    # 2. The run that is in the folder, or the one whose networks this one starts with.
    step, meta = find_start(folder, given, networks)

    # 3. The data, and what depends on the number of pairs.
    splits = _load_splits(config, form, code)
    refuse_plateaus_without_scores(config, splits.counts["val"])
    timeline = Timeline(len(splits.train), global_batch, config.seed)
    if meta is not None:
        fixed = fixed_settings(config, metrics, perceptual)
        names = splits.train.digest
        timeline = resume_timeline(timeline, meta, step, fixed, names, allow_change=allow_change)
    stop = config.train.steps or timeline.end_of(config.train.epochs)
    refuse_going_back(folder, config, timeline, step, stop)
    halts = build_halts(config, timeline, stop)
    schedules = build_schedules(config, timeline, halts.epochs, code)
    return Run(
        config=config,
        folder=folder,
        splits=splits,
        metrics=metrics,
        timeline=timeline,
        halts=halts,
        schedule=schedules[0],
        parts=build_parts(config, augment, losses, networks, schedules, code, jax.device_count()),
        networks=networks,
        first_step=step,
        unfinished=(meta or {}).get("unfinished", {}),
        perceptual=perceptual,
        given=given,
        scored_from=find_scored_from(timeline, meta, step, describe_scoring(config, splits)),
    )


def _has_gan(config: ConfigDict) -> bool:
    return bool(config.loss.gan != "none")


def _load_splits(config: ConfigDict, form: PairFormat, code: OwnCode) -> Splits:
    return load_splits(
        config.data,
        form,
        seed=config.seed,
        scored_train=config.eval.train_images,
        shown=config.log.grid_images,
        code=code,
    )


def create_state(config: ConfigDict, networks: Networks, parts: StepParts) -> TrainState:
    """Create the state of step 0 of the run of a resolved configuration."""
    return create_train_state(
        networks,
        parts.g_tx,
        parts.d_tx,
        seed=config.seed,
        initializer=config.model.initializer,
        with_ema=config.train.ema_decay > 0,
        adaptive=parts.losses.diffaugment.adaptive,
    )


def build_parts(
    config: ConfigDict,
    augment: Augment,
    losses: Losses,
    networks: Networks,
    schedules: tuple[Schedule, Schedule],
    code: OwnCode,
    device_count: int,
) -> StepParts:
    """Build the parts of the step; on several devices, its networks average over them."""
    axis_name = DEVICES if device_count > 1 else None
    if axis_name is not None:
        networks = build_networks(
            config.model, config.data, adversarial=_has_gan(config), axis_name=axis_name, code=code
        )
    options = config.optimizer
    rates = options.b1, options.b2, options.clip_norm
    g_tx, d_tx = (build_optimizer(schedule, *rates) for schedule in schedules)
    return StepParts(
        generator=networks.generator,
        discriminator=networks.discriminator,
        g_tx=g_tx,
        d_tx=d_tx,
        losses=losses,
        augment=augment,
        ema_decay=config.train.ema_decay,
        axis_name=axis_name,
        exactness=exactness_of(config),
    )
