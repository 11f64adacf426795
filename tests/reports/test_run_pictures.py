import numpy as np
import pytest
from support.run_files import draw_sample

from pix2pix_jax.images import files as image_files
from pix2pix_jax.reports.run_pictures import encode, encode_all, list_samples, thin


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, []),
        (1, [0]),
        (21, list(range(21))),
        (22, [*range(0, 21, 2), 21]),
        (201, list(range(0, 201, 10))),
        (202, [*range(0, 201, 20), 201]),
    ],
)
def test_many_items_are_thinned_evenly_with_first_and_last(count, expected):
    assert thin(range(count)) == expected


def test_pictures_of_epochs_and_steps_are_in_one_order(tmp_path):
    names = ["epoch_0000", "epoch_0002", "epoch_0009", "step_00000004", "step_00001500"]
    for name in [*names, "training_pairs", "test"]:
        draw_sample(tmp_path, f"{name}.png", 7)
    found = list_samples(tmp_path / "samples", {1.0: 10.0, 2.0: 15.0})
    assert [(sample.label, sample.step) for sample in found] == [
        ("epoch 0", 0),
        ("step 4", 4),
        ("epoch 2", 15),
        ("epoch 9", 67.5),  # as the newest known epoch has it, 7.5 steps each
        ("step 1,500", 1500),
    ]
    assert list_samples(tmp_path / "missing", {}) == []


def test_large_pictures_are_made_small(tmp_path):
    image_files.write(tmp_path / "large.png", np.zeros((1400, 2000, 3), np.uint8))
    image_files.write(tmp_path / "small.png", np.zeros((40, 20, 3), np.uint8))
    large, small = encode(tmp_path / "large.png"), encode(tmp_path / "small.png")
    assert (large.width, large.height) == (640, 448)
    assert (small.width, small.height) == (20, 40)


def test_a_picture_that_has_changed_is_read_again(tmp_path):
    draw_sample(tmp_path, "epoch_0004.png", 9)
    path = tmp_path / "samples" / "epoch_0004.png"
    before = encode(path)
    assert encode(path) is before
    image_files.write(path, np.full((16, 48, 3), 3, np.uint8))
    assert encode(path).height == 16


def test_broken_and_missing_pictures_are_none(tmp_path):
    draw_sample(tmp_path, "epoch_0000.png", 9)
    good = tmp_path / "samples" / "epoch_0000.png"
    half, missing = tmp_path / "half.png", tmp_path / "missing.png"
    half.write_bytes(good.read_bytes()[:60])
    found = encode_all([good, half, missing])
    assert found[good].width == 48
    assert (found[half], found[missing]) == (None, None)
