"""Which pictures in a run's folder the report shows, and their encoding."""

import dataclasses
import functools
import itertools
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.reports.pages import EncodedPicture, encode_picture

MOST_PICTURES = 21  # of one series: epochs 0, 10, ..., 200
_LARGEST = (1600, 640)  # height and width
_QUALITY = 75
_KEPT_ENCODED = 64
_NAME = re.compile(r"(epoch|step)_(\d+)")
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Sample:
    """A picture in a run's folder `samples`.

    Attributes:
        path: Its file.
        step: Step at which it was drawn.
        label: Its label in the report.
    """

    path: pathlib.Path
    step: float
    label: str


def list_samples(folder: pathlib.Path, steps_of_epochs: Mapping[float, float]) -> list[Sample]:
    """List the pictures of validation pairs in the order of their steps.

    Args:
        folder: The run's `samples`; it may be missing.
        steps_of_epochs: Step at the end of each known epoch; the others are extrapolated.

    Returns:
        Pictures named `epoch_<number>.png` or `step_<number>.png`.
    """
    epoch, step = max(steps_of_epochs.items(), default=(0.0, 0.0))
    steps_per_epoch = step / epoch if epoch else 1.0
    found = []
    for path in folder.glob("*.png"):
        name = _NAME.fullmatch(path.stem)
        if name is None:
            continue
        kind, number = name[1], int(name[2])
        at = float(number)
        if kind == "epoch":
            at = steps_of_epochs.get(number, number * steps_per_epoch)
        found.append(Sample(path, at, f"{kind} {number:,}"))
    return sorted(found, key=lambda sample: sample.step)


def list_final_samples(folder: pathlib.Path) -> list[Sample]:
    """List the pictures of test pairs that a run draws at its end, `test*.png`, by name."""
    return [Sample(path, 0.0, path.stem) for path in sorted(folder.glob("test*.png"))]


def thin(items: Sequence[T], most: int = MOST_PICTURES) -> list[T]:
    """Thin items out evenly: keep every n-th from the first on, and the last.

    Args:
        items: Items in order.
        most: Largest number of items to keep; at least 2.

    Returns:
        The items kept; n is the smallest of 1, 2, 5, 10, 20, 50, ... that suffices.
    """
    stride = next(stride for stride in _strides() if len(items[:-1:stride]) < most)
    return [*items[:-1:stride], *items[-1:]]


def _strides() -> Iterator[int]:
    for power in itertools.count():
        for digit in (1, 2, 5):
            yield digit * 10**power


def encode_all(paths: Sequence[pathlib.Path]) -> dict[pathlib.Path, EncodedPicture | None]:
    """Encode several pictures in parallel; see `encode`."""
    with ThreadPoolExecutor() as pool:  # Pillow releases the GIL
        return dict(zip(paths, pool.map(encode, paths), strict=True))


def encode(path: pathlib.Path) -> EncodedPicture | None:
    """Encode a picture for the report; None if the file is broken or gone.

    Recent pictures stay in memory and are read again only if their file has changed.
    """
    try:
        found = path.stat()
        return _encode(path, found.st_mtime_ns, found.st_size)
    except (InputError, OSError):
        return None


@functools.lru_cache(maxsize=_KEPT_ENCODED)
def _encode(path: pathlib.Path, modified: int, size: int) -> EncodedPicture:
    """Read and encode a picture; the file's time and size tell whether it has changed."""
    return encode_picture(image_files.read(path), _LARGEST, _QUALITY)
