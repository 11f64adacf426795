"""New video files, frame by frame, with the sound of another one."""

import contextlib
import errno
import os
import pathlib
from typing import Any

import numpy as np

from pix2pix_jax.core.errors import InputError, require
from pix2pix_jax.images.video_files import CONTAINERS, Frame, VideoReader, reason

# So good that nothing is seen of the compression.
_QUALITY = {
    "h264": {"crf": "18"},
    "vp9": {"crf": "24", "b": "0", "cpu-used": "4", "row-mt": "1"},
    "mpeg4": {"qmin": "1", "qmax": "3"},
}
_OF_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_BT709, _LIMITED = 1, 1  # colours of HD video, as H.273 numbers them, in levels from 16 to 235


class SoundError(Exception):
    """The container cannot hold a sound track."""


class VideoWriter:
    """Writes a video, with the sound of another one."""

    def __init__(
        self,
        path: str | os.PathLike,
        container: str,
        like: VideoReader,
        size: tuple[int, int],
        sounds: list[Any],
    ) -> None:
        """Open a new file, for a `with` statement that ends it.

        Args:
            path: The file.
            container: One of the values of `CONTAINERS`.
            like: The video whose times it has.
            size: Height and width of its frames. The codecs need even sides: the last row or
                column is repeated.
            sounds: Those of the tracks of `like` that are copied.

        Raises:
            InputError: This FFmpeg has no encoder for the container.
            SoundError: The container cannot hold one of the sound tracks.
        """
        self._av, self._size = require("av", "video"), size
        self._path, self._frames = pathlib.Path(path), like.rate if container == "avi" else None
        # An AVI has a frame at each multiple of one length, which must not be too short.
        self._own_base = 1 / like.rate if self._frames else like.time_base
        self._last = -1
        self._file = self._av.open(str(self._path.absolute()), "w", format=container)
        with contextlib.ExitStack() as failing:
            failing.callback(self._file.close)
            self._stream = self._add_stream(like, container)
            self._add_sounds(sounds)
            self._begin(sounds)
            failing.pop_all()
        self._time_base = like.time_base

    def _add_sounds(self, sounds: list[Any]) -> None:
        add = self._file.add_stream_from_template
        try:
            self._sounds = {each.index: add(each) for each in sounds}
        except (self._av.FFmpegError, ValueError) as error:
            raise SoundError(reason(error)) from None

    def _add_stream(self, like: VideoReader, container: str) -> Any:
        codec = self._file.default_video_codec
        try:
            stream = self._file.add_stream(
                codec, rate=like.rate, options=dict(_QUALITY.get(codec, {}))
            )
        except (self._av.codec.codec.UnknownCodecError, self._av.FFmpegError, ValueError) as error:
            raise InputError(
                f"no encoder for {codec}, the codec of {container}, in PyAV {self._av.__version__} "
                f"({reason(error)}); choose another suffix for --output: {', '.join(CONTAINERS)}"
            ) from None
        height, width = self._size
        stream.height, stream.width = height + height % 2, width + width % 2
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._own_base
        if like.aspect:
            stream.codec_context.sample_aspect_ratio = like.aspect
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        return stream

    def _begin(self, sounds: list[Any]) -> None:
        """Write the header, which some containers refuse for some sound only now."""
        try:
            self._file.start_encoding()
        except self._av.FFmpegError as error:
            if sounds:
                raise SoundError(reason(error)) from None
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> InputError:
        height, width = self._size
        return InputError(
            f"{self._path.name}: FFmpeg cannot write such a video of {height} x {width} pixels "
            f"(height, width) ({reason(error)}); choose another suffix for --output: "
            f"{', '.join(CONTAINERS)}"
        )

    def add(self, frame: Frame, time: int) -> None:
        """Add a frame.

        Args:
            frame: RGB, of the size of the video.
            time: When it is shown, in units of the time base; later than the one before.
        """
        height, width = self._size
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = self._av.VideoFrame.from_ndarray(even, format="rgb24")
        picture = picture.reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        if self._frames:
            time = max(round(time * self._time_base * self._frames), self._last + 1)
        self._last = time
        picture.pts, picture.time_base = time, self._own_base
        try:
            self._file.mux(self._stream.encode(picture))
        except self._av.FFmpegError as error:
            if isinstance(error, OSError) and error.errno in _OF_DISK:
                raise
            raise self._failure(error) from None

    def add_sound(self, packet: Any) -> None:
        """Copy a packet of a sound track; it is left out if its track is not copied."""
        stream = self._sounds.get(packet.stream.index)
        if stream is not None:
            packet.stream = stream
            self._file.mux(packet)

    def __enter__(self) -> "VideoWriter":
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the file; after an error, without the frames that the codec still holds."""
        try:
            if kind is None:
                self._file.mux(self._stream.encode(None))
        finally:
            self._file.close()
