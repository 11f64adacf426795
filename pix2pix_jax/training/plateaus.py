"""What a run does by its scores: it may end on a plateau, or lower its learning rates there."""

import jax
import numpy as np

from pix2pix_jax.core.devices import hold
from pix2pix_jax.core.processes import from_main
from pix2pix_jax.evaluation.watch import Patience, Row
from pix2pix_jax.training.run import Run
from pix2pix_jax.training.state import TrainState


class Plateaus:
    """Plateaus of the scores that decide which checkpoint is the best.

    They follow from the rows of `metrics.csv` alone, so that a run that goes on does what it would
    have done without the stop. The first process reads them, and tells the others. Scores before a
    change of the data do not count.
    """

    def __init__(self, run: Run) -> None:
        """Take the scores that the run keeps from its earlier starts.

        Args:
            run: The run; every process must call this at the same place.
        """
        self._stop = run.halts.stop
        config, metric = run.config, run.config.checkpoint.best_metric
        best = run.metrics[metric].best
        self._column, self._first = f"val_{metric}", run.scored_from
        self._to_end = Patience(config.train.patience, best)
        self._to_drop = Patience(config.lr.plateau_patience, best)
        self._ends = config.train.stop_when == "plateau"
        self._drops = config.lr.schedule == "plateau"
        self._factor = config.lr.plateau_factor
        # Last step at which patience was at an end; number of drops.
        self._found = np.zeros(2, np.int32)
        for row in run.kept_rows:
            self.add(row)
        self.agree()

    def add(self, row: Row) -> None:
        """Take a row, as `metrics.csv` has it."""
        score = row.get(self._column)
        if score is None or row["step"] <= self._first:
            return
        if self._to_end.add(score):
            self._found[0] = row["step"]
        self._found[1] += self._to_drop.add(score)

    def agree(self) -> None:
        """Take over what the first process has found; every process must call this."""
        if self._ends or self._drops:
            self._found = from_main(self._found)

    def last_step(self, step: int) -> int:
        """Return the step at which the run is complete, as far as is known after `step`."""
        return step if self.end_at(step) else self._stop

    def end_at(self, step: int) -> bool:
        """Return whether the run ends after a step, although more are planned."""
        return self._ends and 0 < int(self._found[0]) == step

    @property
    def rate_factor(self) -> float:
        """Factor of the learning rates."""
        return float(self._factor ** self._found[1]) if self._drops else 1.0

    def steer(self, state: TrainState) -> TrainState:
        """Return a state with the factor of its learning rates, which its steps heed."""
        if not self._drops:
            return state
        factor: jax.Array = hold(np.float32(self.rate_factor))
        return state.replace(rate_factor=factor)
