"""When a run pauses: for a row of the table, an evaluation, a checkpoint, its end."""

import dataclasses

from ml_collections import ConfigDict

from pix2pix_jax.data.order import Timeline


@dataclasses.dataclass(frozen=True)
class Halts:
    """What is due after which step; plain numbers, 0 means never.

    Attributes:
        timeline: Maps steps to epochs.
        stop: Step at which the run is complete.
        log_steps: Steps between rows of metrics.csv.
        eval_steps: Steps between evaluations.
        eval_epochs: Epochs between evaluations.
        checkpoint_epochs: Epochs between checkpoints; each has an evaluation.
    """

    timeline: Timeline
    stop: int
    log_steps: int
    eval_steps: int = 0
    eval_epochs: int = 1
    checkpoint_epochs: int = 10

    @property
    def epochs(self) -> int:
        """Number of epochs of the complete run; the last one may be cut short."""
        return self.timeline.epoch(self.stop - 1) + 1

    def end_of_call(self, step: int) -> int:
        """Return the step that a call from `step` on must not go beyond: a halt or a row."""
        return min(self.next_halt(step), _next_multiple(step, self.log_steps))

    def next_halt(self, step: int) -> int:
        """Return the next step with something due: an epoch's end, an evaluation, the end."""
        ends = [self.timeline.end_of(self.timeline.epoch(step) + 1), self.stop]
        if self.eval_steps:
            ends.append(_next_multiple(step, self.eval_steps))
        return min(ends)

    def row_is_due(self, step: int) -> bool:
        """Return whether metrics.csv gets a row after this step, apart from the halts."""
        return step % self.log_steps == 0

    def save_is_due(self, step: int) -> bool:
        """Return whether a checkpoint is due after this step."""
        return step == self.stop or self.timeline.epochs_done(step) % self.checkpoint_epochs == 0

    def evaluation_is_due(self, step: int) -> bool:
        """Return whether an evaluation is due after this step."""
        epochs = self.timeline.epochs_done(step)
        return (
            self.save_is_due(step)
            or (self.eval_steps > 0 and step % self.eval_steps == 0)
            or (self.eval_epochs > 0 and epochs % self.eval_epochs == 0)
        )


def build_halts(config: ConfigDict, timeline: Timeline, stop: int) -> Halts:
    """Build the halts of a run from its configuration."""
    return Halts(
        timeline=timeline,
        stop=stop,
        log_steps=config.log.every_steps,
        eval_steps=config.eval.every_steps,
        eval_epochs=config.eval.every_epochs,
        checkpoint_epochs=config.checkpoint.every_epochs,
    )


def _next_multiple(step: int, of: int) -> int:
    return (step // of + 1) * of
