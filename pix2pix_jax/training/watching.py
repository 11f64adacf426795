"""Watching over a run: its rows are judged as they are written."""

import logging

import numpy as np
from jaxtyping import UInt8

from pix2pix_jax.core.config import flatten
from pix2pix_jax.evaluation.watch import Watch, settings_of
from pix2pix_jax.runs.record import as_read
from pix2pix_jax.runs.writers import Scalars, Writer
from pix2pix_jax.training.plateaus import Plateaus
from pix2pix_jax.training.run import Run

logger = logging.getLogger(__name__)


class WatchingWriter:
    """Hands rows on to a run's writers, and logs what they show.

    All that it knows is in the rows that `metrics.csv` keeps. A run that goes on thus finds what it
    would have found without the stop, and a report finds the same.

    Attributes:
        plateaus: What the run does by its scores.
    """

    def __init__(self, run: Run, writer: Writer, plateaus: Plateaus) -> None:
        """Judge the rows that the run keeps from its earlier starts, without a word.

        Args:
            run: The run.
            writer: Its writers, already open.
            plateaus: What the run does by its scores, as far as it has got.
        """
        self._writer = writer
        self.plateaus = plateaus
        self._watch = Watch(settings_of(flatten(run.given)))
        for row in run.kept_rows:
            self._watch.add(row)

    def scalars(self, step: int, values: Scalars) -> None:
        """Write a row, and judge it."""
        self._writer.scalars(step, values)
        row = as_read(step, values)
        for finding in self._watch.add(row):
            logger.warning("%s", finding)
        self.plateaus.add(row)

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Hand a picture on."""
        self._writer.image(step, name, image)

    def close(self) -> None:
        """Close the writers."""
        self._writer.close()
