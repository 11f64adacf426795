import jax
import numpy as np
import pytest

from pix2pix_jax.images.color import lab_to_rgb, lab_to_rgb_on_device, rgb_to_lab


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((255, 255, 255), (100, 0, 0)),
        ((119, 119, 119), (50.03, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ],
)
def test_lab_of_known_colours(colour, expected):
    lab = rgb_to_lab(np.array([[colour]], np.uint8))
    assert lab.dtype == np.float32
    np.testing.assert_allclose(lab[0, 0], expected, rtol=0, atol=0.02)


def test_no_colour_is_lost_on_the_way_to_lab_and_back():
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    every_fifth = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(52, -1, 3)
    for image in (every_fifth, noise(256, 256, 3)):
        lab = rgb_to_lab(image)
        np.testing.assert_array_equal(lab_to_rgb(lab[..., :1], lab[..., 1:]), image)


def test_a_batch_is_converted_like_its_images():
    batch = noise(3, 8, 6, 3)
    lab = rgb_to_lab(batch)
    np.testing.assert_array_equal(lab, np.stack([rgb_to_lab(image) for image in batch]))
    np.testing.assert_array_equal(lab_to_rgb(lab[..., :1], lab[..., 1:]), batch)


def test_lab_agrees_with_scikit_image():
    color = pytest.importorskip("skimage.color")
    image = noise(64, 64, 3)
    np.testing.assert_allclose(rgb_to_lab(image), color.rgb2lab(image), rtol=0, atol=0.005)


def test_colours_out_of_gamut_are_clipped_as_opencv_clips_them():
    cv2 = pytest.importorskip("cv2")
    low, span = np.float32([0, -110, -110]), np.float32([100, 220, 220])
    lab = low + span * np.random.default_rng(0).random((64, 64, 3), np.float32)
    found = lab_to_rgb(lab[..., :1], lab[..., 1:])
    assert (found == 0).any()
    assert (found == 255).any()
    expected = cv2.cvtColor(lab, cv2.COLOR_Lab2RGB) * 255
    np.testing.assert_allclose(found, expected, rtol=0, atol=1.01)


def test_the_device_converts_lab_as_the_host_does():
    convert, image = jax.jit(lab_to_rgb_on_device), noise(64, 64, 3)
    lab = rgb_to_lab(image)
    np.testing.assert_array_equal(convert(lab[..., :1], lab[..., 1:]), image)
    lab += np.random.default_rng(1).normal(0, 5, lab.shape).astype(np.float32)
    ours = np.asarray(convert(lab[..., :1], lab[..., 1:])).astype(int)
    difference = ours - lab_to_rgb(lab[..., :1], lab[..., 1:])
    # Powers differ in the last bit, which decides how one level in 40,000 is rounded.
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 3e-4
