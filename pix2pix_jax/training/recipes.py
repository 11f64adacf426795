"""How long to train, and how, by the number of training pairs: one table."""

import dataclasses
import math

from pix2pix_jax.core.choices import DISCRIMINATOR_CHANGES


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A row of the table.

    Attributes:
        least: Number of training pairs from which it holds.
        name: What such a set is called.
        pairs_seen: The run ends once it has seen so many pairs, repetitions counted, ...
        most_epochs: ... or after so many epochs, ...
        least_epochs: ... but not before so many.
        batch_size: Pairs per device and step.
        schedule: Value of `lr.schedule`; `linear` decays over the second half.
        ema_decay: Value of `train.ema_decay`.
        diffaugment: Value of `loss.diffaugment`.
        source: Where its numbers come from.
    """

    least: int
    name: str
    pairs_seen: int
    most_epochs: int
    least_epochs: int
    batch_size: int
    schedule: str
    ema_decay: float
    diffaugment: tuple[str, ...]
    source: str

    def epochs(self, pairs: int) -> int:
        """Return the number of epochs for a number of training pairs."""
        wanted = round(self.pairs_seen / pairs)
        return max(min(wanted, self.most_epochs), self.least_epochs)


# The paper (Isola et al., 2017, appendix 6.2) trains 200 epochs at batch size 1 on facades (400
# pairs), maps (1,096) and cityscapes (2,975), and 15 to 17 at batch size 4 on night2day (17,823),
# edges2shoes (50,000) and edges2handbags (137,000), with a constant rate. It has no moving average.
RECIPES = (
    Recipe(
        1,
        "under 100 pairs",
        20_000,
        1000,
        1,
        1,
        "linear",
        0.0,
        DISCRIMINATOR_CHANGES,
        "our choice",
    ),
    Recipe(
        100,
        "a few hundred pairs",
        80_000,
        400,
        1,
        1,
        "linear",
        0.0,
        (),
        "the steps of the paper's facades, our choice for fewer pairs",
    ),
    Recipe(
        400,
        "400 to 5,000 pairs",
        600_000,
        200,
        1,
        1,
        "linear",
        0.999,
        (),
        "the paper's for facades, maps and cityscapes; the moving average is our choice",
    ),
    Recipe(
        5000,
        "5,000 pairs and more",
        300_000,
        60,
        15,
        4,
        "constant",
        0.999,
        (),
        "the paper's for night2day, edges2shoes and edges2handbags; the moving average is our "
        "choice",
    ),
)
_STEPS_BETWEEN_EVALUATIONS = 400  # at least: an evaluation of a small set takes as long as steps
_CHECKPOINTS = 20  # of a run, at least


def choose_recipe(pairs: int) -> Recipe:
    """Return the row of the table for a number of training pairs, at least one."""
    return max((row for row in RECIPES if row.least <= pairs), key=lambda row: row.least)


def recipe_settings(
    recipe: Recipe,
    pairs: int,
    *,
    epochs: int = 0,
    steps: int = 0,
    batch_size: int = 0,
    global_batch_size: int = 0,
    devices: int = 1,
) -> dict[str, int | float | str | tuple[str, ...]]:
    """Return the keys that a recipe sets, with their values.

    Args:
        recipe: A row of the table.
        pairs: Number of training pairs.
        epochs: Length of the run if the user has chosen one; 0: that of the recipe.
        steps: Its length in steps if the user has chosen that; 0: as `epochs` says.
        batch_size: Batch size if the user has chosen one; 0: that of the recipe.
        global_batch_size: Pairs of a step if the user has chosen that; 0: `batch_size` per device.
        devices: Number of devices.
    """
    batch_size = batch_size or recipe.batch_size
    steps_of_epoch = max(pairs // (global_batch_size or batch_size * devices), 1)
    epochs = math.ceil(steps / steps_of_epoch) if steps else epochs or recipe.epochs(pairs)
    between = min(math.ceil(_STEPS_BETWEEN_EVALUATIONS / steps_of_epoch), epochs)
    return {
        "train.epochs": epochs,
        "train.batch_size": batch_size,
        "train.ema_decay": recipe.ema_decay,
        "loss.diffaugment": recipe.diffaugment,
        "lr.schedule": recipe.schedule,
        "lr.decay_epochs": epochs // 2,
        "eval.every_epochs": between,
        "checkpoint.every_epochs": between * max(epochs // (_CHECKPOINTS * between), 1),
    }
