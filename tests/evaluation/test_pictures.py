import numpy as np
import pytest
from support.runs import tiny_run

from pix2pix_jax.evaluation.metrics.table import METRICS, Metric
from pix2pix_jax.evaluation.pictures import picture_rows, sample_grid, write_contact_sheet
from pix2pix_jax.evaluation.scorecard import Scorecard
from pix2pix_jax.evaluation.scoring import Evaluation
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import generator_of

# An own metric, which the table of metrics does not know.
MISSES = Metric("misses", "own", "low", "", lambda fake, target: np.zeros(len(fake)))


def card_of(metric, values):
    names = tuple(f"{number}.png" for number in range(len(values)))
    found = Evaluation(names, {metric.name: np.array(values, float)}, {metric.name: 0.0})
    return Scorecard({}, found, {})


class Drawer:
    """Draws plain pictures, and remembers for which images."""

    def __init__(self):
        self.asked = []

    def __call__(self, numbers):
        self.asked.extend(numbers)
        return [(np.full((8, 8, 3), 40 * number, np.uint8),) for number in numbers]


@pytest.mark.parametrize(
    ("metric", "order"),
    [
        (METRICS["l1"], [0, 2, 4, 1, 3]),
        (METRICS["ssim"], [3, 1, 4, 2, 0]),
        (MISSES, [0, 2, 4, 1, 3]),
    ],
)
def test_the_contact_sheet_has_best_median_and_worst(tmp_path, metric, order):
    draw = Drawer()
    card = card_of(metric, [0.1, 0.8, 0.2, 0.9, 0.5])
    write_contact_sheet(card, metric, tmp_path, ["ours"], draw, most=1)
    assert draw.asked == [order[0], order[2], order[4]]
    sheet = image_files.read(tmp_path / "contact_sheet.png")
    middles = [sheet[26 + 22 + 80 + row * 186, 80].tolist() for row in range(3)]
    assert middles == [[40 * number] * 3 for number in draw.asked]


def test_images_without_a_value_are_not_on_the_contact_sheet(tmp_path):
    metric, draw = METRICS["class_iou"], Drawer()
    card = card_of(metric, [np.nan, 0.5, 0.25])
    write_contact_sheet(card, metric, tmp_path, ["ours"], draw)
    assert draw.asked == [1, 1, 2]
    write_contact_sheet(card_of(metric, [np.nan]), metric, tmp_path / "b", ["ours"], draw)
    assert not (tmp_path / "b").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return RunFolder(tiny_run(tmp_path_factory.mktemp("runs") / "run"))


def test_rows_show_the_pairs_that_are_asked_for(run):
    generator, pairs = generator_of(run, "latest"), run.load_pairs("test")
    whole = picture_rows(generator, pairs, range(5), mode="paper", batch_size=8)
    some = picture_rows(generator, pairs, [4, 1], mode="paper", batch_size=8)
    for row, number in zip(some, (4, 1), strict=True):
        source, fake, target = row
        np.testing.assert_array_equal(source, pairs[number][0])
        np.testing.assert_array_equal(fake, whole[number][1])
        np.testing.assert_array_equal(target, pairs[number][1])


def test_a_grid_has_no_more_rows_than_there_are_pairs(run):
    generator, pairs = generator_of(run, "latest"), run.load_pairs("val")
    grid = sample_grid(generator, pairs, 9, mode="paper", batch_size=8)
    fewer = sample_grid(generator, pairs, 2, mode="paper", batch_size=8)
    assert len(pairs) == 3
    assert grid.shape == (3 * 32 + 2 * 4, 3 * 32 + 2 * 4, 3)
    np.testing.assert_array_equal(grid[: len(fewer)], fewer)
