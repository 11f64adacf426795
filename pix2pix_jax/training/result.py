"""How a run ended, for the program that called it."""

import dataclasses
import pathlib
import signal
from typing import Any

from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator, load_generator


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended, and where to find what it wrote. In a notebook it shows its newest samples.

    Attributes:
        step: Number of steps taken.
        summary: Content of `summary.json`; empty if the run was stopped before its end.
        folder: The run's folder, which knows all its files.
        stopped_by: Signal that stopped the run; None if it reached its end.
    """

    step: int
    summary: dict[str, Any]
    folder: RunFolder
    stopped_by: signal.Signals | None = None

    @property
    def workdir(self) -> pathlib.Path:
        """The run's folder."""
        return self.folder.path

    @property
    def scores(self) -> dict[str, float]:
        """Validation scores at the end; empty if there are none or the run was stopped."""
        return dict(self.summary.get("val", {}))

    @property
    def report(self) -> pathlib.Path:
        """The page with curves and pictures."""
        return self.folder.report_file

    @property
    def samples(self) -> list[pathlib.Path]:
        """The pictures of the same held-out pairs, oldest first."""
        drawn = self.folder.samples.glob("*_[0-9]*.png")
        return sorted(drawn, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def generator(self, checkpoint: str | int = "best") -> Generator:
        """Load the generator that was trained.

        Args:
            checkpoint: `best`, `latest`, or a step.
        """
        return load_generator(self.workdir, checkpoint)

    def __repr__(self) -> str:
        """Return one line."""
        scores = "".join(f", val {name} {value:.4g}" for name, value in self.scores.items())
        stopped = f", stopped by {self.stopped_by.name}" if self.stopped_by else ""
        return f"Result({self.workdir}: step {self.step}{scores}{stopped})"

    def _repr_png_(self) -> bytes | None:
        """Return the newest samples, which IPython shows."""
        samples = self.samples
        return samples[-1].read_bytes() if samples else None
