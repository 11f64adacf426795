"""Video files: their frames as arrays, one after the other, and their sound as it is.

PyAV does the work (FFmpeg's libraries, in its wheel): it tells and takes the time of each frame,
knows how a phone was held, and copies sound without decoding it. OpenCV does none of the three.
"""

import contextlib
import dataclasses
import fractions
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pix2pix_jax.core.errors import InputError, require

# Containers that are written, by FFmpeg's names.
CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
}
_ALSO_READ = (".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv")
SUFFIXES = (*CONTAINERS, *_ALSO_READ)
Frame = UInt8[np.ndarray, "h w 3"]


def is_video(path: str | os.PathLike) -> bool:
    """Return whether a file's name has the suffix of a video."""
    return pathlib.Path(path).suffix.lower() in SUFFIXES


@dataclasses.dataclass(frozen=True)
class Moment:
    """What comes next in a video.

    Attributes:
        time: When a frame is shown, in units of `VideoReader.time_base`; None for sound.
        frame: The frame in RGB, upright; None if it is damaged.
        sound: A packet of a sound track, not decoded; None for frames.
    """

    time: int | None = None
    frame: Frame | None = None
    sound: Any = None


class VideoReader:
    """Reads a video from beginning to end.

    Attributes:
        path: The file.
        time_base: Unit of the times, in seconds.
        rate: Mean number of frames a second.
        count: Number of frames, as far as the file says or its length tells; 0 if neither does.
        sounds: The sound tracks, as PyAV has them.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        """Open a video; `close` it, or use it in a `with` statement.

        Args:
            path: The file.

        Raises:
            InputError: PyAV is missing, or the file is missing, damaged, has no video, or one of a
                codec that this FFmpeg does not know.
        """
        self.path, self._av = pathlib.Path(path), require("av", "video")
        try:
            self._container = self._av.open(str(self.path.absolute()))  # "a:b.mp4" would be a URL
        except (self._av.FFmpegError, OSError) as error:
            raise InputError(f"{path}: cannot be read as a video ({reason(error)})") from None
        with contextlib.ExitStack() as failing:
            failing.callback(self.close)
            self._stream = self._find_stream()
            failing.pop_all()
        stream = self._stream
        self.time_base = stream.time_base or fractions.Fraction(1, 1000)
        self.rate = stream.average_rate or stream.guessed_rate or fractions.Fraction(25)
        seconds = (self._container.duration or 0) / self._av.time_base
        self.count = stream.frames or round(seconds * self.rate)
        self.sounds = list(self._container.streams.audio)
        self._seen = 0.0  # seconds

    def _find_stream(self) -> Any:
        streams = self._container.streams.video
        # The picture on a song's cover is a video of one frame.
        cover = self._av.stream.Disposition.attached_pic
        streams = [stream for stream in streams if not stream.disposition & cover]
        if not streams:
            raise InputError(f"{self.path}: has no video; give an image, or a video with frames")
        if streams[0].codec_context is None:
            raise InputError(
                f"{self.path}: its codec is unknown to FFmpeg as PyAV has it; convert the video to "
                "another one, such as H.264"
            )
        return streams[0]

    def __enter__(self) -> "VideoReader":
        """Return the reader."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    @property
    def missing(self) -> float:
        """How many seconds of the length that the file states were not there, known at its end."""
        stated = (self._container.start_time or 0) + (self._container.duration or 0)
        return max(stated / self._av.time_base - self._seen, 0.0)

    @property
    def aspect(self) -> fractions.Fraction | None:
        """Width over height of a pixel of the upright frames, known after the first; None: 1."""
        return self._aspect

    _aspect: fractions.Fraction | None = None

    def moments(self, *, sound: bool = False) -> Iterator[Moment]:
        """Yield frames by the time at which they are shown, and the sound between them.

        Only one frame is held, besides those that the codec itself needs.

        Args:
            sound: Whether to yield the packets of the sound tracks.
        """
        last, missing = None, list[int]()
        for packet in self._packets(sound=sound):
            if packet is None:  # the file ends too early
                missing.append((last or 0) + 1)
                break
            if packet.stream is not self._stream:
                if packet.dts is not None:
                    yield Moment(sound=packet)
                continue
            try:
                frames = packet.decode()
            except self._av.FFmpegError:
                missing += [] if packet.pts is None else [packet.pts]
                continue
            for frame in frames:
                time = self._time_of(frame, last)
                yield from _damaged(missing, last, time)
                missing = [each for each in missing if each > time]
                last = time
                yield Moment(time, None if frame.is_corrupt else self._upright(frame))
        yield from _damaged(missing, last, None)

    def _packets(self, *, sound: bool) -> Iterator[Any]:
        """Yield packets; None in place of those that a damaged file does not give."""
        packets = self._container.demux([self._stream, *(self.sounds if sound else ())])
        while True:
            try:
                packet = next(packets)
                if packet.pts is not None:
                    end = (packet.pts + (packet.duration or 0)) * packet.time_base
                    self._seen = max(self._seen, float(end))
                yield packet
            except StopIteration:
                return
            except (self._av.FFmpegError, OSError):
                yield None
                return

    def _time_of(self, frame: Any, last: int | None) -> int:
        """Return when a frame is shown; some files do not say, so it follows the one before."""
        step = max(round(1 / (self.rate * self.time_base)), 1)
        if frame.pts is None:
            return 0 if last is None else last + step
        return frame.pts if last is None else max(frame.pts, last + 1)

    def _upright(self, frame: Any) -> Frame:
        quarters = round(frame.rotation / 90) % 4  # counter-clockwise, as NumPy turns
        ratio = self._stream.sample_aspect_ratio
        if ratio:
            self._aspect = 1 / ratio if quarters % 2 else ratio
        return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarters))


def _damaged(missing: list[int], after: int | None, before: int | None) -> Iterator[Moment]:
    """Yield damaged frames that were to be shown between two times, in order."""
    for time in sorted(missing):
        if (after is None or time > after) and (before is None or time < before):
            yield Moment(time)


def sound_name(sound: Any) -> str:
    """Return the name of a sound track's codec, such as `aac`; '' if it is unknown."""
    return sound.codec_context.name if sound.codec_context is not None else ""


def reason(error: Exception) -> str:
    """Return what FFmpeg says of an error, in one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())
