"""The same images, translated by every run of a comparison."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from pix2pix_jax.evaluation.pictures import picture_rows
from pix2pix_jax.evaluation.run_scores import ScoringOptions
from pix2pix_jax.images.sheets import Picture, SheetRow, draw_sheet
from pix2pix_jax.reports.comparison_runs import ComparedRun
from pix2pix_jax.runs.generator import generator_of


@dataclasses.dataclass(frozen=True)
class ComparedImage:
    """One image, translated by all runs.

    Attributes:
        name: Its name.
        source: Its source, as the first run sees it.
        translations: The output of each run.
        target: Its target, as the first run sees it.
    """

    name: str
    source: Picture
    translations: list[Picture]
    target: Picture

    @property
    def pictures(self) -> list[Picture]:
        """Source, translations, target."""
        return [self.source, *self.translations, self.target]


def choose_images(runs: Sequence[ComparedRun], count: int) -> list[str]:
    """Choose images on which all runs were scored, evenly spaced in the order of the first run.

    Args:
        runs: The runs.
        count: Largest number of images.

    Returns:
        Their names; empty if the runs have no image in common.
    """
    shared = [name for name in runs[0].values if all(name in run.values for run in runs)]
    spread = np.linspace(0, len(shared) - 1, min(count, len(shared)))
    return [shared[number] for number in spread.astype(int)]


def translate_images(
    runs: Sequence[ComparedRun], names: Sequence[str], options: ScoringOptions
) -> list[ComparedImage]:
    """Let every run translate the same images of its own split.

    Args:
        runs: The runs.
        names: Names of the images.
        options: Split, mode and batch size.
    """
    rows_of_runs = []
    for run in runs:
        rows_of_runs.append(
            picture_rows(
                generator_of(run.folder, run.step),
                run.folder.load_pairs(options.split, names),
                range(len(names)),
                mode=options.mode,
                batch_size=options.batch_size,
            )
        )
    images = []
    for name, *rows in zip(names, *rows_of_runs, strict=True):
        source, _, target = rows[0]
        images.append(ComparedImage(name, source, [row[1] for row in rows], target))
    return images


def picture_headings(runs: Sequence[ComparedRun]) -> list[str]:
    """Return the headings of the pictures: source, each run, target."""
    return ["source", *(run.label for run in runs), "target"]


def draw_image_sheet(
    runs: Sequence[ComparedRun], images: Sequence[ComparedImage]
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw the images in rows: source, each run, target."""
    return draw_sheet(picture_headings(runs), [SheetRow(image.pictures) for image in images])
