"""Which pairs a training step sees: a pure function of seed, epoch and step."""

import dataclasses
import functools
from typing import Any

import numpy as np
from jaxtyping import Int

from pix2pix_jax.core.errors import InputError


@functools.lru_cache(maxsize=4)
def epoch_order(seed: int, epoch: int, count: int) -> Int[np.ndarray, " count"]:
    """Return the order of an epoch's pairs.

    Args:
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.
        count: Number of pairs.

    Returns:
        A permutation of 0 .. count - 1, the same on every machine.
    """
    key = np.array([seed, epoch], np.uint64)
    order = np.random.Generator(np.random.Philox(key=key)).permutation(count)
    order.setflags(write=False)  # the cache hands out the same array again
    return order


@dataclasses.dataclass(frozen=True)
class Timeline:
    """Maps a step's number to its epoch and its pairs, so that a resume needs the number alone.

    An epoch has floor(pairs / global batch) steps; which pairs are left out changes with the order.
    A run whose batch or data changed goes on with a new timeline, which starts where the old one
    ended.

    Attributes:
        pairs: Number of training pairs.
        global_batch: Pairs in a step, over all devices.
        seed: Seed of the run.
        first_step: Step at which this timeline starts.
        first_epoch: Epoch that starts there.
    """

    pairs: int
    global_batch: int
    seed: int
    first_step: int = 0
    first_epoch: int = 0

    def __post_init__(self) -> None:
        if self.pairs < self.global_batch:
            raise InputError(
                f"the training set has {self.pairs} pairs, fewer than the global batch of "
                f"{self.global_batch}: lower train.batch_size or train.global_batch_size"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in an epoch."""
        return self.pairs // self.global_batch

    def epoch(self, step: Any) -> Any:
        """Return the epoch, from 0, that a step belongs to; for numbers and traced arrays."""
        return self.first_epoch + (step - self.first_step) // self.steps_per_epoch

    def end_of(self, epochs: int) -> int:
        """Return the number of steps taken when so many epochs are complete."""
        return self.first_step + (epochs - self.first_epoch) * self.steps_per_epoch

    def indices(self, step: int) -> Int[np.ndarray, " global_batch"]:
        """Return the pairs of a step, in the order of their places in the global batch."""
        place = (step - self.first_step) % self.steps_per_epoch * self.global_batch
        order = epoch_order(self.seed, self.epoch(step), self.pairs)
        return order[place : place + self.global_batch]
