"""Where a run's numbers and pictures go: one small interface and its implementations."""

import csv
import io
import math
import os
import pathlib
import time
from collections.abc import Mapping
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
        """Record a picture of a step; each step has another `name`."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


class CsvWriter:
    """A CSV file with a row for every call and a column for every name."""

    def __init__(self, path: pathlib.Path, last_step: int) -> None:
        """Open the file; the rows of an earlier part of the run are kept.

        Args:
            path: File to append to.
            last_step: Step that the run continues from; rows of later steps are dropped.

        Raises:
            InputError: The file is not such a table.
        """
        self._path = path
        self._columns, rows = read_table(path)
        self._rewrite([row for row in rows if _step_of(row) <= last_step])

    def scalars(self, step: int, values: Scalars) -> None:
        """Append a row; it is on disk when this returns."""
        new = [name for name in values if name not in self._columns]
        if new:
            rows = read_table(self._path)[1]
            self._columns += new
            self._rewrite(rows)
        with self._path.open("a", newline="", encoding="utf-8") as file:
            row = {"step": step, **format_cells(values)}
            csv.DictWriter(file, self._columns, restval="").writerow(row)
            file.flush()
            os.fsync(file.fileno())

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Do nothing: a table has no pictures."""

    def close(self) -> None:
        """Do nothing: all rows are written."""

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
        with atomic_path(self._path, durable=True) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8", newline="")


def format_cells(values: Mapping[str, float]) -> dict[str, str]:
    """Return numbers as a table has them, with six digits."""
    return {name: f"{value:.6g}" for name, value in values.items()}


def read_table(path: pathlib.Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns and the complete rows of a `metrics.csv`, which may be missing.

    Raises:
        InputError: It is not such a table.
    """
    if not path.exists():
        return ["step"], []
    if not path.is_file():  # reading a named pipe would wait for ever
        raise InputError(f"{path}: is not a file; move it away")
    try:
        # The last line has no end if a full disk or a kill cut it short.
        text, end, _ = path.read_bytes().decode("utf-8-sig").rpartition("\n")
        reader = csv.DictReader(io.StringIO(text + end, newline=""))
        columns = list(reader.fieldnames or ["step"])
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is not a table of a run ({error}); move it away") from None
    if "step" not in columns:
        raise InputError(f"{path}: has no column 'step'; move it away to continue")
    return columns, [row for row in rows if None not in row and None not in row.values()]


def _step_of(row: dict[str, str]) -> float:
    """Return the step of a row; infinity if the cell is damaged."""
    cell = row["step"]
    return float(cell) if cell.isascii() and cell.isdecimal() else math.inf


class TensorBoardWriter:
    """TensorBoard event files, without tensorflow.

    They are written in this thread. tensorboardX's SummaryWriter has a thread of its own, which a
    full disk ends; the program would then wait for it forever.
    """

    def __init__(self, folder: pathlib.Path, last_step: int) -> None:
        """Open a new event file.

        Args:
            folder: Folder of the event files, created if missing.
            last_step: Step that the run continues from; TensorBoard hides later steps of earlier
                files.
        """
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        folder.mkdir(parents=True, exist_ok=True)
        self._event = event_pb2.Event
        self._writer = EventsWriter(str(folder / "events"))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(last_step + 1, session_log=start)

    def scalars(self, step: int, values: Scalars) -> None:
        """Write each number as a point of a curve."""
        from tensorboardX import summary

        for name, value in values.items():
            self._write(step, summary=summary.scalar(name, value))

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Write the picture; all steps share one tag, which TensorBoard shows with a slider."""
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
        """Create the folder if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def scalars(self, step: int, values: Scalars) -> None:
        """Do nothing: this is for pictures only."""

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Write a PNG."""
        image_files.write(self._folder / f"{name}.png", image)

    def close(self) -> None:
        """Do nothing: all pictures are written."""


class WandbWriter:
    """Scalars and pictures on Weights & Biases; a resumed run continues there, too."""

    def __init__(self, folder: RunFolder, project: str, config: dict[str, Any]) -> None:
        """Start a run there, or continue the one whose id is in the folder.

        Args:
            folder: The run's folder, which keeps the id and, in offline mode, the data.
            project: Name of the project.
            config: Flat configuration.

        Raises:
            InputError: wandb is not installed, or not logged in.
        """
        wandb = require("wandb", "wandb")
        path = folder.wandb_file
        known_id = path.read_text().strip() if path.exists() else None
        try:
            self._run = wandb.init(
                project=project,
                name=folder.path.name,
                id=known_id,
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
        """Log the picture; all steps share one name, which is shown with a slider."""
        self._run.log({"samples": self._image(image, caption=name)}, step=step)

    def close(self) -> None:
        """Send what is left, and end the session."""
        self._run.finish()


class MultiWriter:
    """Several writers as one."""

    def __init__(self, writers: list[Writer]) -> None:
        """Take over the writers; closing this closes them."""
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
        folder: The run's folder.
        last_step: Step that the run continues from.
        config: The whole configuration; its section `log` says what to write.

    Returns:
        One writer for all; with several processes, only that of the first writes anything.

    Raises:
        InputError: Weights & Biases is wanted, but not available, or `metrics.csv` is damaged.
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
