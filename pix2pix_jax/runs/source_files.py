"""The image files to translate: which part of each is the source, and reading it."""

import dataclasses
import logging
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.sources import split_in_halves
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.carried import Carried, read_carried
from pix2pix_jax.runs.fitting import fitted_size
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.output_files import Job

logger = logging.getLogger(__name__)

_PAIR_TOLERANCE = 0.02  # how far a pair's proportions may be from those of the training
Image = Shaped[np.ndarray, "_ _ _"]


@dataclasses.dataclass(frozen=True)
class Task:
    """A file to translate.

    Attributes:
        source: The file.
        target: Where the result goes.
        side: Which part of the image is the source: `left`, `right` or `whole`.
        others: The files of the other sources, if there are several.
        numbers: Normalised numbers beside the image; None: those of the generator, if it takes any.
    """

    source: pathlib.Path
    target: pathlib.Path
    side: str
    others: tuple[pathlib.Path, ...] = ()
    numbers: Float[np.ndarray, " k"] | None = None

    @property
    def files(self) -> pathlib.Path | tuple[pathlib.Path, ...]:
        """The file; or those of all sources, in order."""
        return (self.source, *self.others) if self.others else self.source


Others = Mapping[pathlib.Path, tuple[pathlib.Path, ...]]


def judge(
    generator: Generator, jobs: Sequence[Job], others: Others, *, derive: bool, on_error: str
) -> list[Job]:
    """Return the jobs whose files can be read, as far as their headers tell.

    Args:
        generator: The generator.
        jobs: Files, and where their results go.
        others: The files of other sources for each of them.
        derive: Whether sources are derived as in training, see `PairFormat.read_source`.
        on_error: `fail`: all files must be readable; `skip`: others are left out, with a warning.

    Raises:
        InputError: A file cannot be read, with `fail`.
    """
    good, failures = [], []
    for job in jobs:
        try:
            there = others.get(job[0], ())
            generator.form.check_source((job[0], *there) if there else job[0], derive=derive)
            good.append(job)
        except InputError as error:
            failures.append(error)
    if failures and on_error == "fail":
        more = f" ({len(failures)} such files)" if len(failures) > 1 else ""
        raise InputError(
            f"{failures[0]}{more}; nothing was written: --on_error skip leaves such files out"
        )
    for failure in failures:
        logger.warning("left out: %s", failure)
    return good


def choose_sides(generator: Generator, jobs: Sequence[Job], side: str) -> list[Task]:
    """Decide which part of each image is the source, and say so if it is not the whole.

    Args:
        generator: The generator.
        jobs: Files, and where their results go.
        side: As for `translate_folder`.
    """
    if side != "auto" or generator.form.derivation is not None:
        return [Task(*job, "whole" if side == "auto" else side) for job in jobs]
    half = "left" if generator.form.direction == "AtoB" else "right"
    tasks = [Task(*job, half if _is_pair(generator, job[0]) else "whole") for job in jobs]
    pairs = sum(task.side == half for task in tasks)
    if pairs:
        logger.info(
            "%d of %d images are side-by-side pairs by their proportions: the %s half of each is "
            "translated (--side whole: all of it)",
            *(pairs, len(jobs), half),
        )
    return tasks


def _is_pair(generator: Generator, path: pathlib.Path) -> bool:
    """Return whether an image has the proportions of two images of the training side by side."""
    height, width = image_files.size_of(path)
    wanted = 2 * generator.image_size[1] / generator.image_size[0]
    return width % 2 == 0 and abs(width / height / wanted - 1) < _PAIR_TOLERANCE


def carried_by(generator: Generator, task: Task, *, derive: bool) -> Carried:
    """Return what the result keeps of a task's file: half of an image lies nowhere on Earth.

    Args:
        generator: The generator.
        task: The task.
        derive: As for `judge`.
    """
    carried = read_carried(task.source)
    if task.side != "whole":
        carried = dataclasses.replace(carried, geo=())
    scale = result_scale(generator.form, derive=derive)
    resized = derive or bool(task.others)
    size = image_files.size_of(task.source)
    return carry_over(generator, carried, size, scale, resized=resized)


def carry_over(
    generator: Generator,
    carried: Carried,
    size: tuple[int, int],
    scale: float,
    *,
    resized: bool = False,
) -> Carried:
    """Return what a result keeps of a file.

    Args:
        generator: The generator.
        carried: What the file says.
        size: Height and width of the file's image.
        scale: How many times as large the result is.
        resized: Whether the result is brought to its size, also if `generator.fit` is not `resize`.
    """
    carried = carried.marking(generator.form.written.no_data)
    resized = generator.fit == "resize" or (resized and generator.fit != "tile")
    if scale == 1 or not resized:
        return carried.scaled(scale, scale)
    new = scaled(size, scale)  # half of an odd side is rounded up
    return carried.scaled(new[0] / size[0], new[1] / size[1])


def result_scale(form: PairFormat, *, derive: bool) -> float:
    """Return how many times as large as its file a result is.

    Args:
        form: The format of the run's pairs.
        derive: Whether sources are derived as in training: then a smaller source is made of the
            file, whose own size is that of a larger result.
    """
    as_in_training = derive and form.derives(derive)
    return min(form.scale, 1.0) if as_in_training else form.scale


def size_in_network(generator: Generator, task: Task) -> tuple[int, int]:
    """Return the size at which the network will see a task's image; its header is read."""
    if generator.fit == "resize":
        return generator.image_size
    height, width = image_files.size_of(task.source)
    return fitted_size(generator, (height, width if task.side == "whole" else width // 2))


def read_sources(
    generator: Generator, tasks: Sequence[Task], *, derive: bool, on_error: str
) -> tuple[list[tuple[Task, Image]], InputError | None]:
    """Read the sources of a batch, up to the first failure unless failures are skipped.

    Args:
        generator: The generator.
        tasks: The files.
        derive: As for `judge`.
        on_error: As for `judge`.

    Returns:
        The tasks with their sources as stored, and the failure that ended the reading, if any.
    """
    images: list[tuple[Task, Image]] = []
    size = generator.image_size if generator.fit == "resize" else None
    for task in tasks:
        try:
            image = generator.form.read_source(task.files, derive=derive, size=size)
            if task.side != "whole":
                image = split_in_halves(image, task.source)[task.side == "right"]
            images.append((task, image))
        except InputError as error:
            if on_error == "fail":
                return images, error
            logger.warning("left out: %s", error)
    return images, None
