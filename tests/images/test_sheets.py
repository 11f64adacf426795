import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.images.sheets import SheetRow, draw_sheet, fit, grid


def plain(level, height=160, width=160, channels=3):
    return np.full((height, width, channels), level, np.uint8)


def test_cells_form_a_grid_below_their_headings():
    sheet = draw_sheet(
        ["a", "b"], [SheetRow([plain(10), plain(20)]), SheetRow([plain(30), plain(40)])]
    )
    assert sheet.shape == (6 + 22 + 2 * (160 + 6), 6 + 2 * (160 + 6), 3)
    top, left = 6 + 22, 6
    for row, column, level in ((0, 0, 10), (0, 1, 20), (1, 0, 30), (1, 1, 40)):
        y, x = top + row * 166, left + column * 166
        np.testing.assert_array_equal(sheet[y : y + 160, x : x + 160], level)
    assert sheet[:top, : left + 160].min() < 100  # the heading
    assert (sheet[-6:] == 255).all()


def test_a_caption_takes_a_line_of_its_own():
    without, with_one = (
        draw_sheet(["a"], [SheetRow([plain(9)], text)]) for text in ("", "worst: x")
    )
    assert with_one.shape[0] == without.shape[0] + 22
    assert with_one[28:50].min() < 100
    np.testing.assert_array_equal(with_one[50:210, 6:166], 9)


def test_long_text_is_cut_at_the_edge_of_its_cell():
    sheet = draw_sheet(["x" * 500, ""], [SheetRow([plain(255), plain(255)], "y" * 500)])
    ink = np.argwhere(sheet.min(axis=-1) < 200)
    headings, captions = ink[ink[:, 0] < 28], ink[ink[:, 0] >= 28]
    assert 140 < headings[:, 1].max() < 6 + 160 + 2
    assert 300 < captions[:, 1].max() < sheet.shape[1] - 4


def test_names_that_are_not_utf_8_can_be_drawn():
    draw_sheet(
        ["\udcff\u2713"], [SheetRow([plain(0)], b"caf\xe9.png".decode(errors="surrogateescape"))]
    )


@pytest.mark.parametrize(
    ("sizes", "cell"),
    [
        ([(32, 32)], (160, 160)),
        ([(64, 32)], (192, 96)),  # a whole factor
        ([(300, 200)], (300, 200)),
        ([(1000, 500)], (400, 200)),
    ],
)
def test_small_cells_are_enlarged_by_whole_factors_and_large_ones_made_smaller(sizes, cell):
    sheet = draw_sheet(["a"] * len(sizes), [SheetRow([plain(0, *size) for size in sizes])])
    assert sheet.shape[:2] == (cell[0] + 6 + 22 + 6, len(sizes) * (cell[1] + 6) + 6)


def test_a_column_of_wide_pictures_leaves_the_others_as_narrow_as_they_are():
    sheet = draw_sheet(["a", "b"], [SheetRow([plain(0, 64, 132), plain(0, 64, 64)])])
    assert sheet.shape[:2] == (192 + 6 + 22 + 6, 3 * 132 + 3 * 64 + 3 * 6)


def test_enlarging_by_a_whole_factor_keeps_pixels_sharp():
    small = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    grown = np.asarray(fit(small, 12, 12))
    np.testing.assert_array_equal(grown, small.repeat(3, axis=0).repeat(3, axis=1))


def test_a_picture_keeps_its_aspect_ratio_in_a_larger_cell():
    assert fit(plain(0, 20, 10), 160, 160).size == (80, 160)
    assert fit(plain(0, 1, 1000), 100, 100).size == (100, 1)


def test_gray_pictures_become_rgb():
    gray = fit(plain(7, channels=1), 160, 160)
    assert isinstance(gray, Image.Image)
    np.testing.assert_array_equal(np.asarray(gray), plain(7))


def test_grid_places_images_in_rows_on_white():
    levels = [[10, 20, 30], [40, 50]]
    rows = [[np.full((3, 5, 3), level, np.uint8) for level in row] for row in levels]
    found = grid(rows, gap=2)
    assert found.shape == (3 + 2 + 3, 5 + 2 + 5 + 2 + 5, 3)
    expected = np.full(found.shape, 255)
    for top, row in zip((0, 5), levels, strict=True):
        for left, level in zip((0, 7, 14), row, strict=False):
            expected[top : top + 3, left : left + 5] = level
    np.testing.assert_array_equal(found, expected)


def test_grid_shows_gray_beside_rgb():
    gray, colour = (
        np.random.default_rng(0).integers(0, 256, (4, 4, channels), np.uint8) for channels in (1, 3)
    )
    found = grid([[gray, colour]], gap=0)
    np.testing.assert_array_equal(found, np.hstack([np.repeat(gray, 3, -1), colour]))
