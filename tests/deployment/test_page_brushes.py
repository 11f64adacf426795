"""The colours that a visitor of the page draws with."""

import io

import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.deployment.page_brushes import find_brushes
from pix2pix_jax.images.palettes import Palette


def with_jpeg(picture):
    """Compress a picture and read it again: its colours are no longer exact."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=90)
    return np.asarray(Image.open(data))


def label_map(colours, seed=0):
    rng = np.random.default_rng(seed)
    areas = np.array(colours, np.uint8)[rng.integers(0, len(colours), (4, 4))]
    areas[0, : len(colours) - 1] = colours[1:]  # each at least once
    areas[1:, :2] = colours[0]
    return np.kron(areas, np.ones((16, 16, 1), np.uint8))


def test_the_colours_of_label_maps_are_found_the_most_frequent_first():
    colours = [(0, 0, 220), (250, 80, 0), (0, 130, 250)]
    brushes = find_brushes([with_jpeg(label_map(colours, seed)) for seed in range(3)])
    assert len(brushes) == 3
    found = np.array([brush.colour for brush in brushes])
    assert np.abs(found[0] - colours[0]).max() <= 3
    assert {brush.name for brush in brushes} == {"mediumblue", "orangered", "dodgerblue"}


def test_a_rare_colour_counts_unless_it_is_a_trace_of_another_one():
    picture = label_map([(0, 0, 220), (250, 80, 0)]).copy()
    picture[-8:, -8:] = (30, 250, 220)
    picture[-8:, -16:-8] = (0, 20, 220)
    assert (30, 250, 220) in {brush.colour for brush in find_brushes([picture])}
    assert (0, 20, 220) not in {brush.colour for brush in find_brushes([picture])}


def test_a_palette_that_explains_the_colours_names_them_and_adds_the_rare_ones():
    colours = [(0, 0, 220), (250, 80, 0), (0, 130, 250)]
    palette = Palette(("road", "sky", "car", "bus"), np.array([*colours, (9, 9, 9)], np.uint8))
    brushes = find_brushes([with_jpeg(label_map(colours))], palette)
    assert {brush.name: brush.colour for brush in brushes} == {
        "road": colours[0],
        "sky": colours[1],
        "car": colours[2],
        "bus": (9, 9, 9),
    }
    other = Palette(("a", "b"), np.array([(0, 0, 220), (250, 0, 250)], np.uint8))
    assert "a" not in {brush.name for brush in find_brushes([label_map(colours)], other)}


@pytest.mark.parametrize(("paper", "pen"), [(255, 0), (0, 255)])
def test_a_sketch_has_paper_and_a_pen(paper, pen):
    sketch = np.full((64, 64, 1), paper, np.uint8)
    sketch[20, 5:60] = sketch[5:60, 33] = pen
    brushes = find_brushes([sketch])
    assert [brush.colour for brush in brushes] == [(paper,) * 3, (pen,) * 3]
    assert find_brushes([np.full_like(sketch, paper)]) == brushes  # nothing is drawn on it


def test_photos_are_not_drawn():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(noise).resize((64, 64)))
    assert find_brushes([smooth]) == []
    assert find_brushes([rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)]) == []
    assert find_brushes([]) == []
