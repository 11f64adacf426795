import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist
from support.pictures import real, smooth, spoiled

from pix2pix_jax.evaluation.metrics.matching import (
    histogram_correlation,
    keypoint_ratio,
    template_matching,
)
from pix2pix_jax.evaluation.metrics.pixel import gray_levels

cv2 = pytest.importorskip("cv2")

CASES = {
    "equal": lambda target: target,
    "spoiled": spoiled,
    "others": lambda target: smooth(5, *target.shape),
    "inverted": lambda target: -target,
    "shifted": lambda target: np.roll(target, 5, axis=2),
    "darker": lambda target: target * 0.5 - 0.4,
}


def gray(image):
    """8-bit gray of one image in [-1, 1], as Pillow rounds it."""
    levels = np.round((image + 1) * 127.5).clip(0, 255).astype(np.uint8)
    if image.shape[-1] == 3:
        return np.array(Image.fromarray(levels).convert("L"))
    return np.round(levels.mean(-1)).astype(np.uint8)


def opencv_histogram_correlation(fake, target):
    histograms = [cv2.calcHist([gray(one)], [0], None, [256], [0, 256]) for one in (fake, target)]
    return cv2.compareHist(*histograms, cv2.HISTCMP_CORREL)


def opencv_template_matching(fake, target):
    return cv2.matchTemplate(gray(fake), gray(target), cv2.TM_CCOEFF_NORMED).item()


def keypoint_ratio_by_all_distances(fake, target):
    sift = cv2.SIFT_create()
    wanted, there = (sift.detectAndCompute(gray(one), None)[1] for one in (target, fake))
    nearest = np.sort(cdist(wanted, there), axis=1)
    return np.mean(nearest[:, 0] < 0.75 * nearest[:, 1])


REFERENCES = {
    histogram_correlation: opencv_histogram_correlation,
    template_matching: opencv_template_matching,
    keypoint_ratio: keypoint_ratio_by_all_distances,
}


def check_against_reference(metric, fake, target, atol):
    reference = REFERENCES[metric]
    expected = [reference(*pair) for pair in zip(fake, target, strict=True)]
    np.testing.assert_allclose(metric(fake, target), expected, atol=atol)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize("metric", list(REFERENCES), ids=lambda metric: metric.__name__)
def test_metric_is_that_of_opencv(metric, case, channels):
    target = smooth(0, 2, 96, 88, channels, detail=30)
    # OpenCV's own correlation of pixels has 4 digits.
    check_against_reference(metric, CASES[case](target), target, 1e-4)


@pytest.mark.parametrize("metric", list(REFERENCES), ids=lambda metric: metric.__name__)
def test_metric_is_that_of_opencv_on_real_images(metric):
    source, target = real("cityscapes/val/*.jpg")
    for fake in (source, spoiled(source, share=0.5)):
        check_against_reference(metric, fake, target, 1e-4)
        check_against_reference(metric, target, fake, 1e-4)


def test_gray_is_the_luma_of_rgb_by_hand():
    red, luma = np.full((1, 20, 20, 3), -1, np.float32), np.full((1, 20, 20, 1), -1, np.float32)
    red[..., 0] = 1
    red[:, :5] = 1
    luma[:] = 76 / 127.5 - 1  # 0.299 of 255
    luma[:, :5] = 1
    assert histogram_correlation(red, np.repeat(luma, 3, -1))[0] == pytest.approx(1)
    blue = red[..., ::-1]
    assert histogram_correlation(blue, np.repeat(luma, 3, -1))[0] < 0.5


def test_equal_images_have_1():
    target = smooth(0, 3, 128, 128, detail=30)
    np.testing.assert_allclose(histogram_correlation(target, target), [1, 1, 1])
    np.testing.assert_allclose(template_matching(target, target), [1, 1, 1])
    np.testing.assert_array_equal(keypoint_ratio(target, target), [1, 1, 1])


def test_a_negative_has_the_opposite_pixels():
    target = smooth(0, 2, 64, 64)
    np.testing.assert_allclose(template_matching(-target, target), [-1, -1], atol=1e-3)


def test_brightness_and_contrast_do_not_matter_to_template_matching():
    target = smooth(0, 2, 64, 64)
    np.testing.assert_allclose(template_matching(target * 0.5 + 0.2, target), [1, 1], atol=1e-3)
    assert (histogram_correlation(target * 0.5 + 0.2, target) < 0.9).all()


def test_a_shift_matters_to_pixels_but_hardly_to_levels_and_keypoints():
    scene = smooth(2, 1, 200, 240, detail=60)
    fake, target = scene[:, :, :192], scene[:, :, 12:204]
    assert histogram_correlation(fake, target)[0] > 0.8
    assert keypoint_ratio(fake, target)[0] > 0.7
    assert template_matching(fake, target)[0] < 0.3


def constant(level, n=1):
    return np.full((n, 48, 48, 3), level / 127.5 - 1, np.float32)


@pytest.mark.parametrize(
    ("levels", "histogram", "template"),
    [((100, 100), 1, 1), ((100, 101), -1 / 255, 0), ((0, 255), -1 / 255, 0)],
)
def test_constant_images_have_the_values_of_the_docstrings(levels, histogram, template):
    fake, target = (constant(level) for level in levels)
    np.testing.assert_allclose(histogram_correlation(fake, target), [histogram])
    np.testing.assert_array_equal(template_matching(fake, target), [template])
    np.testing.assert_array_equal(keypoint_ratio(fake, target), [0])


def test_a_constant_image_against_any_other_has_no_correlation_of_pixels():
    target = smooth(0, 1, 48, 48)
    np.testing.assert_array_equal(template_matching(constant(100), target), [0])
    np.testing.assert_array_equal(template_matching(target, constant(100)), [0])


def test_flat_histograms_are_compared_as_wholes():
    ramp = (np.arange(256, dtype=np.float32) / 127.5 - 1).reshape(1, 16, 16, 1)
    dark = np.full_like(ramp, -1)
    assert histogram_correlation(ramp, ramp[:, ::-1])[0] == 1
    assert histogram_correlation(ramp, dark)[0] == 0
    assert histogram_correlation(dark, ramp)[0] == 0


def test_template_matching_is_exact_where_the_contrast_is_lowest():
    one, other = constant(200), constant(200)
    one[0, 0, 0] = other[0, 5, 5] = 201 / 127.5 - 1
    assert template_matching(one, one)[0] == pytest.approx(1)
    assert template_matching(one, other)[0] == pytest.approx(-1 / (48 * 48 - 1))


def test_images_without_keypoints_have_0_and_others_of_the_batch_their_own_value():
    scene = smooth(2, 2, 48, 48, detail=30)
    fake = np.concatenate([constant(100, 1), scene])
    target = np.concatenate([scene[:1], constant(50), scene[1:]])
    np.testing.assert_array_equal(keypoint_ratio(fake, target), [0, 0, 1])


def test_a_fake_with_too_few_keypoints_for_the_ratio_test_has_0():
    rows, columns = np.mgrid[:64, :64] - 31.0
    blob, dent = (np.exp(-(rows**2 + (columns - shift) ** 2) / 50) for shift in (0, 2))
    spot = (120 + 120 * (blob - 0.6 * dent)).astype(np.uint8)  # lopsided: one orientation
    assert len(cv2.SIFT_create().detect(spot)) == 1
    fake = (spot / np.float32(127.5) - 1).reshape(1, 64, 64, 1)
    target = smooth(2, 1, 64, 64, 1, detail=30)
    assert len(cv2.SIFT_create().detect(gray(target[0]))) > 10
    assert keypoint_ratio(fake, target)[0] == 0


def test_keypoints_are_counted_the_same_each_time():
    target = smooth(0, 2, 128, 128, detail=40)
    fake = spoiled(target)
    first = keypoint_ratio(fake, target)
    for _ in range(3):
        np.testing.assert_array_equal(keypoint_ratio(fake, target), first)
    assert ((first > 0) & (first < 1)).all()


def test_gray_is_that_of_opencv_but_for_its_rounding():
    found = gray_levels(smooth(0, 1, 64, 64))[0]
    levels = np.round((smooth(0, 1, 64, 64)[0] + 1) * 127.5).astype(np.uint8)
    expected = cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert np.mean(found != expected) < 0.01
