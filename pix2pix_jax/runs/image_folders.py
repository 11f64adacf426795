"""Translate image files: a folder of them, or a run's own data."""

import dataclasses
import logging
import pathlib
from collections.abc import Iterator, Sequence

from tqdm.auto import tqdm

from pix2pix_jax.core.choices import ON_FAULT, PARTS
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.files import refuse_unwritable
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.batch_sizes import batches_of_one_size
from pix2pix_jax.runs.file_numbers import read_rows
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.output_files import plan_outputs, refuse_losses, without_collisions
from pix2pix_jax.runs.results import Given, Results, saying_what_was_written
from pix2pix_jax.runs.several_inputs import Inputs, find_others, split_inputs
from pix2pix_jax.runs.source_files import (
    Image,
    Task,
    carried_by,
    choose_sides,
    judge,
    read_sources,
    result_scale,
    size_in_network,
)
from pix2pix_jax.runs.tiled_files import translate_files
from pix2pix_jax.runs.translation import check_mode

logger = logging.getLogger(__name__)


def translate_folder(
    generator: Generator,
    source: Inputs,
    output: str | pathlib.Path,
    *,
    mode: str = "paper",
    batch_size: int = 0,
    derive: bool = False,
    side: str = "whole",
    same_dropout: bool = False,
    draws: int = 1,
    blend: float = 0.0,
    on_error: str = "fail",
    table: str | pathlib.Path | None = None,
) -> list[pathlib.Path]:
    """Translate an image file, or all image files in a folder, to files with the same names.

    Results are PNG files, or TIFF if PNG cannot hold the target (see `images.files.suffix_of`), or
    if the source is a GeoTIFF, whose tags are kept (see `Results.suffix_for`). Each appears whole
    or not at all, and takes the place of an earlier file of its name. An output folder inside the
    input folder is not searched for inputs.

    What the headers of the files tell is judged before the first result is written.

    Args:
        generator: From `load_generator`.
        source: File or folder; sub-folders are kept. Of a run with several sources one for each, as
            a list or with commas between them; results have the names of the first one's files.
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
        draws: Number of draws of dropout. With more than one the result is their mean, and
            `NAME_deviation.tif` beside it holds `draws.Drawn.deviation`.
        blend: Share of the result before in each result, for the frames of a video, which follow
            each other in the order of their names; see `blending.Blend`.
        on_error: What happens to a file that cannot be read: `fail` ends the call, `skip` leaves it
            out and counts it.
        table: A table like `data.condition`, with a row of numbers for each file; None: those of
            the generator, see `Generator.with_condition`.

    Returns:
        The files written, in order.

    Raises:
        InputError: The input is missing or has no images, two inputs would be written to the same
            file, or an output would replace an input. A file cannot be read; with `skip`: none can.
            A note says what was written.
    """
    check_mode(mode)
    for key, value, choices in (("on_error", on_error, ON_FAULT), ("side", side, PARTS)):
        if value not in choices:
            raise InputError(f"{key}={shown(value)}: choose from {', '.join(choices)}")
    results = Results(
        generator,
        mode=mode,
        batch_size=batch_size,
        same_dropout=same_dropout,
        draws=draws,
        blend=blend,
    )
    refuse_unwritable(output)
    if generator.form.derivation is not None and side in ("left", "right"):
        raise InputError(f"side={side!r}: this run derives its sources from single images")
    inputs = split_inputs(generator.form, source)
    if len(inputs) > 1 and side in ("left", "right"):
        raise InputError(f"side={side!r}: this run's sources are files of their own")
    jobs = plan_outputs(inputs[0], pathlib.Path(output), results.suffix_for)
    refuse_losses([(path, results.files_of(target)) for path, target in jobs])
    others = find_others(inputs, jobs)
    numbers = {} if table is None else read_rows(generator, table, inputs[0], jobs)
    if table is None:
        generator.rows(1)  # refuses a generator that lacks numbers before anything is read
    good = judge(generator, jobs, others, derive=derive, on_error=on_error)
    tasks = [
        dataclasses.replace(
            task, others=others.get(task.source, ()), numbers=numbers.get(task.source)
        )
        for task in choose_sides(generator, good, side if len(inputs) == 1 else "whole")
    ]
    written = results.written
    with saying_what_was_written(written, len(jobs), output):
        if generator.fit == "tile":
            translate_files(
                generator,
                tasks,
                written,
                mode=mode,
                derive=derive,
                same_dropout=same_dropout,
                on_error=on_error,
            )
        else:
            _translate_whole(results, generator, tasks, batch_size, derive, on_error)
        if len(written) < len(jobs):
            logger.warning("%d of %d images were left out", len(jobs) - len(written), len(jobs))
        if not written:
            raise InputError(f"{inputs[0]}: none of its {len(jobs)} images can be translated")
    order = {target: number for number, (_, target) in enumerate(jobs)}
    return sorted(written, key=order.__getitem__)


def _translate_whole(
    results: Results,
    generator: Generator,
    tasks: Sequence[Task],
    batch_size: int,
    derive: bool,
    on_error: str,
) -> None:
    """Translate each image at once."""
    sizes = [size_in_network(generator, task) for task in tasks]
    for numbers in _batches(sizes, batch_size, in_order=results.blends):
        some = [tasks[number] for number in numbers]
        read, failure = read_sources(generator, some, derive=derive, on_error=on_error)
        results.add([_given(generator, task, image, derive) for task, image in read])
        if failure is not None:
            raise failure


def _given(generator: Generator, task: Task, image: Image, derive: bool) -> Given:
    """Return a task's image for `Results`: a derived one has the network's size, not the file's."""
    size = None
    if derive or task.others:  # several sources of different size have been resized, too
        scale = result_scale(generator.form, derive=derive)
        size = scaled(image_files.size_of(task.source), scale)
    carried = carried_by(generator, task, derive=derive)
    return Given(image, task.source.name, task.target, size, carried, task.numbers)


def _batches(
    sizes: Sequence[tuple[int, int]], batch_size: int, *, in_order: bool = False
) -> Iterator[list[int]]:
    """Yield the numbers of the images that a program translates at once, with a progress bar."""
    with tqdm(total=len(sizes), unit="image", disable=None) as bar:
        for numbers in batches_of_one_size(sizes, batch_size, in_order=in_order):
            yield numbers
            bar.update(len(numbers))


def translate_split(
    generator: Generator,
    run: RunFolder,
    split: str,
    output: str | pathlib.Path,
    *,
    mode: str = "paper",
    batch_size: int = 0,
    same_dropout: bool = False,
    draws: int = 1,
    blend: float = 0.0,
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
        draws: As for `translate_folder`.
        blend: As for `translate_folder`.

    Returns:
        The files written, in order.

    Raises:
        InputError: The split is missing or empty, the output is inside the data set, or two pairs
            would be written to the same file. A note says what was written.
    """
    results = Results(
        generator,
        mode=mode,
        batch_size=batch_size,
        same_dropout=same_dropout,
        draws=draws,
        blend=blend,
    )
    refuse_unwritable(output)
    run.refuse_output_in_data(output)
    pairs = run.load_pairs(split, cache=False)
    if generator.condition is None and pairs.numbers is not None and pairs.values is not None:
        pairs.numbers.warn_outside(pairs.values)
    folder = pathlib.Path(output)
    targets = [(folder / name).with_suffix(results.suffix) for name in pairs.names]
    named = zip(map(pathlib.Path, pairs.names), targets, strict=True)
    without_collisions(
        [(name, file) for name, target in named for file in results.files_of(target)]
    )
    with saying_what_was_written(results.written, len(pairs), output):
        for numbers in _batches([pairs.size] * len(pairs), batch_size):
            results.add([_given_pair(generator, pairs, number, targets) for number in numbers])
    return results.written


def _given_pair(
    generator: Generator, pairs: Pairs, number: int, targets: Sequence[pathlib.Path]
) -> Given:
    """Return a pair's source for `Results`, with its own numbers unless others were given."""
    own = pairs.condition if generator.condition is None else None
    numbers = None if own is None else own[number]
    source, _ = pairs[number]
    return Given(source, pairs.names[number], targets[number], numbers=numbers)
