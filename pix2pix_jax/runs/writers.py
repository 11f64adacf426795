"""Where a run's numbers and pictures go: one small interface, a few backends."""

import csv
import os
import pathlib
import time
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from ml_collections import ConfigDict

from pix2pix_jax.core.config import flatten
from pix2pix_jax.core.errors import InputError, require
from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.core.processes import is_main
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.folder import RunFolder

Scalars = dict[str, float]


@runtime_checkable
class Writer(Protocol):
    """A destination of scalars and images."""

    def scalars(self, step: int, values: Scalars) -> None:
        """Record named numbers of a step."""
        ...

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Record a picture of a step; `name` tells it from the pictures of other steps."""
        ...

    def close(self) -> None:
        """Write out what is left."""
        ...


class CsvWriter:
    """One row a call in a CSV file; a column for every name seen, empty where it has no value."""

    def __init__(self, path: pathlib.Path, last_step: int) -> None:
        """Open the file, keeping the rows of an earlier part of the run.

        Args:
            path: File to append to.
            last_step: Rows of later steps are dropped: the run goes on from here.
        """
        self._path = path
        self._columns = ["step"]
        rows: list[dict[str, str]] = []
        if path.exists():
            with path.open(newline="") as file:
                reader = csv.DictReader(file)
                self._columns = list(reader.fieldnames or self._columns)
                if "step" not in self._columns:
                    raise InputError(f"{path}: has no column 'step'; move it away to go on")
                # A row that a crash cut short has too few cells: it is dropped as well.
                rows = [
                    row
                    for row in reader
                    if None not in row
                    and None not in row.values()
                    and row["step"].isdecimal()
                    and int(row["step"]) <= last_step
                ]
        self._rewrite(rows)

    def scalars(self, step: int, values: Scalars) -> None:
        """Append a row; it is on the disk when this returns."""
        new = [name for name in values if name not in self._columns]
        if new:
            with self._path.open(newline="") as file:
                rows = list(csv.DictReader(file))
            self._columns += new
            self._rewrite(rows)
        with self._path.open("a", newline="") as file:
            row = {name: f"{value:.6g}" for name, value in values.items()}
            csv.DictWriter(file, self._columns, restval="").writerow({"step": step, **row})
            file.flush()
            os.fsync(file.fileno())

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Do nothing: a table has no pictures."""

    def close(self) -> None:
        """Do nothing: every row is written already."""

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        with atomic_path(self._path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="")
            writer.writeheader()
            writer.writerows(rows)


class TensorBoardWriter:
    """TensorBoard event files, without tensorflow.

    Written in this thread: tensorboardX's own SummaryWriter has one of its own, which a full disk
    ends, after which the program waits for it for ever.
    """

    def __init__(self, folder: pathlib.Path, last_step: int) -> None:
        """Open a new event file.

        Args:
            folder: Folder of the event files, made where missing.
            last_step: TensorBoard hides what earlier files say of later steps.
        """
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        folder.mkdir(parents=True, exist_ok=True)
        self._event = event_pb2.Event
        self._writer = EventsWriter(str(folder / "events"))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(last_step + 1, session_log=start)

    def scalars(self, step: int, values: Scalars) -> None:
        """Write each number as a curve's point."""
        from tensorboardX import summary

        for name, value in values.items():
            self._write(step, summary=summary.scalar(name, value))

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Write the picture under one tag for all steps, which gives it a slider."""
        from tensorboardX import summary

        self._write(step, summary=summary.image("samples", image, dataformats="HWC"))

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()

    def _write(self, step: int, **content: Any) -> None:
        self._writer.write_event(self._event(wall_time=time.time(), step=step, **content))
        self._writer.flush()


class PngWriter:
    """Pictures as `<folder>/<name>.png`."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Make the folder where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def scalars(self, step: int, values: Scalars) -> None:
        """Do nothing: pictures only."""

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Write a PNG."""
        image_files.write(self._folder / f"{name}.png", image)

    def close(self) -> None:
        """Do nothing: every picture is written already."""


class WandbWriter:
    """Scalars and pictures of a run on Weights & Biases; a resumed run goes on there as well."""

    def __init__(self, folder: RunFolder, project: str, config: dict[str, Any]) -> None:
        """Start a run there, or go on with the one whose name is in the folder.

        Args:
            folder: The run's folder, which keeps the id and, in offline mode, what is to be sent.
            project: Name of the project.
            config: Flat configuration.

        Raises:
            InputError: wandb is not installed, or not logged in.
        """
        wandb = require("wandb", "wandb")
        path = folder.wandb_file
        known = path.read_text().strip() if path.exists() else None
        try:
            self._run = wandb.init(
                project=project,
                name=folder.path.name,
                id=known,
                resume="allow",
                dir=str(folder),
                config=config,
                settings=wandb.Settings(silent=True),
            )
        except wandb.errors.Error as error:
            raise InputError(
                f"log.wandb=True: {' '.join(str(error).split())[:160]}; run 'wandb login', or set "
                "WANDB_MODE=offline"
            ) from None
        self._image = wandb.Image
        path.write_text(f"{self._run.id}\n")

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Log named numbers of a step."""
        self._run.log(values, step=step)

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Log the picture under one name for all steps, which gives it a slider."""
        self._run.log({"samples": self._image(image, caption=name)}, step=step)

    def close(self) -> None:
        """Send what is left, and end the run's session."""
        self._run.finish()


class MultiWriter:
    """Several writers as one."""

    def __init__(self, writers: list[Writer]) -> None:
        """Take the writers over; closing this closes them."""
        self._writers = writers

    def scalars(self, step: int, values: Scalars) -> None:
        """Pass on to all."""
        for writer in self._writers:
            writer.scalars(step, values)

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Pass on to all."""
        for writer in self._writers:
            writer.image(step, name, image)

    def close(self) -> None:
        """Close all."""
        for writer in self._writers:
            writer.close()


def build_writers(folder: RunFolder, last_step: int, config: ConfigDict) -> Writer:
    """Open everything a run writes its numbers and pictures to.

    Args:
        folder: The run's folder: `metrics.csv`, `samples/`, `tensorboard/`.
        last_step: Step that the run goes on from.
        config: The whole configuration; its section `log` says what is written.

    Returns:
        One writer for all; of several processes, only the first one's writes anything.

    Raises:
        InputError: Weights & Biases is wanted, and cannot be had.
    """
    writers: list[Writer] = []
    if not is_main():
        return MultiWriter(writers)
    if config.log.wandb:  # first: it can refuse
        writers.append(WandbWriter(folder, config.log.wandb_project, flatten(config)))
    writers.append(CsvWriter(folder.metrics_file, last_step))
    writers.append(PngWriter(folder.samples))
    if config.log.tensorboard:
        writers.append(TensorBoardWriter(folder.tensorboard, last_step))
    return MultiWriter(writers)
