"""Take images from a video: every n-th frame, or the faces in it."""

import dataclasses
import itertools
import os
import pathlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import UInt8
from tqdm.auto import tqdm

from pix2pix_jax.core.errors import InputError, require
from pix2pix_jax.data.preparation.output import (
    check_leftovers,
    check_output,
    find_named,
    write_image,
)
from pix2pix_jax.data.preparation.record import OutputRecord
from pix2pix_jax.images import pixels as images

Frame = UInt8[np.ndarray, "_ _ 3"]  # blue, green, red: OpenCV's order
Box = tuple[float, float, float, float]  # left, top, width and height in pixels
Detector = Callable[[Frame], list[Box]]
_CASCADE = "haarcascade_frontalface_default.xml"
_MARGIN = 0.3  # on each side of a face, as a share of its longer side
# Smallest face, as a share of the frame's shorter side: smaller ones found by a cascade are mostly
# mistakes.
_SMALLEST = 0.05
_SURE = 0.7  # lowest score accepted from a detector network
_TOGETHER = 16  # frames in memory


@dataclasses.dataclass(frozen=True)
class Extracted:
    """What became of a video.

    Attributes:
        images: Number of images written.
        frames: Number of frames that could be read.
        claimed: Number of frames according to the video; 0 if it does not say.
    """

    images: int
    frames: int
    claimed: int


def extract_frames(
    video: str,
    output: str,
    *,
    every: int = 1,
    size: int = 0,
    detector: Detector | None = None,
    quality: int = 0,
    overwrite: bool = False,
) -> Extracted:
    """Write frames of a video to `<video>_<frame>.png`, or faces to `<video>_<frame>_<face>.png`.

    Args:
        video: The file.
        output: Folder for the images.
        every: 1 takes all frames, 2 every other one.
        size: Side of the square images: the centre of each frame, or the faces; 0 keeps whole
            frames, and the faces' own sizes.
        detector: Finds faces, see `build_detector`; None to take frames.
        quality: As for `write_image`.
        overwrite: Whether existing files are replaced.

    Returns:
        How many frames were read, and how many images written.

    Raises:
        InputError: The video cannot be read; images of it exist, or would stay beside the new ones;
            and as for `write_image`.
    """
    stem = pathlib.Path(video).stem
    # A face has at most five digits: six are a frame of another video with a longer name.
    there = find_named(output, rf"{re.escape(stem)}_(\d{{6,}})(_\d{{1,5}})?")
    names = dict.fromkeys(pathlib.PurePath(name).stem for name in there)
    record = OutputRecord(output, "frames", (video,))
    check_output(record, list(names), (), overwrite=overwrite)
    faces = detector is not None
    again = [
        name
        for name, match in there.items()
        if int(match[1]) % every == 0 and bool(match[2]) == faces
    ]
    check_leftovers(record, there, again)
    opened = _Video(video)

    def save(job: tuple[str, Frame]) -> None:
        name, frame = job
        rgb = np.ascontiguousarray(frame[..., ::-1])
        path = pathlib.Path(output, f"{stem}_{name}")
        record.add(write_image(path, _fit(rgb, size), quality))

    stream = _jobs(opened.frames(every), detector)
    first = list(itertools.islice(stream, _TOGETHER))
    if not opened.read:
        raise InputError(f"{video}: no frame can be read; is it a video?")
    written = 0
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        with record:
            while chunk := first or list(itertools.islice(stream, _TOGETHER)):
                first = []
                written += len(list(pool.map(save, chunk)))
    finally:
        pool.shutdown(cancel_futures=True)
    return Extracted(written, opened.read, opened.claimed)


class _Video:
    """A video, and how many of its frames were read.

    Attributes:
        claimed: As in `Extracted`.
        read: Number of frames so far.
    """

    def __init__(self, path: str) -> None:
        cv2 = require("cv2", "opencv")
        if not pathlib.Path(path).is_file():
            raise InputError(f"{path}: there is no such file")
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # errors become one line of ours
        self._capture = cv2.VideoCapture(path)
        if not self._capture.isOpened():
            raise InputError(
                f"{path}: cannot be read as a video by OpenCV; convert it to mp4 or avi"
            )
        self.claimed = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        self.read = 0

    def frames(self, every: int) -> Iterator[tuple[int, Frame]]:
        """Yield every n-th frame with its number, behind a progress bar."""
        total = self.claimed or None
        with tqdm(desc="reading", total=total, unit="frame", disable=None, leave=False) as bar:
            while self._capture.grab():
                if self.read % every == 0:
                    good, frame = self._capture.retrieve()
                    if not good:
                        break
                    yield self.read, frame
                self.read += 1
                bar.update()
        self._capture.release()


def _jobs(
    frames: Iterator[tuple[int, Frame]], detector: Detector | None
) -> Iterator[tuple[str, Frame]]:
    """Yield frames, or the faces in them, each with a name."""
    for number, frame in frames:
        if detector is None:
            yield f"{number:06d}", frame
        else:
            for face, box in enumerate(detector(frame)):
                yield f"{number:06d}_{face}", crop_square(frame, box)


def _fit(image: Frame, size: int) -> Frame:
    """Resize the square in the middle of an image; with size 0, return the whole image."""
    if not size:
        return image
    side = min(image.shape[:2])
    return images.resize(images.centre_crop(image, (side, side)), (size, size))


def crop_square(frame: Frame, box: Box) -> Frame:
    """Cut a square around a box, with a margin; it is moved or reduced to fit into the frame."""
    height, width = frame.shape[:2]
    left, top, box_width, box_height = box
    side = round(min(max(box_width, box_height) * (1 + 2 * _MARGIN), height, width))
    first_row = round(min(max(top + (box_height - side) / 2, 0), height - side))
    first_column = round(min(max(left + (box_width - side) / 2, 0), width - side))
    return frame[first_row : first_row + side, first_column : first_column + side]


def build_detector(model: str = "") -> Detector:
    """Build a face detector.

    Args:
        model: ONNX file of YuNet, OpenCV's face detector network; '' for the cascade (Viola and
            Jones, 2001) that comes with OpenCV 4.

    Returns:
        A function that finds the faces in a frame.

    Raises:
        InputError: OpenCV has neither, or the file is not such a network.
    """
    cv2 = require("cv2", "opencv")
    if model:
        return _build_network(cv2, model)
    cascade = pathlib.Path(getattr(getattr(cv2, "data", None), "haarcascades", ""), _CASCADE)
    if not hasattr(cv2, "CascadeClassifier") or not cascade.is_file():
        raise InputError(
            f"--faces: OpenCV {cv2.__version__} has no face detector of its own: pip install "
            "'opencv-python-headless<5', or give a YuNet network with --face_model FILE.onnx"
        )
    classifier = cv2.CascadeClassifier(str(cascade))

    def detect(frame: Frame) -> list[Box]:
        least = max(round(_SMALLEST * min(frame.shape[:2])), 1)
        gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        boxes = classifier.detectMultiScale(gray, 1.1, 5, minSize=(least, least))
        return [_box(values) for values in boxes]

    return detect


def _build_network(cv2: Any, model: str) -> Detector:
    if not pathlib.Path(model).is_file():
        raise InputError(f"--face_model {model}: there is no such file")
    wrong = f"--face_model {model}: not a YuNet network that OpenCV {cv2.__version__} can use"
    try:
        network = cv2.FaceDetectorYN.create(model, "", (320, 320), _SURE)
    except (cv2.error, AttributeError):
        raise InputError(wrong) from None

    def detect(frame: Frame) -> list[Box]:
        network.setInputSize(frame.shape[1::-1])
        try:
            _, faces = network.detect(frame)
        except cv2.error:
            raise InputError(wrong) from None
        return [] if faces is None else [_box(values) for values in faces]

    return detect


def _box(values: np.ndarray) -> Box:
    left, top, width, height = (float(value) for value in values[:4])
    return left, top, width, height
