import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.runs.tiling import Cut, Tiling, blend_rows, choose_cut, cut, make_plan

RNG = np.random.default_rng(0)


def some_cuts():
    """Yield lengths of a side and sizes of tiles."""
    for _ in range(60):
        multiple = int(RNG.choice([4, 8, 32]))
        tile = multiple * int(RNG.integers(2, 12))
        overlap = multiple * int(RNG.integers(0, tile // multiple))
        trim = int(RNG.integers(0, overlap // 2 + 1))
        yield multiple * int(RNG.integers(1, 60)), Cut(tile, overlap, trim, multiple)


@pytest.mark.parametrize(("side", "sizes"), list(some_cuts()))
def test_tiles_cover_a_side_on_the_networks_grid_and_their_weights_add_up_to_one(side, sizes):
    spans, total = cut(side, sizes), np.zeros(side)
    for number, span in enumerate(spans):
        assert span.start % sizes.multiple == 0
        assert span.stop - span.start == min(sizes.tile, side)
        assert 0 <= span.start <= span.first < span.last <= span.stop <= side
        if number:
            assert spans[number - 1].stop - span.start >= sizes.overlap
            assert span.first >= span.start + sizes.trim
            assert spans[number - 1].last <= spans[number - 1].stop - sizes.trim
        total[span.first : span.last] += span.weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_weights_change_smoothly_across_a_border():
    first, second = cut(96, Cut(64, 32, 8, 8))
    assert (first.last, second.first) == (56, 40)
    both = np.concatenate([first.weights[-16:], second.weights[:16]])
    np.testing.assert_allclose(both[:16] + both[16:], 1, atol=1e-6)
    assert np.all(np.diff(both[:16]) < 0)
    assert np.abs(np.diff(both[:16])).max() < 0.11


def test_rows_of_tiles_are_blended_to_the_image_that_they_were_cut_from():
    image = RNG.random((200, 5, 2)).astype(np.float32)
    spans = cut(200, Cut(48, 24, 4, 8))
    parts = (image[span.first : span.last].copy() for span in spans)
    blended = list(blend_rows(parts, spans))
    assert len(blended) == len(spans)
    np.testing.assert_allclose(np.concatenate(blended), image, atol=1e-6)


def test_the_borders_are_in_the_middle_of_what_tiles_share():
    plan = make_plan((64, 160), Cut(64, 16, 4, 8))
    assert (plan.borders, len(plan), plan.tile) == (([], [56, 104]), 3, (64, 64))


@pytest.mark.parametrize(
    ("tiling", "radius", "expected"),
    [
        (Tiling(), 93, Cut(1504, 192, 93, 32)),  # seen by both neighbours: nothing to blend
        (Tiling(), 765, Cut(1504, 384, 96, 32)),  # would cost too much
        (Tiling(), None, Cut(1504, 384, 96, 32)),
        (Tiling(256), 93, Cut(256, 64, 16, 32)),
        (Tiling(256, 200), 93, Cut(256, 224, 93, 32)),
        (Tiling(256, 0), 93, Cut(256, 0, 0, 32)),
        (Tiling(norm="tile"), 93, Cut(1504, 192, 48, 32)),  # tiles differ: they must be blended
    ],
)
def test_sizes_follow_from_the_memory_and_the_network(tiling, radius, expected):
    assert choose_cut(tiling, largest=1530, multiple=32, radius=radius) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((250,), r"--tile 250: .* multiples of 32; choose 224 or 256"),
        ((20,), "choose 32"),
        ((64, 64), r"must be larger than the overlap of 64 .* at least 96, or a smaller"),
        ((32, 16), r"--tile 32: must be larger than the overlap of 32 .* at least 64$"),
        ((-1,), "tile=-1: expected a whole number"),
        ((64, -4), "overlap=-4: expected a whole number"),
        ((64, 0, "all"), "tile_norm='all': choose from whole, running, tile"),
    ],
)
def test_sizes_that_cannot_be_are_one_line(arguments, message):
    with pytest.raises(InputError, match=message):
        choose_cut(Tiling(*arguments), largest=512, multiple=32, radius=21)
