"""Translate image files in tiles: read, translated and written some rows at a time."""

import contextlib
import functools
import logging
import pathlib
from collections.abc import Iterator, Sequence

from tqdm.auto import tqdm

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import no_empty_folders
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.data.source_rows import open_source
from pix2pix_jax.data.sources import split_in_halves
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.rows import Rows, Strip, write_rows
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.source_files import Task, carried_by, result_scale
from pix2pix_jax.runs.tiled_images import ImageTiler
from pix2pix_jax.runs.translation import name_hashes

logger = logging.getLogger(__name__)


def translate_files(
    generator: Generator,
    tasks: Sequence[Task],
    written: list[pathlib.Path],
    *,
    mode: str,
    derive: bool,
    same_dropout: bool,
    on_error: str,
) -> None:
    """Translate image files in tiles.

    Args:
        generator: The generator, with its `tiling`.
        tasks: The files.
        written: The files of the results are added here, each as soon as it is complete.
        mode: `paper` or `deterministic`.
        derive: Whether sources are derived as in training, see `PairFormat.read_source`.
        same_dropout: Whether all images get the same dropout.
        on_error: `fail`: a file that cannot be read ends the call; `skip`: it is left out.

    Raises:
        InputError: As for `ImageTiler`; or a file cannot be read, with `fail`.
    """
    tiler = _FileTiler(generator, mode=mode, derive=derive, same_dropout=same_dropout)
    if tasks:
        tiler.tiler_of(tasks[0]).say_what_is_blended()
    for task in tqdm(tasks, unit="image", disable=True if len(tasks) == 1 else None):
        try:
            tiler.translate(task)
        except InputError as error:
            if on_error == "fail":
                raise
            logger.warning("left out: %s", error)
        else:
            written.append(task.target)


class _FileTiler:
    """Translates image files in tiles."""

    def __init__(
        self, generator: Generator, *, mode: str, derive: bool, same_dropout: bool
    ) -> None:
        self._generator, self._derive, self._same = generator, derive, same_dropout
        self._mode = mode

    def tiler_of(self, task: Task) -> ImageTiler:
        """Return what translates the image of a file, with the numbers beside it."""
        if task.numbers is None:
            return self._usual
        return ImageTiler(self._generator.at(task.numbers), mode=self._mode)

    @functools.cached_property
    def _usual(self) -> ImageTiler:
        return ImageTiler(self._generator, mode=self._mode)

    def translate(self, task: Task) -> None:
        """Translate a file, and write the result; it appears whole or not at all."""
        tiler = self.tiler_of(task)
        (name_hash,) = name_hashes(["" if self._same else task.source.name])
        stored = self._generator.form.written
        with self._open(task) as source, no_empty_folders(task.target.parent):
            size = scaled(source.size, self._generator.form.scale)
            self._refuse_other_size(task, size)
            task.target.parent.mkdir(parents=True, exist_ok=True)
            write_rows(
                task.target,
                tiler(source, task.source.name, int(name_hash)),
                size,
                dtype=stored.dtype,
                channels=stored.channels,
                carried=carried_by(self._generator, task, derive=self._derive),
            )

    def _refuse_other_size(self, task: Task, size: tuple[int, int]) -> None:
        """Raise InputError if the result would not have the size of the file it is derived from."""
        if not self._derive or task.side != "whole":
            return
        scale = result_scale(self._generator.form, derive=True)
        given = image_files.size_of(task.source)
        if size != scaled(given, scale):
            raise InputError(
                f"{task.source}: {given[0]} x {given[1]} pixels (height, width), of which the "
                f"result would have {size[0]} x {size[1]} (data.target_scale); crop it to that "
                "size, or choose --fit resize or pad"
            )

    @contextlib.contextmanager
    def _open(self, task: Task) -> Iterator[Rows]:
        with open_source(self._generator.form, task.files, derive=self._derive) as rows:
            if task.side == "whole":
                yield rows
                return

            def read_half(first: int, last: int) -> Strip:
                halves = split_in_halves(rows.read(first, last), task.source)
                return halves[task.side == "right"]

            yield Rows((rows.size[0], rows.size[1] // 2), read_half)
