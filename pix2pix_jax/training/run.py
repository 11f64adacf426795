"""A run, built from its config: what can be wrong is found before any file is written."""

import dataclasses
import functools
import pathlib
from typing import Any

import flax.linen as nn
import jax
import optax
from ml_collections import ConfigDict

from pix2pix_jax.core import config as config_lib
from pix2pix_jax.core import config_files
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.placement import DEVICES
from pix2pix_jax.core.validation import validate
from pix2pix_jax.data.batches import TrainingOrder
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.data.pair_format import build_format
from pix2pix_jax.data.splits import Splits, build_augment, load_splits
from pix2pix_jax.evaluation.metrics.scoring import Metric
from pix2pix_jax.evaluation.metrics.table import build_metrics
from pix2pix_jax.models.build import Networks, build_networks
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import CONFIG_FILE, refuse_other_network, resume_timeline
from pix2pix_jax.training.accumulation import make_accumulating_step
from pix2pix_jax.training.losses import Losses, build_losses
from pix2pix_jax.training.optimizers import Schedule, build_optimizer, build_schedule
from pix2pix_jax.training.start import check_init_from
from pix2pix_jax.training.state import TrainState, create_train_state
from pix2pix_jax.training.step import Augment, TrainStep, make_regression_step, make_train_step

Optimizers = tuple[optax.GradientTransformation, optax.GradientTransformation]


@dataclasses.dataclass(frozen=True)
class Run:
    """What the training loop works with.

    Attributes:
        config: The whole configuration.
        workdir: The run's folder.
        splits: The pairs.
        metrics: What pairs are scored by.
        timeline: Order of the training pairs.
        stop: Number of steps at which the run is complete.
        schedule: From step to learning rate.
        augment: What the step does to pairs before the networks see them.
        train_step: The step, not compiled.
        generator: The generator for inference, without an axis name.
        first_step: Step of the checkpoint that the run goes on from; 0 for a new run.
        tx: Optimisers of generator and discriminator.
        networks: Generator and discriminator as they are trained; the latter may be None.
    """

    config: ConfigDict
    workdir: pathlib.Path
    splits: Splits
    metrics: dict[str, Metric]
    timeline: Timeline
    stop: int
    schedule: Schedule
    augment: Augment
    train_step: TrainStep
    generator: nn.Module
    first_step: int
    tx: Optimizers
    networks: Networks

    @property
    def epochs(self) -> int:
        """Number of epochs, the last perhaps cut short, that the run has when complete."""
        return self.timeline.epoch(self.stop - 1) + 1

    def create_state(self) -> TrainState:
        """Create the state of step 0."""
        data = self.config.data
        size = config_lib.pair_of(data.image_size)
        return create_train_state(
            *self.networks,
            *self.tx,
            source_shape=(*size, config_lib.source_depth(self.config)),
            target_shape=(*size, data.target_channels),
            seed=self.config.seed,
            initializer=self.config.model.initializer,
            with_ema=self.config.train.ema_decay > 0,
        )

    @property
    def examples(self) -> TrainingOrder:
        """The training examples that this process makes."""
        share = self.timeline.global_batch // jax.process_count()
        places = range(jax.process_index() * share, (jax.process_index() + 1) * share)
        return TrainingOrder(self.splits.train, self.timeline, places, self.config.augment.mosaic)

    def meta(self) -> dict[str, Any]:
        """Return what a checkpoint must remember besides the state."""
        return {
            **dataclasses.asdict(self.timeline),
            **_fixed(self.config),
        }


def _fixed(config: ConfigDict) -> dict[str, str]:
    """Return what a run keeps, besides its timeline, unless it is allowed to change."""
    return {
        key: config_lib.get(config, key) for key in ("data.direction", "checkpoint.best_metric")
    }


def prepare_run(config: ConfigDict, workdir: pathlib.Path, *, allow_change: bool = False) -> Run:
    """Build a run, or find out where an earlier one goes on.

    Args:
        config: Configuration.
        workdir: The run's folder; it need not exist.
        allow_change: Whether a run may go on with another batch, seed or data set.

    Returns:
        The run; nothing has been written.

    Raises:
        InputError: Config, data and devices do not fit together, or the folder holds a run that
            does not fit the config.
    """
    validate(config)
    losses = build_losses(**config.loss)
    form = build_format(config)
    prepare = build_augment(config, form)
    metrics = build_metrics(config.eval, config.checkpoint.best_metric)
    axis_name = DEVICES if jax.device_count() > 1 else None
    networks = build_networks(config, axis_name)
    global_batch = choose_global_batch(config.train, jax.device_count())
    refuse_impossible(config, global_batch // jax.device_count())
    with Checkpoints(workdir, read_only=True) as checkpoints:
        step = checkpoints.latest
        meta = None if step is None else checkpoints.restore_meta(step)
    if meta is not None and "imported" in meta:
        raise InputError(
            f"{workdir}: holds imported weights, no run that could go on; choose another "
            f"--workdir, and start from them with --config.train.init_from={workdir}"
        )
    if meta is not None:
        refuse_other_network(config_files.load_json(workdir / CONFIG_FILE), config)
    elif config.train.init_from:
        check_init_from(config)
    splits = load_splits(config, form)
    timeline = Timeline(len(splits.train), global_batch, config.seed)
    if step is not None and meta is not None:
        timeline = resume_timeline(timeline, meta, step, _fixed(config), allow_change)
    stop = config.train.steps or timeline.end_of(config.train.epochs)
    schedules = build_schedules(config, timeline, timeline.epoch(stop - 1) + 1)
    options = config.optimizer
    g_tx, d_tx = (
        build_optimizer(schedule, options.b1, options.b2, options.clip_norm)
        for schedule in schedules
    )
    return Run(
        config=config,
        workdir=workdir,
        splits=splits,
        metrics=metrics,
        timeline=timeline,
        stop=stop,
        schedule=schedules[0],
        augment=prepare,
        train_step=build_train_step(config, prepare, networks, (g_tx, d_tx), losses),
        generator=build_networks(config)[0],
        first_step=step or 0,
        tx=(g_tx, d_tx),
        networks=networks,
    )


def build_schedules(config: ConfigDict, timeline: Timeline, epochs: int) -> tuple[Schedule, ...]:
    """Build the learning-rate schedules of generator and discriminator."""
    g_rate = config.optimizer.learning_rate
    d_rate = config.optimizer.discriminator_learning_rate or g_rate
    return tuple(
        build_schedule(config.lr.schedule, rate, timeline.epoch, epochs, config.lr.decay_epochs)
        for rate in (g_rate, d_rate)
    )


def build_train_step(
    config: ConfigDict, prepare: Augment, networks: Networks, tx: Optimizers, losses: Losses
) -> TrainStep:
    """Choose the step that the config asks for."""
    generator, discriminator = networks
    options: dict[str, Any] = {
        "ema_decay": config.train.ema_decay,
        "axis_name": DEVICES if jax.device_count() > 1 else None,
    }
    if discriminator is None:
        return make_regression_step(generator, tx[0], losses, prepare, **options)
    make = make_train_step
    if config.train.accumulate > 1:
        make = functools.partial(make_accumulating_step, parts=config.train.accumulate)
    return make(generator, discriminator, *tx, losses, prepare, **options)


def refuse_impossible(config: ConfigDict, device_batch: int) -> None:
    """Raise InputError where settings that are right by themselves do not go together."""
    d_norm = config.model.discriminator_norm or config.model.norm
    if config.loss.gan == "wgangp" and d_norm == "batch":
        print(
            "warning: loss.gan='wgangp' with batch norm in the discriminator: its gradient penalty "
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
