"""The pictures of a report: which of a run's samples it shows, and as what bytes."""

import base64
import dataclasses
import functools
import io
import itertools
import pathlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files

MOST_PICTURES = 21  # of one series: epochs 0, 10, ..., 200
_LARGEST = (640, 1600)  # width and height
_KEPT_ENCODED = 64
_NAME = re.compile(r"(epoch|step)_(\d+)")
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Sample:
    """A picture in a run's folder `samples`.

    Attributes:
        path: Its file.
        step: Step that it was drawn at.
        label: What it is called in the report.
    """

    path: pathlib.Path
    step: float
    label: str


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A picture as it stands in the report.

    Attributes:
        uri: Its bytes as a `data:` URI.
        width: In pixels.
        height: In pixels.
    """

    uri: str
    width: int
    height: int


def samples(folder: pathlib.Path, steps_of_epochs: dict[float, float]) -> list[Sample]:
    """List the validation pictures of a run in order of their steps.

    Args:
        folder: The run's `samples`; it may be missing.
        steps_of_epochs: Step at the end of each epoch known; of others it is extrapolated.

    Returns:
        Pictures named `epoch_<number>.png` or `step_<number>.png`.
    """
    epoch, step = max(steps_of_epochs.items(), default=(0.0, 0.0))
    per_epoch = step / epoch if epoch else 1.0
    found = []
    for path in folder.glob("*.png"):
        if name := _NAME.fullmatch(path.stem):
            kind, number = name[1], int(name[2])
            guess = number * (per_epoch if kind == "epoch" else 1.0)
            at = steps_of_epochs.get(number, guess) if kind == "epoch" else guess
            found.append(Sample(path, at, f"{kind} {number:,}"))
    return sorted(found, key=lambda sample: sample.step)


def final_samples(folder: pathlib.Path) -> list[Sample]:
    """List the pictures of test pairs that the end of a run leaves, `test*.png`, by name."""
    return [Sample(path, 0.0, path.stem) for path in sorted(folder.glob("test*.png"))]


def thin(items: Sequence[T], most: int = MOST_PICTURES) -> list[T]:
    """Keep at most so many items: every n-th from the first on, and the last.

    Args:
        items: In order.
        most: At least 2.

    Returns:
        The items kept, where n is the smallest of 1, 2, 5, 10, 20, 50, ... that is enough.
    """
    strides = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    stride = next(stride for stride in strides if len(items[:-1:stride]) < most)
    return [*items[:-1:stride], *items[-1:]]


def encode_all(paths: Sequence[pathlib.Path]) -> dict[pathlib.Path, Encoded | None]:
    """Make pictures small, several at once; see `encode`."""
    with ThreadPoolExecutor() as pool:  # Pillow lets other threads run
        return dict(zip(paths, pool.map(encode, paths), strict=True))


def encode(path: pathlib.Path) -> Encoded | None:
    """Make a picture small; None where the file is broken or gone.

    Pictures that have not changed since an earlier call cost nothing.
    """
    try:
        found = path.stat()
        return _encode(path, found.st_mtime_ns, found.st_size)
    except (InputError, OSError):
        return None


@functools.lru_cache(maxsize=_KEPT_ENCODED)
def _encode(path: pathlib.Path, modified: int, size: int) -> Encoded:
    """Read and encode a picture; time and size of its file tell when it is another one."""
    picture = Image.fromarray(image_files.read(path))
    picture.thumbnail(_LARGEST)
    data = io.BytesIO()
    # JPEG takes a tenth of WebP's time. Whole colour channels: label maps have sharp edges.
    picture.save(data, "JPEG", quality=75, subsampling=0)
    text = base64.b64encode(data.getvalue()).decode("ascii")
    return Encoded(f"data:image/jpeg;base64,{text}", *picture.size)
