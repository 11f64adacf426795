"""Which pairs a training step sees: a pure function of the seed and the step's number."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.scales import step_of
from pix2pix_jax.data.mosaic import compose, draw_mosaic
from pix2pix_jax.data.pairs import Pairs, crop_pair
from pix2pix_jax.data.sources import Pair


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
    order.setflags(write=False)  # the cache returns the same array again
    return order


@dataclasses.dataclass(frozen=True)
class Timeline:
    """Maps a step's number to its epoch and its pairs, so that a resume needs only the number.

    An epoch has floor(pairs / global batch) steps; each epoch leaves out other pairs. If a run's
    batch size or data changes, it continues with a new timeline that starts where the old one
    ended.

    Attributes:
        pairs: Number of training pairs.
        global_batch: Number of pairs in a step, over all devices.
        seed: Seed of the run.
        first_step: Step at which this timeline starts.
        first_epoch: Epoch that starts there.

    Raises:
        InputError: There are fewer pairs than the global batch has.
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
                f"{self.global_batch}: lower train.batch_size or train.global_batch_size; or, if "
                "each device has one pair, use fewer devices, as with CUDA_VISIBLE_DEVICES=0"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in an epoch."""
        return self.pairs // self.global_batch

    def epoch(self, step: Any) -> Any:
        """Return the epoch of a step, from 0; the step may be a number or a traced array."""
        return self.first_epoch + (step - self.first_step) // self.steps_per_epoch

    def end_of(self, epochs: int) -> int:
        """Return the number of steps taken once a number of epochs are complete."""
        return self.first_step + (epochs - self.first_epoch) * self.steps_per_epoch

    def epochs_done(self, step: int) -> int | float:
        """Return how many epochs are done after a number of steps; an int if they are complete."""
        since = (step - self.first_step) / self.steps_per_epoch
        epochs = self.first_epoch + since
        return int(epochs) if epochs == int(epochs) else round(epochs, 4)

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> "Timeline | None":
        """Return the timeline that a checkpoint's `meta` describes; None for imported weights."""
        names = [field.name for field in dataclasses.fields(cls)]
        if not meta.keys() >= set(names):
            return None
        return cls(**{name: meta[name] for name in names})

    def indices(self, step: int) -> Int[np.ndarray, " global_batch"]:
        """Return the numbers of a step's pairs, in the order of their places in the batch."""
        place = (step - self.first_step) % self.steps_per_epoch * self.global_batch
        order = epoch_order(self.seed, self.epoch(step), self.pairs)
        return order[place : place + self.global_batch]


_CROP = 1  # part of the key: draws for crops differ from others for the same step and place


@dataclasses.dataclass(frozen=True)
class TrainingOrder:
    """The training examples that this process prepares.

    Attributes:
        pairs: Training pairs.
        timeline: Their order.
        places: Places in the global batch that belong to this process.
        mosaic: Share of examples that are mosaics of four pairs.
    """

    pairs: Pairs
    timeline: Timeline
    places: range
    mosaic: float = 0.0

    @property
    def example_places(self) -> Int[np.ndarray, " n"]:
        """Places of this process's examples in the global batch, int32."""
        return np.arange(self.places.start, self.places.stop, dtype=np.int32)

    def indices(self, step: int) -> Int[np.ndarray, " n"]:
        """Return the numbers of the pairs of this process's examples in a step."""
        return self.timeline.indices(step)[self.places.start : self.places.stop]

    def example(self, step: int, place: int) -> Pair:
        """Make the example at a place in a step's global batch: a pure function of both."""
        index = int(self.timeline.indices(step)[place])
        first = self._window(index, step, place, 0)
        drawn = draw_mosaic(self.timeline.seed, step, place, len(self.pairs), self.mosaic)
        if drawn is None:
            return first
        others = (
            self._window(other, step, place, corner)
            for corner, other in enumerate(drawn.others, start=1)
        )
        return compose(drawn, [first, *others])

    def _window(self, index: int, step: int, place: int, corner: int) -> Pair:
        """Return a pair, or a random crop of it if pairs differ in size.

        Args:
            index: Number of the pair.
            step: The step.
            place: Place of the example in the global batch.
            corner: Number of the pair in the example's mosaic; 0 for the example's own pair.
        """
        pair = self.pairs[index]
        if self.pairs.shaping.uniform:
            return pair
        size = self.pairs.size
        key = np.array([self.timeline.seed, (step << 32) + (place << 8) + (_CROP << 4) + corner])
        rng = np.random.Generator(np.random.Philox(key=key.astype(np.uint64)))
        height, width = pair[0].shape[:2]
        scale = self.pairs.form.scale
        step = step_of(scale)
        spare = ((height - size[0]) // step + 1, (width - size[1]) // step + 1)
        top, left = (rng.integers(spare) * step).tolist()
        return crop_pair(pair, (top, left), size, scale)
