"""What `train --data` sets by the number of training pairs: the recipe of `training.recipes`."""

import jax
import numpy as np
from ml_collections import ConfigDict

from pix2pix_jax.commands.finding import Finding
from pix2pix_jax.training.recipes import choose_recipe, recipe_settings

# Keys of `train` that decide others.
_CHOSEN = ("epochs", "steps", "batch_size", "global_batch_size")


def find_recipe(finding: Finding, pairs: int) -> None:
    """Set how long to train, and how, by the number of training pairs.

    Args:
        finding: Its data keys are set already.
        pairs: Number of training pairs, at least one.
    """
    recipe = choose_recipe(pairs)
    train = finding.config.train
    chosen = {name: train[name] for name in _CHOSEN if finding.given(f"train.{name}")}
    settings = recipe_settings(recipe, pairs, **chosen, devices=jax.device_count())
    if finding.config.loss.gan == "none" or not _are_pictures(finding.config):
        del settings["loss.diffaugment"]
    for key, value in settings.items():
        finding.put(key, value)
    finding.say(
        "recipe",
        f"{pairs} training pair{'s' if pairs > 1 else ''}, so the row '{recipe.name}': "
        f"{_describe(finding.config, pairs)} ({recipe.source})",
        *settings,
        "train.steps",
        "augment.flip",
    )


def _are_pictures(config: ConfigDict) -> bool:
    """Return whether both sides are gray or RGB of 8 bits: of others, colours cannot be changed.

    Nor can they if numbers beside the image say how bright or red it is.
    """
    data = config.data
    kinds = {data.target_dtype, *np.atleast_1d(data.source_dtype)}
    channels = {data.target_channels, *np.atleast_1d(data.source_channels)}
    classes = {data.target_classes, *np.atleast_1d(data.source_classes)}
    colours = kinds == {"uint8"} and channels <= {1, 3} and classes == {0}
    return colours and config.derive.kind != "lab" and not data.condition


def _describe(config: ConfigDict, pairs: int) -> str:
    """Return how a run trains, in words."""
    train, lr = config.train, config.lr
    in_step = train.global_batch_size or train.batch_size * jax.device_count()
    steps = max(pairs // in_step, 1)
    of_steps = f"{steps} step{'s' if steps > 1 else ''}"
    length = f"{train.epochs} epochs of {of_steps}, {train.epochs * steps} in all,"
    if train.steps:
        length = f"{train.steps} steps"
    rate = f"{lr.schedule} learning rate"
    if lr.schedule == "linear":
        last = f"the last {lr.decay_epochs} epochs" if lr.decay_epochs > 1 else "the last epoch"
        rate = f"learning rate decays over {last}" if lr.decay_epochs else "constant learning rate"
    jitter = "crops and flips" if config.augment.flip else "crops"
    changes = ""
    if config.loss.diffaugment:
        changes = "; DiffAugment, which was better on 20 pairs of facades"
    batch = f"{train.batch_size} on each device"
    if train.global_batch_size:
        batch = f"{train.global_batch_size} over all devices"
    average = f"moving average {train.ema_decay:g}" if train.ema_decay else "no moving average"
    return f"{length} at batch size {batch}; {rate}; random {jitter}{changes}; {average}"
