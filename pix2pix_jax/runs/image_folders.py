"""Translate image files: a folder of them, or a run's own data."""

import contextlib
import dataclasses
import logging
import pathlib
from collections.abc import Iterator, Sequence

from tqdm.auto import tqdm

from pix2pix_jax.core.choices import ON_FAULT, PARTS
from pix2pix_jax.core.devices import out_of_memory_as
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.files import refuse_unwritable
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.output_files import plan_outputs, without_collisions
from pix2pix_jax.runs.source_files import (
    Image,
    Task,
    choose_sides,
    judge,
    read_sources,
    size_in_network,
)
from pix2pix_jax.runs.translation import batches_of_one_size, check_mode, translate

logger = logging.getLogger(__name__)

_LESS_MEMORY = "translate large images at the training's size: --fit resize"


@dataclasses.dataclass(frozen=True)
class _Options:
    """The keyword arguments of `translate_folder`."""

    mode: str = "paper"
    batch_size: int = 0
    derive: bool = False
    side: str = "whole"
    same_dropout: bool = False
    on_error: str = "fail"

    def __post_init__(self) -> None:
        """Raise InputError if a value is none of its choices."""
        check_mode(self.mode)
        for name, choices in (("on_error", ON_FAULT), ("side", PARTS)):
            value = getattr(self, name)
            if value not in choices:
                raise InputError(f"{name}={shown(value)}: choose from {', '.join(choices)}")


def translate_folder(
    generator: Generator,
    source: str | pathlib.Path,
    output: str | pathlib.Path,
    *,
    mode: str = "paper",
    batch_size: int = 0,
    derive: bool = False,
    side: str = "whole",
    same_dropout: bool = False,
    on_error: str = "fail",
) -> list[pathlib.Path]:
    """Translate an image file, or all image files in a folder, to files with the same names.

    Results are PNG files, or TIFF if PNG cannot hold the target: see `images.files.suffix_of`. Each
    appears whole or not at all, and takes the place of an earlier file of its name. An output
    folder inside the input folder is not searched for inputs.

    What the headers of the files tell is judged before the first result is written.

    Args:
        generator: From `load_generator`.
        source: File or folder; sub-folders are kept.
        output: Folder for the results, created if missing.
        mode: `paper` or `deterministic`.
        batch_size: Images that a GPU or TPU translates at once, see `translation.translate`.
        derive: Whether to derive the sources from the images as in training, even if the images
            could be sources themselves (edges, blur, downscale, mask).
        side: Which part of each image is the source: its `left` or `right` half, or the `whole`.
            `auto`: of an image with the proportions of two training images side by side, the half
            that was the source in training; of others, the whole.
        same_dropout: Whether all images get the same dropout, such as the frames of a video. If
            not, the name of an image decides it.
        on_error: What happens to a file that cannot be read: `fail` ends the call, `skip` leaves it
            out and counts it.

    Returns:
        The files written, in order.

    Raises:
        InputError: The input is missing or has no images, two inputs would be written to the same
            file, or an output would replace an input. A file cannot be read; with `skip`: none can.
            A note says what was written.
    """
    options = _Options(mode, batch_size, derive, side, same_dropout, on_error)
    refuse_unwritable(output)
    if generator.form.derivation is not None and side in ("left", "right"):
        raise InputError(f"side={side!r}: this run derives its sources from single images")
    jobs = plan_outputs(pathlib.Path(source), pathlib.Path(output), _suffix(generator))
    good = judge(generator, jobs, derive=derive, on_error=on_error)
    tasks = choose_sides(generator, good, side)
    sizes = [size_in_network(generator, task) for task in tasks]
    written: list[pathlib.Path] = []
    with _saying_what_was_written(written, len(jobs), output):
        for numbers in _batches(sizes, batch_size):
            some = [tasks[number] for number in numbers]
            images, failure = read_sources(generator, some, derive=derive, on_error=on_error)
            _translate(generator, images, options, written)
            if failure is not None:
                raise failure
        if len(written) < len(jobs):
            logger.warning("%d of %d images were left out", len(jobs) - len(written), len(jobs))
        if not written:
            raise InputError(f"{source}: none of its {len(jobs)} images can be translated")
    order = {target: number for number, (_, target) in enumerate(jobs)}
    return sorted(written, key=order.__getitem__)


def _suffix(generator: Generator) -> str:
    """Return the suffix of the files that results are written to."""
    target = generator.form.written
    return image_files.suffix_of(target.dtype, target.channels)


@contextlib.contextmanager
def _saying_what_was_written(
    written: Sequence[pathlib.Path], total: int, output: str | pathlib.Path
) -> Iterator[None]:
    """Add to any error how many results there are."""
    try:
        with out_of_memory_as(_LESS_MEMORY):
            yield
    except Exception as error:
        count = f"{len(written)} of {total} images" if written else "nothing"
        error.add_note(f"{count} written to {output}")
        raise


def _batches(sizes: Sequence[tuple[int, int]], batch_size: int) -> Iterator[list[int]]:
    """Yield the numbers of the images that a program translates at once, with a progress bar."""
    with tqdm(total=len(sizes), unit="image", disable=None) as bar:
        for numbers in batches_of_one_size(sizes, batch_size):
            yield numbers
            bar.update(len(numbers))


def _translate(
    generator: Generator,
    images: Sequence[tuple[Task, Image]],
    options: _Options,
    written: list[pathlib.Path],
) -> None:
    """Translate the images of a batch, and add each result to what is written."""
    fakes = translate(
        generator,
        [image for _, image in images],
        names=_names([task.source.name for task, _ in images], options.same_dropout),
        mode=options.mode,
        batch_size=options.batch_size,
    )
    for (task, _), fake in zip(images, fakes, strict=True):
        if options.derive:  # the source was derived at the network's size
            fake = generator.form.written.resize(fake, image_files.size_of(task.source))
        _write(task.target, fake, written)


def _names(names: Sequence[str], same_dropout: bool) -> list[str]:
    """Return the names that decide the dropout."""
    return [""] * len(names) if same_dropout else list(names)


def _write(path: pathlib.Path, fake: Image, written: list[pathlib.Path]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image_files.write(path, fake)
    written.append(path)


def translate_split(
    generator: Generator,
    run: RunFolder,
    split: str,
    output: str | pathlib.Path,
    *,
    mode: str = "paper",
    batch_size: int = 0,
    same_dropout: bool = False,
) -> list[pathlib.Path]:
    """Translate a split of a run's own data to files with the names of the pairs.

    They are written as by `translate_folder`. The run's `data.on_error` decides about files that
    cannot be read.

    Args:
        generator: From `load_generator`.
        run: The run's folder.
        split: `train`, `val` or `test`.
        output: Folder for the results, created if missing.
        mode: `paper` or `deterministic`.
        batch_size: Images that a GPU or TPU translates at once, see `translation.translate`.
        same_dropout: As for `translate_folder`.

    Returns:
        The files written, in order.

    Raises:
        InputError: The split is missing or empty, the output is inside the data set, or two pairs
            would be written to the same file. A note says what was written.
    """
    check_mode(mode)
    refuse_unwritable(output)
    run.refuse_output_in_data(output)
    pairs = run.load_pairs(split, cache=False)
    folder = pathlib.Path(output)
    suffix = _suffix(generator)
    jobs = without_collisions(
        [(pathlib.Path(name), (folder / name).with_suffix(suffix)) for name in pairs.names]
    )
    written: list[pathlib.Path] = []
    with _saying_what_was_written(written, len(jobs), output):
        for numbers in _batches([pairs.size] * len(pairs), batch_size):
            fakes = translate(
                generator,
                [pairs[number][0] for number in numbers],
                names=_names([pairs.names[number] for number in numbers], same_dropout),
                mode=mode,
                batch_size=batch_size,
            )
            for number, fake in zip(numbers, fakes, strict=True):
                _write(jobs[number][1], fake, written)
    return written
