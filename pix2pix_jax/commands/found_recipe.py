"""What `train --data` sets by the number of training pairs: the recipe of `training.recipes`."""

from ml_collections import ConfigDict

from pix2pix_jax.commands.finding import Finding
from pix2pix_jax.training.recipes import choose_recipe, recipe_settings

_CHOSEN = ("epochs", "steps", "batch_size")  # keys of `train` that decide others


def find_recipe(finding: Finding, pairs: int) -> None:
    """Set how long to train, and how, by the number of training pairs.

    Args:
        finding: Its data keys are set already.
        pairs: Number of training pairs, at least one.
    """
    recipe = choose_recipe(pairs)
    train = finding.config.train
    chosen = {name: train[name] for name in _CHOSEN if finding.given(f"train.{name}")}
    settings = recipe_settings(recipe, pairs, **chosen)
    if finding.config.loss.gan == "none" or finding.config.data.target_classes:
        del settings["loss.diffaugment"]  # there is nothing to change; there are no colours
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


def _describe(config: ConfigDict, pairs: int) -> str:
    """Return how a run trains, in words."""
    train, lr = config.train, config.lr
    steps = max(pairs // train.batch_size, 1)
    of_steps = f"{steps} step{'s' if steps > 1 else ''}"
    length = f"{train.epochs} epochs of {of_steps}, {train.epochs * steps} in all,"
    if train.steps:
        length = f"{train.steps} steps"
    rate = f"{lr.schedule} learning rate"
    if lr.schedule == "linear":
        last = f"the last {lr.decay_epochs} epochs" if lr.decay_epochs > 1 else "the last epoch"
        rate = f"learning rate decays over {last}" if lr.decay_epochs else "constant learning rate"
    jitter = "crops and flips" if config.augment.flip else "crops"
    changes = "; DiffAugment" if config.loss.diffaugment else ""
    average = f"moving average {train.ema_decay:g}" if train.ema_decay else "no moving average"
    return (
        f"{length} at batch size {train.batch_size} on each device; {rate}; random {jitter}"
        f"{changes}; {average}"
    )
