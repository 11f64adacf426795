"""What the page needs of one run: its network, some of its held-out pairs, and how it is used."""

import dataclasses
import hashlib
import logging
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.deployment.about import MODE, describe
from pix2pix_jax.deployment.export import DifferenceError, export
from pix2pix_jax.deployment.page_brushes import Brush, colour_name, find_brushes
from pix2pix_jax.deployment.verification import Comparison
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.palettes import Palette, load_palette
from pix2pix_jax.images.stacked import SourceEncoding, StackedEncoding
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator

logger = logging.getLogger(__name__)

MODEL = "generator.onnx"
_EXAMPLES = 8
_LOOKED_AT = 16  # held-out sources whose colours are counted
_GRAY_OR_RGB = (1, 3)
Picture = UInt8[np.ndarray, "_ _ _"]
Pair = tuple[Shaped[np.ndarray, "_ _ _"], Shaped[np.ndarray, "_ _ _"]]


@dataclasses.dataclass(frozen=True)
class PageRun:
    """A run in the page.

    Attributes:
        name: What it is called.
        folder: The run's folder.
        generator: Its generator.
    """

    name: str
    folder: RunFolder
    generator: Generator


def refuse_unshowable(run: PageRun) -> None:
    """Raise InputError unless a browser can read the run's sources and show its results."""
    form = run.generator.form
    if isinstance(form.source, StackedEncoding):
        raise InputError(
            f"{run.folder}: has {len(form.source.parts)} sources ({', '.join(form.source.names)}), "
            "and the page takes one picture; `export --format onnx` writes a file for others"
        )
    if form.scale != 1 and form.derives(derive=False):
        raise InputError(
            f"{run.folder}: makes gray sources of another size from pictures (derive.kind, "
            "data.target_scale), which the page cannot; serve can, and `export --format onnx` "
            "writes a file for other programs"
        )
    if form.source.no_data is not None or form.target.no_data is not None:
        raise InputError(
            f"{run.folder}: marks pixels without data (data.source_no_data, data.target_no_data), "
            "which the page does not know; serve does, and `export --format onnx` writes a file "
            "for other programs"
        )
    if form.is_lab:
        return
    for side, what in ((form.source, "sources"), (form.target, "targets")):
        if side.classes or (side.dtype == "uint8" and side.channels in _GRAY_OR_RGB):
            continue
        raise InputError(
            f"{run.folder}: its {what} have {side.channels} channels of {side.dtype}, and browsers "
            "show gray or RGB of 8 bits; `export --format onnx` writes a file for other programs"
        )


def write_run(run: PageRun, folder: pathlib.Path) -> tuple[dict[str, Any], Comparison]:
    """Write the files of a run.

    Args:
        run: The run.
        folder: Where to write them; it is created.

    Returns:
        What the page has to know, as values of JSON, with paths from the page's folder; and how far
        the network's file is from this package.

    Raises:
        InputError: ONNX cannot hold the network, or the file does not do what this package does.
    """
    folder.mkdir(parents=True)
    found, weights = _write_model(run, folder / MODEL)
    pairs, values = _held_out_pairs(run)
    form, generator = run.generator.form, run.generator
    (side,) = form.source.parts  # others are refused
    numbers = _numbers(generator)
    kind = f"{_kind(side)} {form.derives(derive=False)}{numbers or ''}"
    pictures = [_pictures(run, pair) for pair in pairs]
    sources, targets = [source for source, _ in pictures], [target for _, target in pictures]
    about = describe(run.folder, generator)
    kept = ("network", "step", "multiple", "fit", "pix2pix_jax")
    shown = {name: about[name] for name in kept} | {
        "name": run.name,
        "model": f"{_place(folder)}/{MODEL}",
        "weights": weights,
        "mode": MODE,
        "size": list(generator.image_size),
        "source": _kind(side),
        "target": _kind(form.target),
        "dtype": side.dtype,
        "derived": form.derives(derive=False),
        "scale": form.scale,
        "classes": _class_colours(side),
        "target_classes": _class_colours(form.target),
        "numbers": numbers,
        # The same for runs that share their held-out sources, and for those that share targets.
        "group": _digest(kind, sources),
        "targets": _digest(_kind(form.target), targets),
        "brushes": [dataclasses.asdict(brush) for brush in _brushes(run, sources)],
        "examples": [
            _write_example(run, sides, folder, number) | {"numbers": row}
            for number, (sides, row) in enumerate(zip(pictures[:_EXAMPLES], values, strict=False))
        ],
    }
    return shown, found


def _write_model(run: PageRun, path: pathlib.Path) -> tuple[Comparison, str]:
    """Write the network with kernels of 16 bits, or of 32 if 16 are too few to be equal."""
    try:
        return export(run.folder, run.generator, path, "onnx", weights="float16"), "float16"
    except DifferenceError:
        found = export(run.folder, run.generator, path, "onnx")
    logger.info("%s: float16 would change results; the page has weights of float32", run.folder)
    return found, "float32"


def _numbers(generator: Generator) -> list[dict[str, Any]]:
    """Return what the page has to know about the numbers beside a picture."""
    numbers = generator.numbers
    if numbers is None:
        return []
    rows = zip(numbers.names, numbers.mean, numbers.low, numbers.high, strict=True)
    return [dict(zip(("name", "mean", "low", "high"), row, strict=True)) for row in rows]


def _held_out_pairs(run: PageRun) -> tuple[list[Pair], list[list[float]]]:
    """Return the first validation pairs as stored, and the numbers beside each.

    There are none if they are not there any more.
    """
    try:
        pairs = run.folder.load_pairs("val", cache=False)
        chosen = range(min(_LOOKED_AT, len(pairs)))
        values = [[] if pairs.values is None else pairs.values[n].tolist() for n in chosen]
        return [pairs[number] for number in chosen], values
    except InputError as error:
        logger.warning("%s: the page has no examples, as %s", run.folder, error)
        return [], []


def _write_example(
    run: PageRun, sides: tuple[Picture, Picture], folder: pathlib.Path, number: int
) -> dict[str, Any]:
    """Write the pictures of a pair; return their paths in the page's folder."""
    source, target = sides
    # Users give the photo to colour: the page derives the source, as sample.py does.
    given = target if run.generator.form.derives(derive=False) else source
    written = {}
    for side, picture in (("source", given), ("target", target)):
        name = f"{number + 1}_{side}.png"
        image_files.write(folder / name, picture)
        written[side] = f"{_place(folder)}/{name}"
    return written


def _pictures(run: PageRun, pair: Pair) -> tuple[Picture, Picture]:
    """Return both sides as pictures that the page can turn into the sides again."""
    form = run.generator.form
    if form.is_lab:
        return form.show(*pair)
    source, target = pair[0], form.image_of(pair[1])
    return _picture(form.source, source), _picture(form.target, target)


def _picture(side: SourceEncoding, image: Shaped[np.ndarray, "h w _"]) -> Picture:
    """Return a picture of a side; not by `show` alone, which may choose and swap channels."""
    return side.show(image) if side.parts[0].classes else image


def _place(folder: pathlib.Path) -> str:
    """Return a run's folder as seen from the page's."""
    return f"{folder.parent.name}/{folder.name}"


def _kind(side: Encoding) -> str:
    if side.classes:
        return "classes"
    if side.dtype == "float32":  # the others are refused
        return "lab"
    return "gray" if side.channels == 1 else "rgb"


def _class_colours(side: Encoding) -> list[list[int]]:
    """Return the colours in which class indices are shown; the last is that of no class."""
    if not side.classes:
        return []
    numbers = np.arange(side.classes + 1)[None, :, None]
    colours: list[list[int]] = side.show(numbers)[0].tolist()
    return colours


def _brushes(run: PageRun, sources: list[Picture]) -> list[Brush]:
    """Return the colours to draw with; none if sources are photos."""
    form = run.generator.form
    side = form.source.parts[0]
    if form.derives(derive=False):
        return []
    if not side.classes:
        return find_brushes(sources, _palette(run))
    colours = _class_colours(side)[:-1]
    return [
        Brush((red, green, blue), f"class {number}, {colour_name((red, green, blue))}")
        for number, (red, green, blue) in enumerate(colours)
    ]


def _palette(run: PageRun) -> Palette | None:
    try:
        return load_palette(run.folder.settings.eval.palette)
    except InputError as error:
        logger.warning("%s", error)
        return None


def _digest(kind: str, pictures: Sequence[Picture]) -> str:
    digest = hashlib.sha256(kind.encode())
    for picture in pictures:
        digest.update(picture.tobytes())
    return digest.hexdigest()[:12]
