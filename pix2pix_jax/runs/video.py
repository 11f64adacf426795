"""Translate a video."""

import contextlib
import functools
import logging
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from pix2pix_jax.core.choices import ON_FAULT
from pix2pix_jax.core.devices import out_of_memory_as
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.files import atomic_path, no_empty_folders, real_path, refuse_unwritable
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.images.stacked import StackedEncoding
from pix2pix_jax.images.video_files import CONTAINERS, Moment, VideoReader, sound_name
from pix2pix_jax.images.video_writing import SoundError, VideoWriter
from pix2pix_jax.runs.batch_sizes import choose_batch_size
from pix2pix_jax.runs.blending import Blend
from pix2pix_jax.runs.fitting import fitted_size
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.source_files import Image, result_scale
from pix2pix_jax.runs.translation import check_mode, translate

logger = logging.getLogger(__name__)

_MOST_MISSING = 0.5  # seconds; many files state a length that is a little off
_MOST_FRAMES = 32  # that are held at once, on devices whose programs take as many


def translate_video(
    generator: Generator,
    source: str | pathlib.Path,
    output: str | pathlib.Path,
    *,
    mode: str = "paper",
    batch_size: int = 0,
    derive: bool = False,
    blend: float = 0.0,
    on_error: str = "fail",
) -> int:
    """Translate the frames of a video to a video with the same times and the same sound.

    The video appears whole or not at all, and takes the place of an earlier file of its name. All
    frames get the same dropout, drawn from the name of the file, so that nothing flickers. Frames
    are turned upright. A few frames are held at once.

    Args:
        generator: From `load_generator`; its images must be gray or RGB of 8 bits, or Lab.
        source: A video file.
        output: The new file, with a suffix of `video_files.CONTAINERS`. Its folder is created if
            missing.
        mode: `paper` or `deterministic`.
        batch_size: See `translation.translate`.
        derive: As for `image_folders.translate_folder`.
        blend: Share of the result before in each result, see `blending.Blend`.
        on_error: What happens to a damaged frame: `fail` ends the call; `skip` repeats the result
            before and counts it.

    Returns:
        The number of frames written.

    Raises:
        InputError: The video cannot be read or written, is the output, has damaged frames (with
            `skip`: no whole one), or the run's images are not those of a video.
    """
    check_mode(mode)
    if on_error not in ON_FAULT:
        raise InputError(f"on_error={shown(on_error)}: choose from {', '.join(ON_FAULT)}")
    blending, output = Blend(blend, generator.form.written), pathlib.Path(output)
    check_format(generator.form)
    container = container_of(output)
    refuse_unwritable(output.parent)
    if real_path(source) == real_path(output):
        raise InputError(f"--output {output}: would replace the input")
    form, name = generator.form, pathlib.Path(source).name
    size = generator.image_size if generator.fit == "resize" else None
    scale = result_scale(form, derive=derive)

    def convert(images: Sequence[Image]) -> list[Image]:
        sources = [form.source_of(image, name, derive=derive, size=size) for image in images]
        names = [name] * len(images)
        fakes = translate(generator, sources, names=names, mode=mode, batch_size=batch_size)
        # A derived source may have the network's size.
        return [
            form.written.resize(fake, scaled(image.shape[:2], scale))
            for fake, image in zip(fakes, images, strict=True)
        ]

    with (
        VideoReader(source) as video,
        out_of_memory_as("translate the frames at the training's size: --fit resize"),
    ):
        moments = _judged(video.moments(sound=True), video, on_error)
        rows = functools.partial(_rows, generator, batch_size)
        return _write(_translated(moments, convert, rows, blending), video, output, container)


def check_format(form: PairFormat) -> None:
    """Raise InputError unless a run's images can be the frames of a video."""
    if isinstance(form.source, StackedEncoding):
        raise InputError(
            f"this run has {len(form.source.parts)} sources ({', '.join(form.source.names)}), and "
            "a video is one; translate folders of their frames"
        )
    source = form.single if form.is_lab else form.source
    for side, encoding in (("source", source), ("target", form.written)):
        if encoding.dtype != "uint8" or encoding.channels not in (1, 3) or encoding.classes:
            kind = f"{encoding.channels} channels of {encoding.dtype}"
            kind = "classes" if encoding.classes else kind
            raise InputError(
                f"a video has gray or RGB frames of 8 bits, but the {side} of this run has {kind}; "
                "translate a folder of its frames"
            )


def container_of(output: pathlib.Path) -> str:
    """Return FFmpeg's name of the container that a suffix stands for.

    Raises:
        InputError: It stands for none.
    """
    if output.suffix.lower() not in CONTAINERS:
        raise InputError(
            f"--output {output}: a video needs the name of a file; choose a suffix from "
            f"{', '.join(CONTAINERS)}"
        )
    return CONTAINERS[output.suffix.lower()]


def _judged(moments: Iterable[Moment], video: VideoReader, on_error: str) -> Iterator[Moment]:
    """Yield moments; a damaged frame ends it, or it is counted if faults are skipped."""
    counts = {True: 0, False: 0}
    for moment in moments:
        if moment.time is not None:
            damaged = moment.frame is None
            if damaged and on_error == "fail":
                seconds = float(moment.time * video.time_base)
                raise InputError(
                    f"{video.path}: the frame at {seconds:.2f} s is damaged; nothing was written: "
                    "--on_error skip repeats the frame before it"
                )
            counts[damaged] += 1
        yield moment
    if not counts[False]:
        raise InputError(f"{video.path}: has no frames that can be read; the file may be damaged")
    if video.missing > _MOST_MISSING:
        logger.warning(
            "%s: ends %.1f s before the end that it states: it may be cut off",
            *(video.path, video.missing),
        )
    if counts[True]:
        logger.warning(
            "%d of %d frames were damaged, and repeat the one before",
            *(counts[True], sum(counts.values())),
        )


def _rows(generator: Generator, batch_size: int, frame: Image) -> int:
    """Return how many frames are translated, and held, at once."""
    size = fitted_size(generator, frame.shape[:2])
    return min(choose_batch_size(batch_size, size), _MOST_FRAMES)


def _translated(
    moments: Iterable[Moment],
    convert: Callable[[Sequence[Image]], list[Image]],
    rows: Callable[[Image], int],
    blend: Blend,
) -> Iterator[Moment]:
    """Yield the moments with results as their frames, in the same order.

    Args:
        moments: From a reader.
        convert: Translates some frames.
        rows: Returns how many frames of a kind to translate at once.
        blend: What follows.
    """
    last: Image | None = None
    waiting: list[Moment] = []

    def results() -> Iterator[Moment]:
        nonlocal last
        frames = [each.frame for each in waiting if each.frame is not None]
        fakes = iter(convert(frames) if frames else ())
        for moment in waiting:
            if moment.time is None:
                yield moment
                continue
            if moment.frame is not None:
                fake = blend(next(fakes))
                last = np.broadcast_to(fake, (*fake.shape[:2], moment.frame.shape[2]))
            if last is not None:  # nothing is shown before the first whole frame
                yield Moment(moment.time, last)
        waiting.clear()

    for moment in moments:
        waiting.append(moment)
        held = [each.frame for each in waiting if each.frame is not None]
        if held and len(held) >= rows(held[0]):
            yield from results()
    yield from results()


def _write(
    results: Iterable[Moment], video: VideoReader, output: pathlib.Path, container: str
) -> int:
    """Write a video, and return the number of its frames."""
    count, early, writer = 0, list[Any](), None  # early: sound before the first frame
    with contextlib.ExitStack() as stack:
        stack.enter_context(no_empty_folders(output.parent))
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary = stack.enter_context(atomic_path(output))
        bar = stack.enter_context(tqdm(total=video.count or None, unit="frame", disable=None))
        for moment in results:
            if moment.frame is None or moment.time is None:
                early.append(moment.sound)
            else:
                if writer is None:
                    writer = _open(temporary, container, video, moment.frame)
                    stack.enter_context(writer)
                writer.add(moment.frame, moment.time)
                count += 1
                bar.update()
            while writer is not None and early:
                writer.add_sound(early.pop(0))
    return count


def _open(path: pathlib.Path, container: str, video: VideoReader, frame: Image) -> VideoWriter:
    """Open a new video, with the sound if the container can hold it."""
    size = (frame.shape[0], frame.shape[1])
    if any(side % 2 for side in size):
        logger.info("%s has an odd side; the last row or column is repeated", video.path)
    try:
        return VideoWriter(path, container, video, size, video.sounds)
    except SoundError as error:
        codecs = ", ".join(map(sound_name, video.sounds))
        logger.warning(
            "the sound (%s) is left out: %s cannot hold it (%s)", codecs, container, error
        )
        return VideoWriter(path, container, video, size, [])
