"""A run, built from its configuration: what can be wrong is found before any file is written."""

import dataclasses
import logging
import pathlib
from typing import Any

import flax.linen as nn
import jax
from ml_collections import ConfigDict

from pix2pix_jax.core.config import get
from pix2pix_jax.core.devices import DEVICES
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import OwnCode, own_keys
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.augment import Augment, build_augment
from pix2pix_jax.data.order import Timeline, TrainingOrder
from pix2pix_jax.data.splits import Splits, load_splits
from pix2pix_jax.evaluation.metrics.table import Metric, build_metrics
from pix2pix_jax.models.build import Networks, build_networks
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder, format_of
from pix2pix_jax.training.halts import Halts, build_halts
from pix2pix_jax.training.objectives import Losses, build_losses, check_extra
from pix2pix_jax.training.optimizers import Schedule, build_optimizer, build_schedule
from pix2pix_jax.training.start import check_init_from, refuse_other_networks, resume_timeline
from pix2pix_jax.training.state import TrainState, create_train_state
from pix2pix_jax.training.step import StepParts, TrainStep, make_step

logger = logging.getLogger(__name__)

# What a run keeps, besides its timeline, unless it is allowed to change.
_FIXED = ("data.direction", "checkpoint.best_metric")


@dataclasses.dataclass(frozen=True)
class Run:
    """What the training loop works with.

    Attributes:
        config: The resolved configuration.
        folder: The run's folder.
        splits: The pairs.
        metrics: What pairs are scored by.
        timeline: Order of the training pairs.
        halts: When something is due between steps.
        schedule: From step to learning rate.
        parts: What the step is made of; its networks average over devices.
        networks: The networks and their shapes, built for inference.
        first_step: Step of the checkpoint that the run goes on from; 0 for a new run.
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

    @property
    def generator(self) -> nn.Module:
        """The generator for inference."""
        return self.networks.generator

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

    def create_state(self) -> TrainState:
        """Create the state of step 0."""
        return create_train_state(
            self.networks,
            self.parts.g_tx,
            self.parts.d_tx,
            seed=self.config.seed,
            initializer=self.config.model.initializer,
            with_ema=self.config.train.ema_decay > 0,
        )

    def meta(self) -> dict[str, Any]:
        """Return what a checkpoint must remember besides the state."""
        fixed = {key: get(self.config, key) for key in _FIXED}
        return {**dataclasses.asdict(self.timeline), **fixed}


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
    # The order is important: what is cheap to check comes before what reads the data.
    # 1. The configuration alone, and with the number of devices.
    given, config = config, resolve(config)
    folder = RunFolder(workdir, given=own_keys(config), trust_code=trust_code)
    code = folder.code
    losses = build_losses(**config.loss, code=code)
    form = format_of(config)
    prepare = build_augment(config.augment, form, config.data.image_size, code=code)
    metrics = build_metrics(config.eval, config.checkpoint.best_metric, code=code)
    adversarial = config.loss.gan != "none"
    networks = build_networks(config.model, config.data, adversarial=adversarial, code=code)
    shapes = {"source_shape": networks.source_shape, "target_shape": networks.target_shape}
    check_extra(losses, config.loss.extra, code, **shapes)
    global_batch = choose_global_batch(config.train, jax.device_count())
    refuse_impossible(config, global_batch // jax.device_count())

    # 2. What the folder holds already.
    step, meta = _newest_checkpoint(folder)
    if meta is not None:
        refuse_other_networks(folder, given, networks)
    elif config.train.init_from:
        check_init_from(RunFolder(config.train.init_from, trust_code=trust_code), given, networks)

    # 3. The data, and what depends on the number of pairs.
    splits = load_splits(
        config.data,
        form,
        seed=config.seed,
        scored_train=config.eval.train_images,
        shown_test=config.log.grid_images,
        code=code,
    )
    timeline = Timeline(len(splits.train), global_batch, config.seed)
    if meta is not None:
        fixed = {key: get(config, key) for key in _FIXED}
        timeline = resume_timeline(timeline, meta, step, fixed, allow_change)
    halts = build_halts(
        config, timeline, config.train.steps or timeline.end_of(config.train.epochs)
    )
    g_schedule, d_schedule = build_schedules(config, timeline, halts.epochs, code)
    parts = build_parts(config, prepare, losses, networks, (g_schedule, d_schedule), code)
    return Run(
        config=config,
        folder=folder,
        splits=splits,
        metrics=metrics,
        timeline=timeline,
        halts=halts,
        schedule=g_schedule,
        parts=parts,
        networks=networks,
        first_step=step,
    )


def _newest_checkpoint(folder: RunFolder) -> tuple[int, dict[str, Any] | None]:
    """Return step and meta of the newest checkpoint; 0 and None without any."""
    with Checkpoints(folder.path, read_only=True) as checkpoints:
        step = checkpoints.latest
        meta = None if step is None else checkpoints.restore_meta(step)
    if meta is not None and "imported" in meta:
        raise InputError(
            f"{folder}: holds imported weights, not a run that could go on; choose another "
            f"--workdir, and start from them with --config.train.init_from={folder}"
        )
    return step or 0, meta


def build_schedules(
    config: ConfigDict, timeline: Timeline, epochs: int, code: OwnCode
) -> tuple[Schedule, Schedule]:
    """Build the learning-rate schedules of generator and discriminator."""
    rates = (config.optimizer.learning_rate, config.optimizer.discriminator_learning_rate)
    g_schedule, d_schedule = (
        build_schedule(
            config.lr.schedule, rate, timeline.epoch, epochs, config.lr.decay_epochs, code=code
        )
        for rate in rates
    )
    return g_schedule, d_schedule


def build_parts(
    config: ConfigDict,
    prepare: Augment,
    losses: Losses,
    networks: Networks,
    schedules: tuple[Schedule, Schedule],
    code: OwnCode,
) -> StepParts:
    """Build what the step is made of; on several devices its networks average over them."""
    axis_name = DEVICES if jax.device_count() > 1 else None
    if axis_name is not None:
        adversarial = networks.discriminator is not None
        networks = build_networks(
            config.model, config.data, adversarial=adversarial, axis_name=axis_name, code=code
        )
    options = config.optimizer
    g_tx, d_tx = (
        build_optimizer(schedule, options.b1, options.b2, options.clip_norm)
        for schedule in schedules
    )
    return StepParts(
        generator=networks.generator,
        discriminator=networks.discriminator,
        g_tx=g_tx,
        d_tx=d_tx,
        losses=losses,
        augment=prepare,
        ema_decay=config.train.ema_decay,
        axis_name=axis_name,
    )


def refuse_impossible(config: ConfigDict, device_batch: int) -> None:
    """Raise InputError if settings that are right by themselves do not go together."""
    d_norm = config.model.discriminator_norm
    if config.loss.gan == "wgangp" and d_norm == "batch":
        logger.warning(
            "loss.gan='wgangp' with batch norm in the discriminator: its gradient penalty "
            "is meant for each example by itself; model.discriminator_norm=instance keeps it so"
        )
    parts = config.train.accumulate
    if parts == 1:
        return
    if "batch" in (config.model.norm, d_norm):
        raise InputError(
            f"train.accumulate={parts} with batch norm (model.norm, model.discriminator_norm): it "
            "would see the parts instead of the batch; choose another norm, or 1"
        )
    if config.loss.gan == "none":
        raise InputError(f"train.accumulate={parts} with loss.gan='none': not provided; choose 1")
    if device_batch % parts:
        raise InputError(
            f"train.accumulate={parts}: does not divide the {device_batch} pairs of a device "
            "(train.batch_size)"
        )


def choose_global_batch(train: ConfigDict, device_count: int) -> int:
    """Return the number of pairs in a step over all devices.

    Raises:
        InputError: It is no multiple of the number of devices.
    """
    total = train.global_batch_size or train.batch_size * device_count
    if total % device_count:
        near = max(total // device_count, 1) * device_count
        raise InputError(
            f"train.global_batch_size={total}: not divisible by the {device_count} devices; "
            f"choose {near} or {near + device_count}"
        )
    return total
