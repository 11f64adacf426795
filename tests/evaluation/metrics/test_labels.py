import io
import json

import numpy as np
import pytest
from PIL import Image
from support.pictures import real

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.labels import (
    class_accuracy,
    class_iou,
    confusion,
    count_labels,
    nearest_class,
    pixel_accuracy,
)
from pix2pix_jax.evaluation.metrics.table import METRICS, choose_metrics
from pix2pix_jax.evaluation.tally import Tally
from pix2pix_jax.images.palettes import CITYSCAPES, load_palette

SCORES = (pixel_accuracy, class_accuracy, class_iou)
NAMES = [score.__name__ for score in SCORES]
# Road, sky, void: the first two of three classes, and no class.
R, S, V = CITYSCAPES["road"], CITYSCAPES["sky"], CITYSCAPES["void"]


def picture(*rows):
    return np.array([rows], np.float32) / 127.5 - 1


def cityscapes_maps(seed, n=3, size=24):
    """Draw label maps of all colours in blocks of 4 pixels, as indices and as 8-bit pictures."""
    palette = load_palette("cityscapes")
    blocks = np.random.default_rng(seed).integers(0, len(palette.colours), (n, size, size))
    indices = blocks.repeat(4, axis=1).repeat(4, axis=2)
    return np.minimum(indices, len(palette.classes)), palette.colours[indices]


def to_float(levels):
    return levels.astype(np.float32) / np.float32(127.5) - 1


def scores_by_sets(fake, target, classes):
    """The three scores of one set, class by class."""
    known = target < classes
    accuracy = np.mean(fake[known] == target[known])
    recalls, ious = [], []
    for c in range(classes):
        there, found = (target == c) & known, (fake == c) & known
        recalls += [(there & found).sum() / there.sum()] if there.any() else []
        ious += [(there & found).sum() / (there | found).sum()] if (there | found).any() else []
    return [accuracy, np.mean(recalls), np.mean(ious)]


def test_scores_by_hand():
    target = picture([R, R, R], [S, S, V])
    fake = picture([R, R, S], [S, V, R])  # the last pixel is void in the target: not counted
    palette = load_palette("cityscapes")
    (matrix,) = confusion(fake, target, palette)
    road, sky, void = 0, palette.classes.index("sky"), 19
    assert matrix.shape == (19, 20)
    assert (matrix[road, road], matrix[road, sky]) == (2, 1)
    assert (matrix[sky, sky], matrix[sky, void]) == (1, 1)
    assert matrix.sum() == 5
    assert pixel_accuracy(matrix) == pytest.approx(3 / 5)
    assert class_accuracy(matrix) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert class_iou(matrix) == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_a_class_that_only_the_fake_has_lowers_the_iou_alone():
    target, fake = picture([R, R, R, R]), picture([R, R, R, CITYSCAPES["car"]])
    (matrix,) = confusion(fake, target, load_palette("cityscapes"))
    assert pixel_accuracy(matrix) == class_accuracy(matrix) == pytest.approx(3 / 4)
    assert class_iou(matrix) == pytest.approx((3 / 4 + 0) / 2)


def test_scores_are_those_of_sets_of_pixels():
    (target, target_picture), (other, other_picture) = cityscapes_maps(0), cityscapes_maps(1)
    mixed = np.arange(96) % 3 > 0  # a third of the columns right, two of another map
    fake = np.where(mixed, other, target)
    fake_picture = np.where(mixed[:, None], other_picture, target_picture)
    matrices = confusion(
        to_float(fake_picture), to_float(target_picture), load_palette("cityscapes")
    )
    expected = [scores_by_sets(*pair, 19) for pair in zip(fake, target, strict=True)]
    found = np.stack([score(matrices) for score in SCORES], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    of_set = [score(matrices.sum(axis=0)) for score in SCORES]
    np.testing.assert_allclose(of_set, scores_by_sets(fake, target, 19), rtol=1e-12)


def test_equal_maps_score_1_and_wholly_wrong_ones_0():
    _, levels = cityscapes_maps(0)
    palette = load_palette("cityscapes")
    maps = to_float(levels)
    right, wrong = confusion(maps, maps, palette), confusion(np.full_like(maps, -1), maps, palette)
    for score in SCORES:
        np.testing.assert_array_equal(score(right), [1, 1, 1])
        np.testing.assert_array_equal(score(wrong), [0, 0, 0])


def test_the_score_of_a_set_weighs_pixels_not_images():
    target = np.concatenate([picture([R] * 10), picture([R] + [V] * 9)])
    fake = np.concatenate([picture([R] * 10), picture([S] * 10)])
    tally = Tally(choose_metrics(NAMES))
    values = tally.add(fake, target)
    np.testing.assert_array_equal(values["pixel_accuracy"], [1, 0])
    assert tally.scores()["pixel_accuracy"] == pytest.approx(10 / 11)


def test_a_target_without_any_class_has_no_score_and_leaves_the_set_alone():
    target = np.concatenate([picture([R, S]), picture([V, V])])
    tally = Tally(choose_metrics(NAMES))
    values = tally.add(target, target)
    for name in NAMES:
        np.testing.assert_array_equal(values[name], [1, np.nan])
    assert set(tally.scores().values()) == {1.0}


def test_the_nearest_colour_is_that_of_a_search():
    palette = load_palette("cityscapes")
    levels = np.random.default_rng(0).integers(0, 256, (500, 3), np.uint8)
    distances = np.linalg.norm(levels[:, None] - palette.colours[None].astype(np.float64), axis=-1)
    expected = np.minimum(distances.argmin(axis=1), 19)
    np.testing.assert_array_equal(nearest_class(levels, palette), expected)
    assert {*expected} == set(range(20))


def test_each_colour_is_nearest_to_itself():
    palette = load_palette("cityscapes")
    np.testing.assert_array_equal(nearest_class(palette.colours, palette), [*range(19)] + [19] * 10)


def test_gray_maps_are_read_by_a_palette_of_grays(tmp_path):
    path = tmp_path / "gray.json"
    path.write_text(json.dumps({"low": [0, 0, 0], "high": [255, 255, 255]}))
    target = np.array([[[[-1.0], [-0.9], [0.9], [1.0]]]], np.float32)
    (matrix,) = confusion(-target, target, load_palette(path))
    np.testing.assert_array_equal(matrix, [[0, 2, 0], [2, 0, 0]])


def test_indices_outside_the_classes_are_void():
    target = np.array([0, 1, 1, 255, 2, -1])
    fake = np.array([0, 255, -1, 0, 0, 0])
    np.testing.assert_array_equal(count_labels(fake, target, 2), [[1, 0, 0], [0, 0, 2]])
    narrow = count_labels(np.array([199], np.uint8), np.array([199], np.uint8), 200)
    assert narrow[199, 199] == 1  # uint8 would have overflown


def test_jpeg_blurs_colours_but_hardly_labels():
    _, levels = cityscapes_maps(0)
    # Blocks of 16 pixels, as large as JPEG's own.
    levels = levels[:, ::4, ::4].repeat(16, axis=1).repeat(16, axis=2)
    saved = []
    for one in levels:
        file = io.BytesIO()
        Image.fromarray(one).save(file, format="JPEG", quality=90)
        saved.append(np.array(Image.open(file)))
    assert (np.stack(saved) != levels).any(axis=-1).mean() > 0.5
    matrices = confusion(to_float(np.stack(saved)), to_float(levels), load_palette("cityscapes"))
    assert pixel_accuracy(matrices).min() > 0.9


def test_real_maps_are_mostly_near_their_colours():
    _, maps = real("cityscapes/val/*.jpg", 4)
    palette = load_palette("cityscapes")
    matrices = confusion(maps, maps, palette)
    np.testing.assert_array_equal(pixel_accuracy(matrices), np.ones(4))
    levels = np.rint((maps + 1) * 127.5)
    distances = np.linalg.norm(levels[..., None, :] - palette.colours, axis=-1).min(axis=-1)
    assert np.mean(distances < 15) > 0.7
    assert matrices.sum() / maps[..., 0].size > 0.7  # the rest is void
    road = matrices.sum(axis=(0, 2))[0] / matrices.sum()
    assert 0.2 < road < 0.6
    shifted = confusion(np.roll(maps, 8, axis=2), maps, palette)
    accuracy, iou = pixel_accuracy(shifted.sum(axis=0)), class_iou(shifted.sum(axis=0))
    assert 0.6 < accuracy < 0.95
    assert iou < accuracy


@pytest.mark.parametrize("channels", [2, 4, 19])
def test_other_channels_than_gray_or_rgb_are_refused(channels):
    maps = np.zeros((1, 4, 4, channels), np.float32)
    with pytest.raises(InputError, match=f"images of {channels} channels"):
        confusion(maps, maps, load_palette("cityscapes"))


def test_all_label_metrics_are_offered():
    assert [name for name, metric in METRICS.items() if metric.kind == "labels"] == NAMES
