"""The same images, by every run of a comparison."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from pix2pix_jax.evaluation.run_scores import Options, load_split
from pix2pix_jax.evaluation.scoring import picture_rows
from pix2pix_jax.images.sheets import Picture, Row, draw_sheet
from pix2pix_jax.reports.comparison_runs import Entry
from pix2pix_jax.runs.generator import load_generator


@dataclasses.dataclass(frozen=True)
class Shown:
    """One image as all runs translate it.

    Attributes:
        name: Its name.
        source: Its source, as the first run sees it.
        answers: What each run makes of it.
        target: Its target, as the first run sees it.
    """

    name: str
    source: Picture
    answers: list[Picture]
    target: Picture

    @property
    def all(self) -> list[Picture]:
        """Source, answers, target."""
        return [self.source, *self.answers, self.target]


def choose_images(entries: Sequence[Entry], count: int) -> list[str]:
    """Choose images that all runs were scored on, evenly spread over the first run's.

    Args:
        entries: The runs.
        count: At most so many.

    Returns:
        Their names; none where the runs have no image in common.
    """
    shared = [name for name in entries[0].values if all(name in one.values for one in entries)]
    spread = np.linspace(0, len(shared) - 1, min(count, len(shared)))
    return [shared[number] for number in spread.astype(int)]


def draw_images(entries: Sequence[Entry], names: Sequence[str], options: Options) -> list[Shown]:
    """Let every run translate some images of its own split."""
    rows = []
    for entry in entries:
        generator = load_generator(entry.workdir, entry.step)
        pairs = load_split(entry.workdir, options.split, names)
        every, mode = range(len(names)), options.mode
        rows.append(picture_rows(generator, pairs, every, mode=mode, batch_size=options.batch_size))
    return [
        Shown(name, several[0][0], [row[1] for row in several], several[0][2])
        for name, *several in zip(names, *rows, strict=True)
    ]


def headings(entries: Sequence[Entry]) -> list[str]:
    """Return what stands above the pictures."""
    return ["source", *(entry.label for entry in entries), "target"]


def draw_images_sheet(
    entries: Sequence[Entry], shown: Sequence[Shown]
) -> UInt8[np.ndarray, "h w 3"]:
    """Arrange the images in rows: source, each run, target."""
    return draw_sheet(headings(entries), [Row(one.all) for one in shown])
