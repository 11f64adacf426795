"""What the files of one side of a data set hold, as far as they are looked at."""

import collections
import contextlib
import dataclasses
import statistics
from collections.abc import Sequence

import numpy as np

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.preparation.layout import Layout, spread
from pix2pix_jax.data.values import Values, measure, merge
from pix2pix_jax.images import no_data
from pix2pix_jax.images.carried import can_hold, read_no_data
from pix2pix_jax.images.label_files import read_colours, read_labels
from pix2pix_jax.images.masked import read_mask_of
from pix2pix_jax.images.pixels import WITH_ALPHA, Picture, Stored, white

LOOKED_AT = 32  # pairs whose pixels are read
_LABELLED = 1000  # label maps that are read for their number of classes
_VOID = 255  # index of pixels without a class
_IF_PAIRS = (
    "; if they are pairs, say how with --config.data.pair_by, or --config.data.folder_a and "
    "--config.data.folder_b"
)
_MOST_CLASSES = 64  # more values are hardly class indices
_MANY_GRAYS = 16  # values without a palette that plain areas must show to be classes
_PLAIN = 0.7  # share of pixels like the one to their right, in label maps
_ROWS = 64  # of an image, in which plain areas are measured
_SAME = 0.0125  # of the range: about 3 of 255, which JPEG files add to plain areas


@dataclasses.dataclass(frozen=True)
class Side:
    """What the files of one side hold, as far as they were looked at.

    Attributes:
        values: The values of its most frequent kind.
        channels: The number of channels that suits all of them.
        note: What to say of other kinds among them; '' if there are none.
        classes: Number of classes if the pixels are class indices; 0 if they are not.
        plain: Share of pixels that hardly differ from the one to their right; more in drawings,
            maps and label maps than in photos.
        no_data: What marks pixels without data, which the values leave out; '' for nothing.
        missing: Share of pixels without data, in [0, 1].
    """

    values: Values
    channels: int
    note: str = ""
    classes: int = 0
    plain: float = 0.0
    no_data: str = ""
    missing: float = 0.0


def describe_side(
    number: int,
    pictures: Sequence[Picture],
    layout: Layout,
    on_error: str,
    *,
    masked: bool = False,
) -> Side:
    """Say what one side's files hold.

    Args:
        number: Number of the side.
        pictures: Some of its files.
        layout: All files.
        on_error: What to do about files of another kind than most: `fail`, or `skip` them.
        masked: Whether classes under the black of masks do not count.

    Raises:
        InputError: They do not go together.
    """
    name = layout.letters[number] if layout.source != "single" else "the images"
    counts = collections.Counter((one.pixels.shape[-1], str(one.pixels.dtype)) for one in pictures)
    kinds = ", ".join(f"{count} x {kind} in {n}" for (count, kind), n in counts.most_common())
    bands = any(one.kind == "bands" for one in pictures)
    channels = {count for count, _ in counts}
    if len({dtype for _, dtype in counts}) > 1 or (bands and len(channels) > 1):
        if on_error == "fail":
            ways = "" if layout.source != "single" else _IF_PAIRS
            raise InputError(
                f"{name}: {kinds} of {len(pictures)} files looked at; all files of a side must be "
                "of one kind: convert the others, or leave them out with "
                f"--config.data.on_error=skip{ways}"
            )
        (usual, _), *_ = counts.most_common(1)
        pictures = [
            one for one in pictures if (one.pixels.shape[-1], str(one.pixels.dtype)) == usual
        ]
        return dataclasses.replace(
            describe_side(number, pictures, layout, on_error, masked=masked),
            note=f"{kinds}; others are skipped",
        )
    images = [one.pixels for one in _most_frequent_first(pictures)]
    mark = _find_mark(number, images, layout)
    good = [no_data.valid(image, mark or None) for image in images]
    values = merge(
        measure(image[held[..., 0]][None]) if mark else measure(image)
        for image, held in zip(images, good, strict=True)
        if held.any()
    )
    if values is None:
        raise InputError(f"{name}: all pixels of {len(images)} files looked at are {mark}, no data")
    wanted, note = _choose_channels(pictures, channels, kinds)
    classes = _count_classes(number, layout, masked) if layout.source == "folders" else 0
    plain = statistics.fmean(
        _plain_share(np.where(held, image, 0)) for image, held in zip(images, good, strict=True)
    )
    missing = 1 - statistics.fmean(held.mean() for held in good)
    return Side(values, wanted, note, classes, plain, mark, missing)


def _find_mark(number: int, images: Sequence[np.ndarray], layout: Layout) -> str:
    """Find out what marks pixels without data: NaN, or what all TIFF files say (GDAL's tag)."""
    if any(image.dtype == np.float32 and np.isnan(image).any() for image in images):
        return "nan"
    if layout.source != "folders":
        return ""
    marks = set()
    for item in spread(layout.items, LOOKED_AT):
        with contextlib.suppress(InputError):  # such files are reported with the others
            marks.add(read_no_data(item.paths[number]))
    mark = marks.pop() if len(marks) == 1 else ""
    return mark if mark and can_hold(images[0].dtype, mark) else ""


def _most_frequent_first(pictures: Sequence[Picture]) -> list[Picture]:
    counts = collections.Counter(one.pixels.shape[-1] for one in pictures)
    (usual, _), *_ = counts.most_common(1)
    return sorted(pictures, key=lambda one: one.pixels.shape[-1] != usual)


def _choose_channels(
    pictures: Sequence[Picture], channels: set[int], kinds: str
) -> tuple[int, str]:
    """Choose the number of channels for a side, and say what becomes of those with others."""
    if any(one.kind == "bands" for one in pictures):
        return min(channels), ""
    alpha = [one for one in pictures if one.kind in WITH_ALPHA]
    opaque = all((one.pixels[..., -1] == white(one.pixels.dtype)).all() for one in alpha)
    colour = any(one.kind in ("RGB", "RGBA") for one in pictures)
    if len(alpha) == len(pictures) and colour and not opaque:
        return 4, ""
    note = f"{kinds} of {len(pictures)} files looked at" if len(channels) > 1 else ""
    if alpha:
        note = note or "alpha is opaque everywhere" if opaque else note
        note += "; what is transparent becomes white" if not opaque else ""
    elif note:
        note += "; gray is repeated to RGB"
    return (3 if colour else 1), note.removeprefix("; ")


def _plain_share(image: Stored) -> float:
    """Return the share of pixels that differ from the one to their right by at most a percent."""
    rough = image[:: max(image.shape[0] // _ROWS, 1)].astype(np.float32)
    span = float(np.ptp(rough)) or 1.0
    if rough.shape[1] < 2:
        return 1.0
    return float((np.abs(np.diff(rough, axis=1)).max(axis=-1) <= _SAME * span).mean())


def _count_classes(number: int, layout: Layout, masked: bool) -> int:
    """Count the classes of a side if its files are label maps; 0 if they are not.

    They are not if an index has another colour in another file, as in pictures whose palettes a
    program has chosen; nor if there are many gray levels and few plain areas, as in dark photos.
    """
    found: set[int] = set()
    colours: dict[int, tuple[int, ...]] = {}
    plain: list[float] = []
    for item in spread(layout.items, _LABELLED):
        try:
            labels = read_labels(item.paths[number])
            own = read_colours(item.paths[number])
            plain += [] if own else [_plain_share(labels)]
            if masked and item.mask is not None:
                labels = labels[read_mask_of(labels, item.mask) > 0]
        except InputError:
            return 0
        if any(colours.setdefault(index, colour) != colour for index, colour in own.items()):
            return 0
        found |= set(np.unique(labels).tolist())
        classes = found - {_VOID}
        if classes and (min(classes) < 0 or max(classes) >= _MOST_CLASSES):
            return 0
    classes = found - {_VOID}
    if len(classes) > _MANY_GRAYS and plain and statistics.fmean(plain) < _PLAIN:
        return 0
    return max(classes) + 1 if len(classes) > 1 else 0
