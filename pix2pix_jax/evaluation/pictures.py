"""Pictures of an evaluation: rows of source, ours and target, and the contact sheet."""

import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8

from pix2pix_jax.core.errors import one_line
from pix2pix_jax.data.pairs import Chosen, Pairs
from pix2pix_jax.evaluation.metrics.table import Metric
from pix2pix_jax.evaluation.scorecard import Scorecard
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.sheets import Picture, SheetRow, draw_sheet, grid
from pix2pix_jax.runs.batch_sizes import choose_batch_size
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.translation import translate_batch

SHEET_FILE = "contact_sheet.png"


def sample_grid(
    generator: Generator, pairs: Pairs, count: int, *, mode: str, batch_size: int
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw the first pairs as rows: source, ours, target.

    Args:
        generator: The generator.
        pairs: Pairs of the generator's size.
        count: Number of rows, if there are as many pairs.
        mode: `paper` or `deterministic`.
        batch_size: Images per batch.

    Returns:
        One RGB image.
    """
    first = range(min(count, len(pairs)))
    return grid(picture_rows(generator, pairs, first, mode=mode, batch_size=batch_size))


def picture_rows(
    generator: Generator, pairs: Pairs, numbers: Sequence[int], *, mode: str, batch_size: int
) -> list[tuple[Picture, ...]]:
    """Make pictures of some pairs: source, ours, target.

    Args:
        generator: The generator.
        pairs: Pairs of the generator's size.
        numbers: Numbers of the pairs.
        mode: `paper` or `deterministic`.
        batch_size: Images per batch; 0: see `choose_batch_size`. With the batch size of an
            evaluation, nothing is compiled again.

    Returns:
        Three pictures for each pair.
    """
    chosen, batch_size = Chosen(pairs, numbers), choose_batch_size(batch_size, pairs.size)
    rows: list[tuple[Picture, ...]] = []
    for start in range(0, len(chosen), batch_size):
        some = range(start, min(start + batch_size, len(chosen)))
        source, target = (np.stack(side) for side in zip(*(chosen[n] for n in some), strict=True))
        names = [pairs.names[numbers[n]] for n in some]
        beside = pairs.beside([numbers[n] for n in some])
        fake = translate_batch(generator, source, names, mode=mode, batch_size=batch_size, **beside)
        stored = pairs.form.target.from_network(fake)
        for one, ours, theirs in zip(source, stored, target, strict=True):
            # An answer is without data where its source is, whatever its values are.
            missing = pairs.form.source.no_data is not None
            counts = pairs.form.known(one, ours.shape[:2]) if missing else None
            source_picture, fake_picture = pairs.form.show(one, ours, counts)
            _, target_picture = pairs.form.show(one, theirs)
            rows.append((source_picture, fake_picture, target_picture))
    return rows


def write_contact_sheet(
    card: Scorecard,
    metric: Metric,
    output: pathlib.Path,
    headings: Sequence[str],
    draw: Callable[[list[int]], Sequence[Sequence[Picture]]],
    *,
    most: int = 3,
) -> None:
    """Write `contact_sheet.png`: the best, the median and the worst images by a metric.

    Nothing is written if no image has a value.

    Args:
        card: The scores.
        metric: One of the metrics of images that were scored; images without a value are left out.
        output: Folder.
        headings: Headings of the pictures of an image.
        draw: Makes the pictures of images, given their numbers.
        most: Largest number of images of each kind.
    """
    values = card.evaluation.values[metric.name]
    order = np.argsort(values if metric.best == "low" else -values, kind="stable")
    order = order[~np.isnan(values[order])].tolist()
    if not order:
        return
    count = min(most, -(-len(order) // 3))
    middle = (len(order) - count) // 2
    kinds = {
        "best": order[:count],
        "median": order[middle : middle + count],
        "worst": order[-count:],
    }
    numbers = [number for chosen in kinds.values() for number in chosen]
    captions = [
        one_line(f"{kind}: {metric.name} {values[number]:.4g}, {card.evaluation.names[number]}")
        for kind, chosen in kinds.items()
        for number in chosen
    ]
    pairs = zip(draw(numbers), captions, strict=True)
    sheet = draw_sheet(headings, [SheetRow(pictures, caption) for pictures, caption in pairs])
    image_files.write(output / SHEET_FILE, sheet)
